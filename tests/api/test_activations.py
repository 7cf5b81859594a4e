"""Activations of the API: the same enrolments as those of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assist_cli.agents import broker_folder
from assist_cli.agents.answers import Greeting
from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission
from assist_cli.deploy.host_answers import Found
from assist_cli.model.access import Role
from assist_cli.operations.controller import utc_now
from assist_cli.operations.fleet import enrolments
from tests.api.test_contract import check_shape
from tests.support import calls as support
from tests.support.calls import Calls

ABSENT = f"e-{1:026}"
EMPTY = Found("/var/lib/assist-agentd", "root", True, True, True, True, None, None, None)


@pytest.fixture
def bare(isolation: Path) -> Iterator[Calls]:
    """Calls of a home without a broker."""
    with support.calls(isolation) as made:
        yield made


@pytest.fixture
def brokered(bare: Calls) -> Calls:
    controller, now = bare.controller, utc_now()
    pki.prepare(controller.home, controller.id, now)
    admission.create(controller.home, controller.id, [broker_folder.parse("tls://broker.example.com")], now)
    return bare


def enrol(calls: Calls, activation: dict[str, str]) -> str:
    """Register a machine by an activation, and return its instance id."""
    controller, id, code = calls.controller, activation["ActivationId"], activation["ActivationCode"]
    admitted = enrolments.admit(controller, id, code, "machine", EMPTY, "web", "")
    found = enrolments.get(controller.database, id)
    return enrolments.register(controller, found, admitted, Greeting("i-x", "1", (1, 0), "b", "web", "Linux")).id


def test_an_activation_from_creation_to_deletion(brokered: Calls) -> None:
    made = brokered("CreateActivation", InstanceName="pos", InstanceCount="5", Tag__1__Key="role", Tag__1__Value="pos")
    check_shape("CreateActivation", made)
    other = brokered("CreateActivation", Description="spare", IpAddressRange="0.0.0.0/0", TimeToLiveInHours="24")
    listed = brokered("DescribeActivations")
    check_shape("DescribeActivations", listed)
    second, first = listed["ActivationList"]
    expected = {"InstanceName": "pos", "InstanceCount": 5, "RegisteredCount": 0, "Disabled": False}
    assert {name: first[name] for name in expected} == expected
    assert first["Tags"] == [{"TagKey": "role", "TagValue": "pos"}]
    assert (second["InstanceCount"], second["TimeToLiveInHours"], second["Description"]) == (10, 24, "spare")
    assert made["ActivationCode"] not in str(listed)

    instance = enrol(brokered, made)
    (managed,) = brokered("DescribeManagedInstances", ActivationId=made["ActivationId"])["Instances"]
    assert (managed["InstanceId"], managed["InstanceName"]) == (instance, "pos-1")
    assert managed["ActivationId"] == made["ActivationId"]
    assert brokered("DescribeManagedInstances", ActivationId=other["ActivationId"])["Instances"] == []
    brokered("DeregisterManagedInstance", InstanceId=instance)
    (found,) = brokered("DescribeActivations", ActivationId=made["ActivationId"])["ActivationList"]
    assert (found["RegisteredCount"], found["DeregisteredCount"]) == (1, 1)

    disabled = brokered("DisableActivation", ActivationId=made["ActivationId"])
    check_shape("DisableActivation", disabled)
    assert disabled["Activation"]["Disabled"]
    status, code, said = brokered.refused("DeleteActivation", ActivationId=made["ActivationId"])
    assert (status, code) == (403, "Operation.Forbidden")
    assert "it was used" in said
    check_shape("DeleteActivation", brokered("DeleteActivation", ActivationId=other["ActivationId"]))
    assert brokered("DescribeActivations")["TotalCount"] == 1


def test_a_repeated_creation_has_the_same_code(brokered: Calls) -> None:
    first = brokered("CreateActivation", ClientToken="once")
    again = brokered("CreateActivation", ClientToken="once")
    assert [first[name] for name in ("ActivationId", "ActivationCode")] == [
        again[name] for name in ("ActivationId", "ActivationCode")
    ]
    assert brokered("DescribeActivations")["TotalCount"] == 1


def test_wrong_calls_are_refused(brokered: Calls) -> None:
    for fields, status, code in (
        ({"InstanceCount": "0"}, 400, "InvalidParameter.InstanceCount"),
        ({"InstanceCount": "1001"}, 400, "InvalidParameter.InstanceCount"),
        ({"TimeToLiveInHours": "721"}, 400, "InvalidParameter.TimeToLiveInHours"),
        ({"InstanceName": "a,b"}, 400, "InvalidInstanceName.Malformed"),
        ({"InstanceName": "x" * 51}, 400, "InvalidInstanceName.Malformed"),
        ({"IpAddressRange": "10.0.0.0/8"}, 400, "InvalidParameter.IpAddressRange"),
        ({"Description": "a\nb"}, 400, "InvalidParameter.Description"),
    ):
        assert brokered.refused("CreateActivation", **fields)[:2] == (status, code), fields
    for action in ("DisableActivation", "DeleteActivation"):
        for id in (ABSENT, "e-", "x"):
            assert brokered.refused(action, ActivationId=id)[:2] == (404, "InvalidActivationId.NotFound")
        assert brokered.refused(action)[1] == "MissingParameter"
    assert brokered("DescribeActivations")["TotalCount"] == 0


def test_only_an_admin_of_all_instances_may_change_activations(brokered: Calls) -> None:
    made = brokered("CreateActivation")
    for key in (brokered.of(Role.OPERATOR), brokered.of(Role.VIEWER), brokered.of(Role.ADMIN, "away")):
        for action, fields in (
            ("CreateActivation", {}),
            ("DisableActivation", {"ActivationId": made["ActivationId"]}),
            ("DeleteActivation", {"ActivationId": made["ActivationId"]}),
        ):
            assert key.refused(action, **fields)[:2] == (403, "Forbidden.RAM")
    assert brokered.of(Role.VIEWER)("DescribeActivations")["TotalCount"] == 1
    assert brokered.of(Role.VIEWER, "away")("DescribeActivations")["TotalCount"] == 0


def test_without_a_broker_none_is_created(bare: Calls) -> None:
    status, code, said = bare.refused("CreateActivation")
    assert (status, code) == (403, "Operation.Forbidden")
    assert "this home has none" in said
