"""The destination of an SSH connection: the part after ``ssh:`` in an address.

::

    [USER@]HOST[:PORT][?FLAG[&FLAG]…]        FLAG: sudo, identity=FILE, jump=[USER@]HOST[:PORT][,…]

Missing parts come from ~/.ssh/config. ``sudo``: the agent is root's, and the login becomes root by ``sudo -n``. In
``identity`` and ``jump``, ``&``, ``%`` and ``#`` are percent-encoded. An IPv6 address with a port is in brackets. Names
may contain only characters without a meaning to a shell, because ``ProxyCommand`` lines run in one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote

from assist_cli import codes
from assist_cli.errors import InvalidParameter

_FORM = re.compile(
    r"(?:(?P<user>[^@]+(?:@[^@]+)*)@)?(?:\[(?P<bracketed>[^\]]+)\]|(?P<host>[^:]+|[0-9A-Fa-f:.]+(?:%\w+)?))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
_HOST = re.compile(r"[\w.:][\w.:%-]*")
_USER = re.compile(r"[\w.][\w.@+\\-]*")


@dataclass(frozen=True)
class Destination:
    """One login on one machine. ~/.ssh/config decides what is None. ``jump`` is a comma list, first hop first."""

    host: str
    user: str | None = None
    port: int | None = None
    sudo: bool = False
    identity: str | None = None
    jump: str | None = None

    def __str__(self) -> str:
        """The form that ``parse`` takes."""
        flags = ["sudo"] if self.sudo else []
        flags += [f"identity={quote(self.identity, safe='/~')}"] if self.identity else []
        flags += [f"jump={quote(self.jump, safe='@:,[]')}"] if self.jump else []
        return self.place + ("?" + "&".join(flags) if flags else "")

    @property
    def place(self) -> str:
        """``[USER@]HOST[:PORT]``, for messages and for commands that a person types."""
        port = f":{self.port}" if self.port is not None else ""
        host = f"[{self.host}]" if ":" in self.host and port else self.host
        return (f"{self.user}@" if self.user else "") + host + port


def parse(text: str) -> Destination:
    """Return the destination in ``text``. Raises InvalidParameter (InvalidAddress)."""
    place, _, query = text.partition("?")
    found = _FORM.fullmatch(place)
    if found is None:
        raise _refusal(text)
    host, user, port = found["bracketed"] or found["host"], found["user"], found["port"]
    if not _HOST.fullmatch(host) or (user and not _USER.fullmatch(user)) or (port and not 0 < int(port) < 65536):
        raise _refusal(text)
    flags = dict(parse_qsl(query, keep_blank_values=True))
    if flags.keys() - {"sudo", "identity", "jump"} or flags.get("sudo"):
        raise _refusal(text, hint="after ? stand sudo, identity=FILE and jump=HOSTS, with & between them")
    jump = flags.get("jump") or None
    for hop in jump.split(",") if jump else ():
        parse_hop(hop)
    return Destination(
        host=host,
        user=user,
        port=int(port) if port else None,
        sudo="sudo" in flags,
        identity=flags.get("identity") or None,
        jump=jump,
    )


def parse_hop(text: str) -> Destination:
    """Return the jump host in ``text``: ``[USER@]HOST[:PORT]``, or that after ``ssh://``. Raises InvalidParameter."""
    place = text.strip()
    if place.lower().startswith("ssh://"):
        place = unquote(place[len("ssh://") :].removesuffix("/"))
    if "?" in place:
        raise _refusal(text)
    return parse(place)


_USAGE = "it has the form [USER@]HOST[:PORT], in an address also with ?sudo at the end"


def _refusal(text: str, hint: str = _USAGE) -> InvalidParameter:
    return InvalidParameter(f"cannot use '{text}' as a destination of SSH", hint=hint, code=codes.INVALID_ADDRESS)
