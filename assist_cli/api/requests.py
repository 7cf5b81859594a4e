"""What RunCommand and InvokeCommand have in common: when, where and with which values something runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from assist_cli.api.caller import Caller
from assist_cli.api.faults import Fault
from assist_cli.api.forms import Document
from assist_cli.api.parameters import Given, RefusedParameter, Takes, UnusedParameter, ValueKind
from assist_cli.model import frequency, ids, parameters, quotas
from assist_cli.model import launcher as rules
from assist_cli.model.command import CommandType
from assist_cli.model.instance import Instance
from assist_cli.model.parameters import Definition, Value
from assist_cli.model.schedule import Timing
from assist_cli.model.secret import Secret
from assist_cli.operations.access.clients import Repeated, Request
from assist_cli.operations.fleet import health
from assist_cli.operations.local_zone import local_zone

SHORTEST = 10  # a shorter timeout counts as this, as the original has it

# What both take; each is read here but for the content.
RUNNING: Takes = {
    "ClientToken": ValueKind.TEXT,
    "ContainerId": RefusedParameter(
        "InvalidContainerId.Malformed", "scripts run on instances here, and not in containers"
    ),
    "ContainerName": RefusedParameter(
        "InvalidContainerName.Malformed", "scripts run on instances here, and not in containers"
    ),
    "Frequency": ValueKind.TEXT,
    "InstanceId": ValueKind.LIST,
    "Launcher": ValueKind.TEXT,
    "OssOutputDelivery": RefusedParameter("InvalidParameter.OssOutputDelivery", "the history keeps the output"),
    "Parameters": ValueKind.MAP,
    "RepeatMode": ValueKind.TEXT,
    "ResourceTag": ValueKind.TAGS,
    "Tag": ValueKind.TAGS,
    "TerminationMode": UnusedParameter(
        "the whole tree of processes is always ended",
        words=("Process", "ProcessTree"),
        code="InvalidTerminationMode.NotFound",
    ),
    "Timed": ValueKind.FLAG,
    "Timeout": ValueKind.NUMBER,
    "Username": ValueKind.TEXT,
    "WindowsPasswordName": RefusedParameter(
        "ParameterStore.NotSupported",
        "passwords are not kept here",
        longest=255,
        too_long="WindowsPasswordName.ExceedLimit",
    ),
    "WorkingDir": ValueKind.TEXT,
}


def launcher(given: Given) -> str | None:
    """The launcher that is asked for; "" takes away that of a command. Raises Fault."""
    found = given.text("Launcher")
    if found is not None and len(found) > rules.LONGEST:
        raise Fault("InvalidLauncher.LengthLimitExceeded", f"({len(found):,} of at most {rules.LONGEST:,} characters)")
    return found


def check_keys(
    content: bytes, *, empty: str = "CmdParam.EmptyKey", malformed: str = "CmdParam.InvalidParamName"
) -> None:
    """Raise Fault for what is written as a custom parameter and has no name, or one that cannot be.

    ``empty`` and ``malformed`` are the codes. What a template of another language would say stays text: ``{{.Name}}``,
    ``{{range .Items}}``.
    """
    for key in parameters.odd_keys(content):
        if not key:
            raise Fault(empty, "(it is {{}} in the script)")
        if key.lower().startswith(("oos:", "oos-secret:")):
            raise Fault("ParameterStore.NotSupported", "(there is none here: the command line has --secret)")
        raise Fault(malformed, f"({key!r:.80} in the script)")


def command_type(word: str, code: str = "InvalidCmdType.NotFound") -> CommandType:
    """The type of this name, case as written. Raises Fault."""
    try:
        return CommandType(word)
    except ValueError:
        raise Fault(code, f"(the types are {', '.join(kind.value for kind in CommandType)})") from None


def timeout(given: Given) -> int | None:
    """The timeout that is asked for, and no less than 10 s."""
    number = given.number("Timeout")
    return None if number is None else max(number, SHORTEST)


def timing(given: Given, now: datetime) -> Timing | None:
    """When it runs again, or later; None for now. Raises Fault, InvalidParameter and QuotaExceeded."""
    mode, text = given.text("RepeatMode"), given.text("Frequency")
    if mode not in (None, "Once", "Period", "DryRun"):
        more = " (nothing of Assist starts when an instance does)" if mode in ("NextRebootOnly", "EveryReboot") else ""
        raise Fault("InvalidRepeatMode.NotFound", f"(it is Once, Period or DryRun){more}")
    if text is None and (mode == "Period" or given.flag("Timed")):
        raise Fault("MissingParam.Frequency")
    return None if text is None else Timing(frequency.parse(text, zone=local_zone(), now=now))


def values(given: Given, definitions: Iterable[Definition], *, count: str, length: str) -> dict[str, Value]:
    """The custom parameters that a call gives to a command of these ``definitions``. Raises Fault.

    ``count`` and ``length`` are the codes for too many of them, and for a name that is too long.
    """
    members = given.members("Parameters") or []
    if len(members) > quotas.PARAMETERS.limit:
        raise Fault(count, f"({len(members)} of at most {quotas.PARAMETERS.limit})")
    secret = {entry.key.lower() for entry in definitions if entry.secret}
    found: dict[str, Value] = {}
    for key, value in members:
        if not key:
            raise Fault("CmdParam.EmptyKey")
        if len(key) > quotas.PARAMETER_NAME.limit:
            raise Fault(length)
        if any(key.lower() == known.lower() for known in found):
            raise Fault("ParameterKey.Duplicate")
        found[key] = Secret(text(value)) if key.lower() in secret else text(value)
    return found


def text(value: object) -> str:
    """The value of a parameter: text, a number, true or false. Raises Fault."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    raise Fault("ParameterType.NotSupported", "(a value is text, a number, true or false)")


def check_systems(instances: Iterable[Instance], kind: CommandType) -> None:
    """Raise Fault when an instance cannot run this type; where it is not known the agent says it."""
    for each in instances:
        windows = each.os_type == "windows"
        if each.os_type and ((kind is CommandType.BAT and not windows) or (kind is CommandType.SHELL and windows)):
            raise Fault("InvalidInstance.NotMatch", f"({each.id} is {each.os_type} and does not run {kind.value})")


def states(caller: Caller, instances: Sequence[Instance]) -> list[health.InstanceHealth]:
    """How these instances are: each is asked now. One that does not answer keeps no client waiting for long."""
    return health.states(caller.controller, instances, patience=caller.controller.timeouts.api.health)


def check_agents(caller: Caller, instances: Sequence[Instance]) -> None:
    """What a dry run asks of the instances: that their agents answer. Raises Fault."""
    for state in states(caller, instances):
        if not state.health.is_online:
            raise Fault("Operation.Forbidden", f"({state.instance.id}: {state.health.error})", hint=state.health.hint)


def once(request: Request, caller: Caller, make: Callable[[], Document], again: Callable[[str], Document]) -> Document:
    """What ``make`` answers; for a request that came before what ``again`` says of the id that it made then."""
    try:
        request.refuse_repeated(caller.controller.database)
        return make()
    except Repeated as repeated:
        return again(repeated.subject)


def command_id(given: Given) -> str:
    """The id of a command, whole. Raises Fault."""
    found = given.needed("CommandId")
    if not (len(found) == ids.LENGTH and ids.is_prefix(found, ids.Kind.COMMAND)):
        raise Fault("InvalidCmdId.NotFound")
    return found
