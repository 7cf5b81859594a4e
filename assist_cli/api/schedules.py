"""What runs again and again, changed: ModifyInvocationAttribute.

An invocation pins what it runs, and the history says what ran. So its frequency may be another one and more instances
may join; another script, or other values, are another invocation.
"""

from __future__ import annotations

from assist_cli import codes
from assist_cli.api import requests, views
from assist_cli.api.caller import MOST_INSTANCES, Caller, is_id
from assist_cli.api.faults import Fault, Words
from assist_cli.api.forms import Document
from assist_cli.api.parameters import Given, ValueKind, decoded, takes
from assist_cli.errors import NotFound
from assist_cli.model import frequency, quotas
from assist_cli.model.access import Labels
from assist_cli.model.ids import Kind
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation, RepeatMode
from assist_cli.operations.local_zone import local_zone
from assist_cli.operations.runs import recording
from assist_cli.operations.server import schedules

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
}
_PINNED = "(an invocation pins what it runs: stop it, and run the other script)"


def modify(caller: Caller, given: Given) -> Document:
    """Give a periodic invocation another frequency, or more instances."""
    found = _periodic(caller, given.needed("InvokeId"))
    _refuse_another_script(given, found)
    _refuse_other_values(given, found)
    joining = _joining(caller, given, found)
    text = given.text("Frequency")
    other = None
    if text is not None:
        other = frequency.parse(text, zone=local_zone(), now=caller.controller.now())
        if other.is_once:
            raise Fault("InvalidParameter.Frequency", "(it runs again and again: to end it, stop it)")
    request = caller.request(given, Labels(caller.key.id))

    def make() -> Document:
        schedules.change(caller.controller, found.id, other, joining, also=caller.also(request, labelled=False))
        return {"CommandId": found.command_id}

    return requests.once(request, caller, make, lambda _: {"CommandId": found.command_id})


def _periodic(caller: Caller, invoke_id: str) -> Invocation:
    """The periodic invocation of exactly this id that is not over, all of it in the scope of the key. Raises Fault."""
    try:
        if not is_id(invoke_id, Kind.INVOCATION):
            raise NotFound(invoke_id)
        found = recording.recall(caller.controller, invoke_id, output=False)
    except NotFound:
        raise Fault("InvalidInvokeId.NotFound") from None
    if not views.seen(found, None, caller.seen):
        raise Fault("InvalidInvokeId.NotFound")
    caller.check_scope(place.instance_id for place in found.instances)
    if found.repeat_mode is not RepeatMode.PERIOD:
        raise Fault("InvalidOperation.RepeatModeUnsupported")
    if found.status.is_final:
        raise Fault("InvalidOperation.InvokeAlreadyFinished")
    return found


def _refuse_another_script(given: Given, found: Invocation) -> None:
    text = given.text("CommandContent")
    if text is not None:
        content = decoded(text, given.text("ContentEncoding"), "Base64", "InvalidCommandContent.DecodeError")
        if quotas.base64_length(len(content)) > quotas.SCRIPT.limit:
            raise Fault("InvalidCommandContent.LengthLimitExceeded")
        if content != found.content:
            raise Fault("Operation.Forbidden", _PINNED)
    if "EnableParameter" in given.values and given.flag("EnableParameter") is not found.parameters_enabled:
        raise Fault("Operation.Forbidden", _PINNED)


def _refuse_other_values(given: Given, found: Invocation) -> None:
    members = given.members("Parameters")
    if members is None:
        return
    if len(members) > quotas.PARAMETERS.limit:
        raise Fault("InvalidParameters.CountLimitExceeded")
    known = {key.lower(): str(value) for key, value in found.parameters.items()}
    values: dict[str, str] = {}
    for key, value in members:
        if not key:
            raise Fault("InvalidParameters.KeyEmpty")
        if len(key) > quotas.PARAMETER_NAME.limit:
            raise Fault("InvalidParameters.KeyLengthLimitExceeded")
        if not key.isascii() or not key.replace("-", "").replace("_", "").isalnum():
            raise Fault("InvalidParameters.KeyMalformed")
        if key.lower() in values:
            raise Fault("InvalidParameters.KeyDuplicate")
        if isinstance(value, (list, dict)) or value is None:
            raise Fault("InvalidParameters.ValueTypeUnsupported")
        values[key.lower()] = requests.text(value)
    if values.keys() != known.keys():
        raise Fault("InvalidParameters.KeyNotMatch")
    if values != known:
        raise Fault("Operation.Forbidden", _PINNED)


def _joining(caller: Caller, given: Given, found: Invocation) -> list[Instance]:
    """The instances that are to join. Raises Fault."""
    has = {place.instance_id for place in found.instances}
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
