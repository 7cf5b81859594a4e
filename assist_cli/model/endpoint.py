"""The address and port of a listener: ``127.0.0.1:8320``, ``[::1]:8320``, ``localhost:8320``."""

from __future__ import annotations

import ipaddress

from assist_cli import codes
from assist_cli.errors import InvalidParameter


def parse(text: str, option: str) -> tuple[str, int]:
    """Return the host and the port. Raises InvalidParameter; ``option`` is the option with a valid example."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        if not colon or not port.isdecimal() or int(port) > 65535:
            raise ValueError(text)
        if host != "localhost":
            ipaddress.ip_address(host)
    except ValueError:
        raise InvalidParameter(
            f"cannot listen on {text!r}: it is not an address and a port",
            hint=f"as in: {option}",
            code=codes.INVALID_ADDRESS,
        ) from None
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Return True if only this machine can connect to it."""
    return host == "localhost" or ipaddress.ip_address(host).is_loopback
