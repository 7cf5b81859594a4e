"""Log in over SSH as ssh(1) does, and run commands there.

A process logs in once for each destination and pools the login until ``hang_up``, or its own end. Every connection to
that machine is a channel of the login, also the connection through a jump host. A login costs one thread, paramiko's
own.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shlex
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from assist_cli.agents.destination import Destination
from assist_cli.agents.ssh import byte_stream, config, known_hosts
from assist_cli.agents.ssh.byte_stream import ByteStream, words
from assist_cli.agents.ssh.command import Done, RemoteCommand, TooMuch
from assist_cli.agents.ssh.identity import Ask, Identity
from assist_cli.errors import ClientAuthFailed, ClientNotOnline, InvalidAnswer
from assist_cli.model.timeouts import AgentTimeouts

if TYPE_CHECKING:
    import paramiko

_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")

log = logging.getLogger(__name__)


class Login:
    """A user of another machine, logged in. ``by`` is the name of the key, or "a password"."""

    def __init__(
        self, place: str, transport: paramiko.Transport, by: str, stream: ByteStream, timeouts: AgentTimeouts
    ) -> None:
        self.place = place
        self.by = by
        self._transport = transport
        self._stream = stream
        self._timeouts = timeouts

    @property
    def is_open(self) -> bool:
        return bool(self._transport.is_active())

    def channel(self, command: str, seconds: float) -> paramiko.Channel:
        """Open a channel where the login shell runs ``command``, within ``seconds``. Raises ClientNotOnline."""
        import paramiko

        seconds = max(seconds, 0.1)
        try:
            with self._ended_after(seconds):
                channel = self._transport.open_session(timeout=seconds)
                channel.exec_command(command)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise ClientNotOnline(
                f"cannot run anything on '{self.place}': {words(error)}", hint="see the log of its sshd"
            ) from error
        return channel

    def tunnel(self, host: str, port: int, seconds: float) -> paramiko.Channel:
        """Open a channel to another machine. Raises ClientNotOnline."""
        import paramiko

        try:
            return self._transport.open_channel("direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=seconds)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise ClientNotOnline(
                f"cannot reach '{host}' port {port} through '{self.place}': {words(error)}",
                hint="check whether the jump host can reach it and allows TCP forwarding",
            ) from error

    def run(
        self,
        command: str,
        stdin: bytes = b"",
        seconds: float | None = None,
        each_line: Callable[[bytes], None] = lambda line: None,
        *,
        total: float | None = None,
    ) -> Done:
        """Run a command to its end. It may be silent for ``seconds``, and may take ``total`` seconds.

        None means the default of the timeouts. RemoteCommand limits its output. Raises ClientNotOnline and
        InvalidAnswer. ``each_line`` gets the lines of its output as they come.
        """
        seconds = self._timeouts.silence if seconds is None else seconds
        total = self._timeouts.command if total is None else total
        channel = self.channel(command, self._timeouts.connect)
        try:
            with self._ended_after(total + self._timeouts.connect):
                done = RemoteCommand(channel, seconds, total).finish(stdin, each_line)
            if not self.is_open:
                raise EOFError("the connection ended")
        except TooMuch as error:
            raise InvalidAnswer(
                f"cannot continue with '{self.place}': {error}", hint="check the output of its login shell"
            ) from None
        except (OSError, EOFError) as error:  # a timeout is an OSError
            raise ClientNotOnline(
                f"cannot reach '{self.place}' any more: {words(error)}", hint="check whether the machine is healthy"
            ) from error
        finally:
            close(channel)
        return done

    @contextlib.contextmanager
    def _ended_after(self, seconds: float) -> Iterator[None]:
        """Close the login when the block takes more than ``seconds``: some calls of paramiko have no timeout."""
        timer = threading.Timer(seconds, self.close)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def close(self) -> None:
        """Close the login and all its channels."""
        self._stream.end()  # first: otherwise paramiko's thread notices it only after 0.1 s
        self._transport.close()
        self._transport.join(self._timeouts.connect)


def close(channel: paramiko.Channel) -> None:
    """Close a channel, even if its login has failed."""
    import paramiko

    with contextlib.suppress(paramiko.SSHException, OSError, EOFError):
        channel.close()


@dataclass
class _Kept:
    """The slot of one login in the pool. Its lock is held while the login is made, so it is made once."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    login: Login | None = None
    is_hop: bool = False


_kept: dict[Destination, _Kept] = {}
_kept_lock = threading.Lock()
_inherited: list[_Kept] = []


def _start_anew() -> None:
    """Empty the pool in a forked process: the threads of the parent's logins do not exist here.

    They stay in memory, because closing one would write to the parent's connection.
    """
    global _kept_lock
    _kept_lock = threading.Lock()
    _inherited.extend(_kept.values())
    _kept.clear()
    config.start_anew()


os.register_at_fork(after_in_child=_start_anew)


def log_in(
    destination: Destination,
    timeouts: AgentTimeouts,
    *,
    accept_new: bool = False,
    ask: Ask | None = None,
    until: float | None = None,
    is_hop: bool = False,
) -> Login:
    """Return the login for a destination: the pooled one, or a new one, made by ``until`` (monotonic clock).

    ``accept_new`` trusts the key of an unknown host, and writes it to the user's known_hosts. ``ask`` gets a prompt and
    returns a password. ``is_hop``: other logins go through it, so ``release`` does not close it. Blocks. Raises
    ClientNotOnline and ClientAuthFailed.
    """
    until = time.monotonic() + timeouts.connect if until is None else until
    with _kept_lock:
        if not _kept:
            atexit.register(hang_up)
        kept = _kept.setdefault(replace(destination, sudo=False), _Kept())
        kept.is_hop = kept.is_hop or is_hop
    if not kept.lock.acquire(timeout=max(until - time.monotonic(), 0.0)):
        raise _late(destination.place, timeouts)
    try:
        if kept.login is None or not kept.login.is_open:
            if kept.login is not None:
                kept.login.close()
            began = time.monotonic()
            kept.login = _Attempt(destination, timeouts, accept_new, ask, until).make()
            log.info("logged in to %s by %s in %.2f s", destination.place, kept.login.by, time.monotonic() - began)
        return kept.login
    finally:
        kept.lock.release()


def release(destination: Destination) -> None:
    """Close the login for a destination, if it is open and no other login goes through it."""
    with _kept_lock:
        kept = _kept.get(replace(destination, sudo=False))
        if kept is None or kept.is_hop:
            return
        del _kept[replace(destination, sudo=False)]
    if kept.login is not None:
        kept.login.close()


def hang_up() -> None:
    """Close every login of this process."""
    with _kept_lock:
        kept = list(_kept.values())
        _kept.clear()
        atexit.unregister(hang_up)
    for one in kept:
        if one.login is not None:
            one.login.close()


class _Attempt:
    """One attempt to log in."""

    def __init__(
        self, destination: Destination, timeouts: AgentTimeouts, accept_new: bool, ask: Ask | None, until: float
    ) -> None:
        self._destination = destination
        self._settings = config.settings(destination, until)
        config.refuse_circle(destination, until)
        self._timeouts = timeouts
        self._accept_new = accept_new
        self._ask = ask
        self._until = until

    def make(self) -> Login:
        import paramiko

        logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it logs what it raises, with tracebacks
        stream = self._connect()
        transport = None
        try:
            transport = paramiko.Transport(stream.sock)
            by = self._shake_hands(transport, stream)
        except BaseException:
            stream.end()
            if transport is not None:
                transport.close()
            raise
        return Login(self._destination.place, transport, by, stream, self._timeouts)

    def _left(self) -> float:
        """Return the seconds that are left. Raises ClientNotOnline if there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise _late(self._destination.place, self._timeouts)
        return left

    def _words(self) -> list[str]:
        """The arguments of an ssh command to the destination."""
        options = ["-p", str(self._destination.port)] if self._destination.port else []
        options += ["-i", self._destination.identity] if self._destination.identity else []
        options += ["-o", f"ProxyJump={self._destination.jump}"] if self._destination.jump else []
        return [*options, f"{self._settings.user}@{self._destination.host}"]

    # the route

    def _connect(self) -> ByteStream:
        """Connect: through a jump host, through a ProxyCommand, or directly."""
        if (hop := self._settings.hop) is not None:
            login = log_in(
                hop, self._timeouts, accept_new=self._accept_new, ask=self._ask, until=self._until, is_hop=True
            )
            return ByteStream(login.tunnel(self._settings.host, self._settings.port, self._left()))
        name = self._destination.host
        if self._settings.proxy is not None:
            return byte_stream.proxied(self._settings.proxy, name)
        try:
            return byte_stream.direct(self._settings, name, self._left())
        except TimeoutError as error:
            raise _late(self._destination.place, self._timeouts) from error

    # authentication

    def _shake_hands(self, transport: paramiko.Transport, stream: ByteStream) -> str:
        """Agree on algorithms, check the host key, authenticate the user. Return the method."""
        import paramiko

        settings = self._settings
        entries = known_hosts.find([*settings.user_known_hosts, *settings.global_known_hosts], settings.key_name)
        options = transport.get_security_options()
        options.key_types = _preferred(_signatures(entry.kind for entry in entries), options.key_types)
        transport.banner_timeout = transport.handshake_timeout = self._left()
        try:
            transport.start_client(timeout=self._left())
            key = transport.get_remote_server_key()
        except (paramiko.SSHException, OSError, EOFError) as error:
            self._left()
            where = f"cannot talk SSH with '{self._destination.host}' on port {settings.port}"
            if (status := stream.status(self._timeouts.proxy_end)) is not None:
                raise ClientNotOnline(
                    f"{where}: its ProxyCommand ended with status {status}",
                    hint=f"try it: ssh -v {shlex.join(self._words())}",
                ) from error
            raise ClientNotOnline(
                f"{where}: {words(error)}", hint="check whether sshd listens there, and its log"
            ) from error
        self._check_host_key(entries, key.get_name(), key.asbytes())
        transport.auth_timeout = self._timeouts.connect
        return Identity(settings, self._words(), self._ask).prove(transport)

    def _check_host_key(self, entries: list[known_hosts.KnownHost], kind: str, key: bytes) -> None:
        """Raise ClientAuthFailed unless the key is known, or the host is unknown and ``accept_new`` is set.

        A host with another known key counts as changed, even if that key is of another kind.
        """
        host, seen = self._destination.host, f"{kind} {known_hosts.fingerprint(key)}"
        for entry in entries:
            if entry.marker == "@revoked" and entry.key == key:
                raise ClientAuthFailed(
                    f"cannot trust '{host}': line {entry.line} of {entry.file} revokes its host key, {seen}",
                    hint="give the machine a new host key",
                )
        accepted = [entry for entry in entries if not entry.marker]
        if any((entry.kind, entry.key) == (kind, key) for entry in accepted):
            return
        if accepted:
            file, line = accepted[0].file, accepted[0].line
            delete = shlex.join(["ssh-keygen", "-R", self._settings.key_name, "-f", str(file)])
            raise ClientAuthFailed(
                f"cannot trust '{host}': its host key is not the one in line {line} of {file}; it is {seen}",
                hint=f"find out why: was it reinstalled, or is this an attack? To delete the old key: {delete}",
            )
        if not self._accept_new or not self._settings.user_known_hosts:
            authority = any(entry.marker == "@cert-authority" for entry in entries)
            unused = ", and certificates of hosts are not checked" if authority else ""
            login = shlex.join(["ssh", *self._words(), "true"])
            raise ClientAuthFailed(
                f"cannot trust '{host}': its host key is not known{unused}; it is {seen}",
                hint=f"compare it with the machine's own, then: {login} (or install with --accept-new)",
            )
        known_hosts.add(
            self._settings.user_known_hosts[0],
            self._settings.key_name,
            kind,
            key,
            hashed=self._settings.hash_known_hosts,
        )


def _preferred(first: Iterable[str], possible: Iterable[str]) -> list[str]:
    """Return all possible values, those of ``first`` at the beginning."""
    rest = list(possible)
    return list(dict.fromkeys([*(name for name in first if name in rest), *rest]))


def _signatures(kinds: Iterable[str]) -> list[str]:
    """Return the signature algorithms of these kinds of keys: RSA has several."""
    return [name for kind in kinds for name in (_RSA_SIGNATURES if kind == "ssh-rsa" else (kind,))]


def _late(place: str, timeouts: AgentTimeouts) -> ClientNotOnline:
    return ClientNotOnline(
        f"cannot reach '{place}': no answer in {timeouts.connect:.0f} s",
        hint="check whether the machine is on, and the firewalls before it",
    )
