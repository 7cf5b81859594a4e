"""The address of an HTTP listener, its TLS, and the names by which clients may call it.

Plain HTTP is for this machine only. For a network it needs a certificate, or ``--insecure`` for a trusted network.
"""

from __future__ import annotations

import functools
import ipaddress
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assist_cli import codes
from assist_cli.deploy import pki
from assist_cli.errors import InvalidParameter, UsageError
from assist_cli.model import endpoint

LONGEST_HOST = 300  # characters of a Host header; a name has at most 253

_LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^][:@/]+)(?::[0-9]{0,5})?", re.ASCII)  # the header: a name or address, a port
_NAME = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*", re.ASCII)


@dataclass(frozen=True)
class HttpEndpoint:
    """The address of a listener. ``certificate`` and ``key`` are PEM files; without them it is plain HTTP.

    ``names`` are further host names that clients use, such as that of a proxy.
    """

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    names: tuple[str, ...] = ()

    @property
    def is_loopback(self) -> bool:
        return endpoint.is_loopback(self.host)

    def url(self, port: int, host: str = "") -> str:
        """Return the URL for clients, by default with the address."""
        host = host or (f"[{self.host}]" if ":" in self.host else self.host)
        return f"{'https' if self.certificate else 'http'}://{host}:{port}"

    def local_url(self, port: int) -> str:
        """Return the URL for a browser on this machine: by name, if a certificate has to fit."""
        if self.host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            return self.url(port, next(iter(sorted(self.names)), "localhost"))
        return self.url(port)

    def public_url(self, port: int) -> str:
        """Return the URL for other machines: the first name, over HTTPS with the usual port for that of a proxy.

        Without a name it is the address, or a name of the certificate or of this machine.
        """
        name = _first(self.names)
        if name and self.is_loopback and self.certificate is None:
            return f"https://{name}"
        if name or self.host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            return self.url(port, name)
        named = "" if self.certificate is None else _first(pki.names_of(self.certificate))
        return self.url(port, named or platform.node().lower())

    def host_names(self) -> frozenset[str]:
        """Return the host names, besides addresses, by which a client may call this server."""
        if self.certificate is not None:
            return frozenset((*self.names, *(name.lower() for name in pki.names_of(self.certificate))))
        return frozenset((*self.names, "localhost", *(() if self.is_loopback else (platform.node().lower(),))))


def _first(names: Sequence[str]) -> str:
    """Return the first name that is not for many hosts; empty if there is none."""
    return next((name for name in names if "*" not in name), "")


def place(
    address: str,
    certificate: Path | None,
    key: Path | None,
    *,
    insecure: bool,
    names: Sequence[str] = (),
    option: str = "--api",
    port: int = 8320,
) -> HttpEndpoint:
    """Return the endpoint of the options; ``option`` names it, and ``port`` is the one of its example.

    Raises UsageError and InvalidParameter, also for plain HTTP on a network.
    """
    host, number = endpoint.parse(address, f"{option} 127.0.0.1:{port}")
    if (certificate is None) != (key is None):
        raise UsageError(f"cannot use one of {option}-cert and {option}-key without the other", hint="give both files")
    for name in names:
        if not _NAME.fullmatch(name) or len(name) > 253:
            raise InvalidParameter(
                f"cannot use {name!r} for {option}-name: it is not the name of a host",
                hint="give only the host name, without https:// and port: assist.example.com",
                code=codes.INVALID_ADDRESS,
            )
    found = HttpEndpoint(host, number, certificate, key, tuple(name.lower() for name in names))
    if certificate is None and not found.is_loopback and not insecure:
        raise InvalidParameter(
            f"cannot serve plain HTTP at {address!r}: others on the network could read scripts and output",
            hint=f"give {option}-cert and {option}-key; or --insecure, if the network is trusted",
            code=codes.PLAIN_HTTP_REFUSED,
        )
    return found


def is_ours(host: str, names: frozenset[str]) -> bool:
    """Return True if a Host header names this server: by an IP address, or by one of these names.

    A page in a browser can only direct a name of its own to this server (DNS rebinding), never an address.
    """
    return len(host) <= LONGEST_HOST and _is_ours(host, names)


@functools.lru_cache(maxsize=64)  # each call has a Host header
def _is_ours(host: str, names: frozenset[str]) -> bool:
    found = _HOST.fullmatch(host.lower())
    if found is None:
        return False
    name = found[1].strip("[]").rstrip(".")
    return name in names or _is_address(name) or f"*.{name.partition('.')[2]}" in names


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
