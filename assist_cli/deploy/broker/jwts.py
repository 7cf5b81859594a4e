"""The tokens of the broker: JSON Web Tokens, version 2 of NATS (algorithm ``ed25519-nkey``).

The operator signs the accounts, an account signs its users. A token of a user is a bearer token: it is sent over TLS
to a broker whose certificate was verified. It decides which subjects the user may use, and nothing else: an agent
accepts a controller by its certificate, inside the messages.

::

    FLEET    agents and controllers
    ENROLL   machines that enrol
    SYS      the controller's queries about the broker, and changes of the accounts
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from assist_cli.deploy.broker.nkeys import Key

_HEADER = {"typ": "JWT", "alg": "ed25519-nkey"}
_VERSION = 2
_UNLIMITED = -1
MOST_PAYLOAD = 128 * 1024  # bytes of a message of an agent: a D of a circuit has 64 KiB


@dataclass(frozen=True)
class Permissions:
    """The subjects that a user may publish to, and those that it may subscribe to; all others are refused."""

    publish: Sequence[str]
    subscribe: Sequence[str]
    payload: int = _UNLIMITED  # bytes of a message, at most

    @classmethod
    def of_agent(cls, instance: str) -> Permissions:
        return cls([f"assist.c.*.{instance}.>", f"assist.up.{instance}"], [f"assist.a.{instance}.>"], MOST_PAYLOAD)

    @classmethod
    def of_controller(cls, controller: str) -> Permissions:
        return cls(["assist.a.*.>"], [f"assist.c.{controller}.>", "assist.up.*"])

    @classmethod
    def of_machine(cls, controller: str, enrolment: str) -> Permissions:
        """Return those of the machines of an enrolment, which have no instance id yet."""
        return cls([f"assist.e.{controller}.{enrolment}.*"], [f"assist.m.{enrolment}.*"], MOST_PAYLOAD)

    @classmethod
    def of_enroller(cls, controller: str) -> Permissions:
        return cls(["assist.m.*.*"], [f"assist.e.{controller}.*.*"])

    @classmethod
    def of_monitor(cls) -> Permissions:
        """Return the requests about brokers, and about their connections."""
        return cls(["$SYS.REQ.SERVER.*.VARZ", "$SYS.REQ.SERVER.*.CONNZ"], ["_INBOX.>"])

    @classmethod
    def of_owner(cls) -> Permissions:
        """Return these, and the update of an account's token. With an old token, it could undo a revocation."""
        monitor = cls.of_monitor()
        return cls([*monitor.publish, "$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE"], monitor.subscribe)


def operator(key: Key, system: Key, now: datetime, until: datetime) -> str:
    """Return the token of the operator, signed by itself. ``system`` is the system account."""
    claims = {"type": "operator", "version": _VERSION, "system_account": system.public}
    return _signed(key, key, "assist", claims, now, until)


def account(
    signer: Key, key: Key, name: str, now: datetime, until: datetime, revoked: Mapping[str, int] | None = None
) -> str:
    """Return the token of an account. ``revoked``: public key of a user -> the second up to which its tokens end."""
    claims = {
        "type": "account",
        "version": _VERSION,
        "limits": {
            **dict.fromkeys(("subs", "data", "payload", "conn"), _UNLIMITED),
            **dict.fromkeys(("imports", "exports", "leaf"), 0),
            "wildcards": True,
        },
        "default_permissions": {"pub": {}, "sub": {}},
        **({"revocations": dict(sorted(revoked.items()))} if revoked else {}),
    }
    return _signed(signer, key, name, claims, now, until)


def user(account: Key, name: str, permissions: Permissions, now: datetime, until: datetime) -> str:
    """Return the bearer token of a user."""
    claims = {
        "type": "user",
        "version": _VERSION,
        "pub": {"allow": list(permissions.publish)},
        "sub": {"allow": list(permissions.subscribe)},
        "subs": _UNLIMITED,
        "data": _UNLIMITED,
        "payload": permissions.payload,
        "bearer_token": True,
        "allowed_connection_types": ["STANDARD"],
    }
    return _signed(account, account.user(name), name, claims, now, until)


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a token of ours, unverified. Raises ValueError for another text."""
    try:
        part = token.split(".")[1]
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, binascii.Error, ValueError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("nats"), dict):
        raise ValueError("it is not a token of a broker")
    return found


def end_of(token: str) -> datetime:
    """Return the time at which a token expires. Raises ValueError."""
    end = claims_of(token).get("exp")
    if not isinstance(end, int):
        raise ValueError("it has no end")
    return datetime.fromtimestamp(end, timezone.utc)


def revoked_in(token: str) -> dict[str, int]:
    """Return the revocations in the token of an account. Raises ValueError."""
    found = claims_of(token)["nats"].get("revocations", {})
    return {str(name): int(second) for name, second in found.items()}


def _signed(signer: Key, subject: Key, name: str, nats: Mapping[str, Any], now: datetime, until: datetime) -> str:
    claims = {
        "iat": int(now.timestamp()),
        "iss": signer.public,
        "name": name,
        "sub": subject.public,
        "exp": int(until.timestamp()),
        "nats": nats,
    }
    digest = hashlib.sha256(_compact(claims)).digest()
    claims["jti"] = base64.b32encode(digest).decode("ascii").rstrip("=")
    text = f"{_encoded(_compact(_HEADER))}.{_encoded(_compact(claims))}"
    return f"{text}.{_encoded(signer.sign(text.encode('ascii')))}"


def _compact(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")
