"""The audit log, in pages, with filters. An admin with a scope sees only what this user has done."""

from __future__ import annotations

from starlette.responses import Response

from assist_cli import codes
from assist_cli.errors import AssistError, InvalidParameter
from assist_cli.model import ids, past
from assist_cli.model.audit import DONE, AuditFilter
from assist_cli.model.names import quoted
from assist_cli.operations.history import audit
from assist_cli.web.paging import following
from assist_cli.web.visit import Visit, status_of

SIZE = 100  # entries of a page
PLACES = {ids.Kind.INVOCATION: "/invocations/", ids.Kind.FILE: "/files/"}  # the pages of subjects that are ids


def listing(visit: Visit) -> Response:
    given = {name: visit.query(name) for name in ("since", "actor", "action")}
    before, error, found = visit.number("after"), None, []
    try:
        wanted = _filter(visit, given, before or None)
        found = audit.entries(visit.controller, limit=SIZE + 1, wanted=wanted)
    except AssistError as refusal:
        error = refusal
    kept = {name: value for name, value in given.items() if value}
    last = str(found[:SIZE][-1].number) if found else ""
    options = "".join(f" --{name} {quoted(value)}" for name, value in kept.items())
    return visit.page(
        "audit/list.html",
        status=status_of(error) if error else 200,
        error=error,
        page=following(found, SIZE, last, kept, begins=not before),
        given=given,
        filtered=bool(kept),
        done=DONE,
        shortened=ids.shortened,
        link_of=_link_of,
        command=f"assist audit list{options}",
    )


def _link_of(subject: str) -> str:
    """Return the path of the page of a subject; empty if it has none."""
    return next((f"{path}{subject}" for kind, path in PLACES.items() if ids.is_prefix(subject, kind)), "")


def _filter(visit: Visit, given: dict[str, str], before: int | None) -> AuditFilter:
    """Return the filter of the query, within what the user may see. Raises InvalidParameter."""
    now, since = visit.controller.now(), None
    if given["since"]:
        try:
            since = past.moment(given["since"], now)
        except ValueError as error:
            raise InvalidParameter(
                f"cannot filter the audit log: {error}",
                hint="without a time there are all entries",
                code=codes.INVALID_PARAMETER,
            ) from None
    login = ""
    if visit.me.scope:
        login = visit.controller.actor.login
        since = visit.me.created if since is None else max(since, visit.me.created)
    return AuditFilter(since, given["actor"], login, given["action"], before)
