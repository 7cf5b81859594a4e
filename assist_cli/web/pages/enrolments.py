"""Enrolments: list, make, disable, delete, for admins without a scope; and their files, for whoever has a token.

The token of an enrolment is in the answer to the form that makes it, and in no other page.
"""

from __future__ import annotations

import logging

from starlette.responses import PlainTextResponse, Response

from assist_cli.errors import AssistError
from assist_cli.model import enrolment as rules
from assist_cli.model import names
from assist_cli.model.secret import Secret
from assist_cli.operations.access.clients import Repeated
from assist_cli.operations.fleet import enrolments
from assist_cli.operations.fleet.enrolments import EnrolmentRequest
from assist_cli.operations.server import console
from assist_cli.web import words
from assist_cli.web.visit import Visit, network_of, status_of

LIFETIMES = {"1h": 3600, "4h": 14_400, "1d": 86_400, "7d": 604_800, "30d": 2_592_000}  # in seconds

NO_FILE = (
    "cannot find an enrolment file here: the address is wrong, or the enrolment has expired, is used up or disabled\n"
    "hint: ask for a new address; on the controller: assist instance enroll\n"
)

_ALONE = {"referrer-policy": "no-referrer", "cache-control": "no-store"}

log = logging.getLogger(__name__)


def listing(visit: Visit) -> Response:
    return _page(visit)


def create(visit: Visit) -> Response:
    try:
        made, _ = enrolments.create(visit.controller, _request(visit), also=visit.once(labelled=False))
    except Repeated as repeated:
        made = enrolments.get(visit.controller.database, repeated.subject)
    except AssistError as error:
        return _page(visit, error)
    public = console.enrolment_url(visit.controller, made.id)
    path = console.enrolment_path(visit.controller, made.id)
    return visit.page("enrolments/created.html", made=made, path=path, url=public or f"{visit.base_url}{path}")


def disable(visit: Visit) -> Response:
    enrolments.disable(visit.controller, visit.part("id"), also=visit.still)
    return visit.go_to("/enrolments")


def delete(visit: Visit) -> Response:
    enrolments.delete(visit.controller, visit.part("id"), also=visit.still)
    return visit.go_to("/enrolments")


def download(visit: Visit) -> Response:
    """The file of an enrolment, without a session. All refusals are alike. A download is not a use."""
    if not visit.site.tokens.admit(network_of(visit.request)):
        return PlainTextResponse("cannot send a file now: there were too many requests\n", 429, {"retry-after": "10"})
    try:
        found, content = enrolments.file_of_token(visit.controller, Secret(visit.part("token")))
    except AssistError as error:
        log.debug("refused an enrolment file to %s: %s", visit.origin, error.message)
        return PlainTextResponse(NO_FILE, 404, _ALONE)
    log.info("sent the file of the enrolment %s to %s", found.id, visit.origin)
    name = f'attachment; filename="enroll-{found.id}.pyz"'
    return Response(content, headers={**_ALONE, "content-disposition": name}, media_type="application/octet-stream")


def _request(visit: Visit) -> EnrolmentRequest:
    """Return the enrolment of the form. Raises InvalidParameter, QuotaExceeded."""
    uses = visit.given("uses").strip()
    tags = [each.strip().partition("=") for each in visit.given("tags").split(",") if each.strip()]
    return EnrolmentRequest(
        uses=int(uses) if uses.isascii() and uses.isdecimal() and len(uses) < 9 else 0,
        seconds=LIFETIMES.get(visit.given("lifetime"), 0),
        name=visit.given("name").strip(),
        tags=dict(names.checked_tag(key, value) for key, _, value in tags),
    )


def _page(visit: Visit, error: AssistError | None = None) -> Response:
    return visit.page(
        "enrolments/list.html",
        status=status_of(error) if error else 200,
        error=error,
        enrolments=enrolments.listing(visit.controller),
        of_enrolment=words.of_enrolment,
        lifetimes=LIFETIMES,
        most=rules.MOST_USES,
        given={
            "uses": visit.given("uses") or "1",
            "lifetime": visit.given("lifetime") or "1h",
            "name": visit.given("name"),
            "tags": visit.given("tags"),
        },
    )
