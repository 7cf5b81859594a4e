"""Files: SendFile, DescribeSendFileResults."""

from __future__ import annotations

from assist_cli import codes
from assist_cli.api import pages, requests, views
from assist_cli.api.caller import FEWER_INSTANCES, Caller
from assist_cli.api.faults import Fault, Words, invalid
from assist_cli.api.forms import Document
from assist_cli.api.parameters import Given, ValueKind, decoded, takes
from assist_cli.model import names
from assist_cli.model.access import Labels
from assist_cli.model.command import checked_description
from assist_cli.model.fine import Fine
from assist_cli.model.ids import Kind
from assist_cli.model.invocation import seen
from assist_cli.model.page import Wanted
from assist_cli.model.transfer import DEFAULT_MODE, DEFAULT_TIMEOUT
from assist_cli.operations.access import clients
from assist_cli.operations.history import pages as history_pages
from assist_cli.operations.runs import files
from assist_cli.operations.runs.files import SendRequest

SEND = takes(
    ClientToken=ValueKind.TEXT,
    Content=ValueKind.TEXT,
    ContentType=ValueKind.TEXT,
    Description=ValueKind.TEXT,
    FileGroup=ValueKind.TEXT,
    FileMode=ValueKind.TEXT,
    FileOwner=ValueKind.TEXT,
    InstanceId=ValueKind.LIST,
    Name=ValueKind.TEXT,
    Overwrite=ValueKind.FLAG,
    Tag=ValueKind.TAGS,
    TargetDir=ValueKind.TEXT,
    Timeout=ValueKind.NUMBER,
)
RESULTS = takes(
    **pages.PAGED,
    InstanceId=ValueKind.TEXT,
    InvocationStatus=ValueKind.TEXT,
    InvokeId=ValueKind.TEXT,
    Name=ValueKind.TEXT,
    Tag=ValueKind.TAGS,
)
WORDS: Words = {
    codes.DESCRIPTION_EXCEED_LIMIT: "FileDesc.ExceedLimit",
    codes.FILE_AUTHORITY_INVALID: "FileMode.Invalid",
    codes.FILE_NAME_INVALID: "InvalidParameter.Name",
    codes.FILE_PATH_INVALID: "FileTargetDir.Invalid",
    codes.INVALID_DESCRIPTION: "InvalidParameter.Description",
}

PLAIN = "PlainText"
LONGEST_ACCOUNT = 64


def send(caller: Caller, given: Given) -> Document:
    """Send a file."""
    kind = given.text("ContentType")
    if kind is not None and kind.lower() not in ("plaintext", "base64"):
        raise Fault("FileContentType.Invalid", "(it is PlainText or Base64)")
    content = decoded(given.needed("Content"), kind, PLAIN, "FileContent.DecodeError", "ContentType")
    description = checked_description(given.text("Description") or "")
    where = caller.instances(given, most=FEWER_INSTANCES)
    asked = SendRequest(
        content=content,
        name=given.needed("Name"),
        directory=given.needed("TargetDir"),
        mode=given.text("FileMode") or DEFAULT_MODE,
        owner=_account(given, "FileOwner"),
        group=_account(given, "FileGroup"),
        overwrite=given.flag("Overwrite"),
        timeout=requests.timeout(given) or DEFAULT_TIMEOUT,
        targets=tuple(where),
    )
    request = caller.request(given, Labels(caller.key.id, "", description, given.tags("Tag")))

    def make() -> Document:
        with files.recorded(
            caller.controller, asked, also=caller.also(request), token=caller.background.token
        ) as invocation:
            caller.background.take(invocation)
        return {"InvokeId": invocation.id}

    return requests.once(request, caller, make, lambda made: {"InvokeId": made})


def results(caller: Caller, given: Given) -> Document:
    """Return the files that were sent, newest first, with their outcomes."""
    page = pages.asked(caller.action, given)
    status = given.text("InvocationStatus")
    if status is not None and status not in {fine.value for fine in Fine}:
        raise invalid("InvocationStatus", f"(it is one of {', '.join(sorted(Fine))})")
    wanted = Wanted(
        kind=Kind.FILE,
        invocation_id=given.text("InvokeId"),
        instance_id=given.text("InstanceId"),
        file_name=given.text("Name"),
        status=status,
        tags=given.tags("Tag"),
        among=caller.seen,
    )
    found, total = history_pages.invocations_of(caller.controller, wanted, page.slice, output=False)
    keys = [each.id for each in found]
    labels = clients.labels_of(caller.controller, keys)
    items = [
        views.file(each, seen(each, wanted.instance_id, caller.seen), labels.get(each.id, views.NONE))
        for each in found[: page.size]
    ]
    return {**views.nested("Invocations", "Invocation", items), **page.told(keys, total)}


def _account(given: Given, name: str) -> str | None:
    """Return an owner or a group. Raises Fault."""
    found = given.text(name)
    if found is not None and (len(found) > LONGEST_ACCOUNT or not names.is_account(found)):
        raise invalid(name, f"(it has at most {LONGEST_ACCOUNT} characters, no ':' and no '-' at its beginning)")
    return found
