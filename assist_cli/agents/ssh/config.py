"""What the user's SSH configuration says of a destination: ~/.ssh/config, then /etc/ssh/ssh_config (ssh_config(5)).

OpenSSH's client is asked (``openssh``); where there is none the files are read here (``config_file``). An answer counts
for a minute, so that many instances behind one jump host ask for it once.

Heeded: HostName, Port, User, HostKeyAlias, IdentityFile, IdentitiesOnly, IdentityAgent, ProxyJump, ProxyCommand,
UserKnownHostsFile, GlobalKnownHostsFile and HashKnownHosts, under any Host, Match and Include. StrictHostKeyChecking
is not: an unknown host key is taken only when it is said for that one time.
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

_FRESH = 60.0  # seconds for which an answer counts


@dataclass(frozen=True)
class Settings:
    """All that is needed to log in. ``key_name`` is the name under which the host key is known.

    ``identities`` are private keys, None where the usual files are meant; ``agent`` is the socket of the SSH agent.
    ``hop`` is the last jump host and ``proxy`` a command line for a shell, None where there is none.
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
    """The settings for a destination, by ``until`` (of the monotonic clock); what it says itself comes first.

    Raises ClientNotOnline for a configuration that cannot be used, or not in time.
    """
    try:
        return from_values(_values(destination, until), destination)
    except TimeoutError:
        raise ClientNotOnline(
            f"cannot use the SSH configuration for '{destination.place}': ssh -G gave no answer in time",
            hint="see whether a 'Match exec' or a name server takes long",
        ) from None
    except (ValueError, InvalidParameter) as error:
        raise ClientNotOnline(
            f"cannot use the SSH configuration for '{destination.place}': {error}",
            hint=f"see what ssh makes of it: ssh -v {destination.host}",
        ) from error


def from_values(values: tokens.Values, destination: Destination) -> Settings:
    """The settings in what was read for a destination. Raises ValueError and InvalidParameter."""
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
    """Raise ClientNotOnline where jump hosts lead back to one that was passed, for then there is no way."""
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
    """The private keys to try; ssh tells the usual ones when none is configured."""
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
    """The configuration read for one destination, or why it could not be. Its lock is held while it is read."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    read_at: float = -math.inf  # of the monotonic clock
    values: tokens.Values = field(default_factory=dict)
    error: ClientNotOnline | None = None


_answers: dict[tuple[str, Destination], _Answer] = {}
_answers_lock = threading.Lock()


def start_anew() -> None:
    """In a forked process, have no answers: their locks may be held by threads that are not here."""
    global _answers_lock
    _answers_lock = threading.Lock()
    _answers.clear()
    openssh.start_anew()


def _values(destination: Destination, until: float) -> tokens.Values:
    """Return what is read for a destination, or was within a minute. Raises ClientNotOnline and TimeoutError."""
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
