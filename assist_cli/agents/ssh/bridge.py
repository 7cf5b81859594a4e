"""Reaching an agent by way of SSH: ``agentd bridge`` on a channel of a login that is kept.

Paramiko works with threads and an agent's Client with asyncio. Two small threads carry the bytes between the channel
and one end of a socket pair, whose other end is an ordinary asyncio transport: so whoever does not read slows down
the script, and nobody else. They end when either end does.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, TypeVar

from assist_cli.agents.client import Client
from assist_cli.agents.destination import Destination
from assist_cli.agents.ssh import login
from assist_cli.errors import AgentError, ClientAuthFailed, ClientNotOnline, ClientNotRunning
from assist_cli.model.timeouts import AgentTimeouts

if TYPE_CHECKING:
    import paramiko

NOT_RUNNING = 69  # what the bridge says when no agent answers
NOT_FOUND = 127
# What a login shell prints of its own comes before this line, and is passed over.
_MARK = b"assist: the agent speaks from here on\n"
_NOISE_LIMIT = 1024 * 1024
_SIZE = 64 * 1024

ROOT_FOLDER = "/var/lib/assist-agentd"
USER_FOLDER = "${XDG_STATE_HOME:-$HOME/.local/state}/assist-agentd"

# It is given to whatever login shell there is, so it holds nothing on which shells differ: no quote, no backslash,
# no exclamation mark. An agent without a folder of its own making is one that was installed as a program.
_BRIDGE = (
    f'if [ "$ASSIST_AGENTD_HOME" ]; then h=$ASSIST_AGENTD_HOME; elif [ "$(id -u)" = 0 ]; then h={ROOT_FOLDER}; '
    f'else h={USER_FOLDER}; fi; echo "{_MARK.decode().strip()}"; '
    'if [ -x "$h/agentd" ]; then exec "$h/agentd" bridge; else exec agentd bridge --home "$h"; fi'
)
_ROOT_BRIDGE = f'echo "{_MARK.decode().strip()}"; exec sudo -n "${{ASSIST_AGENTD_HOME:-{ROOT_FOLDER}}}/agentd" bridge'

T = TypeVar("T")


async def connect(destination: Destination, timeouts: AgentTimeouts) -> Client:
    """A connection to the agent of a machine, not greeted yet.

    Raises ClientNotOnline and ClientAuthFailed. That there is no agent turns out when it is asked: then the answer is
    ClientNotRunning.
    """
    until = time.monotonic() + timeouts.connect
    opening = _in_thread(lambda: _open(destination, timeouts, until), login.close)
    try:
        # the threads keep to the time by themselves, but for looking up a name
        channel = await asyncio.wait_for(opening, timeouts.connect + 1)
    except asyncio.TimeoutError:
        raise ClientNotOnline(
            f"cannot reach '{destination.place}': its name could not be looked up in time",
            hint="see whether the name server answers",
        ) from None
    ours, theirs = socket.socketpair()
    _, client = await asyncio.get_running_loop().create_connection(lambda: _Bridged(destination), sock=ours)
    _Carriers(channel, theirs, client, timeouts).start()
    return client


def _open(destination: Destination, timeouts: AgentTimeouts, until: float) -> paramiko.Channel:
    logged_in = login.log_in(destination, timeouts, until=until)
    command = _ROOT_BRIDGE if destination.sudo else _BRIDGE
    return logged_in.channel(f"exec sh -c '{command}'", until - time.monotonic())


class _Bridged(Client):
    """A client that knows, when its connection ends, what became of the bridge. ``cause`` is set before it ends."""

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination.place)
        self.destination = destination
        self.cause: AgentError | None = None

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(self.cause or error)


class _Carriers:
    """The two threads between a channel and a socket."""

    def __init__(
        self, channel: paramiko.Channel, end: socket.socket, client: _Bridged, timeouts: AgentTimeouts
    ) -> None:
        self._channel = channel
        self._end = end
        self._client = client
        self._timeouts = timeouts
        name = f"ssh {client.destination.place}"
        self._inward = threading.Thread(target=self._carry_in, name=f"{name}, in", daemon=True)
        self._outward = threading.Thread(target=self._carry_out, name=f"{name}, out", daemon=True)

    def start(self) -> None:
        self._outward.start()
        self._inward.start()

    def _carry_in(self) -> None:
        try:
            data = self._after_mark()
            spoken = False
            while data:
                spoken = True
                self._end.sendall(data)
                data = self._channel.recv(_SIZE)
            if not spoken:
                self._client.cause = self._why_silent()
        except AgentError as error:
            self._client.cause = error
        except (OSError, EOFError):
            pass  # nobody listens to us any more
        finally:
            with contextlib.suppress(OSError):
                self._end.shutdown(socket.SHUT_RDWR)
            self._outward.join()
            self._end.close()

    def _after_mark(self) -> bytes:
        """The first bytes that are the agent's; empty when it ended before."""
        noise = b""
        while True:
            data = self._channel.recv(_SIZE)
            before, mark, after = (noise + data).partition(_MARK)
            if mark:
                return after or bytes(self._channel.recv(_SIZE))
            if not data or len(before) > _NOISE_LIMIT:
                return b""
            noise = before

    def _carry_out(self) -> None:
        try:
            while data := self._end.recv(_SIZE):
                self._channel.sendall(data)
        except (OSError, EOFError):
            pass  # the other side is gone
        finally:
            login.close(self._channel)

    def _why_silent(self) -> AgentError | None:
        """What the end of a bridge that said nothing means; None when it is not known."""
        where = self._client.destination
        known = self._channel.status_event.wait(self._timeouts.exit_status)
        status = self._channel.recv_exit_status() if known else -1
        if status < 0:
            return None
        said = self._channel.recv_stderr(_SIZE).decode("utf-8", "replace").splitlines()[-1:]
        install = shlex.join(["assist", "instance", "install", where.place, *(["--sudo"] if where.sudo else [])])
        logged_in = login.log_in(where, self._timeouts) if where.sudo and status != NOT_RUNNING else None
        sudo = 0 if logged_in is None else logged_in.run("exec sudo -n true").status
        if sudo != 0:
            why, hint = said[0] if said else "sudo does not allow it", "there, 'sudo -n true' must succeed (NOPASSWD)"
            if sudo == NOT_FOUND:
                why, hint = "there is no sudo", "install sudo there, or log in as root"
            return ClientAuthFailed(f"cannot become root on '{where.place}': {why}", hint=hint)
        if status == NOT_RUNNING:
            why, hint = "it does not run", f"start it there, or repair it: {install}"
        elif status == NOT_FOUND or where.sudo:
            why, hint = "it is not installed", f"install it: {install}"
        else:
            why, hint = said[0] if said else f"its bridge ended with status {status}", f"repair it: {install}"
        return ClientNotRunning(f"cannot reach the agent on '{where.place}': {why}", hint=hint)


async def _in_thread(work: Callable[[], T], undo: Callable[[T], None]) -> T:
    """Do ``work`` in a thread of its own: many at a time wait for the network, and none for another.

    When nobody waits for it any more, what it made is undone.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            with contextlib.suppress(InvalidStateError):
                done.set_exception(error)
            return
        try:
            done.set_result(result)
        except InvalidStateError:
            undo(result)

    threading.Thread(target=run, name="ssh, connecting", daemon=True).start()
    return await asyncio.wrap_future(done)
