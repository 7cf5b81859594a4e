"""The signature of a call: the claim of who sent it, and its verification.

Two forms exist, one for each generation of SDKs:

- ``ACS3-HMAC-SHA256`` in the header ``Authorization``. Action, version, time and nonce are headers. The canonical
  request is method, path, query, signed headers and the hash of the body. Its hash is signed with the secret, in
  hexadecimal.
- ``HMAC-SHA1`` in the query, RPC style. All parameters but the signature, sorted and encoded, are signed with the
  secret and ``&``, in base64.

These are pure functions of a call. Anything that could be changed in transit unnoticed is refused: a header ``x-acs-…``
that is not signed, a body that the signature does not cover, a repeated field, both forms together.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from datetime import datetime, timezone
from typing import NamedTuple
from urllib.parse import quote

from assist_cli.api.call import Call
from assist_cli.api.faults import Fault

ALGORITHM = "ACS3-HMAC-SHA256"
METHOD = "HMAC-SHA1"

# Parameters of the signature or of every action.
COMMON = frozenset(
    {
        "AccessKeyId",
        "Action",
        "Format",
        "SecurityToken",
        "Signature",
        "SignatureMethod",
        "SignatureNonce",
        "SignatureType",
        "SignatureVersion",
        "Timestamp",
        "Version",
    }
)
_OLD_FIELDS = COMMON - {"Action", "Format", "Version", "SecurityToken"}
_AUTHORIZATION = re.compile(
    r"ACS3-HMAC-SHA256 +Credential=([^,\s]+), *SignedHeaders=([a-z0-9;_-]+), *Signature=([0-9a-f]{64})"
)
_MUST_BE_SIGNED = (
    "host",
    "x-acs-action",
    "x-acs-content-sha256",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-version",
)
_PLAIN = re.compile(r"[A-Za-z0-9._~-]*")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)


class Claim(NamedTuple):
    """The claim of a call about its sender. It is proven only when ``is_signed_with`` returns True.

    ``is_modern``: the form is ACS3. Its clients read JSON by default.
    """

    key_id: str
    action: str
    version: str
    format: str
    time: datetime
    nonce: str
    text: str
    signature: str
    is_modern: bool

    def is_signed_with(self, secret: str) -> bool:
        """Return True if the sender of the call knows the secret. The comparison takes constant time."""
        if self.is_modern:
            right = hmac.digest(secret.encode(), self.text.encode(), "sha256").hex()
        else:
            digest = hmac.digest(f"{secret}&".encode(), self.text.encode(), "sha1")
            right = base64.b64encode(digest).decode("ascii")
        return hmac.compare_digest(right.encode(), self.signature.encode())


def claim(call: Call) -> Claim:
    """Return the claim of a call. Raises Fault for a call without a signature in one of the two forms."""
    authorization = call.header("authorization")
    in_parameters = call.in_query.keys() & _OLD_FIELDS
    if call.body:
        if call.in_json.keys() & _OLD_FIELDS:
            raise Fault("IncompleteSignature", "(a signature belongs into the query or a header, not into JSON)")
        in_parameters |= call.in_form.keys() & _OLD_FIELDS
    if authorization:
        if in_parameters:
            raise Fault("IncompleteSignature", "(there are two: in the header Authorization and in the parameters)")
        if call.in_query.get("SecurityToken") or call.header("x-acs-security-token"):
            raise Fault("InvalidSecurityToken.Malformed", "(temporary access keys are not known here)")
        return _modern(call, authorization)
    if not in_parameters:
        raise Fault("MissingAccessKeyId", "(the call is not signed)")
    return _old(call)


def encode(text: str) -> str:
    """Return text in percent-encoding by RFC 3986: all but letters, digits and ``-_.~``."""
    return text if _PLAIN.fullmatch(text) else quote(text, safe="~")


def _modern(call: Call, authorization: str) -> Claim:
    found = _AUTHORIZATION.fullmatch(authorization)
    if found is None:
        raise Fault(
            "IncompleteSignature", f"(Authorization is not: {ALGORITHM} Credential=…,SignedHeaders=…,Signature=…)"
        )
    key_id, names, signature = found.groups()
    signed = sorted(names.split(";"))
    listed = set(signed)
    present = {name for name, _ in call.headers}
    needed = {*_MUST_BE_SIGNED, *(name for name in present if name.startswith("x-acs-"))}
    if call.body:
        needed.add("content-type")
    absent = sorted(needed - listed) or sorted(listed - present)
    if absent or len(listed) != len(signed):
        raise Fault(
            "IncompleteSignature", f"(not signed: {', '.join(absent)})" if absent else "(a header is given twice)"
        )
    digest = hashlib.sha256(call.body).hexdigest()
    if not hmac.compare_digest(digest.encode(), call.header("x-acs-content-sha256").encode()):
        raise Fault("SignatureDoesNotMatch", "(x-acs-content-sha256 is not the hash of the body)")
    if call.has_unread_body:
        raise Fault("InvalidParameter.Body", "(it is neither a form nor JSON)")
    query = "&".join(f"{encode(name)}={encode(value)}" for name, value in sorted(call.in_query.items()))
    lines = [f"{name}:{call.header(name)}\n" for name in signed]
    canonical = "\n".join([call.method, call.path, query, "".join(lines), ";".join(signed), digest])
    return Claim(
        key_id=key_id,
        action=_agreed(call, "Action", call.header("x-acs-action")),
        version=_agreed(call, "Version", call.header("x-acs-version")),
        format=call.in_query.get("Format", ""),
        time=_time(call.header("x-acs-date")),
        nonce=_nonce(call.header("x-acs-signature-nonce")),
        text=f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}",
        signature=signature,
        is_modern=True,
    )


def _old(call: Call) -> Claim:
    if call.body and not call.in_form:
        raise Fault("InvalidParameter.Body", "(this signature covers a body only if it is a form)")
    given = call.parameters
    for name in ("AccessKeyId", "Signature", "SignatureNonce", "Timestamp"):
        if not given.get(name):
            raise Fault(f"Missing{name}")
    if given.get("SecurityToken"):
        raise Fault("InvalidSecurityToken.Malformed", "(temporary access keys are not known here)")
    if given.get("SignatureMethod", "").upper() != METHOD or given.get("SignatureVersion", "1.0") != "1.0":
        raise Fault("IncompleteSignature", f"(SignatureMethod is {METHOD}, and SignatureVersion 1.0)")
    pairs = sorted((name, value) for name, value in given.items() if name != "Signature")
    query = "&".join(f"{encode(name)}={encode(value)}" for name, value in pairs)
    return Claim(
        key_id=given["AccessKeyId"],
        action=given.get("Action", ""),
        version=given.get("Version", ""),
        format=given.get("Format", ""),
        time=_time(given["Timestamp"]),
        nonce=_nonce(given["SignatureNonce"]),
        text=f"{call.method}&%2F&{encode(query)}",
        signature=given["Signature"],
        is_modern=False,
    )


def _agreed(call: Call, name: str, value: str) -> str:
    """Return the value of a header. Raises Fault if the parameter of the same name differs."""
    if call.parameters.get(name, value) != value:
        raise Fault("IncompleteSignature", f"({name} in the parameters is not that of the header)")
    return value


def _nonce(text: str) -> str:
    if not 1 <= len(text) <= 128:
        raise Fault("IncompleteSignature", "(a nonce has 1 to 128 characters)")
    return text


def _time(text: str) -> datetime:
    try:
        if not _TIME.fullmatch(text):
            raise ValueError(text)
        return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=timezone.utc)
    except ValueError:
        raise Fault("InvalidTimeStamp.Format", "(it is like 2026-11-22T08:00:00Z)") from None
