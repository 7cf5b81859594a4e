"""Changes to periodic invocations: ModifyInvocationAttribute.

Another script for the next runs also changes the CommandId, as in the original. The history keeps the scripts of
earlier runs.
"""

from __future__ import annotations

from typing import Any

from assist_cli import codes
from assist_cli.api import requests
from assist_cli.api.caller import MOST_INSTANCES, Caller, is_id
from assist_cli.api.faults import Fault, Words
from assist_cli.api.forms import Document
from assist_cli.api.parameters import Given, ValueKind, decoded, takes
from assist_cli.errors import NotFound
from assist_cli.model import frequency, quotas
from assist_cli.model.access import Labels
from assist_cli.model.frequency import Frequency
from assist_cli.model.ids import Kind
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation, RepeatMode, seen
from assist_cli.model.status import InvocationStatus
from assist_cli.operations.local_zone import local_zone
from assist_cli.operations.runs import recording
from assist_cli.operations.server import schedules
from assist_cli.operations.server.scripts import Script

MODIFY = takes(
    ClientToken=ValueKind.TEXT,
    CommandContent=ValueKind.TEXT,
    ContentEncoding=ValueKind.TEXT,
    EnableParameter=ValueKind.FLAG,
    Frequency=ValueKind.TEXT,
    InstanceId=ValueKind.LIST,
    InvokeId=ValueKind.TEXT,
    Parameters=ValueKind.MAP,
)
WORDS: Words = {
    codes.INVALID_FREQUENCY: "InvalidParameter.Frequency",
    codes.INTERVAL_EXCEED_LIMIT: "InvalidParameter.Frequency",
    codes.INCORRECT_STATE: "InvalidOperation.InvokeAlreadyFinished",
    codes.SCRIPT_EXCEED_LIMIT: "InvalidCommandContent.LengthLimitExceeded",
    codes.RENDERED_SCRIPT_EXCEED_LIMIT: "InvalidCommandContent.LengthLimitExceeded",
    codes.PARAMETER_COUNT_EXCEED_LIMIT: "InvalidParameters.CountLimitExceeded",
    codes.PARAMETER_NAME_EXCEED_LIMIT: "InvalidParameters.KeyLengthLimitExceeded",
    codes.PARAMETER_NOT_MATCHED: "InvalidParameters.KeyNotMatch",
    codes.MISSING_PARAMETER: "InvalidParameters.KeyNotMatch",
}


def modify(caller: Caller, given: Given) -> Document:
    """Change frequency, script or values of an invocation with a frequency, and add instances."""
    request = caller.request(given, Labels(caller.key.id))

    def make() -> Document:
        found = _scheduled(caller, given.needed("InvokeId"))
        script, joining, other = _script(given, found), _joining(caller, given, found), _frequency(caller, given, found)
        also = caller.also(request, labelled=False)
        schedules.change(caller.controller, found.id, other, joining, script, also=also)
        return told(found.id)

    def told(invocation_id: str) -> Document:
        return {"CommandId": recording.recall(caller.controller, invocation_id, output=False).command_id}

    return requests.once(request, caller, make, told)


def _frequency(caller: Caller, given: Given, found: Invocation) -> Frequency | None:
    """Return the new frequency; None: no change. Raises Fault and InvalidParameter."""
    text = given.text("Frequency")
    if text is None:
        return None
    other = frequency.parse(text, zone=local_zone(), now=caller.controller.now())
    if other.is_once and found.repeat_mode is RepeatMode.PERIOD:
        raise Fault("InvalidParameter.Frequency", "(the invocation is periodic: to end it, stop it)")
    if not other.is_once and found.repeat_mode is RepeatMode.ONCE:
        raise Fault("InvalidParameter.Frequency", "(the invocation runs one time: give another at(…))")
    return other


def _scheduled(caller: Caller, invoke_id: str) -> Invocation:
    """Return the invocation with a frequency of exactly this id: not final, and fully in scope. Raises Fault."""
    try:
        if not is_id(invoke_id, Kind.INVOCATION):
            raise NotFound(invoke_id)
        found = recording.recall(caller.controller, invoke_id, output=False)
    except NotFound:
        raise Fault("InvalidInvokeId.NotFound") from None
    if not seen(found, None, caller.seen):
        raise Fault("InvalidInvokeId.NotFound")
    caller.check_scope(place.instance_id for place in found.instances)
    if found.frequency is None:
        raise Fault("InvalidOperation.RepeatModeUnsupported", "(it has no frequency: it was run immediately)")
    if found.status.is_final:
        raise Fault("InvalidOperation.InvokeAlreadyFinished")
    return found


def _script(given: Given, found: Invocation) -> Script | None:
    """Return the script and values for the next runs; None: no change. Raises Fault."""
    text, members = given.text("CommandContent"), given.members("Parameters")
    says_enabled, enabled = "EnableParameter" in given.values, given.flag("EnableParameter")
    if says_enabled and not enabled:
        _check_turned_off(given, found)
    content = found.content
    if text is not None:
        content = decoded(text, given.text("ContentEncoding"), "PlainText", "InvalidCommandContent.DecodeError")
    if text is None or not says_enabled:
        enabled = enabled or found.parameters_enabled
    if members is not None and not enabled:
        raise Fault("InvalidParameters.KeyNotMatch", "(its parameters are off: EnableParameter turns them on)")
    if enabled:
        requests.check_keys(content, empty="InvalidParameters.KeyEmpty", malformed="InvalidParameters.KeyMalformed")
    script = Script(content, enabled, _values(members or []) if enabled else {})
    return None if script == Script(found.content, found.parameters_enabled, {}) and not members else script


def _check_turned_off(given: Given, found: Invocation) -> None:
    """Raise Fault if ``EnableParameter=false`` contradicts the rest of a call, or is its only change.

    With another script it turns the parameters off. With another change only, the values stay, as in the original.
    """
    if given.members("Parameters"):
        raise Fault("InvalidParameters.KeyNotMatch", "(EnableParameter is false)")
    changes = given.values.keys() & {"CommandContent", "Frequency", "InstanceId"}
    if found.parameters_enabled and not changes:
        raise Fault(
            "InvalidParameter.EnableParameter", "(false alone changes nothing: CommandContent is given with it)"
        )


def _values(members: list[tuple[str, Any]]) -> dict[str, str]:
    """Return the values of custom parameters of a call. Raises Fault."""
    if len(members) > quotas.PARAMETERS.limit:
        raise Fault("InvalidParameters.CountLimitExceeded", f"({len(members)} of at most {quotas.PARAMETERS.limit})")
    values: dict[str, str] = {}
    for key, value in members:
        if not key:
            raise Fault("InvalidParameters.KeyEmpty")
        if len(key) > quotas.PARAMETER_NAME.limit:
            raise Fault(
                "InvalidParameters.KeyLengthLimitExceeded",
                f"({len(key)} of at most {quotas.PARAMETER_NAME.limit} characters)",
            )
        if not key.isascii() or not key.replace("-", "").replace("_", "").isalnum():
            raise Fault("InvalidParameters.KeyMalformed")
        if any(key.lower() == known.lower() for known in values):
            raise Fault("InvalidParameters.KeyDuplicate")
        if isinstance(value, (list, dict)) or value is None:
            raise Fault("InvalidParameters.ValueTypeUnsupported")
        values[key] = requests.text(value)
    return values


def _joining(caller: Caller, given: Given, found: Invocation) -> list[Instance]:
    """Return the instances to add. Raises Fault."""
    has = {place.instance_id: place for place in found.instances}
    for each in given.listed("InstanceId"):
        if each in has and has[each].status is not InvocationStatus.RUNNING:
            raise Fault(
                "InvalidOperation.InvokeAlreadyFinished", f"(it was stopped on {each}, and does not run there again)"
            )
    named = [each for each in given.listed("InstanceId") if each not in has]
    if len(has) + len(named) > MOST_INSTANCES:
        raise Fault("InvalidInstanceId.CountLimitExceeded")
    for each in named:
        if each not in caller.known:
            raise Fault("InvalidInstanceId.NotFound")
    joining = [caller.known[each] for each in named]
    assert found.command_type is not None
    try:
        requests.check_systems(joining, found.command_type)
    except Fault as fault:
        raise Fault("InvalidInstanceId.OSTypeUnsupported", fault.message) from None
    return joining
