"""The way to a broker, through an HTTP proxy if there is one."""

import base64
import os
import socket
import urllib.parse
from typing import Any, Dict, Tuple

from assist_cli.deploy.host.client import ControllerUnreachable, Denied

MOST_HEAD = 16 * 1024  # bytes of the answer of a proxy


def given_proxy(text: str) -> str:
    """Return the URL of a proxy that a person gives: itself, in a variable, or in a file. Raises Denied."""
    given = text
    try:
        if text.startswith("env:"):
            given = os.environ.pop(text[len("env:") :], "").strip()
        elif text.startswith("@"):
            with open(text[1:], encoding="utf-8") as file:
                given = file.read(MOST_HEAD).strip()
    except (OSError, ValueError) as error:
        raise Denied("cannot read the proxy of '%s': %s" % (text, error)) from None
    if given == "none":
        return given
    try:
        _address_of(given)
    except ValueError:
        raise Denied(
            "cannot use this proxy: it is not http://HOST:PORT", "--proxy http://proxy.example.com:3128"
        ) from None
    if given is text and "@" in text:
        raise Denied(
            "cannot use a proxy with a password on the command line: other users can see it",
            "put http://USER:PASSWORD@HOST:PORT into a file or a variable: --proxy @FILE, --proxy env:VARIABLE",
        )
    return given


def _address_of(proxy: str) -> Tuple[str, int]:
    """Return host and port of http://HOST:PORT or http://USER:PASSWORD@HOST:PORT. Raises ValueError."""
    found = urllib.parse.urlsplit(proxy)
    if found.scheme != "http" or not found.hostname or not found.port or found.path not in ("", "/"):
        raise ValueError(proxy)
    return found.hostname, found.port


def connect(settings: Dict[str, Any], host: str, port: int) -> socket.socket:
    """Connect to a broker, through the proxy if there is one. Raises OSError, ControllerUnreachable, Denied."""
    proxy, seconds = settings["proxy"], settings["connect_seconds"]
    if proxy in ("", "none"):
        return socket.create_connection((host, port), seconds)
    target = ("[%s]:%d" if ":" in host else "%s:%d") % (host, port)
    request = "CONNECT %s HTTP/1.1\r\nHost: %s\r\n" % (target, target)
    found = urllib.parse.urlsplit(proxy)
    if found.username is not None:
        login = "%s:%s" % (urllib.parse.unquote(found.username), urllib.parse.unquote(found.password or ""))
        request += "Proxy-Authorization: Basic %s\r\n" % base64.b64encode(login.encode("utf-8")).decode("ascii")
    place = "the proxy %s:%d" % _address_of(proxy)
    try:
        made = socket.create_connection(_address_of(proxy), seconds)
    except OSError as error:
        raise ControllerUnreachable("through %s: %s" % (place, error.strerror or error)) from error
    try:
        made.settimeout(seconds)
        made.sendall(request.encode("ascii") + b"\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = made.recv(1)  # not more: the INFO of the broker follows
            head += byte
            if not byte or len(head) > MOST_HEAD:
                raise ControllerUnreachable("%s does not answer as an HTTP proxy" % place)
        status = head.split(b"\r\n")[0]
        if status.split()[1:2] == [b"407"]:
            raise Denied(
                "cannot enrol this machine: %s refuses it without the right user and password" % place,
                "give http://USER:PASSWORD@HOST:PORT by a file or a variable: --proxy @FILE, --proxy env:VARIABLE",
            )
        if not status.startswith(b"HTTP/1.") or status.split()[1:2] != [b"200"]:
            raise ControllerUnreachable("%s answered '%s'" % (place, status[:100].decode("ascii", "replace")))
    except BaseException:
        made.close()
        raise
    return made
