"""The folder ``broker/`` of a home: the addresses of its brokers, and what this controller shows to them.

::

    broker/  0700; all files 0600
      broker.json                       addresses, the names of the controllers, public keys of the accounts
      controller.jwt                    the token of this controller, account FLEET
      monitor.jwt                       its token for queries about the brokers, account SYS
      operator.seed fleet.seed …        private keys of the operator and of the accounts
      operator.jwt fleet.jwt …          their tokens
      cluster.password                  what a broker shows to the others
      servers/HOST-PORT/                the files of one broker, to copy to its machine

A home that joined with ``assist broker join`` has the first two and an empty file ``joined``: it uses the brokers, and
can admit nobody.
"""

import ipaddress
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assist_cli import codes
from assist_cli.errors import Conflict, FileFailure, InvalidParameter
from assist_cli.paths import Home, write_whole
from assist_cli.structs import Struct

PORT = 4222
SYSTEM, FLEET, ENROLL = ACCOUNTS = ("SYS", "FLEET", "ENROLL")
# Every run over TLS loads this module, so the patterns are compiled on use.
CONTROLLER_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"  # it is a part of subjects, and of a certificate

_PLACE = r"tls://(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:/@?#]+))(?::(?P<port>[0-9]{1,5}))?/?"
_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_LONGEST_NAME = 253
_FORM = "an address of a broker is tls://HOST[:PORT], like tls://broker.example.com:4222"


class BrokerAddress(Struct):
    """Host and port of a broker. ``host`` is a name or a numeric address, without brackets."""

    host: str
    port: int = PORT

    @property
    def place(self) -> str:
        """HOST:PORT, which is also the name of the server."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """True if only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return f"tls://{self.place}"


class BrokerSettings(Struct):
    """The content of ``broker.json``.

    ``controller`` is the name of this one, ``others`` are those with credentials of their own. ``accounts``: SYS, FLEET
    and ENROLL -> public key.
    """

    addresses: tuple[BrokerAddress, ...]
    controller: str
    accounts: Mapping[str, str]
    others: tuple[str, ...] = ()


def parse(text: str) -> BrokerAddress:
    """Return the address in ``tls://HOST[:PORT]``. Raises InvalidParameter (InvalidAddress) with the reason."""
    found = re.fullmatch(_PLACE, text)
    if found is None:
        bare = text.startswith("tls://") and text.count(":") > 2 and "[" not in text
        if "://" not in text:
            raise _refused(text, "it does not begin with tls://")
        raise _refused(text, "an IPv6 address needs brackets" if bare else "it is not tls://HOST[:PORT]")
    port = int(found["port"]) if found["port"] else PORT
    if not 0 < port < 65536:
        raise _refused(text, f"{port} is not a port from 1 to 65535")
    return BrokerAddress(_host(text, found["six"] or found["name"]), port)


def _host(text: str, host: str) -> str:
    """Return a host in the form that certificates have. Raises InvalidParameter."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if ":" in host or re.fullmatch(r"[0-9.]+", host):
            raise _refused(text, f"'{host}' is not an IP address") from None
        name = host.lower().removesuffix(".")
        if len(name) > _LONGEST_NAME or not all(re.fullmatch(_LABEL, label) for label in name.split(".")):
            raise _refused(text, f"'{host}' is not a host name") from None
        return name
    if address.is_unspecified:
        raise _refused(text, f"agents cannot connect to {address}")
    return str(address)


def _refused(text: str, why: str) -> InvalidParameter:
    return InvalidParameter(f"cannot use the address '{text}': {why}", hint=_FORM, code=codes.INVALID_ADDRESS)


def exists(home: Home) -> bool:
    """Return True if this home has a broker."""
    return (home.broker / "broker.json").exists()


def has_joined(home: Home) -> bool:
    """Return True if another home has made the broker, and this one has only joined it."""
    return (home.broker / "joined").exists()


def settings(home: Home) -> BrokerSettings:
    """Return the settings of the broker. Raises Conflict without a broker, FileFailure."""
    path = home.broker / "broker.json"
    try:
        return from_document(json.loads(path.read_bytes()))
    except FileNotFoundError:
        raise Conflict(
            "cannot use the broker: this home has none",
            hint="to make one: assist broker init tls://HOST, with the host name of its machine",
        ) from None
    except OSError as error:
        raise FileFailure(f"cannot read '{path}': {error.strerror}") from error
    except (ValueError, KeyError, TypeError, InvalidParameter):
        raise FileFailure(f"cannot use '{path}': it is damaged", hint="restore broker/ from a backup") from None


def token(home: Home, name: str) -> str:
    """Return the token ``controller``, ``monitor``, ``fleet`` …. Raises FileFailure."""
    path = home.broker / f"{name}.jwt"
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise FileFailure(f"cannot read '{path}': {why}", hint="restore broker/ from a backup") from error


def from_document(found: Mapping[str, Any]) -> BrokerSettings:
    """Return the settings in a JSON object. Raises KeyError, TypeError, ValueError, InvalidParameter."""
    accounts = {name: str(found["accounts"][name]) for name in ACCOUNTS}
    addresses, others = tuple(map(parse, found["addresses"])), tuple(map(str, found["others"]))
    if not addresses or not re.fullmatch(CONTROLLER_NAME, str(found["controller"])):
        raise ValueError("no address, or no name of a controller")
    return BrokerSettings(addresses, str(found["controller"]), accounts, others)


def document(settings: BrokerSettings) -> dict[str, Any]:
    """Return the settings as a JSON object."""
    return {
        "addresses": list(map(str, settings.addresses)),
        "controller": settings.controller,
        "others": list(settings.others),
        "accounts": dict(settings.accounts),
    }


def write(home: Home, settings: BrokerSettings) -> None:
    """Write ``broker.json``. Raises FileFailure."""
    write_whole(home.folder(home.broker) / "broker.json", json.dumps(document(settings), indent=2).encode() + b"\n")


def folder_name(address: BrokerAddress) -> str:
    """Return the name of the folder with the files of one broker."""
    return f"{address.host.replace(':', '_')}-{address.port}"


def servers(home: Home) -> Path:
    return home.broker / "servers"
