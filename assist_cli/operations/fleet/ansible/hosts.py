"""The requests that an inventory stands for: the hosts with an SSH connection, their logins, and groups as tags.

These variables count: ``ansible_host``, ``ansible_port``, ``ansible_user``, ``ansible_ssh_private_key_file``, their
older names, ``ansible_connection``, and ``ansible_become`` to root by sudo. A note names what else there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from assist_cli.agents.destination import Destination, parse
from assist_cli.errors import InvalidParameter, Refused
from assist_cli.model.names import some_of
from assist_cli.operations.fleet import instances
from assist_cli.operations.fleet.ansible import source
from assist_cli.operations.fleet.ansible.documents import Vaulted
from assist_cli.operations.fleet.ansible.inventory import ALL, UNGROUPED
from assist_cli.operations.fleet.deployment import InstallRequest
from assist_cli.operations.fleet.host_file import SAME_MACHINE, AddRequest, located
from assist_cli.units import count

# Of several names of a variable the last one that is set wins, as for Ansible.
_HOST = ("ansible_host", "ansible_ssh_host")
_PORT = ("ansible_port", "ansible_ssh_port")
_USER = ("ansible_user", "ansible_ssh_user")
_KEY = ("ansible_private_key_file", "ansible_ssh_private_key_file")
_BECOME = ("ansible_become", "ansible_sudo")
_BECOME_USER = ("ansible_become_user", "ansible_sudo_user")
_BECOME_METHOD = ("ansible_become_method",)
_CONNECTION = ("ansible_connection",)
_USED = frozenset((*_HOST, *_PORT, *_USER, *_KEY, *_BECOME, *_BECOME_USER, *_BECOME_METHOD, *_CONNECTION))
_OF_ANSIBLE = frozenset(("ansible_group_priority", "ansible_python_interpreter", "ansible_version"))

_SSH = ("ssh", "smart", "paramiko", "paramiko_ssh")
_TRUE = ("yes", "true", "on", "1", "y", "t")
_INSTEAD = {
    "ansible_ssh_common_args": "give --jump, or ProxyJump in ~/.ssh/config",
    "ansible_ssh_extra_args": "use ~/.ssh/config",
    "ansible_ssh_args": "use ~/.ssh/config",
    "ansible_password": "use a key",
    "ansible_ssh_pass": "use a key",
    "ansible_ssh_password": "use a key",
    "ansible_become_password": "give --sudo-password, or answer the question",
    "ansible_become_pass": "give --sudo-password, or answer the question",
    "ansible_sudo_pass": "give --sudo-password, or answer the question",
}


@dataclass(frozen=True)
class Requests:
    """The hosts of an inventory, the origin of each for messages, and notes on what does not count."""

    names: list[str]
    destinations: list[Destination]
    tags: list[dict[str, str]]
    origins: list[str]
    notes: list[str]

    def to_install(self) -> list[InstallRequest]:
        """Return the requests to install."""
        return [
            InstallRequest(str(place), name, tags, sudo=place.sudo, identity=place.identity)
            for name, place, tags in zip(self.names, self.destinations, self.tags, strict=True)
        ]

    def to_add(self) -> list[AddRequest]:
        """Return the requests to add, each with an address of SSH."""
        return [
            AddRequest(name, f"ssh:{place}", tags)
            for name, place, tags in zip(self.names, self.destinations, self.tags, strict=True)
        ]


def requests(data: bytes, file: str) -> Requests:
    """Return the requests of an inventory, in its order. Raises InvalidParameter, also if there are none."""
    found = source.read(data, file)
    notes = _Notes()
    made = Requests([], [], [], [], [])
    seen: dict[Destination, str] = {}
    for host, variables in found.variables.items():
        origin = found.origin(host)
        for name, value in variables.items():
            notes.variable(host, name, value)
        try:
            place = _destination(host, variables)
            if place is None:
                notes.add("it is on this machine, which needs no installation", host)
                continue
            instances.checked_name(host)
            tags = dict(_tags(found.groups[host], notes))
        except _Skipped as reason:
            notes.add(str(reason), host)
            continue
        except Refused as error:
            raise located(error, origin) from None
        machine = Destination(place.host, place.user, place.port)
        if machine in seen:
            notes.add(SAME_MACHINE, f"{host} ({seen[machine]})")
            continue
        seen[machine] = host
        made.names.append(host)
        made.destinations.append(place)
        made.tags.append(tags)
        made.origins.append(origin)
    if not made.names:
        raise InvalidParameter(
            f"cannot use {found.what}: it names no machine with an SSH connection" + "".join(f"; {n}" for n in notes),
            hint="a line of an inventory is HOST [K=V]...",
        )
    made.notes.extend(notes)
    made.notes.extend(f"not used: {path}, which is encrypted by ansible-vault" for path in found.vaulted)
    return made


class _Skipped(Exception):
    """A host that cannot be reached with what is known. The text is the reason."""


def _destination(host: str, variables: Mapping[str, Any]) -> Destination | None:
    """Return the login of a host, None for this machine. Raises _Skipped and InvalidParameter."""
    connection = _text(variables, _CONNECTION, "ssh").rpartition(".")[2]
    if connection == "local":
        return None
    if connection not in _SSH:
        raise _Skipped(f"its connection is {connection}, not SSH")
    key = _text(variables, _KEY)
    place = Destination(_text(variables, _HOST, host), _text(variables, _USER) or None, None)
    port = _text(variables, _PORT)
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise InvalidParameter(f"cannot use the ansible_port '{port}': it is not a port", hint="give 1 to 65535")
    sudo = _text(variables, _BECOME).lower() in _TRUE
    if sudo:
        method, user = _text(variables, _BECOME_METHOD, "sudo"), _text(variables, _BECOME_USER, "root")
        if (method.rpartition(".")[2], user) != ("sudo", "root"):
            raise _Skipped(f"it becomes '{user}' by {method}, and only root by sudo can be used")
    return parse(str(Destination(place.host, place.user, int(port) if port else None, sudo=sudo, identity=key or None)))


def _text(variables: Mapping[str, Any], names: Iterable[str], default: str = "") -> str:
    """Return the value of the last of these variables that is set, as text. Raises _Skipped."""
    for name in reversed(tuple(names)):
        value = variables.get(name)
        if value is None:
            continue
        try:
            text = str(value) if isinstance(value, str | int | float) else None
        except ValueError:  # a number of thousands of digits
            text = None
        if isinstance(value, Vaulted) or (text and "$ANSIBLE_VAULT" in text):
            raise _Skipped(f"its {name} is vaulted")
        if text is None:
            raise _Skipped(f"its {name} is not a text")
        if "{{" in text or "{%" in text:
            raise _Skipped(f"its {name} is a template")
        return text
    return default


def _tags(groups: Iterable[str], notes: _Notes) -> Iterator[tuple[str, str]]:
    for group in groups:
        if group in (ALL, UNGROUPED):
            continue
        try:
            yield from instances.checked_tags({group: "yes"}).items()
        except Refused:
            notes.add("its name cannot be a tag", f"the group '{group}'")


class _Notes:
    """The hosts and variables that are not used, by kind; each kind becomes one line."""

    def __init__(self) -> None:
        self._skipped: dict[str, dict[str, None]] = {}
        self._variables: dict[str, dict[str, None]] = {}
        self._vaulted: dict[str, dict[str, None]] = {}

    def add(self, reason: str, what: str) -> None:
        self._skipped.setdefault(reason, {})[what] = None

    def variable(self, host: str, name: str, value: Any) -> None:
        """Note a variable that does not count."""
        if isinstance(value, Vaulted) or (isinstance(value, str) and "$ANSIBLE_VAULT" in value):
            self._vaulted.setdefault(name, {})[host] = None
        elif name not in _USED and name not in _OF_ANSIBLE:
            self._variables.setdefault(name, {})[host] = None

    def __iter__(self) -> Iterator[str]:
        for reason, hosts in self._skipped.items():
            yield f"skipped {some_of(list(hosts))}: {reason}"
        others = []
        for name, hosts in self._variables.items():
            if name.startswith("ansible_"):
                instead = f"; {_INSTEAD[name]}" if name in _INSTEAD else ""
                yield f"not used: {name}, of {some_of(list(hosts))}{instead}"
            else:
                others.append(name)
        if others:
            yield f"not used: {count(len(others), 'variable')} of plays: {some_of(others)}"
        if self._vaulted:
            hosts = dict.fromkeys(host for each in self._vaulted.values() for host in each)
            yield f"not used: vaulted values: {some_of(list(self._vaulted))}, of {some_of(list(hosts))}"
