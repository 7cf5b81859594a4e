"""Connect to an agent over SSH: ``agentd bridge`` runs on a channel of a pooled login.

Paramiko works with threads, and an agent's Client with asyncio. Two threads copy the bytes between the channel and one
end of a socket pair. The other end is an asyncio transport. So a slow reader slows down its own script, and no other.
The threads end when either end closes.
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

NOT_RUNNING = 69  # exit status of the bridge when no agent answers
NOT_FOUND = 127
# Output of the login shell itself comes before this line, and is dropped.
_MARK = b"assist: the agent speaks from here on\n"
_NOISE_LIMIT = 1024 * 1024
_SIZE = 64 * 1024

ROOT_FOLDER = "/var/lib/assist-agentd"
USER_FOLDER = "${XDG_STATE_HOME:-$HOME/.local/state}/assist-agentd"

# Any login shell may run this. So it uses nothing on which shells differ: no quote, no backslash, no exclamation mark.
# If the folder has no agentd, the agent was installed as a program.
_BRIDGE = (
    f'if [ "$ASSIST_AGENTD_HOME" ]; then h=$ASSIST_AGENTD_HOME; elif [ "$(id -u)" = 0 ]; then h={ROOT_FOLDER}; '
    f'else h={USER_FOLDER}; fi; echo "{_MARK.decode().strip()}"; '
    'if [ -x "$h/agentd" ]; then exec "$h/agentd" bridge; else exec agentd bridge --home "$h"; fi'
)
_ROOT_BRIDGE = f'echo "{_MARK.decode().strip()}"; exec sudo -n "${{ASSIST_AGENTD_HOME:-{ROOT_FOLDER}}}/agentd" bridge'

T = TypeVar("T")


async def connect(destination: Destination, timeouts: AgentTimeouts) -> Client:
    """Connect to the agent of a machine. It is not greeted yet.

    Raises ClientNotOnline and ClientAuthFailed. A missing agent is found at the first request, which then raises
    ClientNotRunning.
    """
    until = time.monotonic() + timeouts.connect
    opening = _in_thread(lambda: _open(destination, timeouts, until), login.close)
    try:
        # the threads have their own timeouts, except for DNS lookups
        channel = await asyncio.wait_for(opening, timeouts.connect + 1)
    except asyncio.TimeoutError:
        raise ClientNotOnline(
            f"cannot reach '{destination.place}': its name could not be looked up in time",
            hint="check whether the name server answers",
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
    """A client that reports the reason why the bridge ended. ``cause`` is set before the connection ends."""

    def __init__(self, destination: Destination) -> None:
        super().__init__(destination.place)
        self.destination = destination
        self.cause: AgentError | None = None

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(self.cause or error)


class _Carriers:
    """The two threads that copy between a channel and a socket."""

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
            pass  # our end is closed
        finally:
            with contextlib.suppress(OSError):
                self._end.shutdown(socket.SHUT_RDWR)
            self._outward.join()
            self._end.close()

    def _after_mark(self) -> bytes:
        """Return the first bytes of the agent; empty if the channel ended before."""
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
            pass  # the other end is closed
        finally:
            login.close(self._channel)

    def _why_silent(self) -> AgentError | None:
        """Return the reason why a bridge ended without output; None if it is unknown."""
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
            why, hint = said[0] if said else "sudo refused", "there, 'sudo -n true' must succeed (NOPASSWD)"
            if sudo == NOT_FOUND:
                why, hint = "sudo is not installed", "install sudo there, or log in as root"
            return ClientAuthFailed(f"cannot become root on '{where.place}': {why}", hint=hint)
        if status == NOT_RUNNING:
            why, hint = "it is not running", f"start it there, or repair it: {install}"
        elif status == NOT_FOUND or where.sudo:
            why, hint = "it is not installed", f"install it: {install}"
        else:
            why, hint = said[0] if said else f"its bridge ended with status {status}", f"repair it: {install}"
        return ClientNotRunning(f"cannot reach the agent on '{where.place}': {why}", hint=hint)


async def _in_thread(work: Callable[[], T], undo: Callable[[T], None]) -> T:
    """Do ``work`` in a thread of its own: many connections wait for the network independently.

    If the caller stops waiting, ``undo`` gets the result.
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
