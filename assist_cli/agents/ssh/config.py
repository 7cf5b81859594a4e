"""What the user's SSH configuration says of a destination: ~/.ssh/config, then /etc/ssh/ssh_config (ssh_config(5)).

Heeded: HostName, HostKeyAlias, User, Port, IdentityFile, IdentitiesOnly, ProxyJump, ProxyCommand, UserKnownHostsFile,
GlobalKnownHostsFile, HashKnownHosts, Host, Match and Include. StrictHostKeyChecking is not: an unknown host key is
taken only when it is said for that one time.
"""

from __future__ import annotations

import getpass
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assist_cli.agents.destination import Destination
from assist_cli.agents.ssh import known_hosts
from assist_cli.errors import ClientNotOnline

_FILES = ("~/.ssh/config", "/etc/ssh/ssh_config")
_USER_KNOWN_HOSTS = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
_GLOBAL_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
_DEPTH = 16  # of files that include files, as in OpenSSH


@dataclass(frozen=True)
class Settings:
    """All that is needed to log in. ``key_name`` is the name under which the host key is known.

    ``jump`` is a comma list of hops and ``proxy`` a command line for sh, each None where there is none.
    """

    host: str
    port: int
    user: str
    key_name: str
    identities: tuple[Path, ...]
    identities_only: bool
    jump: str | None
    proxy: str | None
    user_known_hosts: tuple[Path, ...]
    global_known_hosts: tuple[Path, ...]
    hash_known_hosts: bool


def settings(destination: Destination) -> Settings:
    """The settings for a destination; what it says itself comes first. Raises ClientNotOnline for files with errors."""
    found = _lookup(destination.host)
    host = str(found["hostname"])
    port = destination.port or int(found.get("port", known_hosts.SSH_PORT))
    return Settings(
        host=host,
        port=port,
        user=destination.user or found.get("user") or getpass.getuser(),
        key_name=known_hosts.name_of(found.get("hostkeyalias", host), port),
        identities=_paths([destination.identity] if destination.identity else found.get("identityfile", [])),
        identities_only=_is_yes(found, "identitiesonly"),
        jump=_unless_none(destination.jump or found.get("proxyjump")),
        proxy=None if destination.jump else _unless_none(found.get("proxycommand")),
        user_known_hosts=_paths(shlex.split(found.get("userknownhostsfile", _USER_KNOWN_HOSTS))),
        global_known_hosts=_paths(shlex.split(found.get("globalknownhostsfile", _GLOBAL_KNOWN_HOSTS))),
        hash_known_hosts=_is_yes(found, "hashknownhosts"),
    )


def _lookup(host: str) -> dict[str, Any]:
    import paramiko

    config = paramiko.SSHConfig()
    for name in _FILES:
        path = Path(name).expanduser()
        try:
            config.parse(_lines(path, path.parent))
        except (paramiko.SSHException, OSError, ValueError) as error:
            raise ClientNotOnline(f"cannot use '{path}': {error}", hint=f"ssh -G {host} shows what is wrong") from error
    return dict(config.lookup(host))


def _lines(path: Path, folder: Path, depth: int = 0) -> Iterator[str]:
    """The lines of a file, with those that it includes in their places."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        key, _, rest = line.strip().replace("=", " ", 1).partition(" ")
        if key.lower() != "include":
            yield line
        elif depth < _DEPTH:
            for pattern in shlex.split(rest):
                whole = folder / Path(pattern).expanduser()
                for included in sorted(Path(whole.anchor).glob(str(whole.relative_to(whole.anchor)))):
                    yield from _lines(included, folder, depth + 1)


def _paths(names: list[str]) -> tuple[Path, ...]:
    return tuple(Path(name).expanduser() for name in names if name.lower() != "none")


def _unless_none(value: str | None) -> str | None:
    return value if value and value.lower() != "none" else None


def _is_yes(found: dict[str, Any], name: str) -> bool:
    return str(found.get(name, "no")).lower() == "yes"
