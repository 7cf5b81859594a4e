"""Webhooks: a POST that is signed by the rules of Standard Webhooks (https://www.standardwebhooks.com).

The signature is HMAC-SHA256 over the id of the message, the time, and the body. The key is in the environment, or in a
file of ASSIST_HOME that is created on first use. Certificates are verified. Redirects are not followed, so that a
signed message reaches no other receiver.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import http.client
import os
import secrets
import urllib.error
import urllib.request
from datetime import datetime

from assist_cli import __version__, codes
from assist_cli.errors import FileFailure, InvalidParameter
from assist_cli.model.notice import NoticeResult
from assist_cli.model.secret import Secret
from assist_cli.paths import Home, write_whole

KEY_VARIABLE = "ASSIST_NOTIFY_KEY"
KEY_PREFIX = "whsec_"
KEY_BYTES = 32
RETRIED = frozenset({408, 425, 429})  # statuses below 500
SHOWN_CHARACTERS = 200


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Do not follow it: treat a redirect as the answer."""


def key(home: Home) -> Secret:
    """The signing key in the form for receivers: ``whsec_`` and base64. Raises FileFailure, InvalidParameter."""
    given = os.environ.get(KEY_VARIABLE)
    if given is not None:
        _bytes_of(given, KEY_VARIABLE)
        return Secret(given)
    try:
        known = home.notify_key.read_text("ascii").strip()
    except FileNotFoundError:
        _create_key(home)
        return key(home)
    except (OSError, UnicodeDecodeError) as error:
        raise FileFailure(f"cannot read the key '{home.notify_key}': {error}") from error
    _bytes_of(known, str(home.notify_key))
    return Secret(known)


def signature(key: Secret, id: str, timestamp: int, body: bytes) -> str:
    """Return the value of the header ``webhook-signature`` of a message."""
    signed = b"%s.%d.%s" % (id.encode("ascii"), timestamp, body)
    digest = hmac.digest(_bytes_of(key.reveal(), "the key"), signed, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode("ascii")


def post(url: str, id: str, body: bytes, key: Secret, now: datetime, timeout: float) -> NoticeResult:
    """Post a document, without retry. ``timeout`` is in seconds. Returns failures as results."""
    timestamp = int(now.timestamp())
    request = urllib.request.Request(  # noqa: S310 - the URL is one of http or https: model.notice
        url,
        data=body,
        headers={
            "Content-Type": "application/json",
            "User-Agent": f"assist/{__version__}",
            "webhook-id": id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(key, id, timestamp, body),
        },
    )
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=timeout) as response:
            return NoticeResult(True, f"{response.status} {response.reason}".strip())
    except urllib.error.HTTPError as error:
        with error:
            return _refusal(error.code, str(error.reason))
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        why = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return NoticeResult(False, f"no answer: {why}"[:SHOWN_CHARACTERS], again=True)


def _create_key(home: Home) -> None:
    """Create the key, unless another process was faster."""
    made = KEY_PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")
    draft = home.notify_key.with_name(f".{home.notify_key.name}.{secrets.token_hex(8)}")
    write_whole(draft, f"{made}\n".encode("ascii"))
    try:
        with contextlib.suppress(FileExistsError):
            home.notify_key.hardlink_to(draft)
    except OSError as error:
        raise FileFailure(f"cannot write the key '{home.notify_key}': {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


def _refusal(status: int, reason: str) -> NoticeResult:
    text = f"{status} {reason}".strip()[:SHOWN_CHARACTERS]
    if 300 <= status < 400:
        return NoticeResult(False, f"{text}: a redirect, which is not followed")
    return NoticeResult(False, text, again=status >= 500 or status in RETRIED)


def _bytes_of(text: str, where: str) -> bytes:
    try:
        if not text.startswith(KEY_PREFIX):
            raise ValueError
        return base64.b64decode(text.removeprefix(KEY_PREFIX), validate=True)
    except (ValueError, binascii.Error) as error:
        raise InvalidParameter(
            f"cannot sign with {where}: it does not contain a key",
            code=codes.INVALID_NOTIFY,
            hint=f"give {KEY_PREFIX} and the base64 of 24 to 64 bytes",
        ) from error
