"""The user's SSH settings for a destination: ~/.ssh/config, then /etc/ssh/ssh_config (ssh_config(5)).

OpenSSH's client reads them (``openssh``). Without that client they are read here (``config_file``). A result is kept
for a minute, so that many instances behind one jump host need one query.

Used: HostName, Port, User, HostKeyAlias, IdentityFile, IdentitiesOnly, IdentityAgent, ProxyJump, ProxyCommand,
UserKnownHostsFile, GlobalKnownHostsFile and HashKnownHosts, under any Host, Match and Include. StrictHostKeyChecking
is not used: an unknown host key is accepted only for one call that says so.
"""

from __future__ import annotations

import math
import os
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from assist_cli.agents import destination as destinations
from assist_cli.agents.destination import Destination
from assist_cli.agents.ssh import config_file, known_hosts, openssh, tokens
from assist_cli.errors import ClientNotOnline, InvalidParameter

_FRESH = 60.0  # seconds for which a result is kept


@dataclass(frozen=True)
class Settings:
    """The settings of one login. ``key_name`` is the name of the host key in known_hosts.

    ``identities`` are private keys, None for the usual files; ``agent`` is the socket of the SSH agent. ``hop`` is the
    last jump host and ``proxy`` a command line for a shell; None without one.
    """

    host: str
    port: int
    user: str
    key_name: str
    identities: tuple[Path, ...] | None
    identities_only: bool
    agent: str | None
    hop: Destination | None
    proxy: str | None
    user_known_hosts: tuple[Path, ...]
    global_known_hosts: tuple[Path, ...]
    hash_known_hosts: bool


def settings(destination: Destination, until: float) -> Settings:
    """Return the settings for a destination, by ``until`` (monotonic clock). Parts of the destination come first.

    Raises ClientNotOnline if the configuration is invalid, or not read in time.
    """
    try:
        return from_values(_values(destination, until), destination)
    except TimeoutError:
        raise ClientNotOnline(
            f"cannot use the SSH configuration for '{destination.place}': ssh -G gave no answer in time",
            hint="check whether a 'Match exec' or a name server is slow",
        ) from None
    except (ValueError, InvalidParameter) as error:
        raise ClientNotOnline(
            f"cannot use the SSH configuration for '{destination.place}': {error}",
            hint=f"check it with: ssh -v {destination.host}",
        ) from error


def from_values(values: tokens.Values, destination: Destination) -> Settings:
    """Return the settings from the values read for a destination. Raises ValueError and InvalidParameter."""
    known = tokens.of(values, destination)
    port = int(known["p"])
    command = values.get("proxycommand", [None])[0]
    if command == "-" or (command and values.get("proxyusefdpass") == ["yes"]):
        raise ValueError("ProxyCommand '-' and ProxyUseFdpass are not supported")
    return Settings(
        host=known["h"],
        port=port,
        user=known["r"],
        key_name=values["hostkeyalias"][0] if "hostkeyalias" in values else known_hosts.name_of(known["h"], port),
        identities=_identities(values["identityfile"], destination.identity, known),
        identities_only=values.get("identitiesonly") == ["yes"],
        agent=_agent(values.get("identityagent", ["SSH_AUTH_SOCK"])[0]),
        hop=_last_hop(values["proxyjump"][0]) if "proxyjump" in values else None,
        proxy=tokens.expand(command, {letter: known[letter] for letter in "hknpr"}) if command else None,
        user_known_hosts=tuple(map(Path, values["userknownhostsfile"])),
        global_known_hosts=tuple(map(Path, values["globalknownhostsfile"])),
        hash_known_hosts=values.get("hashknownhosts") == ["yes"],
    )


def refuse_circle(destination: Destination, until: float) -> None:
    """Raise ClientNotOnline if the jump hosts form a circle."""
    passed = {destination}
    at = destination
    while (hop := settings(at, until).hop) is not None:
        if hop in passed:
            raise ClientNotOnline(
                f"cannot reach '{destination.place}': the ProxyJump of '{at.host}' leads back to '{hop.host}'",
                hint=f"except the jump host in the SSH configuration: Host * !{hop.host}",
            )
        passed.add(hop)
        at = hop


def _identities(configured: list[str], named: str | None, known: dict[str, str]) -> tuple[Path, ...] | None:
    """Return the private keys to try. ssh reports its usual ones when none is configured."""
    chosen = [] if set(config_file.USUAL_KEYS) <= set(configured) else configured
    if named is None and not chosen:
        return None
    files = [*([named] if named else []), *(file for file in chosen if file.lower() != "none")]
    return tuple(dict.fromkeys(Path(tokens.expand_path(file, known)) for file in files))


def _agent(stated: str) -> str | None:
    if stated.lower() == "none":
        return None
    if stated == "SSH_AUTH_SOCK" or stated.startswith("$"):
        return os.environ.get(stated.removeprefix("$")) or None
    return stated


def _last_hop(hops: str) -> Destination:
    before, _, last = hops.rpartition(",")
    return replace(destinations.parse_hop(last), jump=before or None)


@dataclass
class _Answer:
    """The values read for one destination, or the error. Its lock is held while they are read."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    read_at: float = -math.inf  # monotonic clock
    values: tokens.Values = field(default_factory=dict)
    error: ClientNotOnline | None = None


_answers: dict[tuple[str, Destination], _Answer] = {}
_answers_lock = threading.Lock()


def start_anew() -> None:
    """Drop all results in a forked process: threads of the parent may hold their locks."""
    global _answers_lock
    _answers_lock = threading.Lock()
    _answers.clear()
    openssh.start_anew()


def _values(destination: Destination, until: float) -> tokens.Values:
    """Return the values of a destination, at most a minute old. Raises ClientNotOnline and TimeoutError."""
    with _answers_lock:
        answer = _answers.setdefault((tokens.home(), replace(destination, sudo=False, identity=None)), _Answer())
    if not answer.lock.acquire(timeout=max(until - time.monotonic(), 0.0)):
        raise TimeoutError
    try:
        if time.monotonic() - answer.read_at > _FRESH:
            try:
                answer.values = openssh.ask(destination, until) or config_file.read(destination)
                answer.error = None
            except ClientNotOnline as error:
                answer.error = error
            answer.read_at = time.monotonic()
        if answer.error is not None:
            raise ClientNotOnline(answer.error.message, hint=answer.error.hint)
        return answer.values
    finally:
        answer.lock.release()
