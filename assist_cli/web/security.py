"""Rules for requests and answers of a browser: headers, cookies, the origin of a form, and its token (docs/console.md).

A form is accepted only from a page of this server: the browser says so in Sec-Fetch-Site or in Origin, and the form has
a token that is derived from the cookie. A page of another site can send neither.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

# Of every answer. With the referrer policy "no-referrer" a browser would send "Origin: null" with forms.
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

_ID = re.compile("[A-Za-z0-9_-]{43}")  # as sessions.new_id makes it

TOKEN_FIELD = "token"  # noqa: S105 - the name of a field


def cookie_name(*, is_secure: bool, port: int) -> str:
    """Return the name of the cookie with the id of the browser.

    Browsers accept the prefix ``__Host-`` only over HTTPS. Over HTTP the port is in the name, because all ports of a
    host share their cookies.
    """
    return "__Host-assist" if is_secure else f"assist-{port}"


def cookie(headers: Sequence[str], name: str) -> str:
    """Return the id of a browser from the headers Cookie; empty if there is none, or not an id of this server."""
    for each in ";".join(headers).split(";"):
        key, _, value = each.strip().partition("=")
        if key == name and _ID.fullmatch(value):
            return value
    return ""


def form_token(browser: str) -> str:
    """Return the token that the forms of a browser have, from the id in its cookie."""
    return hmac.new(browser.encode(), b"form", hashlib.sha256).hexdigest()


def fits(token: str, browser: str) -> bool:
    """Return True if a form has the token of this browser."""
    return hmac.compare_digest(token.encode(), form_token(browser).encode())


def is_ours(headers: Mapping[str, str]) -> bool:
    """Return True if a browser says that a form was sent by a page of this server."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin, host = urlsplit(headers.get("origin", "")), headers.get("host", "")
    return bool(host) and origin.scheme in ("http", "https") and origin.netloc == host


def local_path(text: str) -> str:
    """Return a path of this server that a link contains; ``/`` for anything else, such as another site."""
    is_local = text.startswith("/") and not text.startswith("//") and "\\" not in text
    return text if is_local and text.isprintable() and text.isascii() else "/"
