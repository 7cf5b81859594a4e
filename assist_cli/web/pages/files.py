"""Files: those that were sent, the outcome on each instance, and a form that sends one.

A file is sent in two steps: a page shows what would be written where, and its form sends it. In between, the browser
keeps the content. The server that answers sends the file, as for the API.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace

from starlette.datastructures import UploadFile
from starlette.responses import Response

from assist_cli.errors import AssistError, InvalidParameter, NotFound
from assist_cli.model import quotas
from assist_cli.model.gathering import endings
from assist_cli.model.ids import Kind
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation, limited
from assist_cli.model.names import quoted
from assist_cli.model.page import Slice, Wanted
from assist_cli.model.transfer import DEFAULT_MODE, DEFAULT_TIMEOUT, Transfer, checked
from assist_cli.operations.access.clients import Repeated
from assist_cli.operations.history import pages
from assist_cli.operations.runs import files
from assist_cli.operations.runs.files import SendRequest
from assist_cli.web import confirmation, words
from assist_cli.web.confirmation import Unconfirmed
from assist_cli.web.paging import following
from assist_cli.web.visit import Visit, status_of

SIZE = 50  # files of a page
UPLOAD_BYTES = 4 << 20  # of the form with the file: more than a file may have, so that the refusal names the limit

_FIELDS = {"on": "", "directory": "", "name": "", "owner": "", "group": "", "mode": DEFAULT_MODE, "overwrite": ""}


def listing(visit: Visit) -> Response:
    """The files that were sent, newest first; with ``on`` those for one instance."""
    after, instance = visit.query("after"), visit.query("on")
    wanted = Wanted(kind=Kind.FILE, among=visit.rights.seen)
    kept: dict[str, str] = {}
    error: AssistError | None = None
    name = ""
    try:
        if instance:
            found = visit.instance(instance)
            name, kept = found.name, {"on": found.id}
            wanted = replace(wanted, instance_id=found.id)
        summaries = pages.summaries_of(visit.controller, wanted, Slice(SIZE + 1, after=after or None))
    except AssistError as refusal:
        summaries, error = [], refusal
    ids = [each.invocation.id for each in summaries]
    return visit.page(
        "files/list.html",
        status=status_of(error) if error else 200,
        error=error,
        page=following(summaries, SIZE, ids[:SIZE][-1] if ids else "", kept, begins=not after),
        name=name,
        on=instance,
        short=pages.short_ids(visit.controller, ids),
        of_summary=words.of_summary,
    )


def show(visit: Visit) -> Response:
    """A file that was sent, with the outcome on each instance in the scope; as a part of a page for a script."""
    found = _sent(visit, visit.part("id"))
    return visit.page(
        "files/outcome.html" if visit.query("part") else "files/show.html",
        file=found,
        transfer=found.transfer,
        endings=list(reversed(endings(found.instances))),
        waits=any(not each.status.is_final and not each.record.is_queued for each in found.instances),
        of_ending=words.of_ending,
    )


def form(visit: Visit) -> Response:
    given = {name: visit.query(name) or usual for name, usual in _FIELDS.items()}
    return _form(visit, given, b"")


def preview(visit: Visit) -> Response:
    """Show what would be written where, with a form that sends it; or the earlier form, to change it."""
    given = _given(visit)
    content = b""
    try:
        content, file_name = _content(visit)
        if visit.given("edit"):
            return _form(visit, given, content)
        given["name"] = given["name"] or file_name
        transfer, chosen = _checked(visit, given, content)
    except AssistError as error:
        return _form(visit, given, content, error)
    return _preview(visit, given, content, transfer, chosen)


def send(visit: Visit) -> Response:
    """Send a file to the instances of the preview, one time, however often the form arrives."""
    given = _given(visit)
    content = b""
    try:
        content, _ = _content(visit)
        transfer, chosen = _checked(visit, given, content)
        confirmation.refuse_repeated(visit, "send it")
        confirmation.check(visit, chosen, "send it")
    except Repeated as repeated:
        return visit.go_to(f"/files/{repeated.subject}")
    except Unconfirmed as error:
        return _preview(visit, given, content, transfer, chosen, error)
    except AssistError as error:
        return _form(visit, given, content, error)
    request = SendRequest(
        content=content,
        name=transfer.name,
        directory=transfer.directory,
        mode=transfer.mode,
        owner=transfer.owner,
        group=transfer.group,
        overwrite=transfer.overwrite,
        timeout=DEFAULT_TIMEOUT,
        targets=tuple(chosen),
    )
    work = visit.site.background
    try:
        with files.recorded(visit.controller, request, also=visit.once(), token=work.token) as invocation:
            work.take(invocation)
    except Repeated as repeated:
        return visit.go_to(f"/files/{repeated.subject}")
    return visit.go_to(f"/files/{invocation.id}")


def _sent(visit: Visit, file_id: str) -> Invocation:
    """Return the file of this whole id, with its instances in the scope. Raises NotFound."""
    wanted = Wanted(kind=Kind.FILE, invocation_id=file_id, among=visit.rights.seen)
    found, _ = pages.invocations_of(visit.controller, wanted, Slice(1), output=False)
    if not found:
        raise NotFound(f"cannot find a file '{file_id}'", hint="the files page lists what was sent")
    return limited(found[0], None, visit.rights.seen)


def _given(visit: Visit) -> dict[str, str]:
    return {name: visit.given(name).strip() if name != "name" else visit.given(name) for name in _FIELDS}


def _content(visit: Visit) -> tuple[bytes, str]:
    """Return the content and the name of the file: uploaded, or kept by the preview. Raises InvalidParameter."""
    uploaded = visit.form.get("file")
    if isinstance(uploaded, UploadFile) and uploaded.filename:
        content = uploaded.file.read(UPLOAD_BYTES)
        quotas.check_file(len(content))
        return content, uploaded.filename.replace("\\", "/").rpartition("/")[2]
    if not visit.given("has_content"):
        raise InvalidParameter("no file given", hint="choose the file to send")
    try:
        return base64.b64decode(visit.given("content"), validate=True), ""
    except ValueError:  # also binascii.Error
        raise InvalidParameter("cannot read the file of the form", hint="choose the file again") from None


def _checked(visit: Visit, given: dict[str, str], content: bytes) -> tuple[Transfer, list[Instance]]:
    """Return the checked file and its instances. Raises InvalidParameter, QuotaExceeded, NotFound."""
    transfer = checked(
        content,
        given["name"],
        given["directory"],
        mode=given["mode"],
        owner=given["owner"] or None,
        group=given["group"] or None,
        overwrite=bool(given["overwrite"]),
    )
    return transfer, visit.resolved(given["on"])


def _form(visit: Visit, given: dict[str, str], content: bytes, error: AssistError | None = None) -> Response:
    return visit.page(
        "files/form.html",
        status=status_of(error) if error else 200,
        error=error,
        given=given,
        has_content=bool(content) or bool(visit.given("has_content")),
        size=len(content),
        content=base64.b64encode(content).decode("ascii"),
        limit=quotas.FILE.limit // 4 * 3,
    )


def _preview(
    visit: Visit,
    given: dict[str, str],
    content: bytes,
    transfer: Transfer,
    chosen: Sequence[Instance],
    error: AssistError | None = None,
) -> Response:
    return visit.page(
        "files/preview.html",
        status=status_of(error) if error else 200,
        error=error,
        given=given,
        transfer=transfer,
        chosen=chosen,
        content=base64.b64encode(content).decode("ascii"),
        seen=confirmation.digest(chosen),
        many=confirmation.MANY,
        command=_command(given, transfer),
    )


def _command(given: dict[str, str], transfer: Transfer) -> str:
    """Return the command line that sends the file."""
    options = [("--to", transfer.directory), ("--owner", transfer.owner), ("--group", transfer.group)]
    parts = [f"assist send {quoted(transfer.name)} -i {quoted(given['on'])}"]
    parts += [f"{option} {quoted(value)}" for option, value in options if value]
    parts += [f"--mode {transfer.mode}"] if transfer.mode != DEFAULT_MODE else []
    return " ".join([*parts, *(["--overwrite"] if transfer.overwrite else [])])
