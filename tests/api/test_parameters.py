"""Parameters from clients: each is read, or refused with a code, and nothing else happens."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assist_cli.api import parameters
from assist_cli.api.actions import ACTIONS
from assist_cli.api.call import FORM, JSON, Call
from assist_cli.api.faults import Fault
from assist_cli.api.gateway import Gateway
from assist_cli.api.parameters import Given, Takes, ValueKind
from assist_cli.http.rates import Rates
from assist_cli.model.access import Role
from assist_cli.model.instance import Instance
from assist_cli.operations.access import accesskeys
from assist_cli.operations.controller import Controllers
from assist_cli.paths import Home
from assist_cli.store import instances
from assist_cli.store.nonces import Nonces
from tests.support.api import Signer
from tests.support.calls import NoSender

TAKES = parameters.takes(
    Name=ValueKind.TEXT,
    Timeout=ValueKind.NUMBER,
    Timed=ValueKind.FLAG,
    InstanceId=ValueKind.LIST,
    Tag=ValueKind.TAGS,
    Parameters=ValueKind.MAP,
)

names = st.one_of(
    st.sampled_from(["Name", "Timeout", "Timed", "Parameters", "RegionId", "OwnerId", "Other", ""]),
    st.sampled_from(["InstanceId", "Tag", "Name"]).flatmap(
        lambda head: st.text("0123456789.KeyVau-", max_size=8).map(lambda rest: f"{head}.{rest}")
    ),
    st.text(max_size=10),
)
values = st.one_of(
    st.text(max_size=20),
    st.integers().map(str),
    st.sampled_from(
        ["true", "False", "TRUE", "1e9", "٣", "{}", '{"a": "b"}', "[" * 10_000, '{"a": NaN}', '{"\\ud800": 1}']
    ),
)


def read(flat: dict[str, str], takes: Takes = TAKES) -> Given:
    return parameters.read(takes, flat)


def code(flat: dict[str, str]) -> str:
    with pytest.raises(Fault) as refused:
        read(flat)
    return refused.value.code


@given(st.dictionaries(names, values, max_size=6))
def test_any_parameters_are_read_or_refused(flat: dict[str, str]):
    with contextlib.suppress(Fault):
        found = read(flat)
        found.tags("Tag")
        found.refuse_foreign("local")


@given(st.binary(max_size=60), st.binary(max_size=60), st.sampled_from([FORM, JSON, "", "text/plain; charset=x"]))
def test_any_bytes_are_read_or_refused(query: bytes, body: bytes, kind: str):
    call = Call("POST", "/", query, (("content-type", kind),), body)
    with contextlib.suppress(Fault):
        assert all(name.encode() is not None and value.encode() is not None for name, value in call.parameters.items())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from(["Name", "InstanceId", "Tag", "Parameters", "Timed"]), json_values))
def test_any_json_is_read_or_refused(document: dict[str, object]):
    call = Call("POST", "/", b"", (("content-type", JSON),), json.dumps(document).encode())
    with contextlib.suppress(Fault):
        read(dict(call.parameters))


@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from(["Name", "RegionId"]), st.text(max_size=30), max_size=2))
def test_query_and_form_say_the_same(flat: dict[str, str]):
    text = urlencode(flat).encode()
    in_query = Call("POST", "/", text, ())
    in_form = Call("POST", "/", b"", (("content-type", FORM + "; charset=utf-8"),), text)
    assert in_query.parameters == in_form.parameters == flat


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Signer]]:
    """Every action behind its signature, without a sender for what it records."""
    home = Home(tmp_path_factory.mktemp("gateway") / "assist")
    controllers = Controllers(home)
    with controllers.one() as controller:
        key = accesskeys.create(controller, "ci", Role.ADMIN)
        away = Instance("i-" + "0" * 26, "away", "tls:127.0.0.1:1", controller.now(), "linux")
        with controller.database.transaction() as transaction:
            instances.register(transaction, away)
    nonces = Nonces(home.nonces)
    yield (
        Gateway(controllers, "local", nonces, NoSender(), Rates(1e9)),
        Signer("http://127.0.0.1:1", key.id, key.secret.reveal()),
    )  # type: ignore[arg-type]
    nonces.close()
    controllers.close()


odd = st.one_of(
    st.sampled_from(
        ["true", "1", "0", "-1", "99999", "RunShellScript", "Base64", "dHJ1ZQ==", "{}", '{"a": 1}', "/tmp", "Once"]
    ),
    st.sampled_from(["i-" + "0" * 26, "Running", "Success", "rate(1h)", "t-" + "0" * 26, "c-" + "0" * 26, "*", "0644"]),
    st.text(max_size=12),
)


@settings(max_examples=80)
@given(st.sampled_from(sorted(ACTIONS)), st.data())
def test_no_call_of_any_action_is_a_bug(gateway: tuple[Gateway, Signer], action: str, data: st.DataObject):
    api, signer = gateway
    given: dict[str, str] = {}
    for name, kind in ACTIONS[action].takes.items():
        if name == "RegionId" or not data.draw(st.booleans()):
            continue
        suffix = {ValueKind.LIST: ".1", ValueKind.TAGS: ".1.Key"}.get(kind, "")
        given[name + suffix] = data.draw(odd)
    target, headers = signer.modern(action, **given)
    answer = api.answer(Call("POST", "/", target.partition("?")[2].encode(), tuple(headers.items())))
    assert answer.status < 500, answer.body


def test_each_kind_is_read():
    found = read(
        {
            "Name": "x",
            "Timeout": "10",
            "Timed": "True",
            "InstanceId.2": "b",
            "InstanceId.10": "c",
            "InstanceId.1": "a",
            "Tag.1.Key": "k",
            "Tag.1.Value": "v",
            "Tag.2.Key": "alone",
            "Parameters": '{"a": 1, "b": "", "a": true}',
            "Action": "Any",
            "SignatureNonce": "x",
        }
    )
    assert (found.text("Name"), found.number("Timeout"), found.flag("Timed")) == ("x", 10, True)
    assert found.listed("InstanceId") == ("a", "b", "c")
    assert found.tags("Tag") == {"k": "v", "alone": ""}
    assert found.members("Parameters") == [("a", "1"), ("b", ""), ("a", True)]


def test_json_means_the_same_as_the_query():
    document = {
        "InstanceId": ["a", "b"],
        "Tag": [{"Key": "k", "Value": "v"}],
        "Timed": True,
        "Timeout": 10,
        "Parameters": {"a": "b"},
        "Name": None,
    }
    call = Call("POST", "/", b"", (("content-type", JSON),), json.dumps(document).encode())
    assert call.parameters == {
        "InstanceId.1": "a",
        "InstanceId.2": "b",
        "Tag.1.Key": "k",
        "Tag.1.Value": "v",
        "Timed": "true",
        "Timeout": "10",
        "Parameters": '{"a": "b"}',
    }


def test_a_parameter_given_twice_is_refused():
    with pytest.raises(Fault, match="Name"):
        _ = Call("POST", "/", b"Name=a&Name=b", ()).parameters
    with pytest.raises(Fault, match="Name"):
        _ = Call("POST", "/", b"Name=a", (("content-type", FORM),), b"Name=b").parameters


@pytest.mark.parametrize(
    ("flat", "expected"),
    [
        ({"Other": "x"}, "InvalidParameter.Other"),
        ({"Name.1": "x"}, "InvalidParameter.Name"),
        ({"InstanceId": "x"}, "InvalidParameter.InstanceId"),
        ({"InstanceId.0": "x"}, "InvalidParameter.InstanceId"),
        ({"InstanceId.01": "x"}, "InvalidParameter.InstanceId"),
        ({"InstanceId.1.Key": "x"}, "InvalidParameter.InstanceId"),
        ({"Tag.1": "x"}, "InvalidParameter.Tag"),
        ({"Tag.1.Other": "x"}, "InvalidParameter.Tag"),
        ({"Timeout": "ten"}, "InvalidParameter.Timeout"),
        ({"Timeout": "1_0"}, "InvalidParameter.Timeout"),
        ({"Timeout": "9" * 5000}, "InvalidParameter.Timeout"),
        ({"Timed": "yes"}, "InvalidParameter.Timed"),
        ({"Parameters": "{'name': 'a b'}"}, "InvalidParameter.Parameters"),
        ({"Parameters": "[]"}, "InvalidParameter.Parameters"),
    ],
)
def test_a_value_of_another_kind_is_refused(flat: dict[str, str], expected: str):
    assert code(flat) == expected


@pytest.mark.parametrize(
    ("flat", "expected"),
    [
        ({f"Tag.{number}.Key": f"k{number}" for number in range(1, 22)}, "NumberExceed.Tags"),
        ({"Tag.1.Value": "v"}, "MissingParameter.TagKey"),
        ({"Tag.1.Key": "k", "Tag.2.Key": "k"}, "Duplicate.TagKey"),
        ({"Tag.1.Key": "acs:k"}, "InvalidTagKey.Malformed"),
        ({"Tag.1.Key": "k" * 65}, "InvalidTagKey.Malformed"),
        ({"Tag.1.Key": "http://k"}, "InvalidTagKey.Malformed"),
        ({"Tag.1.Key": "k", "Tag.1.Value": "v" * 129}, "InvalidTagValue.Malformed"),
    ],
)
def test_tags_have_their_rules(flat: dict[str, str], expected: str):
    with pytest.raises(Fault) as refused:
        read(flat).tags("Tag")
    assert refused.value.code == expected


@pytest.mark.parametrize(
    ("flat", "expected"),
    [
        ({}, "MissingParameter"),
        ({"RegionId": ""}, "MissingParameter"),
        ({"RegionId": "cn-hangzhou"}, "InvalidRegionId.NotFound"),
        ({"RegionId": "local", "ResourceGroupId": "rg-1"}, "InvalidResourceGroup.NotFound"),
        ({"RegionId": "local", "OwnerId": "1"}, "Operation.Forbidden"),
    ],
)
def test_there_is_one_region_and_one_account(flat: dict[str, str], expected: str):
    with pytest.raises(Fault) as refused:
        read(flat).refuse_foreign("local")
    assert refused.value.code == expected


@pytest.mark.parametrize(
    ("text", "encoding", "usual", "expected"),
    [
        ("ZWNobw==", None, "PlainText", b"ZWNobw=="),
        ("ZWNobw==", None, "Base64", b"echo"),
        ("ZWNobw==", "base64", "PlainText", b"echo"),
        ("ZWNobw==", "plaintext", "Base64", b"ZWNobw=="),
        ("ZWNobw==", "other", "Base64", b"echo"),
        ("ZW\nNobw==\n", "Base64", "PlainText", b"echo"),
    ],
)
def test_content_is_decoded(text: str, encoding: str | None, usual: str, expected: bytes):
    assert parameters.decoded(text, encoding, usual, "CmdContent.DecodeError") == expected


@pytest.mark.parametrize("text", ["ZWNobw=", "echo x", "ü", "====", "ZWNobw==!"])
def test_content_that_is_not_base64_is_refused(text: str):
    with pytest.raises(Fault) as refused:
        parameters.decoded(text, "Base64", "Base64", "CmdContent.DecodeError")
    assert refused.value.code == "CmdContent.DecodeError"
