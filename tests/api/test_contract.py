"""The SDKs of the original as clients, unpatched: the parameters, answers and errors of every action."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import sys
import sysconfig
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assist_cli.api.actions import ACTIONS
from assist_cli.model.access import Role
from assist_cli.operations.local_zone import local_zone
from tests.support import sdks
from tests.support.api import GUARD, Service
from tests.support.sdks import Refused, Sdk

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the SDKs are old
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # and they close no connection
]

SHELL = "RunShellScript"
OVER = (
    "Success",
    "Failed",
    "Error",
    "Timeout",
    "Invalid",
    "Aborted",
    "Cancelled",
    "Terminated",
    "PartialFailed",
    "Stopped",
)


@pytest.fixture(params=[sdks.New, sdks.Old], ids=["new", "old"])
def sdk(request: pytest.FixtureRequest, service: Service) -> Sdk:
    key = service.keys[Role.ADMIN]
    made: Sdk = request.param(key.id, key.secret.reveal(), service.endpoint)
    return made


@pytest.fixture
def new(service: Service) -> Sdk:
    key = service.keys[Role.ADMIN]
    return sdks.New(key.id, key.secret.reveal(), service.endpoint)


def unique(name: str = "c") -> str:
    return f"{name}-{uuid.uuid4().hex}"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def results(sdk: Sdk, invoke_id: str, **more: Any) -> list[Any]:
    found = sdk("DescribeInvocationResults", InvokeId=invoke_id, **more)
    return list(found["Invocation"]["InvocationResults"]["InvocationResult"])


def ended(sdk: Sdk, invoke_id: str) -> Any:
    """Return the one result of an invocation that has ended."""
    for _ in polls():
        (found,) = results(sdk, invoke_id, ContentEncoding="PlainText")
        if found["InvocationStatus"] in OVER:
            return found
    raise AssertionError(f"{invoke_id} did not end: {found}")


def ended_all(sdk: Sdk, invoke_id: str) -> None:
    """Wait until an invocation has ended on all instances."""
    for _ in polls():
        if all(each["InvocationStatus"] in OVER for each in results(sdk, invoke_id)):
            return


def polls() -> Iterator[None]:
    """Poll as a client does: this API has no event to wait for."""
    end = time.monotonic() + GUARD
    while time.monotonic() < end:
        yield
        time.sleep(0.05)


# shapes


class Asked(dict[str, Any]):
    """A document that records the names that a model of the SDK reads, and those that it lacks."""

    def __init__(self, document: Any, missing: set[str], asked: set[str]) -> None:
        super().__init__(document)
        self._missing, self._asked = missing, asked

    def get(self, name: str, default: Any = None) -> Any:
        self._asked.add(name)
        if name not in self:
            self._missing.add(name)
        return self._wrapped(super().get(name, default))

    def _wrapped(self, value: Any) -> Any:
        if isinstance(value, dict):
            return Asked(value, self._missing, self._asked)
        return [self._wrapped(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_an_action_takes_every_parameter_that_either_sdk_can_send(action: str):
    asked: set[str] = set()
    from alibabacloud_ecs20140526 import models

    getattr(models, f"{action}Request")().from_map(Asked({}, set(), asked))
    setters = {name.removeprefix("set_") for name in dir(sdks.old_request(action)) if name.startswith("set_")}
    takes = set(ACTIONS[action].takes)
    assert asked <= takes
    of_the_old = {re.sub(r"[0-9](Key|Value)$", "", name) for name in setters if name[:1].isupper()}
    assert {name for name in of_the_old if name not in takes and name.removesuffix("s") not in takes} == set()
    assert takes - {"RegionId", "ResourceGroupId", "OwnerId", "OwnerAccount"} <= asked | of_the_old | {
        name.removesuffix("s") for name in of_the_old
    }


def check_shape(action: str, document: Any) -> None:
    """Check that the answer has every field that a model of the SDK reads."""
    from alibabacloud_ecs20140526 import models

    missing: set[str] = set()
    getattr(models, f"{action}ResponseBody")().from_map(Asked(document, missing, set()))
    assert not missing


# behaviour


def test_run_command_and_its_results(sdk: Sdk, service: Service):
    made = sdk(
        "RunCommand",
        Type=SHELL,
        CommandContent="echo out {{who}}; echo err >&2; exit 3",
        Name="greet",
        Description="says hello",
        EnableParameter=True,
        Parameters={"who": "Jack"},
        Timeout=5,
        WorkingDir="/tmp",
        InstanceId=[service.local.id],
        Tag=[{"Key": "job", "Value": "nightly"}],
        TerminationMode="ProcessTree",
    )
    check_shape("RunCommand", made)
    assert made["RequestId"] == str(uuid.UUID(made["RequestId"])).upper()
    result = ended(sdk, made["InvokeId"])
    assert result["Output"] == "out Jack\nerr\n"
    assert {name: result[name] for name in ("InvokeRecordStatus", "InvocationStatus", "ExitCode", "ErrorCode")} == {
        "InvokeRecordStatus": "Finished",
        "InvocationStatus": "Failed",
        "ExitCode": 3,
        "ErrorCode": "ExitCodeNonzero",
    }
    found = sdk("DescribeInvocations", InvokeId=made["InvokeId"], IncludeOutput=True)
    check_shape("DescribeInvocations", found)
    check_shape("DescribeInvocationResults", sdk("DescribeInvocationResults", InvokeId=made["InvokeId"]))
    (invocation,) = found["Invocations"]["Invocation"]
    assert base64.b64decode(invocation["CommandContent"]).decode().startswith("echo out {{who}}")
    assert json.loads(invocation["Parameters"]) == {"who": "Jack"}
    expected = {
        "CommandId": made["CommandId"],
        "CommandName": "greet",
        "CommandDescription": "says hello",
        "CommandType": SHELL,
        "InvokeStatus": "Finished",
        "InvocationStatus": "Failed",
        "RepeatMode": "Once",
        "Timed": False,
        "Timeout": 10,
        "WorkingDir": "/tmp",
        "Tags": {"Tag": [{"TagKey": "job", "TagValue": "nightly"}]},
    }
    assert {name: invocation[name] for name in expected} == expected
    (place,) = invocation["InvokeInstances"]["InvokeInstance"]
    assert base64.b64decode(place["Output"]) == b"out Jack\nerr\n"
    assert (place["InstanceInvokeStatus"], place["InvocationStatus"], place["ExitCode"]) == ("Finished", "Failed", 3)
    assert place["FinishTime"] == result["FinishedTime"] >= place["StartTime"] == result["StartTime"]


def test_output_is_returned_only_on_request(new: Sdk, service: Service):
    made = new("RunCommand", Type=SHELL, CommandContent="echo x", InstanceId=[service.local.id])
    ended(new, made["InvokeId"])

    def output(**more: Any) -> str:
        (found,) = new("DescribeInvocations", CommandId=made["CommandId"], **more)["Invocations"]["Invocation"]
        return str(found["InvokeInstances"]["InvokeInstance"][0]["Output"])

    assert output() == output(IncludeOutput=True) == output(InvokeId=made["InvokeId"]) == ""
    assert output(IncludeOutput=True, InstanceId=service.local.id, ContentEncoding="PlainText") == "x\n"


def test_long_output_keeps_both_ends(new: Sdk, service: Service):
    made = new("RunCommand", Type=SHELL, CommandContent="seq 1 20000", InstanceId=[service.local.id])
    result = ended(new, made["InvokeId"])
    assert result["Output"].startswith("1\n2\n")
    assert result["Output"].endswith("19999\n20000\n")
    assert len(result["Output"]) + result["Dropped"] == len("".join(f"{number}\n" for number in range(1, 20001)))
    assert len(result["Output"]) <= 24 * 1024


def test_a_running_record_shows_its_output_so_far(new: Sdk, service: Service):
    made = new("RunCommand", Type=SHELL, CommandContent="echo begun; sleep 60", InstanceId=[service.local.id])
    for _ in polls():
        (result,) = results(new, made["InvokeId"], ContentEncoding="PlainText")
        if result["Output"]:
            break
    assert (result["InvokeRecordStatus"], result["Output"], result["FinishedTime"]) == ("Running", "begun\n", "")
    assert result["StartTime"]
    (found,) = new("DescribeInvocations", InvokeId=made["InvokeId"], IncludeOutput=True)["Invocations"]["Invocation"]
    (place,) = found["InvokeInstances"]["InvokeInstance"]
    assert base64.b64decode(place["Output"]) == b"begun\n"
    assert (place["InstanceInvokeStatus"], place["StartTime"]) == ("Running", result["StartTime"])
    new("StopInvocation", InvokeId=made["InvokeId"])
    assert ended(new, made["InvokeId"])["Output"] == "begun\n"


def test_a_command_from_create_to_delete(sdk: Sdk, service: Service):
    name = unique()
    made = sdk(
        "CreateCommand",
        Name=name,
        Type=SHELL,
        CommandContent=b64("echo {{ who }}-{{WHO}}\n"),
        Description="first",
        EnableParameter=True,
        Timeout=30,
        WorkingDir="/tmp",
        Tag=[{"Key": "team", "Value": name}],
    )
    check_shape("CreateCommand", made)
    command_id = made["CommandId"]
    found = sdk("DescribeCommands", CommandId=command_id)
    check_shape("DescribeCommands", found)
    (command,) = found["Commands"]["Command"]
    expected = {
        "Name": name,
        "Description": "first",
        "Type": SHELL,
        "CommandContent": b64("echo {{ who }}-{{WHO}}\n"),
        "EnableParameter": True,
        "ParameterNames": {"ParameterName": ["who"]},
        "Timeout": 30,
        "WorkingDir": "/tmp",
        "InvokeTimes": 0,
        "Tags": {"Tag": [{"TagKey": "team", "TagValue": name}]},
    }
    assert {key: command[key] for key in expected} == expected

    started = sdk("InvokeCommand", CommandId=command_id, Parameters={"Who": "x"}, InstanceId=[service.local.id])
    check_shape("InvokeCommand", started)
    assert ended(sdk, started["InvokeId"])["Output"] == "x-x\n"

    check_shape(
        "ModifyCommand",
        sdk("ModifyCommand", CommandId=command_id, Name=name + "x", Description="second", Timeout=40, WorkingDir="/"),
    )
    (changed,) = sdk("DescribeCommands", Name=name + "*", ContentEncoding="PlainText")["Commands"]["Command"]
    expected = {"Name": name + "x", "Description": "second", "Timeout": 40, "WorkingDir": "/", "InvokeTimes": 1}
    assert {key: changed[key] for key in expected} == expected
    assert changed["CommandContent"] == "echo {{ who }}-{{WHO}}\n"

    check_shape("DeleteCommand", sdk("DeleteCommand", CommandId=command_id))
    assert sdk("DescribeCommands", CommandId=command_id)["Commands"]["Command"] == []
    (then,) = sdk("DescribeInvocations", CommandId=command_id)["Invocations"]["Invocation"]
    assert then["CommandName"] == name


def test_new_content_makes_a_new_version(new: Sdk):
    made = new("CreateCommand", Name=unique(), Type=SHELL, CommandContent=b64("echo 1"))
    for content, version in (("echo 2", 2), ("echo 2", 2), ("echo 3", 3)):
        new("ModifyCommand", CommandId=made["CommandId"], CommandContent=b64(content))
        (found,) = new("DescribeCommands", CommandId=made["CommandId"], ContentEncoding="PlainText")["Commands"][
            "Command"
        ]
        assert (found["CommandContent"], found["Version"]) == (content, version)


def test_a_shell_script_of_wide_characters_is_refused(new: Sdk, service: Service):
    fields = {"Type": SHELL, "CommandContent": base64.b64encode("echo 1".encode("utf-16")).decode()}
    with pytest.raises(Refused, match=r"CmdContent\.DecodeError.*UTF-16"):
        new("CreateCommand", Name=unique(), **fields)
    with pytest.raises(Refused, match=r"CmdContent\.DecodeError.*UTF-16"):
        new("RunCommand", ContentEncoding="Base64", InstanceId=[service.local.id], **fields)


def test_run_command_keeps_a_command_on_request(new: Sdk, service: Service):
    name = unique()
    made = new(
        "RunCommand",
        Type=SHELL,
        CommandContent=b64("true"),
        ContentEncoding="base64",
        KeepCommand=True,
        Name=name,
        InstanceId=[service.local.id],
    )
    (found,) = new("DescribeCommands", CommandId=made["CommandId"])["Commands"]["Command"]
    assert (found["Name"], found["InvokeTimes"]) == (name, 1)
    assert ended(new, made["InvokeId"])["InvocationStatus"] == "Success"
    unnamed = new("RunCommand", Type=SHELL, CommandContent="true", KeepCommand=True, InstanceId=[service.local.id])
    (found,) = new("DescribeCommands", CommandId=unnamed["CommandId"])["Commands"]["Command"]
    assert found["Name"].startswith("cmd-")
    kept_not = new("RunCommand", Type=SHELL, CommandContent="true", Name=name, InstanceId=[service.local.id])
    assert new("DescribeCommands", CommandId=kept_not["CommandId"])["Commands"]["Command"] == []
    for invoke_id in (unnamed["InvokeId"], kept_not["InvokeId"]):
        ended(new, invoke_id)


def test_stop_invocation_ends_what_runs(sdk: Sdk, service: Service):
    made = sdk("RunCommand", Type=SHELL, CommandContent="exec sleep 600", Timeout=700, InstanceId=[service.local.id])
    for _ in polls():
        if results(sdk, made["InvokeId"])[0]["InvocationStatus"] == "Running":
            break
    check_shape("StopInvocation", sdk("StopInvocation", InvokeId=made["InvokeId"], InstanceId=[service.local.id]))
    result = ended(sdk, made["InvokeId"])
    assert (result["InvokeRecordStatus"], result["InvocationStatus"]) == ("Stopped", "Terminated")
    assert result["StopTime"]
    sdk("StopInvocation", InvokeId=made["InvokeId"])  # ended records do not change


def test_an_instance_that_does_not_answer_is_aborted(new: Sdk, service: Service):
    away = service.instance()
    made = new("RunCommand", Type=SHELL, CommandContent="true", InstanceId=[service.local.id, away.id])
    for _ in polls():
        (found,) = new("DescribeInvocations", InvokeId=made["InvokeId"])["Invocations"]["Invocation"]
        if found["InvocationStatus"] in OVER:
            break
    assert (found["InvokeStatus"], found["InvocationStatus"]) == ("PartialFailed", "PartialFailed")
    by_instance = {each["InstanceId"]: each for each in found["InvokeInstances"]["InvokeInstance"]}
    assert by_instance[away.id]["InvocationStatus"] == "Aborted"
    assert by_instance[away.id]["ErrorCode"] in ("ClientNotRunning", "ClientNotOnline")


def test_instances_are_found_by_their_tags(new: Sdk, service: Service):
    value = unique()
    away = service.instance(role=value, zone="a")
    service.instance(role="other", zone="a")
    tags = [{"Key": "role", "Value": value}, {"Key": "zone", "Value": "a"}]
    made = new("RunCommand", Type=SHELL, CommandContent="true", ResourceTag=tags)
    assert [each["InstanceId"] for each in results(new, made["InvokeId"])] == [away.id]


def test_a_file_from_send_to_results(sdk: Sdk, service: Service, isolation: Any):
    name = unique("f")
    made = sdk(
        "SendFile",
        Name=name,
        TargetDir=str(isolation),
        Content=b64("ünïcode\n"),
        ContentType="Base64",
        FileMode="0600",
        Description="a file",
        Overwrite=False,
        InstanceId=[service.local.id],
        Tag=[{"Key": "file", "Value": name}],
    )
    check_shape("SendFile", made)
    for _ in polls():
        found = sdk("DescribeSendFileResults", InvokeId=made["InvokeId"])
        (sent,) = found["Invocations"]["Invocation"]
        if sent["InvocationStatus"] in OVER:
            break
    check_shape("DescribeSendFileResults", found)
    expected = {
        "Name": name,
        "TargetDir": str(isolation),
        "FileMode": "0600",
        "Description": "a file",
        "Overwrite": "false",
        "InvocationStatus": "Success",
        "VmCount": 1,
        "Tags": {"Tag": [{"TagKey": "file", "TagValue": name}]},
    }
    assert {key: sent[key] for key in expected} == expected
    assert (isolation / name).read_text() == "ünïcode\n"
    assert (isolation / name).stat().st_mode & 0o777 == 0o600
    for filters in ({"Name": name}, {"Tag": [{"Key": "file", "Value": name}]}):
        assert (
            len(sdk("DescribeSendFileResults", InvocationStatus="Success", **filters)["Invocations"]["Invocation"]) == 1
        )
    assert sdk("DescribeInvocations", InvokeId=made["InvokeId"])["Invocations"]["Invocation"] == []


@pytest.mark.long
def test_a_hanging_agent_delays_no_client(new: Sdk, service: Service):
    """The default timeout of an SDK is 10 s."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # every connection is accepted, and gets no answer
        hung = service.instance(f"tls:127.0.0.1:{silent.getsockname()[1]}")
        fields = {"Type": SHELL, "CommandContent": "true", "RepeatMode": "DryRun"}
        with pytest.raises(Refused, match=r"no answer in 5 s"):
            new("RunCommand", InstanceId=[service.local.id, hung.id], **fields)


def test_the_status_of_agents(sdk: Sdk, service: Service):
    away = service.instance()
    found = sdk("DescribeCloudAssistantStatus", InstanceId=[service.local.id, away.id])
    check_shape("DescribeCloudAssistantStatus", found)
    by_instance = {
        each["InstanceId"]: each for each in found["InstanceCloudAssistantStatusSet"]["InstanceCloudAssistantStatus"]
    }
    assert by_instance[service.local.id]["CloudAssistantStatus"] == "true"
    assert by_instance[service.local.id]["OSType"] == "Linux"
    assert by_instance[away.id]["CloudAssistantStatus"] == "false"
    assert sdk("DescribeCloudAssistantStatus", InstanceId=[away.id], OSType="Windows")["TotalCount"] == 0


def test_install_upgrades_agents(sdk: Sdk, service: Service):
    check_shape("InstallCloudAssistant", sdk("InstallCloudAssistant", InstanceId=[service.local.id]))


def test_there_are_no_plugins(sdk: Sdk, service: Service):
    found = sdk("ListPluginStatus", InstanceId=[service.local.id])
    (listed,) = found["InstancePluginStatusSet"]["InstancePluginStatus"]
    assert listed == {"InstanceId": service.local.id, "PluginStatusSet": {"PluginStatus": []}}


# periodic invocations


@pytest.mark.long
def test_a_periodic_invocation_from_its_first_run_to_its_stop(new: Sdk, service: Service):
    made = new(
        "RunCommand", Type=SHELL, CommandContent="echo again", Frequency="*/10 * * * * ?", InstanceId=[service.local.id]
    )
    invoke_id = made["InvokeId"]
    (found,) = new("DescribeInvocations", InvokeId=invoke_id, Timed=True, RepeatMode="Period")["Invocations"][
        "Invocation"
    ]
    expected = {
        "InvokeStatus": "Running",
        "RepeatMode": "Period",
        "Timed": True,
        "Frequency": f"*/10 * * * * ? {local_zone()}",
    }
    assert {name: found[name] for name in expected} == expected
    assert found["InvocationStatus"] in ("Scheduled", "Pending", "Running")
    for _ in polls():
        records = results(new, invoke_id, IncludeHistory=True, ContentEncoding="PlainText")
        if records and records[-1]["InvocationStatus"] == "Success":
            break
    assert (records[-1]["Output"], records[-1]["InvokeRecordStatus"]) == ("again\n", "Finished")
    assert records[0]["Repeats"] >= 1
    new("StopInvocation", InvokeId=invoke_id)
    for _ in polls():
        (found,) = new("DescribeInvocations", InvokeId=invoke_id)["Invocations"]["Invocation"]
        if found["InvokeStatus"] == "Stopped":
            break
    assert found["InvocationStatus"] == "Stopped"
    assert new("DescribeInvocations", InvokeId=invoke_id, Timed=True)["TotalCount"] == 0


def test_a_frequency_and_the_instances_may_be_changed(sdk: Sdk, service: Service):
    away, more = service.instance(), service.instance()
    script = {"CommandContent": "echo {{a}}", "EnableParameter": True, "Parameters": {"a": "1"}}
    made = sdk("RunCommand", Type=SHELL, Frequency="rate(1h)", InstanceId=[away.id], **script)
    change = {"InvokeId": made["InvokeId"], "InstanceId": [away.id, more.id]}
    same = {"CommandContent": "echo {{a}}", "EnableParameter": True, "Parameters": {"a": "1"}}
    changed = sdk("ModifyInvocationAttribute", Frequency="rate(2h)", **change, **same)
    check_shape("ModifyInvocationAttribute", changed)
    assert changed["CommandId"] == made["CommandId"]
    (found,) = sdk("DescribeInvocations", InvokeId=made["InvokeId"])["Invocations"]["Invocation"]
    assert found["Frequency"] == "rate(2h)"
    for text in (
        "0 0 9 * * ? UTC",
        "0 0 9 * * ? Asia/Shanghai",
        "0 0 9 * * ? GMT+8:00",
    ):  # the zone is a change
        sdk("ModifyInvocationAttribute", InvokeId=made["InvokeId"], Frequency=text)
        (found,) = sdk("DescribeInvocations", InvokeId=made["InvokeId"])["Invocations"]["Invocation"]
        assert found["Frequency"] == text
    places = found["InvokeInstances"]["InvokeInstance"]
    assert [(each["InstanceId"], each["InvocationStatus"]) for each in places] == [
        (away.id, "Scheduled"),
        (more.id, "Scheduled"),
    ]
    for fields, status, code in (
        ({"Frequency": "rate(5s)"}, 400, "InvalidParameter.Frequency"),
        ({"Frequency": "never"}, 400, "InvalidParameter.Frequency"),
        ({"Frequency": "at(2099-01-01 00:00:00)"}, 400, "InvalidParameter.Frequency"),
        ({"InstanceId": ["i-none"]}, 404, "InvalidInstanceId.NotFound"),
        ({"CommandContent": "é", "ContentEncoding": "Base64"}, 400, "InvalidCommandContent.DecodeError"),
        ({"CommandContent": "x" * 12_289}, 403, "InvalidCommandContent.LengthLimitExceeded"),
        ({"CommandContent": "echo {{}}"}, 400, "InvalidParameters.KeyEmpty"),
        ({"CommandContent": "echo {{a.b}}"}, 400, "InvalidParameters.KeyMalformed"),
        ({"CommandContent": "echo {{b}}"}, 400, "InvalidParameters.KeyNotMatch"),
        ({"Parameters": {"b": "1"}}, 400, "InvalidParameters.KeyNotMatch"),
        ({"Parameters": {"": "1"}}, 400, "InvalidParameters.KeyEmpty"),
        ({"Parameters": {"a b": "1"}}, 400, "InvalidParameters.KeyMalformed"),
        ({"Parameters": {"a": "1", "A": "1"}}, 400, "InvalidParameters.KeyDuplicate"),
        ({"Parameters": {"k" * 65: "1"}}, 403, "InvalidParameters.KeyLengthLimitExceeded"),
        ({"Parameters": {"a": ["1"]}}, 403, "InvalidParameters.ValueTypeUnsupported"),
        ({"Parameters": {f"k{n}": "1" for n in range(21)}}, 403, "InvalidParameters.CountLimitExceeded"),
        ({"InvokeId": "t-none"}, 404, "InvalidInvokeId.NotFound"),
        ({"InstanceId": [f"i-{n:026}" for n in range(101)]}, 403, "InvalidInstanceId.CountLimitExceeded"),
    ):
        with pytest.raises(Refused) as refused:
            sdk("ModifyInvocationAttribute", **{"InvokeId": made["InvokeId"], **fields})
        assert (refused.value.code, refused.value.status) == (code, status), fields
    sdk("StopInvocation", InvokeId=made["InvokeId"])
    with pytest.raises(Refused) as refused:
        sdk("ModifyInvocationAttribute", InvokeId=made["InvokeId"], Frequency="rate(3h)")
    assert refused.value.code == "InvalidOperation.InvokeAlreadyFinished"
    once = sdk("RunCommand", Type=SHELL, CommandContent="true", InstanceId=[away.id])
    with pytest.raises(Refused) as refused:
        sdk("ModifyInvocationAttribute", InvokeId=once["InvokeId"], Frequency="rate(3h)")
    assert refused.value.code == "InvalidOperation.RepeatModeUnsupported"


def test_the_script_and_parameters_of_a_schedule_may_be_changed(sdk: Sdk, service: Service):
    away = service.instance()
    script = {"CommandContent": "echo {{a}}{{b}}", "EnableParameter": True, "Parameters": {"a": "1", "b": "2"}}
    made = sdk("RunCommand", Type=SHELL, Name="first", Frequency="rate(1h)", InstanceId=[away.id], **script)
    invoke_id = made["InvokeId"]

    def shown() -> tuple[str, str, str]:
        (found,) = sdk("DescribeInvocations", InvokeId=invoke_id, ContentEncoding="PlainText")["Invocations"][
            "Invocation"
        ]
        return found["CommandId"], found["CommandContent"], found["Parameters"]

    values = sdk("ModifyInvocationAttribute", InvokeId=invoke_id, EnableParameter=True, Parameters={"B": "3"})
    assert values["CommandId"] == made["CommandId"]
    assert shown() == (made["CommandId"], "echo {{a}}{{b}}", '{"a":"1","b":"3"}')
    change = {"CommandContent": b64("echo {{b}} {{c}}"), "ContentEncoding": "base64", "Parameters": {"c": "4"}}
    other = sdk("ModifyInvocationAttribute", InvokeId=invoke_id, EnableParameter=True, ClientToken=invoke_id, **change)
    assert other["CommandId"] != made["CommandId"]
    assert shown() == (other["CommandId"], "echo {{b}} {{c}}", '{"b":"3","c":"4"}')
    again = sdk("ModifyInvocationAttribute", InvokeId=invoke_id, EnableParameter=True, ClientToken=invoke_id, **change)
    assert again["CommandId"] == other["CommandId"]
    before = subprocess.run(
        [Path(sysconfig.get_path("scripts")) / "assist", "invocation", "show", invoke_id],
        env={**os.environ, "ASSIST_HOME": str(service.home.root)},
        capture_output=True,
        text=True,
    )
    assert before.stdout.count("echo {{a}}{{b}}") == 2, before.stderr
    off = sdk("ModifyInvocationAttribute", InvokeId=invoke_id, EnableParameter=False, CommandContent="echo {{}}")
    assert shown() == (off["CommandId"], "echo {{}}", "{}")
    sdk("StopInvocation", InvokeId=invoke_id)
    (place,) = sdk("DescribeInvocations", InvokeId=invoke_id)["Invocations"]["Invocation"][0]["InvokeInstances"][
        "InvokeInstance"
    ]
    assert (place["InvocationStatus"], place["Repeats"], place["StopTime"] != "") == ("Cancelled", 0, True)


def test_a_launcher_gets_the_file_of_the_script(sdk: Sdk, service: Service):
    launcher = f'{sys.executable} -u {{{{ACS::ScriptFileName|Ext(".py")}}}} "a b"'
    script = "import sys; print(sys.argv[0][-3:], sys.argv[1:])"
    run = {"Type": SHELL, "CommandContent": script, "InstanceId": [service.local.id]}
    made = sdk("RunCommand", Launcher=launcher, **run)
    found = ended(sdk, made["InvokeId"])
    assert (found["Output"], found["Launcher"]) == (".py ['a b']\n", launcher)
    saved = sdk(
        "CreateCommand", Name=unique(), Type=SHELL, CommandContent=b64("echo no"), Launcher="/bin/echo a 'b  c'"
    )["CommandId"]
    ran = sdk("InvokeCommand", CommandId=saved, InstanceId=[service.local.id])
    assert ended(sdk, ran["InvokeId"])["Output"].startswith("a b  c /")
    sdk("ModifyCommand", CommandId=saved, Launcher="")
    ran = sdk("InvokeCommand", CommandId=saved, InstanceId=[service.local.id])
    assert ended(sdk, ran["InvokeId"])["Output"] == "no\n"


# pages and filters


def test_lists_come_in_pages(new: Sdk):
    team = unique()
    ids = [
        new(
            "CreateCommand", Name=unique(), Type=SHELL, CommandContent=b64("true"), Tag=[{"Key": "team", "Value": team}]
        )["CommandId"]
        for _ in range(5)
    ]
    tags = [{"Key": "team", "Value": team}]

    def page(**more: Any) -> tuple[list[str], Any]:
        found = new("DescribeCommands", Tag=tags, **more)
        return [each["CommandId"] for each in found["Commands"]["Command"]], found

    newest_first = ids[::-1]
    assert page()[0] == newest_first
    assert [page(PageNumber=number, PageSize=2)[0] for number in (1, 2, 3, 4)] == [
        newest_first[:2], newest_first[2:4], newest_first[4:], []
    ]  # fmt: skip
    seen, token = [], None
    while True:
        found, answer = page(MaxResults=2, **({"NextToken": token} if token else {}))
        seen.append(found)
        assert answer["TotalCount"] == 5
        token = answer.get("NextToken")
        if not token:
            break
    assert seen == [newest_first[:2], newest_first[2:4], newest_first[4:]]


def test_a_token_belongs_to_its_list_and_numbers_count_pages(new: Sdk):
    team = unique()
    tags = [{"Key": "team", "Value": team}]
    for _ in range(12):
        new("CreateCommand", Name=unique(), Type=SHELL, CommandContent=b64("true"), Tag=tags)

    def page(action: str = "DescribeCommands", **fields: Any) -> Any:
        return new(action, **{"Tag": tags, **fields})

    first = page()
    assert (first["PageNumber"], first["PageSize"], len(first["Commands"]["Command"])) == (1, 10, 10)
    rest = page(NextToken=first["NextToken"])  # only by tokens
    assert (rest["PageNumber"], len(rest["Commands"]["Command"]), rest["NextToken"]) == (2, 2, "")
    second = page(PageNumber=2, PageSize=5)
    third = page(NextToken=second["NextToken"], MaxResults=5)
    assert (second["PageNumber"], third["PageNumber"], third["PageSize"]) == (2, 3, 5)
    assert len(third["Commands"]["Command"]) == 2
    token = first["NextToken"]
    for fields, code in (
        ({"NextToken": token, "Name": "c*"}, "InvalidParameter.NextToken"),
        ({"NextToken": token, "Tag": []}, "InvalidParameter.NextToken"),
        ({"action": "DescribeInvocations", "NextToken": token}, "InvalidParameter.NextToken"),
        ({"NextToken": token[:-2] + "AA"}, "InvalidParameter.NextToken"),
        ({"NextToken": "AAAA"}, "InvalidParameter.NextToken"),
        ({"NextToken": "é"}, "InvalidParameter.NextToken"),
        ({"MaxResults": 5, "PageNumber": 2}, "InvalidParam.PageNumber"),
        ({"NextToken": token, "PageNumber": 3}, "InvalidParam.PageNumber"),
    ):
        with pytest.raises(Refused) as refused:
            page(**fields)
        assert refused.value.code == code, fields
    assert page(MaxResults=5, PageNumber=1)["PageNumber"] == 1


def test_the_fields_of_a_command_may_be_cleared(sdk: Sdk):
    said = {"Description": "about", "WorkingDir": "/tmp"}
    made = sdk("CreateCommand", Name=unique(), Type=SHELL, CommandContent=b64("true"), **said)["CommandId"]

    def found(**fields: Any) -> list[tuple[Any, ...]]:
        rows = sdk("DescribeCommands", CommandId=made, **fields)["Commands"]["Command"]
        return [tuple(row[name] for name in ("Version", "Latest", "Description", "WorkingDir")) for row in rows]

    sdk("ModifyCommand", CommandId=made, Timeout=30)
    assert found() == [(2, True, "about", "/tmp")]
    sdk("ModifyCommand", CommandId=made, Description="", WorkingDir="")
    assert found() == found(Latest=True) == [(3, True, "", "")]
    assert found(Latest=False) == [(3, True, "", ""), (2, False, "", "/tmp"), (1, False, "", "/tmp")]


def test_a_filter_finds_what_the_answer_shows(service: Service, new: Sdk):
    away, job = service.instance(), unique()
    tags = [{"Key": "job", "Value": job}]
    limited = service.key(Role.VIEWER, service.local.id)
    others = sdks.New(limited.id, limited.secret.reveal(), service.endpoint)
    script = {"Type": SHELL, "CommandContent": "true", "Tag": tags}
    both = new("RunCommand", InstanceId=[service.local.id, away.id], **script)["InvokeId"]
    ended_all(new, both)
    for sdk in (new, others):
        (shown,) = sdk("DescribeInvocations", Tag=tags)["Invocations"]["Invocation"]
        for word in ("Running", "Finished", "Success", "Stopped", "Stopping", "PartialFailed", "Pending", "Scheduled"):
            found = sdk("DescribeInvocations", Tag=tags, InvokeStatus=word)["TotalCount"]
            assert bool(found) is (word in (shown["InvokeStatus"], shown["InvocationStatus"])), (word, shown)


def test_invocations_are_filtered(new: Sdk, service: Service):
    job = unique()
    away = service.instance()
    tags = [{"Key": "job", "Value": job}]

    def run(script: str, *where: str, **more: Any) -> str:
        made = new("RunCommand", Type=SHELL, CommandContent=script, InstanceId=list(where), Tag=tags, **more)
        return str(made["InvokeId"])

    here = service.local.id
    good, bad, lost = run("true", here, Name=job), run("exit 1", here), run("true", away.id)
    for each in (good, bad, lost):
        ended(new, each)

    def found(**more: Any) -> list[str]:
        answer = new("DescribeInvocations", Tag=tags, **more)
        return [each["InvokeId"] for each in answer["Invocations"]["Invocation"]]

    assert found() == [lost, bad, good]
    assert found(PageSize=1, PageNumber=2) == [bad]
    assert found(InvokeStatus="Finished") == [bad, good]
    assert found(InvokeStatus="Success") == [good]
    assert found(InvokeStatus="Failed") == [lost]
    assert found(InvokeStatus="Failed", InstanceId=here) == []
    assert found(InvokeStatus="Success", InstanceId=here) == [good]
    assert found(InvokeStatus="Running") == found(InvokeStatus="Pending") == found(InvokeStatus="Scheduled") == []
    assert found(InstanceId=away.id) == [lost]
    assert found(CommandName=job) == [good]
    assert found(CommandType="RunBatScript") == found(RepeatMode="Period") == found(Timed=True) == []
    assert found(RepeatMode="Once", CommandType=SHELL, Timed=False) == [lost, bad, good]

    def records(**more: Any) -> list[str]:
        answer = new("DescribeInvocationResults", Tag=tags, **more)
        return [each["InvokeId"] for each in answer["Invocation"]["InvocationResults"]["InvocationResult"]]

    assert records() == [lost, bad, good]
    assert records(InvokeRecordStatus="Finished") == [bad, good]
    assert records(InvokeRecordStatus="Aborted") == [lost]
    assert records(InvokeRecordStatus="Success", InstanceId=here) == [good]
    assert records(MaxResults=2) == [lost, bad]


# repeated requests


@pytest.mark.parametrize("action", ["RunCommand", "InvokeCommand", "CreateCommand", "SendFile", "Scheduled"])
def test_a_token_makes_a_request_idempotent(new: Sdk, service: Service, isolation: Any, action: str):
    command_id = new("CreateCommand", Name=unique(), Type=SHELL, CommandContent=b64("true"))["CommandId"]
    fields = {
        "RunCommand": {
            "Type": SHELL,
            "CommandContent": "true",
            "InstanceId": [service.local.id],
            "KeepCommand": True,
            "Name": unique(),
        },
        "InvokeCommand": {"CommandId": command_id, "InstanceId": [service.local.id]},
        "Scheduled": {
            "Type": SHELL,
            "CommandContent": "true",
            "InstanceId": [service.local.id],
            "Frequency": "at(2099-01-01 00:00:00)",
        },
        "CreateCommand": {"Name": unique(), "Type": SHELL, "CommandContent": b64("true")},
        "SendFile": {"Name": "f", "TargetDir": str(isolation), "Content": "x", "InstanceId": [service.local.id]},
    }[action]
    action = "RunCommand" if action == "Scheduled" else action
    token = unique()
    first = new(action, ClientToken=token, **fields)
    again = new(action, ClientToken=token, **fields)
    assert {**first, "RequestId": ""} == {**again, "RequestId": ""}
    with pytest.raises(Refused) as refused:
        new(action, ClientToken=token, **{**fields, "Description" if action != "InvokeCommand" else "Username": "x"})
    assert (refused.value.status, refused.value.code) == (403, "IdempotentParameterMismatch")
    for name in first.keys() & {"InvokeId"}:
        for _ in polls():
            if (
                action == "SendFile"
                or "Frequency" in fields
                or results(new, first[name])[0]["InvocationStatus"] in OVER
            ):
                break


# refusals because of the state


def test_a_command_in_use_is_not_deleted(new: Sdk, service: Service):
    made = new("CreateCommand", Name=unique(), Type=SHELL, CommandContent=b64("exec sleep 600"), Timeout=700)
    started = new("InvokeCommand", CommandId=made["CommandId"], InstanceId=[service.local.id])
    with pytest.raises(Refused) as refused:
        new("DeleteCommand", CommandId=made["CommandId"])
    assert (refused.value.code, refused.value.status) == ("InvalidStatus.CmdIdInUse", 403)
    new("StopInvocation", InvokeId=started["InvokeId"])
    ended(new, started["InvokeId"])
    new("DeleteCommand", CommandId=made["CommandId"])


def test_the_quota_of_commands_is_that_of_the_command_line(service: Service, new: Sdk):
    from assist_cli.operations.commands import quotas
    from assist_cli.operations.controller import open_controller

    with open_controller(service.home) as controller:
        quotas.set_limit(controller, "commands", 1)
        try:
            for _ in range(2):
                with pytest.raises(Refused) as refused:
                    new("CreateCommand", Name=unique(), Type=SHELL, CommandContent=b64("true"))
                    new("CreateCommand", Name=unique(), Type=SHELL, CommandContent=b64("true"))
                assert (refused.value.code, refused.value.status) == ("CmdCount.ExceedQuota", 403)
        finally:
            quotas.set_limit(controller, "commands", 500)


def test_a_dry_run_runs_nothing(new: Sdk, service: Service):
    name = unique()
    fields = {"Type": SHELL, "CommandContent": "true", "RepeatMode": "DryRun", "Name": name}
    assert set(new("RunCommand", InstanceId=[service.local.id], **fields)) == {"RequestId"}
    with pytest.raises(Refused) as refused:
        new("RunCommand", InstanceId=[service.local.id, service.instance().id], **fields)
    assert refused.value.code == "Operation.Forbidden"
    with pytest.raises(Refused) as refused:
        new("RunCommand", InstanceId=[service.local.id], **{**fields, "CommandContent": "x" * 12_289})
    assert refused.value.code == "CmdContent.ExceedLimit"
    assert new("DescribeInvocations", CommandName=name)["TotalCount"] == 0


def test_a_wrong_secret_is_reported_by_each_sdk(service: Service):
    key = service.keys[Role.ADMIN]
    for kind, code in ((sdks.New, "SignatureDoesNotMatch"), (sdks.Old, "InvalidAccessKeySecret")):
        with pytest.raises(Refused) as refused:
            kind(key.id, "wrong", service.endpoint)("DescribeCommands")
        assert (refused.value.code, refused.value.status) == (code, 400)
        with pytest.raises(Refused) as refused:
            kind("AKNONE", "wrong", service.endpoint)("DescribeCommands")
        assert (refused.value.code, refused.value.status) == ("InvalidAccessKeyId.NotFound", 404)


def test_xml_has_the_same_content_as_json(service: Service):
    from xml.etree import ElementTree

    signer = service.signer()
    made = signer.call("RunCommand", Type=SHELL, CommandContent="printf '<&\\001>'", InstanceId__1=service.local.id)
    invoke_id = made.document["InvokeId"]
    for _ in polls():
        answer = signer.send(
            "GET", signer.classic("DescribeInvocationResults", InvokeId=invoke_id, ContentEncoding="PlainText")
        )
        root = ElementTree.fromstring(answer.body)
        result = root.find("Invocation/InvocationResults/InvocationResult")
        assert result is not None
        if result.findtext("InvocationStatus") in OVER:
            break
    assert answer.headers["content-type"] == "text/xml;charset=utf-8"
    assert (root.tag, result.findtext("Output"), result.findtext("ExitCode")) == (
        "DescribeInvocationResultsResponse", "<&\ufffd>", "0"
    )  # fmt: skip
    refused = ElementTree.fromstring(signer.send("GET", signer.classic("NoSuchAction")).body)
    assert (refused.tag, refused.findtext("Code")) == ("Error", "InvalidAction.NotFound")


def test_the_command_line_shows_what_the_api_starts(new: Sdk, service: Service, assist: Any):
    made = new("RunCommand", Type=SHELL, CommandContent="echo x", Name="seen", InstanceId=[service.local.id])
    ended(new, made["InvokeId"])
    env = {"ASSIST_HOME": str(service.home.root)}
    shown = json.loads(assist("invocation", "show", made["InvokeId"], "-o", "json", env=env).stdout)
    assert shown["InvokeInstances"][0]["Output"] == "x\n"
    audit = json.loads(assist("audit", "list", "-n", "0", "-o", "json", env=env).stdout)
    (line,) = [each for each in audit if each["Subject"] == made["InvokeId"]]
    key = service.keys[Role.ADMIN]
    assert line["Actor"] == f"access key admin ({key.id}) from 127.0.0.1 by the API"
    ran = assist("run", "-o", "json", "--", "echo", "y", env=env)
    (seen,) = results(new, json.loads(ran.stdout)["InvokeId"], ContentEncoding="PlainText")
    assert seen["Output"] == "y\n"
