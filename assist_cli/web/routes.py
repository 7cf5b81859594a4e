"""The table of routes: method, path, the role that it needs, and the function that answers it.

A test walks this table: every route refuses visitors without a session and users with a lower role.
"""

from __future__ import annotations

from dataclasses import dataclass

from assist_cli.model.access import Role
from assist_cli.web.pages import (
    account,
    audit,
    commands,
    comparisons,
    enrolments,
    files,
    groups,
    home,
    instances,
    invocations,
    keys,
    queue,
    records,
    run,
    schedules,
    search,
    users,
)
from assist_cli.web.visit import Handler

FORM_BYTES = 1 << 20  # of a form, unless its route has another limit
LOGIN_BYTES = 64 << 10  # of a form that anybody can send

VIEWER, OPERATOR, ADMIN = Role.VIEWER, Role.OPERATOR, Role.ADMIN


@dataclass(frozen=True)
class PageRoute:
    """A route. ``needs`` is None for one that needs no session. ``answer`` runs in a thread.

    With ``whole`` it is only for users without a scope. HEAD is refused without ``has_head``.
    """

    method: str
    path: str
    needs: Role | None
    answer: Handler
    most: int = FORM_BYTES
    whole: bool = False
    has_head: bool = True


@dataclass(frozen=True)
class StreamRoute:
    """A route with an event stream: its ``answer`` runs in a thread, and the answer itself in the event loop."""

    path: str
    needs: Role
    answer: Handler
    method: str = "GET"
    has_head: bool = False


ROUTES: tuple[PageRoute | StreamRoute, ...] = (
    PageRoute("GET", "/login", None, account.login_form),
    PageRoute("POST", "/login", None, account.log_in, most=LOGIN_BYTES),
    PageRoute("GET", "/open/{token}", None, account.open_link, has_head=False),
    PageRoute("POST", "/logout", VIEWER, account.log_out),
    PageRoute("GET", "/", VIEWER, home.overview),
    PageRoute("GET", "/run", OPERATOR, run.form),
    PageRoute("POST", "/run", OPERATOR, run.run),
    PageRoute("GET", "/run/preview", OPERATOR, run.form),  # the address of a preview that is loaded again
    PageRoute("POST", "/run/preview", OPERATOR, run.preview),
    PageRoute("GET", "/run/targets", OPERATOR, run.targets),
    PageRoute("GET", "/run/due", OPERATOR, run.due),
    PageRoute("GET", "/commands", VIEWER, commands.listing),
    PageRoute("POST", "/commands", ADMIN, commands.create),
    PageRoute("GET", "/commands/@new", ADMIN, commands.new),  # the name of a command has no @
    PageRoute("GET", "/commands/{name}", VIEWER, commands.show),
    PageRoute("POST", "/commands/{name}", ADMIN, commands.save),
    PageRoute("GET", "/commands/{name}/edit", ADMIN, commands.edit),
    PageRoute("GET", "/commands/{name}/diff", VIEWER, commands.diff),
    PageRoute("POST", "/commands/{name}/rollback", ADMIN, commands.roll_back),
    PageRoute("GET", "/commands/{name}/delete", ADMIN, commands.ask_delete),
    PageRoute("POST", "/commands/{name}/delete", ADMIN, commands.delete),
    PageRoute("GET", "/instances", VIEWER, instances.listing),
    PageRoute("GET", "/instances/{id}", VIEWER, instances.show),
    PageRoute("GET", "/instances/{id}/status", VIEWER, instances.status),
    PageRoute("POST", "/instances/{id}/tags", ADMIN, instances.tag),
    PageRoute("GET", "/invocations", VIEWER, invocations.listing),
    PageRoute("GET", "/invocations/{id}", VIEWER, invocations.show),
    StreamRoute("/invocations/{id}/stream", VIEWER, records.stream),
    PageRoute("GET", "/invocations/{id}/records/{record}", VIEWER, records.record),
    PageRoute("GET", "/invocations/{id}/records/{record}/output", VIEWER, records.raw),
    PageRoute("GET", "/invocations/{id}/diff", VIEWER, comparisons.diff),
    PageRoute("GET", "/invocations/{id}/compare", VIEWER, comparisons.compare_outputs),
    PageRoute("GET", "/invocations/{id}/stop", OPERATOR, invocations.stop_form),
    PageRoute("POST", "/invocations/{id}/stop", OPERATOR, invocations.stop_it),
    PageRoute("GET", "/schedules", VIEWER, schedules.listing),
    PageRoute("GET", "/schedules/{id}", VIEWER, schedules.show),
    PageRoute("POST", "/schedules/{id}/pause", OPERATOR, schedules.pause),
    PageRoute("POST", "/schedules/{id}/resume", OPERATOR, schedules.resume),
    PageRoute("POST", "/schedules/{id}/stop", OPERATOR, schedules.end),
    PageRoute("GET", "/queue", VIEWER, queue.listing),
    PageRoute("POST", "/queue/drop", OPERATOR, queue.drop),
    PageRoute("GET", "/search", VIEWER, search.results),
    PageRoute("GET", "/groups", VIEWER, groups.listing),
    PageRoute("POST", "/groups", ADMIN, groups.add, whole=True),
    PageRoute("POST", "/groups/remove", ADMIN, groups.remove, whole=True),
    PageRoute("GET", "/enrolments", ADMIN, enrolments.listing, whole=True),
    PageRoute("POST", "/enrolments", ADMIN, enrolments.create, whole=True),
    PageRoute("POST", "/enrolments/{id}/disable", ADMIN, enrolments.disable, whole=True),
    PageRoute("POST", "/enrolments/{id}/delete", ADMIN, enrolments.delete, whole=True),
    PageRoute("GET", "/enroll/{token}", None, enrolments.download),
    PageRoute("GET", "/files", VIEWER, files.listing),
    PageRoute("POST", "/files", OPERATOR, files.send),
    PageRoute("GET", "/files/send", OPERATOR, files.form),
    PageRoute("POST", "/files/send", OPERATOR, files.preview, most=files.UPLOAD_BYTES),
    PageRoute("GET", "/files/{id}", VIEWER, files.show),
    PageRoute("GET", "/audit", ADMIN, audit.listing),
    PageRoute("GET", "/keys", ADMIN, keys.listing, whole=True),
    PageRoute("POST", "/keys", ADMIN, keys.create, whole=True),
    PageRoute("POST", "/keys/{id}/disable", ADMIN, keys.disable, whole=True),
    PageRoute("POST", "/keys/{id}/enable", ADMIN, keys.enable, whole=True),
    PageRoute("POST", "/keys/{id}/delete", ADMIN, keys.delete, whole=True),
    PageRoute("GET", "/users", ADMIN, users.listing, whole=True),
    PageRoute("POST", "/users", ADMIN, users.add, whole=True),
    PageRoute("POST", "/users/{id}/disable", ADMIN, users.disable, whole=True),
    PageRoute("POST", "/users/{id}/enable", ADMIN, users.enable, whole=True),
    PageRoute("POST", "/users/{id}/remove", ADMIN, users.remove, whole=True),
    PageRoute("POST", "/users/{id}/password", ADMIN, users.set_password, whole=True),
)
