"""The inventory as the original's servers: DescribeInstances, DescribeInstanceStatus, DescribeRegions.

A filter compares the fields of the answer. A field that is always empty here, such as the zone, matches no filter.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from operator import getitem
from typing import Any

from assist_cli.api import machine_views, pages, requests, views
from assist_cli.api.caller import MOST_INSTANCES, Caller
from assist_cli.api.faults import Fault, invalid
from assist_cli.api.forms import Document
from assist_cli.api.parameters import COMMON_FIELDS, Given, RefusedParameter, UnusedParameter, ValueKind, takes
from assist_cli.model.enrolment import Enrolment
from assist_cli.model.instance import Instance
from assist_cli.operations.fleet.health import InstanceHealth
from assist_cli.paths import region

_DEFAULT_SHAPE = "every field of an answer is always there"
_BILLING = "nothing is sold here"
# Filters that need no agent, each with the field of the answer that it compares.
_SHOWN: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in (
        "DeviceAvailable", "HpcClusterId", "ImageId", "InstanceChargeType", "InstanceNetworkType", "InstanceType",
        "InstanceTypeFamily", "InternetChargeType", "IoOptimized", "KeyPairName", "ZoneId",
    )},
    **{name: ("MetadataOptions", name) for name in ("HttpEndpoint", "HttpPutResponseHopLimit", "HttpTokens")},
    **{name: ("VpcAttributes", name) for name in ("VSwitchId", "VpcId")},
    "EipAddresses": ("EipAddress", "IpAddress"),
    "InnerIpAddresses": ("InnerIpAddress", "IpAddress"),
    "Ipv6Address": ("NetworkInterfaces", "NetworkInterface"),
    "LockReason": ("OperationLocks", "LockReason"),
    "PrivateIpAddresses": ("VpcAttributes", "PrivateIpAddress", "IpAddress"),
    "PublicIpAddresses": ("PublicIpAddress", "IpAddress"),
    "RdmaIpAddresses": ("RdmaIpAddress", "IpAddress"),
    "SecurityGroupId": ("SecurityGroupIds", "SecurityGroupId"),
}  # fmt: skip
_KINDS = {
    "DeviceAvailable": ValueKind.FLAG,
    "HttpPutResponseHopLimit": ValueKind.NUMBER,
    "Ipv6Address": ValueKind.LIST,
    **{name: ValueKind.TEXTS for name in _SHOWN if name.endswith("IpAddresses") or name == "EipAddresses"},
}

INSTANCES = takes(
    **pages.PAGED,
    **{name: _KINDS.get(name, ValueKind.TEXT) for name in _SHOWN},
    AdditionalAttributes=UnusedParameter(_DEFAULT_SHAPE, ValueKind.LIST),
    DryRun=ValueKind.FLAG,
    Filter=RefusedParameter(
        "InvalidParameter.Filter", "InstanceIds, InstanceName, Status and Tag are filters", ValueKind.TAGS
    ),
    InstanceIds=ValueKind.TEXTS,
    InstanceName=ValueKind.TEXT,
    NeedSaleCycle=UnusedParameter(_BILLING, ValueKind.FLAG),
    Status=ValueKind.TEXT,
    Tag=ValueKind.TAGS,
)
STATUSES = takes(**pages.NUMBERED, ClusterId=ValueKind.TEXT, InstanceId=ValueKind.LIST, ZoneId=ValueKind.TEXT)
REGIONS = {
    **COMMON_FIELDS,
    "AcceptLanguage": UnusedParameter("a region has one name here"),
    "InstanceChargeType": UnusedParameter(_BILLING),
    "RegionId": UnusedParameter("the answer is for who does not know the region yet"),
    "ResourceType": UnusedParameter("there is one region for everything"),
}

WORDS = ("Pending", "Running", "Starting", "Stopping", "Stopped")


def describe(caller: Caller, given: Given) -> Document:
    """Return the instances of a query, newest first."""
    page = pages.asked(caller.action, given, MOST_INSTANCES)
    status, named = given.text("Status"), given.values.get("InstanceIds")
    if status not in (None, *WORDS):
        raise invalid("Status", f"(it is one of {', '.join(WORDS)})")
    for name, found in given.values.items():
        if INSTANCES[name] is ValueKind.TEXTS and len(found) > MOST_INSTANCES:
            raise invalid(name, f"({len(found)} of at most {MOST_INSTANCES})")
    matches, tags = matcher(given.text("InstanceName")), given.tags("Tag")
    left = [
        each
        for each in newest_first(caller.known.values())
        if (named is None or each.id in named)
        and matches(each.name)
        and has_tags(each, tags)
        and _is_shown(given, each)
    ]
    if given.flag("DryRun"):
        raise Fault("DryRunOperation")
    shown, total = states(caller, page, left, _of_status(status))
    items = [machine_views.instance(each.instance, each.health, region()) for each in shown[: page.size]]
    return {**views.nested("Instances", "Instance", items), **page.told([each.instance.id for each in shown], total)}


def statuses(caller: Caller, given: Given) -> Document:
    """Return the states of instances: running while their agents answer."""
    page = pages.asked(caller.action, given)
    named = caller.instances(given, most=MOST_INSTANCES) if given.listed("InstanceId") else caller.known.values()
    found = [] if given.text("ClusterId") or given.text("ZoneId") else newest_first(named)
    shown, total = states(caller, page, found)
    items = [{"InstanceId": each.instance.id, "Status": machine_views.status(each.health)} for each in shown]
    return {**views.nested("InstanceStatuses", "InstanceStatus", items[: page.size]), **page.numbered(total)}


def regions(caller: Caller, given: Given) -> Document:
    """Return the only region, with the endpoint by which this call reached it."""
    one = {"RegionId": region(), "LocalName": region(), "RegionEndpoint": caller.host, "Status": "available"}
    return views.nested("Regions", "Region", [one])


def states(
    caller: Caller,
    page: pages.Page,
    found: Sequence[Instance],
    wanted: Callable[[InstanceHealth], bool] | None = None,
) -> tuple[list[InstanceHealth], int]:
    """Return a page of instances and one more if it exists, each asked now, and the total.

    With ``wanted``, which selects by the answers of agents, all instances are asked.
    """
    if wanted is None:
        return requests.states(caller, page.of(found, lambda each: each.id)), len(found)
    asked = [each for each in requests.states(caller, found) if wanted(each)]
    return page.of(asked, lambda each: each.instance.id), len(asked)


def newest_first(found: Iterable[Instance]) -> list[Instance]:
    """Return instances in the order of a list: by id, newest first."""
    return sorted(found, key=lambda each: each.id, reverse=True)


def matcher(text: str | None) -> Callable[[str], bool]:
    """Return the test of a filter by name: ``*`` matches any text anywhere; None matches every name."""
    if text is None:
        return lambda name: True
    pattern = re.compile(".*".join(map(re.escape, re.split(r"\*+", text))), re.DOTALL)
    return lambda name: pattern.fullmatch(name) is not None


def has_tags(found: Instance | Enrolment, tags: dict[str, str]) -> bool:
    """Return True if something has all of these tags. A tag without a value matches any value."""
    return all(key in found.tags and value in ("", found.tags[key]) for key, value in tags.items())


def _is_shown(given: Given, found: Instance) -> bool:
    """Return True if an instance has, for each of these filters, one of the values given."""
    asked = given.values.keys() & _SHOWN.keys()
    shown = machine_views.described(found) if asked else {}
    return all(_said(given.values[name]) & _said(functools.reduce(getitem, _SHOWN[name], shown)) for name in asked)


def _said(value: Any) -> set[str]:
    """Return the values of a filter or a field as texts, without empty ones."""
    return {str(each).lower() for each in (value if isinstance(value, list) else [value]) if each != ""}


def _of_status(status: str | None) -> Callable[[InstanceHealth], bool] | None:
    if status is None:
        return None
    return lambda each: machine_views.status(each.health) == status
