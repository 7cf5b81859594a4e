"""Users of the console: list, add, disable, enable, remove, and set a password. For admins without a scope.

The user of the home is not among them, and cannot be disabled: ``assist console open`` always works.
"""

from __future__ import annotations

from starlette.responses import Response

from assist_cli import codes
from assist_cli.errors import AssistError, Conflict, InvalidParameter, NotFound
from assist_cli.model.access import Role, User, role_from_word
from assist_cli.model.secret import Secret
from assist_cli.operations.access import users
from assist_cli.web.visit import Visit, status_of


def listing(visit: Visit) -> Response:
    return _page(visit)


def add(visit: Visit) -> Response:
    scope = visit.given("scope").strip()
    try:
        role, password = role_from_word(visit.given("role")), _password(visit)
        name = visit.given("name").strip()
        users.add(visit.controller, name, password, role, (scope,) if scope else (), also=visit.still)
    except AssistError as error:
        return _page(visit, error)
    return visit.go_to("/users")


def disable(visit: Visit) -> Response:
    _, paused = users.disable(visit.controller, _other(visit, "disable").name, also=visit.still)
    return visit.go_to(f"/users?paused={paused}")


def enable(visit: Visit) -> Response:
    users.enable(visit.controller, _user(visit).name, also=visit.still)
    return visit.go_to("/users")


def remove(visit: Visit) -> Response:
    _, paused = users.remove(visit.controller, _other(visit, "remove").name, also=visit.still)
    return visit.go_to(f"/users?paused={paused}")


def set_password(visit: Visit) -> Response:
    user = _user(visit)
    try:
        users.set_password(visit.controller, user.name, _password(visit), also=visit.still)
    except AssistError as error:
        return _page(visit, error)
    return visit.go_to("/users")


def _user(visit: Visit) -> User:
    """Return the user of the path. Raises NotFound."""
    wanted = visit.part("id")
    for each in users.listing(visit.controller):
        if each.id == wanted:
            return each
    raise NotFound(f"cannot find a user '{wanted}'", hint="the users page lists what there is")


def _other(visit: Visit, what: str) -> User:
    """Return the user of the path, who is not the one that asks. Raises NotFound, Conflict."""
    user = _user(visit)
    if user.id == visit.me.id:
        raise Conflict(f"cannot {what} yourself", hint="another administrator can; on the server: assist user list")
    return user


def _password(visit: Visit) -> Secret:
    """Return the password of the form, which has it two times. Raises InvalidParameter."""
    if visit.given("password") != visit.given("again"):
        raise InvalidParameter(
            "cannot use the password: the two are different", hint="write both again", code=codes.INVALID_PASSWORD
        )
    return Secret(visit.given("password"))


def _page(visit: Visit, error: AssistError | None = None) -> Response:
    return visit.page(
        "users/list.html",
        status=status_of(error) if error else 200,
        error=error,
        users=users.listing(visit.controller),
        roles=[each.value for each in Role],
        name=visit.given("name"),
        role=visit.given("role") or Role.OPERATOR.value,
        scope=visit.given("scope"),
        paused=visit.number("paused"),
    )
