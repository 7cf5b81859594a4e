"""The register as instances of the original, with both of its SDKs: listed, filtered, renamed, removed."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from assist_cli.model.access import Role
from tests.api.test_contract import check_shape
from tests.support import sdks
from tests.support.api import Service
from tests.support.sdks import Refused, Sdk

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the SDKs are old
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # and they close no connection
]


@pytest.fixture(params=[sdks.New, sdks.Old], ids=["new", "old"])
def sdk(request: pytest.FixtureRequest, service: Service) -> Sdk:
    key = service.keys[Role.ADMIN]
    made: Sdk = request.param(key.id, key.secret.reveal(), service.endpoint)
    return made


def limited(service: Service, role: Role, *scope: str) -> Sdk:
    key = service.key(role, *scope)
    return sdks.New(key.id, key.secret.reveal(), service.endpoint)


def listed(sdk: Sdk, **fields: Any) -> list[str]:
    return [each["InstanceId"] for each in sdk("DescribeInstances", **fields)["Instances"]["Instance"]]


def test_instances_are_listed_as_machines(sdk: Sdk, service: Service):
    team = uuid.uuid4().hex
    away = service.instance("tls:10.1.2.3:7433", team=team)
    public = service.instance("tls:[2606:4700::1]:7433", team=team)
    tag = [{"Key": "team", "Value": team}]
    answer = sdk("DescribeInstances", Tag=tag)
    check_shape("DescribeInstances", answer)
    shown = {each["InstanceId"]: each for each in answer["Instances"]["Instance"]}
    assert list(shown) == [public.id, away.id]
    assert answer["TotalCount"] == 2
    found = shown[away.id]
    expected = {"InstanceName": away.name, "Status": "Stopped", "OSType": "linux", "RegionId": "local"}
    assert {name: found[name] for name in expected} == expected
    assert found["Tags"]["Tag"] == [{"TagKey": "team", "TagValue": team}]
    assert found["VpcAttributes"]["PrivateIpAddress"]["IpAddress"] == ["10.1.2.3"]
    assert shown[public.id]["PublicIpAddress"]["IpAddress"] == ["2606:4700::1"]
    (here,) = sdk("DescribeInstances", InstanceIds=json.dumps([service.local.id]))["Instances"]["Instance"]
    assert (here["InstanceName"], here["Status"], here["HostName"] != "") == ("local", "Running", True)


def test_instances_are_filtered_by_their_shown_values(sdk: Sdk, service: Service):
    team = uuid.uuid4().hex
    first, second = (service.instance(f"tls:10.9.8.{number}:1", team=team) for number in (1, 2))
    tag = [{"Key": "team", "Value": team}]
    both = [second.id, first.id]
    for fields, expected in (
        ({"InstanceName": first.name}, [first.id]),
        ({"InstanceName": f"*{first.name[3:9]}*"}, [first.id]),
        ({"InstanceName": f"{first.name[:3]}*{first.name[-3:]}"}, [first.id]),
        ({"InstanceName": "x*"}, both),
        ({"InstanceName": first.name[:-1]}, []),
        ({"InstanceIds": json.dumps([first.id, "i-none"])}, [first.id]),
        ({"InstanceIds": "[]"}, []),
        ({"Status": "Stopped"}, both),
        ({"Status": "Running"}, []),
        ({"PrivateIpAddresses": '["10.9.8.2"]'}, [second.id]),
        ({"PublicIpAddresses": '["10.9.8.2"]'}, []),
        ({"EipAddresses": '[""]'}, []),
        ({"InstanceNetworkType": "vpc"}, both),
        ({"InstanceNetworkType": "classic"}, []),
        ({"IoOptimized": "false"}, both),
        ({"ZoneId": "cn-hangzhou-b"}, []),
        ({"VpcId": "vpc-1"}, []),
        ({"SecurityGroupId": "sg-1"}, []),
    ):
        assert listed(sdk, Tag=tag, **fields) == expected, fields
    assert listed(sdk, Tag=[*tag, {"Key": "none"}]) == []


def test_instances_come_in_pages(sdk: Sdk, service: Service):
    team = uuid.uuid4().hex
    ids = [service.instance(team=team).id for _ in range(5)][::-1]
    tag = [{"Key": "team", "Value": team}]
    assert listed(sdk, Tag=tag, PageNumber=2, PageSize=2) == ids[2:4]
    found, token = [], None
    while token != "":
        more = {"NextToken": token} if token else {}
        answer = sdk("DescribeInstances", Tag=tag, MaxResults=2, **more)
        found.append([each["InstanceId"] for each in answer["Instances"]["Instance"]])
        token = answer["NextToken"]
    assert found == [ids[:2], ids[2:4], ids[4:]]
    assert listed(sdk, Tag=tag, Status="Stopped", PageNumber=2, PageSize=2) == ids[2:4]


def test_statuses_and_regions(sdk: Sdk, service: Service):
    away = service.instance()
    answer = sdk("DescribeInstanceStatus", InstanceId=[service.local.id, away.id])
    check_shape("DescribeInstanceStatus", answer)
    statuses = {each["InstanceId"]: each["Status"] for each in answer["InstanceStatuses"]["InstanceStatus"]}
    assert statuses == {service.local.id: "Running", away.id: "Stopped"}
    assert sdk("DescribeInstanceStatus", ZoneId="z")["TotalCount"] == 0
    regions = sdk("DescribeRegions")
    check_shape("DescribeRegions", regions)
    (region,) = regions["Regions"]["Region"]
    assert (region["RegionId"], region["RegionEndpoint"], region["Status"]) == ("local", service.endpoint, "available")


def test_managed_instances_are_listed_renamed_and_removed(sdk: Sdk, service: Service):
    team = uuid.uuid4().hex
    away = service.instance("tls:10.1.2.3:7433", team=team)
    tag = [{"Key": "team", "Value": team}]

    def found(**fields: Any) -> Any:
        answer = sdk("DescribeManagedInstances", Tag=tag, **fields)
        check_shape("DescribeManagedInstances", answer)
        return answer["Instances"]

    (shown,) = found()
    expected = {"InstanceId": away.id, "IntranetIp": "10.1.2.3", "Connected": False, "OsType": "linux"}
    assert {name: shown[name] for name in expected} == expected
    assert shown["Tags"] == [{"TagKey": "team", "TagValue": team}]
    assert len(found(InstanceIp="10.1.2.3", OsType="linux", Connected=False, InstanceId=[away.id])) == 1
    for fields in ({"InstanceIp": "10.1.2.4"}, {"OsType": "windows"}, {"Connected": True}, {"ActivationId": "x"}):
        assert found(**fields) == [], fields
    named = sdk("ModifyManagedInstance", InstanceId=away.id, InstanceName=f"n{team}")
    check_shape("ModifyManagedInstance", named)
    assert named["Instance"] == {"InstanceId": away.id, "InstanceName": f"n{team}"}
    assert len(found(InstanceName=f"n{team}")) == 1
    for name, status, code in (
        ("a,b", 400, "InvalidInstanceName.Malformed"),
        ("x" * 129, 400, "InvalidInstanceName.Malformed"),
        (service.instance().name, 403, "Operation.Forbidden"),
    ):
        with pytest.raises(Refused) as refused:
            sdk("ModifyManagedInstance", InstanceId=away.id, InstanceName=name)
        assert (refused.value.status, refused.value.code) == (status, code)
    gone = sdk("DeregisterManagedInstance", InstanceId=away.id)
    check_shape("DeregisterManagedInstance", gone)
    assert gone["Instance"]["InstanceName"] == f"n{team}"
    assert found() == []
    with pytest.raises(Refused) as refused:
        sdk("DeregisterManagedInstance", InstanceId=away.id)
    assert refused.value.code == "InvalidInstance.NotFound"


def test_an_instance_with_open_records_stays_in_the_register(service: Service):
    admin = limited(service, Role.ADMIN)
    away = service.instance()
    run = {"Type": "RunShellScript", "CommandContent": "true", "Frequency": "rate(1h)"}
    made = admin("RunCommand", InstanceId=[away.id], **run)
    with pytest.raises(Refused) as refused:
        admin("DeregisterManagedInstance", InstanceId=away.id)
    assert refused.value.code == "Operation.Forbidden"
    admin("StopInvocation", InvokeId=made["InvokeId"])
    token = {"InstanceId": away.id, "ClientToken": away.id}
    once, again = admin("DeregisterManagedInstance", **token), admin("DeregisterManagedInstance", **token)
    assert once["Instance"] == again["Instance"]


def test_a_limited_key_sees_and_changes_only_its_instances(service: Service):
    inside, outside = service.instance(), service.instance()
    admin = limited(service, Role.ADMIN, inside.id)
    assert listed(admin) == [inside.id]
    assert listed(admin, InstanceIds=json.dumps([outside.id])) == []
    assert [each["InstanceId"] for each in admin("DescribeManagedInstances")["Instances"]] == [inside.id]
    assert admin("DescribeInstanceStatus")["TotalCount"] == 1
    for action, fields in (
        ("DescribeInstanceStatus", {"InstanceId": [outside.id]}),
        ("ModifyManagedInstance", {"InstanceId": outside.id, "InstanceName": "mine"}),
        ("DeregisterManagedInstance", {"InstanceId": outside.id}),
    ):
        with pytest.raises(Refused) as refused:
            admin(action, **fields)
        assert refused.value.code == "InvalidInstance.NotFound", action
    for role in (Role.VIEWER, Role.OPERATOR):
        with pytest.raises(Refused) as refused:
            limited(service, role)("DeregisterManagedInstance", InstanceId=inside.id)
        assert refused.value.code == "Forbidden.RAM"
    assert admin("DeregisterManagedInstance", InstanceId=inside.id)["Instance"]["InstanceId"] == inside.id
