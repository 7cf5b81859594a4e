"""A refusal says in the words of the API what is wrong, and how it is written."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from assist_cli.api import faults
from assist_cli.api.actions import ACTIONS
from assist_cli.api.app import HEAD_BYTES, Application
from assist_cli.api.call import FORM, JSON, Call
from assist_cli.api.faults import Fault
from assist_cli.model.access import Role
from tests.support.calls import AWAY, Calls

ROOT = Path(__file__).resolve().parents[2]
RUN = {"Type": "RunShellScript", "CommandContent": "true", "InstanceId__1": AWAY}
FILE = {"Name": "f", "TargetDir": "/tmp", "Content": "x", "InstanceId__1": AWAY}
KEYED = {**RUN, "CommandContent": "echo {{a}}"}


@pytest.mark.parametrize(
    ("action", "fields", "code", "reason"),
    [
        # another writing of a parameter that there is
        ("StopInvocation", {"InstanceId": AWAY}, "InvalidParameter.InstanceId", "written InstanceId.1;"),
        ("RunCommand", {**RUN, "Tag": "x"}, "InvalidParameter.Tag", "written Tag.1.Key and Tag.1.Value"),
        ("RunCommand", {**RUN, "ResourceTag__1": "x"}, "InvalidParameter.ResourceTag", "written ResourceTag.1.Key"),
        ("RunCommand", {**RUN, "Name__1": "x"}, "InvalidParameter.Name", "is written Name)"),
        ("RunCommand", {**RUN, "timeout": "9"}, "InvalidParameter.timeout", "it takes Timeout"),
        ("RunCommand", {**RUN, "InstanceIds": "[]"}, "InvalidParameter.InstanceIds", "it takes InstanceId"),
        ("DescribeInstances", {"InstanceId__1": AWAY}, "InvalidParameter.InstanceId", "it takes InstanceIds"),
        ("RunCommand", {**RUN, "Other": "x"}, "InvalidParameter.Other", "no such parameter)"),
        # values
        ("RunCommand", {**RUN, "Timeout": "-1"}, "InvalidParameter.Timeout", "a number of seconds"),
        ("SendFile", {**FILE, "Timeout": "-1"}, "InvalidParameter.Timeout", "a number of seconds"),
        ("RunCommand", {**RUN, "Timeout": "10.5"}, "InvalidParameter.Timeout", "'10.5' is not a whole number"),
        ("RunCommand", {**RUN, "Timeout": "9" * 20}, "InvalidParameter.Timeout", "at most 18 digits"),
        ("DescribeCommands", {"PageSize": "abc"}, "InvalidParam.PageSize", "'abc' is not a whole number"),
        ("DescribeCommands", {"PageNumber": "1.5"}, "InvalidParam.PageNumber", "'1.5' is not a whole number"),
        ("DescribeSendFileResults", {"InvocationStatus": "x"}, "InvalidParameter.InvocationStatus", "Aborted, Canc"),
        ("DescribeInstances", {"InstanceIds": "[1,2]"}, "InvalidParameter.InstanceIds", "list of texts"),
        ("DescribeInstances", {"EipAddresses": '["1",2.5]'}, "InvalidParameter.EipAddresses", "list of texts"),
        ("RunCommand", {**RUN, "Parameters": "[" * 9999}, "InvalidParameter.Parameters", "nested too deeply"),
        ("RunCommand", {**RUN, "Parameters": "{x"}, "InvalidParameter.Parameters", "at line 1, column 2"),
        ("SendFile", {**FILE, "FileOwner": "a:b"}, "InvalidParameter.FileOwner", "at most 64 characters"),
        ("ListPluginStatus", {}, "PluginName.MissingValue", "unless exactly one instance"),
        # content
        ("CreateCommand", {**RUN, "Name": "x"}, "InvalidParameter.InstanceId", "no such parameter"),
        ("RunCommand", {**RUN, "ContentEncoding": "Base64", "CommandContent": "é"}, "CmdContent.DecodeError",
         "give ContentEncoding=PlainText"),
        ("SendFile", {**FILE, "ContentType": "Base64", "Content": "é"}, "FileContent.DecodeError",
         "give ContentType=PlainText"),
        # what a hint of the command line would say
        ("RunCommand", {**KEYED, "EnableParameter": "true"}, "Parameter.MissingValue", "Parameters has it"),
        ("RunCommand", {**KEYED, "Parameters": '{"a":"1"}'}, "Parameter.Disabled", "EnableParameter of RunCommand"),
        ("RunCommand", {**RUN, "CommandContent": " "}, "MissingParameter", "in CommandContent"),
        ("RunCommand", {**RUN, "Frequency": "x"}, "InvalidParam.Frequency", "it is for example rate(5m)"),
        ("RunCommand", {**RUN, "Frequency": "x 0 9 * * ?"}, "InvalidParam.Frequency", "second is for example 0, 30"),
        ("SendFile", {**FILE, "Name": "a/b"}, "InvalidParameter.Name", "Name is for example app.conf"),
        ("SendFile", {**FILE, "TargetDir": "x"}, "FileTargetDir.Invalid", "TargetDir is for example /etc/app"),
        ("SendFile", {**FILE, "FileMode": "x"}, "FileMode.Invalid", "FileMode is for example 0640"),
        ("RunCommand", {**RUN, "RepeatMode": "DryRun"}, "Operation.Forbidden", AWAY),
        # tags
        ("RunCommand", {**RUN, "InstanceId__1": "", "Tag__1__Key": "x"}, "MissingParam.InstanceId", "ResourceTag.1"),
    ],
)  # fmt: skip
def test_a_refusal_gives_its_reason(calls: Calls, action: str, fields: dict[str, str], code: str, reason: str) -> None:
    if fields.get("InstanceId__1") == "":
        fields = {name: value for name, value in fields.items() if name != "InstanceId__1"}
    _, told, said = calls.refused(action, **fields)
    assert (told, reason in said) == (code, True), said
    assert not re.search(r"\bassist [a-z]|\s--[a-z]|with -[a-z]\b|recursion|codec", said), said


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[]", "not an object"),
        (b'{"a":' + b"[" * 9999, "nested too deeply"),
        (b"{x", "column 2"),
        (b'{"a": NaN}', "NaN is not a number of it"),
        (b'{"a": "\\ud800"}', "a lone surrogate"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_why(body: bytes, reason: str) -> None:
    with pytest.raises(Fault, match=reason) as refused:
        _ = Call("POST", "/", b"", (("content-type", JSON),), body).parameters
    assert "codec" not in refused.value.message


@pytest.mark.parametrize(("query", "reason"), [(b"Name=\xc3\xa9", "not ASCII"), (b"Name=%ff", "not UTF-8")])
def test_a_query_that_cannot_be_read_is_told_why(query: bytes, reason: str) -> None:
    with pytest.raises(Fault, match=reason):
        _ = Call("GET", "/", query, ()).parameters


def test_the_role_is_of_the_parameter_that_needs_it(calls: Calls) -> None:
    operator = calls.of(Role.OPERATOR)
    _, code, said = operator.refused("RunCommand", **RUN, KeepCommand="true")
    assert (code, "RunCommand with KeepCommand needs the role admin" in said) == ("Forbidden.RAM", True)


@pytest.mark.parametrize(
    ("name", "hint"), [("-x", "begin it with a letter"), (" x", "leave that out: 'x'"), ("a,b", "other than")]
)
def test_a_name_is_refused_with_what_is_wrong_in_it(calls: Calls, name: str, hint: str) -> None:
    _, code, said = calls.refused("CreateCommand", Name=name, Type="RunShellScript", CommandContent="dHJ1ZQ==")
    assert (code, hint in said) == ("InvalidParameterCharacter.CommandName", True), said


def answered(calls: Calls, query: bytes, body: bytes = b"", headers: list[tuple[bytes, bytes]] | None = None) -> Any:
    """The status and the body with which the application answers, without a server."""
    application = Application(calls.gateway, None, None, frozenset({"localhost"}))  # type: ignore[arg-type]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    head = [(b"host", b"localhost"), *(headers or [])]
    scope = {"method": "POST", "raw_path": b"/", "query_string": query, "headers": head, "client": None}

    async def reply() -> Any:
        return await application(scope, receive)

    sent = asyncio.run(reply())
    return sent.status, sent.body.decode()


def test_url_and_headers_have_their_limit_however_they_arrive(calls: Calls) -> None:
    for query, more in ((b"Format=JSON&Name=" + b"x" * HEAD_BYTES, []), (b"Format=JSON", [(b"x", b"y" * HEAD_BYTES)])):
        status, body = answered(calls, query, headers=more)
        assert (status, "The URL and the headers of the request are too large. (at most 1,048,576 bytes)" in body) == (
            *(414, True),
        )


def test_what_is_refused_unread_is_told_in_the_format_of_the_url(calls: Calls) -> None:
    """A form that is too large is not looked at, whatever it says itself."""
    form, body = [(b"content-type", FORM.encode())], b"Format=JSON&Name=" + b"x" * (1 << 20)
    assert [answered(calls, query, body, form)[1][:2] for query in (b"", b"Format=JSON")] == ["<?", '{"']


def test_the_page_has_every_code() -> None:
    """And every InvalidParameter that is not the name of a parameter."""
    page = (ROOT / "docs" / "api.md").read_text().partition("## Codes")[2]
    listed = set(re.findall(r"`([\w.]+)`", page))
    source = "".join(each.read_text() for each in (ROOT / "assist_cli" / "api").glob("*.py"))
    raised = {*faults.MESSAGES, *re.findall(r'"((?:InvalidParameter|InvalidParam|Missing\w*)\.\w+)"', source)}
    names = {f"InvalidParameter.{name}" for action in ACTIONS.values() for name in action.takes}
    assert raised - names - listed == set()
