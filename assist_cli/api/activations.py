"""Enrolments as the original's activations: CreateActivation, DescribeActivations, DisableActivation, DeleteActivation.

The code of an activation is the token of the enrolment. A machine needs it together with the file that ``assist
instance enroll --activation ID`` writes.
"""

from __future__ import annotations

from assist_cli import codes
from assist_cli.api import machines, pages, requests
from assist_cli.api.caller import Caller
from assist_cli.api.faults import Fault, Words, invalid
from assist_cli.api.forms import Document
from assist_cli.api.parameters import Given, RefusedParameter, ValueKind, takes
from assist_cli.api.views import time
from assist_cli.model import ids
from assist_cli.model.access import Labels
from assist_cli.model.enrolment import LONGEST, Enrolment
from assist_cli.operations.fleet import enrolments
from assist_cli.operations.fleet.enrolments import EnrolmentRequest

_EVERYWHERE = "0.0.0.0/0"
_HOUR = 3600

CREATE = takes(
    ClientToken=ValueKind.TEXT,
    Description=ValueKind.TEXT,
    InstanceCount=ValueKind.NUMBER,
    InstanceName=ValueKind.TEXT,
    IpAddressRange=RefusedParameter(
        "InvalidParameter.IpAddressRange",
        "machines enrol through a broker, which hides their addresses",
        passes=(_EVERYWHERE, "::/0"),
    ),
    Tag=ValueKind.TAGS,
    TimeToLiveInHours=ValueKind.NUMBER,
)
DESCRIBE = takes(**pages.PAGED, ActivationId=ValueKind.TEXT, InstanceName=ValueKind.TEXT, Tag=ValueKind.TAGS)
CHANGE = takes(ActivationId=ValueKind.TEXT)
WORDS: Words = {
    codes.NOT_FOUND: "InvalidActivationId.NotFound",
    codes.INVALID_NAME: "InvalidInstanceName.Malformed",
    codes.NAME_EXCEED_LIMIT: "InvalidInstanceName.Malformed",
    codes.NAME_RESERVED: "InvalidInstanceName.Malformed",
    codes.DESCRIPTION_EXCEED_LIMIT: "InvalidParameter.Description",
    codes.INVALID_DESCRIPTION: "InvalidParameter.Description",
}

MOST_INSTANCES = 1000
USUAL_INSTANCES = 10
MOST_HOURS = int(LONGEST.total_seconds()) // _HOUR
USUAL_HOURS = 4
LONGEST_NAME = 50


def create(caller: Caller, given: Given) -> Document:
    """Create an activation. A repetition with the same client token gets the same code."""
    _check_scope(caller)
    name = given.text("InstanceName") or ""
    if len(name) > LONGEST_NAME:
        raise Fault("InvalidInstanceName.Malformed", f"({len(name)} of at most {LONGEST_NAME} characters)")
    wanted = EnrolmentRequest(
        uses=_within(given, "InstanceCount", USUAL_INSTANCES, MOST_INSTANCES),
        seconds=_within(given, "TimeToLiveInHours", USUAL_HOURS, MOST_HOURS) * _HOUR,
        name=name,
        tags=given.tags("Tag"),
        description=given.text("Description") or "",
    )
    request = caller.request(given, Labels(caller.key.id))

    def make() -> Document:
        made, code = enrolments.create(caller.controller, wanted, also=caller.also(request, labelled=False))
        return {"ActivationId": made.id, "ActivationCode": code.reveal()}

    def again(activation_id: str) -> Document:
        return {
            "ActivationId": activation_id,
            "ActivationCode": enrolments.code(caller.controller, activation_id).reveal(),
        }

    return requests.once(request, caller, make, again)


def describe(caller: Caller, given: Given) -> Document:
    """Return the activations of a query, newest first."""
    page = pages.asked(caller.action, given)
    wanted, name, tags = given.text("ActivationId"), given.text("InstanceName"), given.tags("Tag")
    left = [
        each
        for each in ([] if caller.key.scope else enrolments.listing(caller.controller))
        if wanted in (None, each.id) and name in (None, each.name) and machines.has_tags(each, tags)
    ]
    shown = page.of(left, lambda each: each.id)
    items = [{**_activation(each), "ResourceGroupId": "", "Tags": _tags(each)} for each in shown[: page.size]]
    return {"ActivationList": items, **page.told([each.id for each in shown], len(left))}


def disable(caller: Caller, given: Given) -> Document:
    """Disable an activation."""
    return {"Activation": _activation(enrolments.disable(caller.controller, _id(caller, given)))}


def delete(caller: Caller, given: Given) -> Document:
    """Delete an activation that was never used."""
    return {"Activation": _activation(enrolments.delete(caller.controller, _id(caller, given), unused=True))}


def _id(caller: Caller, given: Given) -> str:
    """Return a whole id. Raises Fault."""
    _check_scope(caller)
    found = given.needed("ActivationId")
    if not (len(found) == ids.LENGTH and ids.is_prefix(found, ids.Kind.ENROLMENT)):
        raise Fault("InvalidActivationId.NotFound")
    return found


def _check_scope(caller: Caller) -> None:
    """Raise Fault for a key with a scope: the machines of an activation may be outside of it."""
    if caller.key.scope:
        raise Fault("Forbidden.RAM", f"({caller.action} needs a key without a scope)")


def _within(given: Given, name: str, usual: int, most: int) -> int:
    found = given.number(name)
    if found is not None and not 1 <= found <= most:
        raise invalid(name, f"(it is 1 to {most:,})")
    return usual if found is None else found


def _activation(found: Enrolment) -> Document:
    return {
        "ActivationId": found.id,
        "CreationTime": time(found.created),
        "DeregisteredCount": found.removed,
        "Description": found.description,
        "Disabled": found.disabled,
        "InstanceCount": found.uses,
        "InstanceName": found.name,
        "IpAddressRange": _EVERYWHERE,
        "RegisteredCount": found.used,
        "TimeToLiveInHours": max(1, round((found.expires - found.created).total_seconds() / _HOUR)),
    }


def _tags(found: Enrolment) -> list[Document]:
    return [{"TagKey": key, "TagValue": value} for key, value in found.tags.items()]
