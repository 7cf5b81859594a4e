"""The forms of the address of an agent, and their parts.

``local`` is the agent of this machine; ``unix:PATH`` the agent behind a unix socket; ``tls:HOST[:PORT]`` an
agent that listens for mutual TLS; ``ssh:[USER@]HOST[:PORT][?sudo]`` an agent reached over SSH (see ``destination``);
``nats:INSTANCE`` one that dials out to the broker of the home. An IPv6 address is in brackets:
``tls:[2001:db8::5]:7433``.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from assist_cli import codes
from assist_cli.errors import InvalidParameter
from assist_cli.model import ids
from assist_cli.structs import Struct

if TYPE_CHECKING:
    from assist_cli.agents.destination import Destination

TLS_PORT = 7433

_PLACE = r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<name>\w[\w.-]*))(?::(?P<port>[0-9]{1,5}))?"


class Local(Struct):
    """The agent of this machine."""

    name: str = "local"

    def __str__(self) -> str:
        return self.name


class Unix(Struct):
    """The agent behind a unix socket."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


class Tls(Struct):
    """An agent that listens on a port. ``host`` is a name or an address, without brackets."""

    host: str
    port: int = TLS_PORT

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tls:{host}:{self.port}"


class Ssh(Struct):
    """An agent that is reached over SSH."""

    destination: "Destination"

    def __str__(self) -> str:
        return f"ssh:{self.destination}"


class Nats(Struct):
    """An agent that dials out to the broker, by the id of its instance."""

    instance: str

    def __str__(self) -> str:
        return f"nats:{self.instance}"


Route = Local | Unix | Tls | Ssh | Nats


def parse(address: str) -> Route:
    """Return the route of an address. Its text is the complete address.

    Raises InvalidParameter (InvalidAddress) with the reason.
    """
    scheme, _, rest = address.partition(":")
    if address == "local":
        return Local()
    if scheme == "unix" and rest and "\0" not in rest:
        return Unix(Path(rest).absolute())
    if rest.startswith("//"):
        raise _refused(address, "it is not a URL", _meant(address))
    if scheme == "tls":
        try:
            return tls(rest)
        except ValueError as error:
            raise _refused(address, str(error)) from None
    if scheme == "nats":
        if len(rest) != ids.LENGTH or not ids.is_prefix(rest, ids.Kind.INSTANCE):
            raise _refused(address, f"'{rest}' is not the id of an instance")
        return Nats(rest)
    if scheme == "ssh":
        from assist_cli.agents import destination

        return Ssh(destination.parse(rest))
    if scheme == "unix":
        raise _refused(address, "it has no path")
    raise _refused(address, "it does not begin with a known kind", _meant(address))


def tls(place: str) -> Tls:
    """Return the route of HOST[:PORT]. Raises ValueError with the reason."""
    found = re.fullmatch(_PLACE, place, re.ASCII)
    if found is None:
        bare = place.count(":") > 1 and "[" not in place
        raise ValueError("an IPv6 address needs brackets" if bare else f"'{place}' is not HOST[:PORT]")
    port = int(found["port"]) if found["port"] else TLS_PORT
    if not 0 < port < 65536:
        raise ValueError(f"{port} is not a port from 1 to 65535")
    return Tls(found["six"] or found["name"], port)


def _meant(address: str) -> str:
    """Return the beginning of a hint for ``10.0.0.5``, ``root@web1`` and ``ssh://web1``: ``did you mean tls:…? ``."""
    bare = re.sub(r"^(?:ssh|tls|https?)://", "", address).rstrip("/")
    user, at, host = bare.rpartition("@")
    if not re.fullmatch(r"[\w.-]+(?::[0-9]+)?", host) or (at and not re.fullmatch(r"[\w.-]+", user)):
        return ""
    if address.startswith("tls"):
        return f"did you mean tls:{bare}? "
    over_ssh = f"ssh:{bare}" if at else f"ssh:root@{bare}"
    return (
        f"did you mean {over_ssh}? " if at or address.startswith("ssh") else f"did you mean tls:{bare} or {over_ssh}? "
    )


def _refused(address: str, why: str, meant: str = "") -> InvalidParameter:
    return InvalidParameter(
        f"cannot use the address '{address}': {why}",
        hint=f"{meant}an address is local, unix:PATH, tls:HOST[:PORT], ssh:[USER@]HOST[:PORT][?sudo] or nats:INSTANCE",
        code=codes.INVALID_ADDRESS,
    )
