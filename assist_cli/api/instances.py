"""Agents: InstallCloudAssistant, DescribeCloudAssistantStatus, ListPluginStatus."""

from __future__ import annotations

from assist_cli.api import pages, requests, views
from assist_cli.api.caller import FEWER_INSTANCES, MOST_INSTANCES, Caller
from assist_cli.api.faults import Fault, invalid
from assist_cli.api.forms import Document
from assist_cli.api.parameters import Given, ValueKind, takes

INSTALL = takes(InstanceId=ValueKind.LIST)
STATUS = takes(**pages.PAGED, InstanceId=ValueKind.LIST, OSType=ValueKind.TEXT)
PLUGINS = takes(**pages.PAGED, InstanceId=ValueKind.LIST, Name=ValueKind.TEXT)

SYSTEMS = ("Windows", "Linux", "FreeBSD")


def install(caller: Caller, given: Given) -> Document:
    """Upgrade the agents of instances to the version of this server. Every registered instance already has an agent."""
    found = caller.instances(given, most=FEWER_INSTANCES)
    for each in found:
        if each.os_type == "windows":
            raise Fault("InvalidInstanceId.OSTypeUnsupported", f"({each.id})")
    caller.background.install([each.id for each in found])
    return {}


def status(caller: Caller, given: Given) -> Document:
    """Return the states of agents. Each agent is asked now."""
    page = pages.asked(caller.action, given)
    system = given.text("OSType")
    if system not in (None, *SYSTEMS):
        raise invalid("OSType", f"(it is one of {', '.join(SYSTEMS)})")
    if given.listed("InstanceId"):
        named = caller.instances(given, most=MOST_INSTANCES)
    else:
        named = [each for each in caller.known.values() if caller.seen is None or each.id in caller.seen]
    found = [
        each for each in sorted(named, key=lambda each: each.id, reverse=True) if system in (None, views.system(each))
    ]
    shown = page.of(found, lambda each: each.id)
    states = requests.states(caller, shown[: page.size])
    items = [views.status(each.instance, each.health, each.use) for each in states]
    told = page.told([each.id for each in shown], len(found))
    return {**views.nested("InstanceCloudAssistantStatusSet", "InstanceCloudAssistantStatus", items), **told}


def plugins(caller: Caller, given: Given) -> Document:
    """Return the plugins of instances: none exist, and every name is refused."""
    page = pages.asked(caller.action, given)
    named = given.listed("InstanceId")
    found = caller.instances(given, most=FEWER_INSTANCES, too_many=400) if named else []
    name = given.text("Name")
    if name is None and len(found) != 1:
        raise Fault("PluginName.MissingValue", f"({len(found)} instances are named)")
    if name is not None:
        raise Fault("InvalidPluginName.NotFound")
    shown = page.of(found, lambda each: each.id)
    items = [{"InstanceId": each.id, **views.nested("PluginStatusSet", "PluginStatus", ())} for each in shown]
    told = page.told([each.id for each in shown], len(found))
    return {**views.nested("InstancePluginStatusSet", "InstancePluginStatus", items), **told}
