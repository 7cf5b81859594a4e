"""Signatures: calls signed by both SDKs are accepted, and any change of them is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

import pytest

from assist_cli.api import signatures
from assist_cli.api.call import Call
from assist_cli.api.faults import Fault
from tests.support import sdks

KEY, SECRET = "AKTEST", "a secret & more"
SCRIPT = "echo 'ü €' \"a+b\" ~/* %41 | tee -a x?y=z&q\n"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def new_sdk(old_form: bool = False) -> Call:
    request = sdks.new_request(
        "RunCommand",
        Type="RunShellScript",
        CommandContent=SCRIPT,
        EnableParameter=True,
        InstanceId=["i-1", "i-2"],
        Tag=[{"Key": "a b", "Value": ""}],
        Parameters={"name": "a b"},
    )
    return sdks.captured(lambda endpoint: sdks.new(KEY, SECRET, endpoint, old_form=old_form).run_command(request))


def old_sdk() -> Call:
    request = sdks.old_request("RunCommand", Type="RunShellScript", CommandContent=SCRIPT, InstanceIds=["i-1", "i-2"])
    return sdks.captured(lambda endpoint: sdks.old(KEY, SECRET, endpoint).do_action_with_exception(request))


@pytest.fixture(scope="module", params=["new", "new, old form", "old"], ids=str)
def call(request: pytest.FixtureRequest) -> Call:
    makers: dict[str, Callable[[], Call]] = {
        "new": new_sdk,
        "new, old form": lambda: new_sdk(old_form=True),
        "old": old_sdk,
    }
    return makers[request.param]()


@pytest.fixture(scope="module")
def modern() -> Call:
    return new_sdk()


@pytest.fixture(scope="module")
def classic() -> Call:
    return old_sdk()


def test_a_call_signed_by_an_sdk_is_accepted(call: Call):
    claim = signatures.claim(call)
    assert (claim.key_id, claim.action, claim.version) == (KEY, "RunCommand", "2014-05-26")
    assert claim.is_signed_with(SECRET)
    assert call.parameters["CommandContent"] == SCRIPT
    assert (call.parameters["InstanceId.1"], call.parameters["InstanceId.2"]) == ("i-1", "i-2")


def test_another_secret_is_refused(call: Call):
    for secret in ("", SECRET + "x", SECRET[:-1], SECRET + "&", "ü"):
        assert not signatures.claim(call).is_signed_with(secret)


def with_query(call: Call, change: Callable[[dict[str, str]], object]) -> Call:
    query = dict(parse_qsl(call.query.decode(), keep_blank_values=True))
    change(query)
    return replace(call, query=urlencode(query).encode())


def refused(call: Call) -> str:
    """Return the code with which a call is refused for its form or its signature."""
    try:
        claim = signatures.claim(call)
    except Fault as fault:
        return fault.code
    return "" if claim.is_signed_with(SECRET) else "SignatureDoesNotMatch"


def test_a_changed_parameter_is_refused(call: Call):
    for name in ("CommandContent", "InstanceId.2", "Type"):
        longer = {name: call.parameters[name] + "x"}
        assert refused(with_query(call, lambda query, longer=longer: query.update(longer))) == "SignatureDoesNotMatch"
        assert refused(with_query(call, lambda query, name=name: query.pop(name))) == "SignatureDoesNotMatch"


def test_an_added_parameter_is_refused(call: Call):
    assert refused(with_query(call, lambda query: query.update(Timeout="86400"))) == "SignatureDoesNotMatch"


def test_another_method_is_refused(call: Call):
    assert refused(replace(call, method="GET")) == "SignatureDoesNotMatch"


def test_an_added_body_is_refused(call: Call):
    body = b"InstanceId.3=i-3"
    plain = replace(call, body=body)
    assert refused(plain)
    form = (
        *((name, value) for name, value in call.headers if name != "content-type"),
        ("content-type", "application/x-www-form-urlencoded"),
    )
    assert refused(replace(plain, headers=form))
    json = tuple((name, "application/json" if name == "content-type" else value) for name, value in form)
    assert refused(replace(plain, headers=json, body=b'{"InstanceId": ["i-3"]}'))


def header(call: Call, name: str, value: str | None) -> Call:
    kept = tuple(pair for pair in call.headers if pair[0] != name)
    return replace(call, headers=kept if value is None else (*kept, (name, value)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-acs-action", "DeleteCommand"),
        ("x-acs-version", "2014-05-27"),
        ("x-acs-date", "2026-11-22T08:00:00Z"),
        ("x-acs-signature-nonce", "another"),
        ("host", "evil.example"),
        ("user-agent", "another"),
    ],
)
def test_a_changed_header_is_refused(modern: Call, name: str, value: str):
    assert refused(header(modern, name, value)) == "SignatureDoesNotMatch"
    assert refused(header(modern, name, None)) == "IncompleteSignature"


def test_a_header_of_ours_that_is_not_signed_is_refused(modern: Call):
    assert refused(header(modern, "x-acs-more", "x")) == "IncompleteSignature"


@pytest.mark.parametrize(
    "name", ["authorization", "host", "x-acs-action", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"]
)
def test_a_doubled_header_is_refused(modern: Call, name: str):
    assert refused(replace(modern, headers=(*modern.headers, (name, modern.header(name))))) == "IncompleteSignature"


@pytest.mark.parametrize("name", ["AccessKeyId", "Signature", "SignatureNonce", "Timestamp"])
def test_a_field_of_the_old_form_that_is_missing_or_empty_or_doubled_is_refused(classic: Call, name: str):
    assert refused(with_query(classic, lambda query: query.pop(name))) == f"Missing{name}"
    assert refused(with_query(classic, lambda query: query.update({name: ""}))) == f"Missing{name}"
    assert refused(replace(classic, query=classic.query + f"&{name}=x".encode())) == f"InvalidParameter.{name}"


def test_an_unsigned_call_is_refused(call: Call):
    bare = header(call, "authorization", None)
    bare = with_query(
        bare,
        lambda query: [query.pop(name) for name in list(query) if name.startswith(("Signature", "AccessKey", "Time"))],
    )
    assert refused(bare) == "MissingAccessKeyId"
    assert refused(header(bare, "authorization", "")) == "MissingAccessKeyId"


@pytest.mark.parametrize(
    "value",
    [
        "Bearer x",
        "Basic QUs6",
        "ACS3-HMAC-SHA256",
        "ACS3-HMAC-SHA256 Credential=,SignedHeaders=host,Signature=" + 64 * "0",
        "ACS3-HMAC-SHA256 Credential=AKTEST,SignedHeaders=,Signature=" + 64 * "0",
        "ACS3-HMAC-SHA256 Credential=AKTEST,SignedHeaders=host,Signature=",
        "ACS3-HMAC-SHA256 Credential=AKTEST,SignedHeaders=host,Signature=" + 64 * "0",
        "ACS3-HMAC-SM3 Credential=AKTEST,SignedHeaders=host,Signature=" + 64 * "0",
        "ACS3-HMAC-SHA256 Credential=AKTEST,SignedHeaders=host,Signature=" + 64 * "0" + ",Signature=" + 64 * "0",
    ],
)
def test_another_authorization_is_refused(modern: Call, value: str):
    assert refused(header(modern, "authorization", value)) == "IncompleteSignature"


def test_both_forms_together_are_refused(modern: Call, classic: Call):
    assert refused(replace(modern, query=modern.query + b"&" + classic.query)) != ""
    assert refused(with_query(modern, lambda query: query.update(Signature="x"))) == "IncompleteSignature"
    assert refused(with_query(modern, lambda query: query.update(Action="DeleteCommand"))) == "IncompleteSignature"


def test_the_old_form_ignores_headers(classic: Call):
    """It does not sign headers: only the action in the query counts."""
    assert signatures.claim(header(classic, "x-acs-action", "DeleteCommand")).action == "RunCommand"


@pytest.mark.parametrize("method", ["", "HMAC-SHA256", "SHA256withRSA", "none"])
def test_another_signature_method_is_refused(classic: Call, method: str):
    assert refused(with_query(classic, lambda query: query.update(SignatureMethod=method))) == "IncompleteSignature"


@pytest.mark.parametrize(
    "text", ["now", "2026-11-22 08:00:00", "2026-13-22T08:00:00Z", "２０２６-11-22T08:00:00Z", "-1"]
)
def test_a_time_has_its_form(modern: Call, classic: Call, text: str):
    assert refused(with_query(classic, lambda query: query.update(Timestamp=text))) == "InvalidTimeStamp.Format"
    assert refused(header(modern, "x-acs-date", text)) == "InvalidTimeStamp.Format"


def test_temporary_keys_are_unknown(modern: Call, classic: Call):
    code = "InvalidSecurityToken.Malformed"
    assert refused(with_query(classic, lambda query: query.update(SecurityToken="x"))) == code
    assert refused(header(modern, "x-acs-security-token", "x")) == code
