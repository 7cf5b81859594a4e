"""Invocations: RunCommand, InvokeCommand, StopInvocation, DescribeInvocations, DescribeInvocationResults."""

from __future__ import annotations

from collections.abc import Iterable

from assist_cli.api import pages, requests, views
from assist_cli.api.caller import FEWER_INSTANCES, Caller, is_id
from assist_cli.api.faults import Fault, invalid
from assist_cli.api.forms import Document
from assist_cli.api.parameters import Given, ValueKind, chosen_encoding, decoded, takes
from assist_cli.errors import NotFound
from assist_cli.model import parameters, quotas
from assist_cli.model.access import Labels, Role
from assist_cli.model.command import DEFAULT_TIMEOUT, checked_description
from assist_cli.model.fine import Fine
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation, limited, seen
from assist_cli.model.names import is_text_line
from assist_cli.model.page import Wanted
from assist_cli.model.status import InvokeStatus
from assist_cli.model.target import Selection
from assist_cli.operations.access import clients
from assist_cli.operations.access.clients import Request
from assist_cli.operations.commands import commands
from assist_cli.operations.history import pages as history_pages
from assist_cli.operations.runs import recording, stop
from assist_cli.operations.runs.plans import InvokeRequest, RunRequest
from assist_cli.operations.runs.recording import check, recorded, schedule

RUN = takes(
    **requests.RUNNING,
    CommandContent=ValueKind.TEXT,
    ContentEncoding=ValueKind.TEXT,
    Description=ValueKind.TEXT,
    EnableParameter=ValueKind.FLAG,
    KeepCommand=ValueKind.FLAG,
    Name=ValueKind.TEXT,
    Type=ValueKind.TEXT,
)
INVOKE = takes(**requests.RUNNING, CommandId=ValueKind.TEXT)
STOP = takes(InstanceId=ValueKind.LIST, InvokeId=ValueKind.TEXT)
DESCRIBE = takes(
    **pages.PAGED,
    CommandId=ValueKind.TEXT,
    CommandName=ValueKind.TEXT,
    CommandType=ValueKind.TEXT,
    ContentEncoding=ValueKind.TEXT,
    IncludeOutput=ValueKind.FLAG,
    InstanceId=ValueKind.TEXT,
    InvokeId=ValueKind.TEXT,
    InvokeStatus=ValueKind.TEXT,
    RepeatMode=ValueKind.TEXT,
    Tag=ValueKind.TAGS,
    Timed=ValueKind.FLAG,
)
RESULTS = takes(
    **pages.PAGED,
    CommandId=ValueKind.TEXT,
    ContentEncoding=ValueKind.TEXT,
    IncludeHistory=ValueKind.FLAG,
    InstanceId=ValueKind.TEXT,
    InvokeId=ValueKind.TEXT,
    InvokeRecordStatus=ValueKind.TEXT,
    Tag=ValueKind.TAGS,
)

INVOKE_TAGS = 10  # of ResourceTag; RunCommand takes twice as many


def run(caller: Caller, given: Given) -> Document:
    """Run a script, and with KeepCommand save it as a command too."""
    kind = requests.command_type(given.needed("Type"))
    content = decoded(
        given.needed("CommandContent"), given.text("ContentEncoding"), "PlainText", "CmdContent.DecodeError"
    )
    keep, name = given.flag("KeepCommand"), given.text("Name")
    if keep:
        caller.need(Role.ADMIN, "RunCommand with KeepCommand")
    description = checked_description(given.text("Description") or "")
    if name is not None and not is_text_line(name):
        raise Fault("InvalidParameterCharacter.CommandName")
    quotas.check_length(quotas.NAME, name or "")
    enabled = given.flag("EnableParameter")
    if enabled:
        requests.check_keys(content)
    values = requests.values(given, (), count="CmdParamCount.ExceedLimit", length="CmdParamName.ExceedLimit")
    if not enabled:
        parameters.refuse_disabled(values)
    where = caller.instances(given)
    requests.check_systems(where, kind)
    if keep and name is None:
        name = "cmd-" + new_id(Kind.COMMAND, caller.controller.now_ms()).removeprefix(Kind.COMMAND.value)
    labels = Labels(caller.key.id, name or "", description, given.tags("Tag"))
    return _start(
        caller,
        given,
        where,
        RunRequest(
            content=content,
            type=kind,
            timeout=requests.timeout(given) or DEFAULT_TIMEOUT,
            working_dir=given.text("WorkingDir"),
            username=given.text("Username"),
            parameters=values if enabled else None,
            only_named=True,
            targets=tuple(where),
            save_as=name if keep else None,
            description=description,
            launcher=requests.launcher(given),
        ),
        caller.request(given, labels, saves=keep),
        ("CommandId", "InvokeId"),
    )


def invoke(caller: Caller, given: Given) -> Document:
    """Run a saved command."""
    found = commands.of_id(caller.controller, requests.command_id(given))
    if found is None:
        raise Fault("InvalidCmdId.NotFound")
    values = requests.values(
        given, found.version.definitions, count="ParameterCount.ExceedLimit", length="ParameterKey.ExceedLimit"
    )
    where = caller.instances(given, tags=INVOKE_TAGS)
    requests.check_systems(where, found.version.type)
    labels = Labels(caller.key.id, found.name, found.description, given.tags("Tag"))
    return _start(
        caller,
        given,
        where,
        InvokeRequest(
            command=found,
            parameters=values,
            timeout=requests.timeout(given),
            working_dir=given.text("WorkingDir"),
            username=given.text("Username"),
            targets=tuple(where),
            launcher=requests.launcher(given),
        ),
        caller.request(given, labels),
        ("InvokeId",),
    )


def halt(caller: Caller, given: Given) -> Document:
    """Stop an invocation. The agents get the stop after the call is answered."""
    invoke_id = given.needed("InvokeId")
    ids = given.listed("InstanceId")
    if len(ids) > FEWER_INSTANCES:
        raise Fault("InstanceIds.ExceedLimit", f"({len(ids)} of at most {FEWER_INSTANCES})")
    found = _visible(caller, invoke_id)
    if not set(ids) <= {place.instance_id for place in seen(found, None, caller.seen)}:
        raise Fault("InvalidInstanceId.NotFound")
    if not ids:
        caller.check_scope(place.instance_id for place in found.instances)
    stopping = stop.begin(caller.controller, found.id, Selection(tuple(ids)))
    caller.background.stop(found.id, stopping)
    return {}


def is_of_small(caller: Caller, given: Given) -> bool:
    """Return True if a call is about one invocation that is small and has ended, so that no agent is asked."""
    invoke_id = given.text("InvokeId")
    return (
        invoke_id is not None
        and not given.flag("IncludeHistory")
        and history_pages.is_small(caller.controller, invoke_id)
    )


def describe(caller: Caller, given: Given) -> Document:
    """Return invocations, newest first, with their scripts and states."""
    page = pages.asked(caller.action, given)
    mode, status = given.text("RepeatMode"), given.text("InvokeStatus")
    if mode is not None and mode not in requests.MODES:
        raise Fault("InvalidRepeatMode.NotFound", f"(it is one of {', '.join(requests.MODES)})")
    _check_status("InvokeStatus", status, InvokeStatus, (Fine.SUCCESS, Fine.PENDING, Fine.SCHEDULED))
    kind = given.text("CommandType")
    if kind is not None:
        requests.command_type(kind, "InvalidCommandType.NotFound")
    wanted = Wanted(
        invocation_id=given.text("InvokeId"),
        instance_id=given.text("InstanceId"),
        command_id=given.text("CommandId"),
        command_name=given.text("CommandName"),
        command_type=kind,
        periodic=None if mode is None else mode == "Period",
        timed=given.flag("Timed") if "Timed" in given.values else None,
        status=status,
        tags=given.tags("Tag"),
        among=caller.seen,
    )
    output = given.flag("IncludeOutput") and bool(wanted.invocation_id or wanted.instance_id)
    found: list[Invocation] = []
    total = 0
    if mode in (None, "Once", "Period"):  # Assist records no others
        found, total = history_pages.invocations_of(caller.controller, wanted, page.slice, output=output)
    keys = [each.id for each in found]
    labels = clients.labels_of(caller.controller, keys)
    encoding = chosen_encoding(given.text("ContentEncoding"), "Base64")
    items = [
        views.invocation(
            limited(each, wanted.instance_id, caller.seen),
            labels.get(each.id, views.NONE),
            encoding,
            output=output,
        )
        for each in found[: page.size]
    ]
    return {**views.nested("Invocations", "Invocation", items), **page.told(keys, total)}


def results(caller: Caller, given: Given) -> Document:
    """Return records, newest first, with their output. The fields of the page are inside ``Invocation`` here."""
    page = pages.asked(caller.action, given)
    status = given.text("InvokeRecordStatus")
    _check_status("InvokeRecordStatus", status, InvokeStatus, Fine)
    every = given.flag("IncludeHistory")
    if every and given.text("InvokeId") is None:
        raise Fault("MissingParameter", "(IncludeHistory needs InvokeId)")
    wanted = Wanted(
        invocation_id=given.text("InvokeId"),
        instance_id=given.text("InstanceId"),
        command_id=given.text("CommandId"),
        status=status,
        tags=given.tags("Tag"),
        among=caller.seen,
    )
    found, total = history_pages.results_of(caller.controller, wanted, page.slice, every=every)
    labels = clients.labels_of(caller.controller, {each.invocation.id for each in found})
    encoding = chosen_encoding(given.text("ContentEncoding"), "Base64")
    items = [views.result(each, labels.get(each.invocation.id, views.NONE), encoding) for each in found[: page.size]]
    told = page.told([each.record.id for each in found], total)
    return {"Invocation": {**views.nested("InvocationResults", "InvocationResult", items), **told}}


def _start(
    caller: Caller,
    given: Given,
    where: list[Instance],
    asked: RunRequest | InvokeRequest,
    request: Request,
    told: tuple[str, ...],
) -> Document:
    """Record the invocation, for the server to send; in a dry run, only check it."""
    timing = requests.timing(given, caller.controller.now())
    if given.text("RepeatMode") == "DryRun":
        check(caller.controller, asked)
        requests.check_agents(caller, where)
        return {}

    def make() -> Document:
        if timing is not None:
            return answer(schedule(caller.controller, asked, timing, also=caller.also(request))[0])
        with recorded(caller.controller, asked, also=caller.also(request), token=caller.background.token) as invocation:
            caller.background.take(invocation)
        return answer(invocation)

    def answer(invocation: Invocation) -> Document:
        ids = {"CommandId": invocation.command_id, "InvokeId": invocation.id}
        return {name: ids[name] for name in told}

    return requests.once(
        request, caller, make, lambda made: answer(recording.recall(caller.controller, made, output=False))
    )


def _visible(caller: Caller, invoke_id: str) -> Invocation:
    """Return the invocation of exactly this id, if one of its instances is in the scope of the key. Raises Fault."""
    try:
        if not is_id(invoke_id, Kind.INVOCATION, Kind.FILE):
            raise NotFound(invoke_id)
        found = recording.recall(caller.controller, invoke_id, output=False)
    except NotFound:
        raise Fault("InvalidInvokeId.NotFound") from None
    if not seen(found, None, caller.seen):
        raise Fault("InvalidInvokeId.NotFound")
    return found


def _check_status(name: str, word: str | None, plain: Iterable[InvokeStatus], fine: Iterable[Fine]) -> None:
    """Raise Fault for an unknown status."""
    if word is None:
        return
    known = {status.value for status in plain} | {status.value for status in fine}
    if word not in known:
        raise invalid(name, f"(it is one of {', '.join(sorted(known))})")
