"""Common parts of RunCommand and InvokeCommand: schedule, targets and parameter values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from assist_cli.api.caller import Caller
from assist_cli.api.faults import Fault, hint_of, invalid
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

MODES = ("Once", "Period", "NextRebootOnly", "EveryReboot", "DryRun")  # of RepeatMode in the original
SHORTEST = 10  # a shorter timeout is raised to this, as in the original

# The parameters of both. All but the content are read here.
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
    """Return the launcher of a call; "" removes that of a command. Raises Fault."""
    found = given.text("Launcher")
    if found is not None and len(found) > rules.LONGEST:
        raise Fault("InvalidLauncher.LengthLimitExceeded", f"({len(found):,} of at most {rules.LONGEST:,} characters)")
    return found


def check_keys(
    content: bytes, *, empty: str = "CmdParam.EmptyKey", malformed: str = "CmdParam.InvalidParamName"
) -> None:
    """Raise Fault for a custom parameter with an empty or impossible name in a script.

    ``empty`` and ``malformed`` are the codes. Placeholders of other template languages stay text: ``{{.Name}}``,
    ``{{range .Items}}``.
    """
    for key in parameters.odd_keys(content):
        if not key:
            raise Fault(empty, "(it is {{}} in the script)")
        if key.lower().startswith(("oos:", "oos-secret:")):
            raise Fault("ParameterStore.NotSupported", "(there is none here: the command line has --secret)")
        raise Fault(malformed, f"({key!r:.80} in the script)")


def command_type(word: str, code: str = "InvalidCmdType.NotFound") -> CommandType:
    """Return the type of this name, which is case-sensitive. Raises Fault."""
    try:
        return CommandType(word)
    except ValueError:
        raise Fault(code, f"(the types are {', '.join(kind.value for kind in CommandType)})") from None


def timeout(given: Given) -> int | None:
    """Return the timeout of a call, at least 10 s. Raises Fault for a negative one."""
    number = given.number("Timeout")
    if number is not None and number < 0:
        raise invalid("Timeout", "(it is a number of seconds; less than 10 counts as 10)")
    return None if number is None else max(number, SHORTEST)


def timing(given: Given, now: datetime) -> Timing | None:
    """Return the schedule of a call; None: run now. Raises Fault, InvalidParameter and QuotaExceeded.

    As in the original, a call with a Frequency is periodic, whatever RepeatMode and Timed say.
    """
    mode, text = given.text("RepeatMode"), given.text("Frequency")
    if mode not in (None, "Once", "Period", "DryRun"):
        more = " (nothing of Assist starts when an instance does)" if mode in ("NextRebootOnly", "EveryReboot") else ""
        raise Fault("InvalidRepeatMode.NotFound", f"(it is Once, Period or DryRun){more}")
    if text is None and (mode == "Period" or given.flag("Timed")):
        raise Fault("MissingParam.Frequency")
    if text is None:
        return None
    return Timing(frequency.parse(text, zone=local_zone(), now=now))


def values(given: Given, definitions: Iterable[Definition], *, count: str, length: str) -> dict[str, Value]:
    """Return the custom parameters of a call, for a command with these ``definitions``. Raises Fault.

    ``count`` and ``length`` are the codes for too many parameters, and for a name that is too long.
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
    """Return a parameter value as text: from a text, a number, true or false. Raises Fault."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    raise Fault("ParameterType.NotSupported", "(a value is text, a number, true or false)")


def check_systems(instances: Iterable[Instance], kind: CommandType) -> None:
    """Raise Fault if an instance cannot run this type. The agent checks instances of an unknown system."""
    for each in instances:
        windows = each.os_type == "windows"
        if each.os_type and ((kind is CommandType.BAT and not windows) or (kind is CommandType.SHELL and windows)):
            raise Fault("InvalidInstance.NotMatch", f"({each.id} is {each.os_type} and does not run {kind.value})")


def states(caller: Caller, instances: Sequence[Instance]) -> list[health.InstanceHealth]:
    """Return the states of instances. Each is asked now, with a short timeout, because the client is waiting."""
    return health.states(caller.controller, instances, patience=caller.controller.timeouts.api.health)


def check_agents(caller: Caller, instances: Sequence[Instance]) -> None:
    """Raise Fault unless all agents answer: the check of a dry run."""
    for state in states(caller, instances):
        if not state.health.is_online:
            hint = hint_of(state.health.hint, "")
            raise Fault("Operation.Forbidden", f"({state.instance.id}: {state.health.error})", hint=hint)


def once(request: Request, caller: Caller, make: Callable[[], Document], again: Callable[[str], Document]) -> Document:
    """Return the answer of ``make``; for a repeated request, that of ``again`` for the id created the first time."""
    try:
        request.refuse_repeated(caller.controller.database)
        return make()
    except Repeated as repeated:
        return again(repeated.subject)


def command_id(given: Given) -> str:
    """Return the id of a command. Raises Fault for a prefix."""
    found = given.needed("CommandId")
    if not (len(found) == ids.LENGTH and ids.is_prefix(found, ids.Kind.COMMAND)):
        raise Fault("InvalidCmdId.NotFound")
    return found
