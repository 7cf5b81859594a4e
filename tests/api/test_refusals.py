"""Each code that can be provoked, as an SDK gets it: the request, the HTTP status, the code."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest

from assist_cli.api import faults
from assist_cli.api.actions import ACTIONS
from assist_cli.errors import Conflict
from assist_cli.model.access import Role
from tests.support import sdks, variants
from tests.support.api import Service
from tests.support.sdks import Refused, Sdk

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the SDKs are old
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # and they close no connection
]

SHELL = "RunShellScript"
MANY = [f"i-{number:026}" for number in range(101)]
KEYS = {f"k{number}": "v" for number in range(21)}
LONG_KEY = "k" * 65

Asked = tuple[str, dict[str, Any]]


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def run(**fields: Any) -> Asked:
    return "RunCommand", {"Type": SHELL, "CommandContent": "true", "InstanceId": ["LOCAL"], **fields}


def keyed(content: str = "{{a}}", **fields: Any) -> Asked:
    return run(EnableParameter=True, CommandContent=content, **fields)


def tagged(*tags: dict[str, str], **fields: Any) -> Asked:
    return run(InstanceId=[], ResourceTag=list(tags), **fields)


def create(**fields: Any) -> Asked:
    return "CreateCommand", {"Type": SHELL, "CommandContent": b64("true"), "Name": "NEW", **fields}


def invoke(command: str = "KEYED", **fields: Any) -> Asked:
    return "InvokeCommand", {"CommandId": command, "InstanceId": ["LOCAL"], **fields}


def modify(**fields: Any) -> Asked:
    return "ModifyCommand", {"CommandId": "COMMAND", **fields}


def send(**fields: Any) -> Asked:
    return "SendFile", {"Name": "f", "TargetDir": "/tmp", "Content": "x", "InstanceId": ["LOCAL"], **fields}


def braced(key: str) -> str:
    return "{{" + key + "}}"


def ask(action: str, **fields: Any) -> Asked:
    return action, fields


def tags(count: int) -> list[dict[str, str]]:
    return [{"Key": f"k{number}"} for number in range(count)]


REFUSED: list[tuple[Asked, int, str]] = [
    *(
        (ask(action, RegionId="cn-hangzhou"), 404, "InvalidRegionId.NotFound")
        for action in sorted(ACTIONS)
        if action != "DescribeRegions"  # a caller that does not know it yet
    ),
    (ask("DescribeRegions", OwnerId=1), 403, "Operation.Forbidden"),
    (run(ResourceGroupId="rg-1"), 404, "InvalidResourceGroup.NotFound"),
    (run(OwnerId=1), 403, "Operation.Forbidden"),
    # RunCommand: the script
    (run(Type=""), 400, "MissingParameter"),
    (run(Type="runshellscript"), 404, "InvalidCmdType.NotFound"),
    (run(CommandContent=""), 400, "MissingParameter"),
    (run(CommandContent=" \n"), 400, "MissingParameter"),
    (run(CommandContent="é!", ContentEncoding="Base64"), 400, "CmdContent.DecodeError"),
    (run(CommandContent="x" * 12_289), 403, "CmdContent.ExceedLimit"),
    (run(Name="x" * 129), 403, "CmdName.ExceedLimit"),
    (run(Name="a\nb"), 403, "InvalidParameterCharacter.CommandName"),
    (run(Name="a/b", KeepCommand=True), 403, "InvalidParameterCharacter.CommandName"),
    (run(Description="x" * 513), 403, "CmdDesc.ExceedLimit"),
    (run(Description="a\nb"), 403, "InvalidParameterCharacter.CommandDescription"),
    (run(WorkingDir="here"), 400, "InvalidParameter.WorkingDir"),
    (run(WorkingDir="/" + "x" * 200), 400, "InvalidParameter.WorkingDir"),
    (run(Timeout=86_401), 403, "InvalidTimeout.ExceedLimit"),
    (run(Username="x" * 256), 403, "Username.ExceedLimit"),
    (run(Username="a:b"), 400, "InvalidParameter.Username"),
    (run(Launcher="x" * 1025), 403, "InvalidLauncher.LengthLimitExceeded"),
    (run(Launcher="python3 {{ACS::InstanceId}}"), 400, "InvalidParameter.Launcher"),
    (run(Launcher="python3 'x"), 400, "InvalidParameter.Launcher"),
    (run(OssOutputDelivery="oss://b/p"), 400, "InvalidParameter.OssOutputDelivery"),
    (run(WindowsPasswordName="p"), 403, "ParameterStore.NotSupported"),
    (run(WindowsPasswordName="p" * 256), 403, "WindowsPasswordName.ExceedLimit"),
    (run(TerminationMode="Gently"), 404, "InvalidTerminationMode.NotFound"),
    (run(ClientToken="é"), 400, "InvalidClientToken.Malformed"),
    (run(ClientToken="x" * 65), 400, "InvalidClientToken.Malformed"),
    (run(Tag=tags(21)), 400, "NumberExceed.Tags"),
    # RunCommand: targets
    (run(InstanceId=[]), 400, "MissingParam.InstanceId"),
    (run(InstanceId=["i-none"]), 404, "InvalidInstance.NotFound"),
    (run(InstanceId=["local"]), 404, "InvalidInstance.NotFound"),
    (run(InstanceId=MANY), 403, "InstanceIds.ExceedLimit"),
    (run(Type="RunBatScript"), 400, "InvalidInstance.NotMatch"),
    (run(ResourceTag=tags(1)), 400, "InvalidResourceTag.ConflictWithInstanceIds"),
    (tagged({"Key": "none"}), 400, "InvalidResourceTag.InstanceNotFound"),
    (tagged({"Value": "x"}), 400, "MissingParameter.ResourceTagKey"),
    (tagged({"Key": "a"}, {"Key": "a"}), 400, "Duplicate.ResourceTagKey"),
    (tagged({"Key": "acs:a"}), 400, "InvalidResourceTagKey.Malformed"),
    (tagged({"Key": "a", "Value": "x" * 129}), 400, "InvalidResourceTagValue.Malformed"),
    (tagged(*tags(21)), 400, "NumberExceed.ResourceTags"),
    # RunCommand: custom parameters
    (run(Parameters={"a": "b"}), 400, "Parameter.Disabled"),
    (keyed("true", Parameters={"a": "b"}), 403, "Parameter.NotMatched"),
    (keyed(), 400, "Parameter.MissingValue"),
    (keyed(Parameters=KEYS), 403, "CmdParamCount.ExceedLimit"),
    (keyed(Parameters={"": "b"}), 400, "CmdParam.EmptyKey"),
    (keyed(Parameters={LONG_KEY: "b"}), 403, "CmdParamName.ExceedLimit"),
    (keyed(Parameters={"a": "1", "A": "2"}), 403, "ParameterKey.Duplicate"),
    (keyed(Parameters={"a": ["b"]}), 403, "ParameterType.NotSupported"),
    (keyed("{{acs::None}}"), 400, "CmdParam.InvalidParamName"),
    (keyed("{{ }}"), 400, "CmdParam.EmptyKey"),
    (keyed("{{ a.b }}"), 400, "CmdParam.InvalidParamName"),
    (keyed("{{ü}}"), 400, "CmdParam.InvalidParamName"),
    (keyed("{{oos-secret:name}}"), 403, "ParameterStore.NotSupported"),
    # RunCommand: schedule
    (run(RepeatMode="Sometimes"), 404, "InvalidRepeatMode.NotFound"),
    (run(RepeatMode="EveryReboot"), 404, "InvalidRepeatMode.NotFound"),
    (run(RepeatMode="Period"), 400, "MissingParam.Frequency"),
    (run(Timed=True), 400, "MissingParam.Frequency"),
    (run(Frequency="never"), 400, "InvalidParam.Frequency"),
    (run(Frequency="rate(9s)"), 400, "InvalidParam.Frequency"),
    (run(Frequency="0,55 * * * * *"), 400, "InvalidParam.Frequency"),
    (run(Frequency="at(2001-01-01 00:00:00)"), 400, "InvalidParam.Frequency"),
    (run(Frequency="0 0 0 * * ? Nowhere/Town"), 400, "InvalidParam.Frequency"),
    # saved commands
    (create(Name=""), 400, "MissingParameter"),
    (create(Name="TAKEN"), 403, "Operation.Forbidden"),
    (create(Name="x" * 129), 403, "CmdName.ExceedLimit"),
    (create(Name="a/b"), 403, "InvalidParameterCharacter.CommandName"),
    (create(Type="Other"), 404, "InvalidCmdType.NotFound"),
    (create(CommandContent="true!"), 400, "CmdContent.DecodeError"),
    (create(CommandContent="é", ContentEncoding="other"), 400, "CmdContent.DecodeError"),
    (create(CommandContent=b64("x" * 12_289)), 403, "CmdContent.ExceedLimit"),
    (create(Description="x" * 513), 403, "CmdDesc.ExceedLimit"),
    (create(WorkingDir="here"), 400, "InvalidParameter.WorkingDir"),
    (create(Timeout=100_000), 403, "InvalidTimeout.ExceedLimit"),
    (create(Launcher="x" * 1025), 403, "InvalidLauncher.LengthLimitExceeded"),
    (create(EnableParameter=True, CommandContent=b64("".join(map(braced, KEYS)))), 403, "CmdParamCount.ExceedLimit"),
    (create(EnableParameter=True, CommandContent=b64(braced(LONG_KEY))), 403, "CmdParamName.ExceedLimit"),
    (invoke("c-none"), 404, "InvalidCmdId.NotFound"),
    (invoke("COMMAND", InstanceId=[]), 400, "MissingParam.InstanceId"),
    (invoke("COMMAND", InstanceId=["i-none"]), 404, "InvalidInstance.NotFound"),
    (invoke("COMMAND", InstanceId=[], ResourceTag=tags(11)), 400, "NumberExceed.ResourceTags"),
    (invoke("COMMAND", Parameters={"a": "b"}), 400, "Parameter.Disabled"),
    (invoke(), 400, "Parameter.MissingValue"),
    (invoke(Parameters={"who": "x", "b": "c"}), 403, "Parameter.NotMatched"),
    (invoke(Parameters=KEYS), 403, "ParameterCount.ExceedLimit"),
    (invoke(Parameters={LONG_KEY: "x"}), 403, "ParameterKey.ExceedLimit"),
    (invoke(Parameters={"who": "x" * 20_000}), 403, "CmdContent.ExceedLimit"),
    (modify(CommandId="c-none"), 404, "InvalidCmdId.NotFound"),
    (modify(CommandId=""), 400, "MissingParameter"),
    (modify(Name="x" * 129), 403, "CmdName.ExceedLimit"),
    (modify(Description="x" * 513), 403, "CmdDesc.ExceedLimit"),
    (modify(WorkingDir="here"), 400, "InvalidParameter.WorkingDir"),
    (modify(Timeout=86_401), 403, "InvalidTimeout.ExceedLimit"),
    (modify(CommandContent=b64("x" * 12_289)), 403, "CmdContent.ExceedLimit"),
    (modify(Launcher="x" * 1025), 403, "InvalidLauncher.LengthLimitExceeded"),
    (ask("DeleteCommand", CommandId="c-none"), 404, "InvalidCmdId.NotFound"),
    (ask("DeleteCommand"), 400, "MissingParameter"),
    (ask("DescribeCommands", Type="Other"), 404, "InvalidCommandType.NotFound"),
    (ask("DescribeCommands", Name="x" * 129), 403, "InvalidName.LengthLimitExceeded"),
    (ask("DescribeCommands", Description="x" * 513), 403, "InvalidDescription.LengthLimitExceeded"),
    # invocations
    (ask("StopInvocation"), 400, "MissingParameter"),
    (ask("StopInvocation", InvokeId="t-none"), 404, "InvalidInvokeId.NotFound"),
    (ask("StopInvocation", InvokeId="-"), 404, "InvalidInvokeId.NotFound"),
    (ask("StopInvocation", InvokeId="INVOCATION", InstanceId=["i-none"]), 404, "InvalidInstanceId.NotFound"),
    (ask("StopInvocation", InvokeId="INVOCATION", InstanceId=MANY[:51]), 403, "InstanceIds.ExceedLimit"),
    (ask("DescribeInvocations", PageNumber=0), 400, "InvalidParam.PageNumber"),
    (ask("DescribeInvocations", PageSize=51), 400, "InvalidParam.PageSize"),
    (ask("DescribeInvocations", MaxResults=51), 400, "InvalidParameter.MaxResults"),
    (ask("DescribeInvocations", NextToken="é"), 400, "InvalidParameter.NextToken"),
    (ask("DescribeInvocations", InvokeStatus="Odd"), 400, "InvalidParameter.InvokeStatus"),
    (ask("DescribeInvocations", RepeatMode="Odd"), 404, "InvalidRepeatMode.NotFound"),
    (ask("DescribeInvocations", CommandType="Odd"), 404, "InvalidCommandType.NotFound"),
    (ask("DescribeInvocations", Tag=[{"Key": "a"}, {"Key": "a"}]), 400, "Duplicate.TagKey"),
    (ask("DescribeInvocationResults", PageNumber=-1), 400, "InvalidParam.PageNumber"),
    (ask("DescribeInvocationResults", IncludeHistory=True), 400, "MissingParameter"),
    # files
    (send(TargetDir="here"), 400, "FileTargetDir.Invalid"),
    (send(FileMode="9"), 400, "FileMode.Invalid"),
    (send(Content="é", ContentType="Base64"), 400, "FileContent.DecodeError"),
    (send(ContentType="Hex"), 400, "FileContentType.Invalid"),
    (send(FileOwner="x" * 65), 400, "InvalidParameter.FileOwner"),
    (send(FileGroup="a:b"), 400, "InvalidParameter.FileGroup"),
    (send(InstanceId=[]), 400, "MissingParam.InstanceId"),
    (send(InstanceId=["i-none"]), 404, "InvalidInstance.NotFound"),
    (send(InstanceId=MANY[:51]), 403, "InstanceIds.ExceedLimit"),
    (send(Content="x" * 24_577), 403, "FileSize.ExceedLimit"),
    (send(Name="x" * 256), 403, "FileName.ExceedLimit"),
    (send(Name="../x"), 400, "InvalidParameter.Name"),
    (send(Description="x" * 513), 403, "FileDesc.ExceedLimit"),
    (send(Timeout=86_401), 403, "InvalidTimeout.ExceedLimit"),
    (ask("DescribeSendFileResults", PageSize=0), 400, "InvalidParam.PageSize"),
    # agents
    (ask("InstallCloudAssistant"), 400, "MissingParam.InstanceId"),
    (ask("InstallCloudAssistant", InstanceId=["i-none"]), 404, "InvalidInstance.NotFound"),
    (ask("InstallCloudAssistant", InstanceId=MANY[:51]), 403, "InstanceIds.ExceedLimit"),
    (ask("DescribeCloudAssistantStatus", InstanceId=["i-none"]), 404, "InvalidInstance.NotFound"),
    (ask("DescribeCloudAssistantStatus", InstanceId=MANY), 403, "InstanceIds.ExceedLimit"),
    (ask("DescribeCloudAssistantStatus", OSType="Plan9"), 400, "InvalidParameter.OSType"),
    (ask("ListPluginStatus"), 400, "PluginName.MissingValue"),
    (ask("ListPluginStatus", InstanceId=["LOCAL"], Name="x"), 404, "InvalidPluginName.NotFound"),
    (ask("ListPluginStatus", InstanceId=["i-none"]), 404, "InvalidInstance.NotFound"),
    (ask("ListPluginStatus", InstanceId=MANY[:51]), 400, "InstanceIds.ExceedLimit"),
    # machines
    (ask("DescribeInstances", InstanceIds="i-1"), 400, "InvalidParameter.InstanceIds"),
    (ask("DescribeInstances", InstanceIds=json.dumps(MANY)), 400, "InvalidParameter.InstanceIds"),
    (ask("DescribeInstances", Status="Odd"), 400, "InvalidParameter.Status"),
    (ask("DescribeInstances", PageSize=101), 400, "InvalidParam.PageSize"),
    (ask("DescribeInstances", DryRun=True), 400, "DryRunOperation"),
    (ask("DescribeInstanceStatus", InstanceId=["i-none"]), 404, "InvalidInstance.NotFound"),
    (ask("DescribeInstanceStatus", InstanceId=MANY), 403, "InstanceIds.ExceedLimit"),
    (ask("DescribeManagedInstances", InstanceId=MANY[:51]), 403, "InstanceIds.ExceedLimit"),
    (ask("DescribeManagedInstances", OsType="plan9"), 400, "InvalidParameter.OsType"),
    (ask("ModifyManagedInstance", InstanceName="x"), 400, "MissingParameter"),
    (ask("ModifyManagedInstance", InstanceId="LOCAL"), 400, "MissingParameter"),
    (ask("ModifyManagedInstance", InstanceId="i-none", InstanceName="x"), 404, "InvalidInstance.NotFound"),
    (ask("ModifyManagedInstance", InstanceId="LOCAL", InstanceName="here"), 403, "Operation.Forbidden"),
    (ask("DeregisterManagedInstance", InstanceId="i-none"), 404, "InvalidInstance.NotFound"),
    (ask("DeregisterManagedInstance"), 400, "MissingParameter"),
    (ask("DeregisterManagedInstance", InstanceId="LOCAL"), 403, "Operation.Forbidden"),
    # only in today's SDK
    (run(ContainerId="docker://" + "0" * 64), 400, "InvalidContainerId.Malformed"),
    (run(ContainerName="web"), 400, "InvalidContainerName.Malformed"),
]


@pytest.fixture(scope="session")
def places(service: Service) -> dict[str, str]:
    """The values for the words in capitals."""
    key = service.keys[Role.ADMIN]
    sdk = sdks.New(key.id, key.secret.reveal(), service.endpoint)
    taken = uuid.uuid4().hex
    made = sdk("CreateCommand", Name=taken, Type=SHELL, CommandContent=b64("true"))
    named = {"Name": uuid.uuid4().hex, "Type": SHELL, "CommandContent": b64("echo {{who}}"), "EnableParameter": True}
    ran = sdk("RunCommand", Type=SHELL, CommandContent="true", InstanceId=[service.local.id])
    return {
        "LOCAL": service.local.id,
        "NEW": uuid.uuid4().hex,
        "TAKEN": taken,
        "COMMAND": made["CommandId"],
        "KEYED": sdk("CreateCommand", **named)["CommandId"],
        "INVOCATION": ran["InvokeId"],
    }


def put_in(value: Any, places: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [put_in(each, places) for each in value]
    return places.get(value, value) if isinstance(value, str) else value


def code_of(sdk: Sdk, places: dict[str, str], asked: Asked) -> tuple[int, str]:
    """Return the status and the code with which a call is refused."""
    action, fields = asked
    try:
        answer = sdk(action, **{name: put_in(value, places) for name, value in fields.items()})
    except Refused as refused:
        return refused.status, refused.code
    raise AssertionError(f"{asked} is not refused: {answer}")


@pytest.mark.parametrize("action", variants.every(3, sorted(ACTIONS)))
def test_todays_sdk_gets_each_code(service: Service, places: dict[str, str], action: str):
    key = service.keys[Role.ADMIN]
    sdk = sdks.New(key.id, key.secret.reveal(), service.endpoint)
    expected = [(asked, (status, code)) for asked, status, code in REFUSED if asked[0] == action]
    assert expected
    assert [(asked, code_of(sdk, places, asked)) for asked, _ in expected] == expected


@pytest.mark.long
def test_the_old_sdk_gets_the_same(service: Service, places: dict[str, str]):
    key = service.keys[Role.ADMIN]
    sdk = sdks.Old(key.id, key.secret.reveal(), service.endpoint)
    expected = [(asked, (status, code)) for asked, status, code in REFUSED[:-2:6]]
    assert [(asked, code_of(sdk, places, asked)) for asked, _ in expected] == expected


def test_the_database_of_a_newer_assist_is_a_failure_of_the_server() -> None:
    fault = faults.of(Conflict("cannot use the database", code="DatabaseTooNew"), {})
    assert (fault.code, fault.status) == ("ServiceUnavailable", 503)
