"""The inventory as the original's managed instances: DescribeManagedInstances, and how to rename and remove them."""

from __future__ import annotations

from assist_cli import codes
from assist_cli.api import machine_views, machines, pages, requests
from assist_cli.api.caller import FEWER_INSTANCES, Caller
from assist_cli.api.faults import Fault, Words, invalid
from assist_cli.api.forms import Document
from assist_cli.api.parameters import Given, ValueKind, takes
from assist_cli.model.access import Labels
from assist_cli.model.instance import Health, Use
from assist_cli.operations.fleet import enrolments, instances
from assist_cli.operations.fleet.health import InstanceHealth
from assist_cli.store import instances as store

DESCRIBE = takes(
    **pages.PAGED,
    ActivationId=ValueKind.TEXT,
    Connected=ValueKind.FLAG,
    InstanceId=ValueKind.LIST,
    InstanceIp=ValueKind.TEXT,
    InstanceName=ValueKind.TEXT,
    MachineId=ValueKind.TEXT,
    OsType=ValueKind.TEXT,
    Tag=ValueKind.TAGS,
)
MODIFY = takes(InstanceId=ValueKind.TEXT, InstanceName=ValueKind.TEXT)
DEREGISTER = takes(ClientToken=ValueKind.TEXT, InstanceId=ValueKind.TEXT)
WORDS: Words = {
    codes.INVALID_NAME: "InvalidInstanceName.Malformed",
    codes.NAME_EXCEED_LIMIT: "InvalidInstanceName.Malformed",
}

SYSTEMS = ("windows", "linux", "freebsd")


def describe(caller: Caller, given: Given) -> Document:
    """Return the registered instances of a query, newest first."""
    page = pages.asked(caller.action, given)
    kind = (given.text("OsType") or "").lower()
    if kind not in ("", *SYSTEMS):
        raise invalid("OsType", f"(it is one of {', '.join(SYSTEMS)})")
    named = given.listed("InstanceId")
    if len(named) > FEWER_INSTANCES:
        raise Fault("InstanceIds.ExceedLimit", f"({len(named)} of at most {FEWER_INSTANCES})")
    matches, tags, ip = machines.matcher(given.text("InstanceName")), given.tags("Tag"), given.text("InstanceIp")
    activations = enrolments.sources(caller.controller, list(caller.known))
    left = [
        each
        for each in machines.newest_first(caller.known.values())
        if (not named or each.id in named)
        and kind in ("", each.os_type)
        and matches(each.name)
        and machines.has_tags(each, tags)
        and (ip is None or any(ip in found for found in machine_views.addresses(each)))
        and given.text("ActivationId") in (None, activations.get(each.id))
        and not given.text("MachineId")
    ]
    connected = given.flag("Connected")

    def is_wanted(state: InstanceHealth) -> bool:
        return state.health.is_online is connected

    shown, total = machines.states(caller, page, left, is_wanted if "Connected" in given.values else None)
    items = [
        machine_views.listed(each.instance, each.health, each.use, activations.get(each.instance.id, ""))
        for each in shown[: page.size]
    ]
    return {"Instances": items, **page.told([each.instance.id for each in shown], total)}


def modify(caller: Caller, given: Given) -> Document:
    """Rename an instance."""
    found = caller.instance(given.needed("InstanceId"))
    changed = instances.rename(caller.controller, found.id, given.needed("InstanceName"))
    return {"Instance": {"InstanceId": changed.id, "InstanceName": changed.name}}


def deregister(caller: Caller, given: Given) -> Document:
    """Remove an instance from the inventory. Its agent keeps running, and the history stays."""
    instance_id = given.needed("InstanceId")
    request = caller.request(given, Labels(caller.key.id))

    def activation() -> str:
        return enrolments.sources(caller.controller, [instance_id]).get(instance_id, "")

    def make() -> Document:
        found = caller.instance(instance_id)
        (state,) = requests.states(caller, [found])
        instances.remove(caller.controller, found.id, also=caller.also(request, labelled=False))
        return {"Instance": machine_views.managed(state.instance, state.health, state.use, activation())}

    def again(_: str) -> Document:
        gone = store.by_id(caller.controller.database, instance_id)
        assert gone is not None, "a removed instance stays in the database for the history"
        use = store.uses(caller.controller.database, [instance_id]).get(instance_id, Use())
        return {"Instance": machine_views.managed(gone, Health(), use, activation())}

    return requests.once(request, caller, make, again)
