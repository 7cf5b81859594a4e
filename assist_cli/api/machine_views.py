"""Answers about instances as machines: the original's fields for its own servers and for managed instances.

The values come from the agent and from the inventory. A value that only a cloud has is empty: "", 0, false or an empty
list, in the type that programs expect.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime, timezone

from assist_cli.agents import route
from assist_cli.api.forms import Document
from assist_cli.api.views import nested, system, time
from assist_cli.model.instance import Health, Instance, Use

RUNNING, STOPPED = "Running", "Stopped"


def status(health: Health) -> str:
    """Return ``Running`` while the agent answers. Without an answer nobody knows whether the machine is on."""
    return RUNNING if health.is_online else STOPPED


def instance(found: Instance, health: Health, region: str) -> Document:
    """One ``Instance`` of DescribeInstances."""
    return {
        "InstanceId": found.id,
        "InstanceName": found.name,
        "HostName": health.hostname,
        "Status": status(health),
        "RegionId": region,
        "OSType": found.os_type or "",
        "OSName": system(found),
        "OSNameEn": system(found),
        "CreationTime": _minute(found.created),
        **nested("Tags", "Tag", _tags(found)),
        **described(found),
    }


def described(found: Instance) -> Document:
    """Return the fields of an ``Instance`` that filters compare and that need no agent: only its addresses."""
    private, public = addresses(found)
    return {
        "InstanceNetworkType": "vpc",
        "VpcAttributes": {
            "NatIpAddress": "",
            "VSwitchId": "",
            "VpcId": "",
            **nested("PrivateIpAddress", "IpAddress", private),
        },
        **nested("PublicIpAddress", "IpAddress", public),
        **nested("InnerIpAddress", "IpAddress", ()),
        **nested("RdmaIpAddress", "IpAddress", ()),
        **nested("NetworkInterfaces", "NetworkInterface", ()),
        **nested("OperationLocks", "LockReason", ()),
        **nested("SecurityGroupIds", "SecurityGroupId", ()),
        **dict.fromkeys(_TEXTS, ""),
        **dict.fromkeys(_NUMBERS, 0),
        **dict.fromkeys(_FLAGS, False),
        "SpotPriceLimit": 0.0,
        "AdditionalInfo": {"EnableHighDensityMode": False, "ManagedHostId": "", "NodeSerialNumber": ""},
        "ClockOptions": {"PtpStatus": ""},
        "CpuOptions": {
            **dict.fromkeys(("CoreCount", "ThreadsPerCore"), 0),
            **dict.fromkeys(("EnableVISST", "EnableVRDT"), False),
            **dict.fromkeys(("NestedVirtualization", "Numa", "TopologyType", "TurboMode"), ""),
        },
        "DedicatedHostAttribute": {"DedicatedHostClusterId": "", "DedicatedHostId": "", "DedicatedHostName": ""},
        "DedicatedInstanceAttribute": {"Affinity": "", "Tenancy": ""},
        "EcsCapacityReservationAttr": {"CapacityReservationId": "", "CapacityReservationPreference": ""},
        "EipAddress": {
            **dict.fromkeys(("AllocationId", "InternetChargeType", "IpAddress"), ""),
            "Bandwidth": 0,
            "IsSupportUnassociate": False,
        },
        "HibernationOptions": {"Configured": False},
        "ImageOptions": {"CurrentOSNVMeSupported": False, "LoginAsNonRoot": False},
        "MetadataOptions": {
            **dict.fromkeys(("HttpEndpoint", "HttpTokens", "InstanceMetadataTags"), ""),
            "HttpPutResponseHopLimit": 0,
        },
        "PrivateDnsNameOptions": {
            **dict.fromkeys(_DNS_RECORDS, False),
            "HostnameType": "",
        },
        "SecurityOptions": {"EnableSecureBoot": False},
    }


def managed(found: Instance, health: Health, use: Use, activation: str) -> Document:
    """Return one of ``Instances`` of DescribeManagedInstances, without its tags: all known fields."""
    private, public = addresses(found)
    return {
        "InstanceId": found.id,
        "InstanceName": found.name,
        "Hostname": health.hostname,
        "IntranetIp": private[0] if private else "",
        "InternetIp": public[0] if public else "",
        "OsType": found.os_type or "",
        "OsVersion": "",
        "AgentVersion": health.agent,
        "InvocationCount": use.records,
        "LastInvokedTime": time(use.last_sent),
        "RegistrationTime": time(found.created),
        "MachineId": "",
        "ActivationId": activation,
        "ResourceGroupId": "",
    }


def listed(found: Instance, health: Health, use: Use, activation: str) -> Document:
    """Return the same as an item of the list, with its connection state and its tags."""
    return {**managed(found, health, use, activation), "Connected": health.is_online, "Tags": _tags(found)}


def addresses(found: Instance) -> tuple[list[str], list[str]]:
    """Return the IP addresses at which the agent is reached: private ones, and public ones."""
    way = route.parse(found.address)
    host = way.host if isinstance(way, route.Tls) else way.destination.host if isinstance(way, route.Ssh) else ""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return [], []
    return ([], [str(address)]) if address.is_global else ([str(address)], [])


def _tags(found: Instance) -> list[Document]:
    return [{"TagKey": key, "TagValue": value} for key, value in found.tags.items()]


def _minute(moment: datetime) -> str:
    """Return ``2026-11-22T08:00Z``, the format that programs expect in this field."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%MZ")


_TEXTS = (
    "AutoReleaseTime", "ClusterId", "CreditSpecification", "DeploymentSetId", "Description", "ExpiredTime", "GPUSpec",
    "HpcClusterId", "ISP", "ImageId", "InstanceChargeType", "InstanceType", "InstanceTypeFamily", "InternetChargeType",
    "KeyPairName", "ResourceGroupId", "SaleCycle", "SerialNumber", "SpotInterruptionBehavior", "SpotStrategy",
    "StartTime", "StoppedMode", "VlanId", "ZoneId",
)  # fmt: skip
_NUMBERS = (
    "Cpu", "DeploymentSetGroupNo", "GPUAmount", "InternetMaxBandwidthIn", "InternetMaxBandwidthOut",
    "LocalStorageAmount", "LocalStorageCapacity", "Memory", "SpotDuration",
)  # fmt: skip
_FLAGS = ("DeletionProtection", "DeviceAvailable", "EnableNVS", "IoOptimized", "Recyclable")
_DNS_RECORDS = (
    "EnableInstanceIdDnsAAAARecord", "EnableInstanceIdDnsARecord", "EnableIpDnsARecord", "EnableIpDnsPtrRecord",
)  # fmt: skip
