"""Connect to agents that dial out, through the broker of the home.

Each event loop has one connection to a broker, with a circuit for each agent. Inside a circuit is the TLS of an agent
that listens: the same certificates, the same checks. The connection ends with its last circuit.

An agent that is not connected is reported by the broker immediately. One that is gone later is reported in answer to
the next message, so circuits without messages are probed.

If a machine was cloned with its agent, two agents get every message. So with each circuit, and when an agent connects,
the agents of its instance are polled: they answer before they answer anything else. When a second one does, the
circuits to both are closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from agentd.wire import circuit, nats
from agentd.wire.circuit_transport import CircuitTransport
from assist_cli.agents import broker, broker_folder, tls
from assist_cli.agents.broker import BrokerConnection
from assist_cli.agents.broker_folder import BrokerAddress
from assist_cli.agents.client import Client
from assist_cli.agents.route import Nats
from assist_cli.errors import AgentCloned, AgentError, ClientNotOnline, ClientNotRunning
from assist_cli.model.timeouts import AgentTimeouts
from assist_cli.paths import Home

MOST_CIRCUITS = 1000  # each with 38 KB and a window of 128 KiB; further ones wait for one that ends
HANDSHAKES = 256  # concurrent ones; with more, a busy controller would not finish the last of them in their time
UNANSWERED = 2  # pings

_CIRCUITS, _HINTS = 1, 2  # the numbers of the subscriptions
_POLL = b"A" + bytes(8)  # a message of a circuit that no agent knows: each answers that it is closed

log = logging.getLogger(__name__)


class AgentAbsent(ConnectionResetError):
    """The broker has no connection of this agent."""


async def connect(route: Nats, home: Home, timeouts: AgentTimeouts) -> Client:
    """Connect to the agent of an instance. It is not greeted yet.

    Raises ClientNotOnline if the agent or all brokers are unreachable, or there is no broker; BrokerRefused if a broker
    does not accept this controller, or the other way round; ClientAuthFailed if the agent does not; AgentCloned;
    FileFailure.
    """
    share = _share(home)
    async with share.handshakes:
        connection = await share.enter(home, timeouts)
        made = connection.circuit(route.instance, share.leave)
        try:
            handshake = tls.begin(home, str(route))
            made.open(handshake)
            return await tls.authenticated(handshake, handshake.done, home, timeouts, route.instance)
        except BaseException as error:
            made.abort()
            if isinstance(error, asyncio.TimeoutError):
                connection.suspect(timeouts.answer)  # it may be the broker that does not answer
            if isinstance(error, (OSError, asyncio.TimeoutError)):
                raise _failure(route, error, timeouts.connect) from error
            raise


async def hear(
    home: Home, timeouts: AgentTimeouts, heard: Callable[[str], None], begun: Callable[[], None] = lambda: None
) -> None:
    """Call ``heard`` with the instance id of each agent that connects, until the connection to the broker is lost.

    Such a message may be lost, or be false. ``begun`` is called at the beginning. Raises as ``connect``.
    """
    share = _share(home)
    connection = await share.enter(home, timeouts)
    connection.listeners.append(heard)
    try:
        begun()
        await connection.ended.wait()
    finally:
        connection.listeners.remove(heard)
        share.leave()


async def count(home: Home, timeouts: AgentTimeouts, expected: Mapping[str, int], seconds: float) -> dict[str, int]:
    """Return how many agents answer for each instance, once all are ``expected`` or ``seconds`` have passed.

    Raises as ``connect``.
    """
    share = _share(home)
    connection = await share.enter(home, timeouts)
    try:
        return await connection.count(expected, seconds)
    finally:
        share.leave()


async def check(home: Home, timeouts: AgentTimeouts) -> None:
    """Check that a broker of the home accepts this controller. Raises as ``connect``."""
    share = _share(home)
    await share.enter(home, timeouts)
    share.leave()


def is_connected(home: Home) -> bool:
    """Return True if this event loop is connected to a broker of the home, or connects just now."""
    return _share(home).is_connected


class CircuitConnection(BrokerConnection):
    """A connection to a broker, with circuits to agents. ``controller`` is the name of this end in subjects."""

    def __init__(self, address: BrokerAddress, controller: str, probe: float) -> None:
        super().__init__(address)
        self.listeners: list[Callable[[str], None]] = []
        self.ended = asyncio.Event()
        self._prefix = f"assist.c.{controller}."
        self._probe = probe
        self._circuits: dict[str, CircuitTransport] = {}  # by INSTANCE.SESSION
        self._polls: dict[str, int] = {}  # the answers to each poll of the agents of an instance, by INSTANCE.SESSION
        self._watched: dict[str, str] = {}  # INSTANCE -> the last poll for its circuits
        self._answered = asyncio.Event()  # of a poll
        self._blocked = False
        self._unsent = bytearray()
        self._unanswered = 0
        self._timer: asyncio.TimerHandle | None = None

    async def log_in(self, context: ssl.SSLContext, token: str) -> None:
        """Log in, and subscribe to the messages of all agents to this controller. Raises as that of the base."""
        await super().log_in(context, token)
        self._send(b"".join(self._nats.subscribe(*each) for each in self._subscriptions()))
        self._tick()

    def _subscriptions(self) -> Sequence[tuple[str, int]]:
        """Return the subjects to subscribe to, each with a number."""
        return (f"{self._prefix}>", _CIRCUITS), ("assist.up.*", _HINTS)

    def circuit(self, instance: str, left: Callable[[], None]) -> CircuitTransport:
        """Return a new circuit to the agent of an instance. ``left`` is called when it has ended."""
        name = f"{instance}.{circuit.new_session()}"
        made = self._made(name, f"assist.a.{name}", instance, left)
        self._watch(instance)
        return made

    def _made(self, name: str, subject: str, peer: str, left: Callable[[], None]) -> CircuitTransport:
        """Return a circuit of this name, whose other end receives ``subject``."""

        def publish(payload: bytes) -> None:
            self._send(self._nats.publish(subject, payload, self._prefix + name))

        def ended(_: CircuitTransport) -> None:
            del self._circuits[name]
            left()

        made = CircuitTransport(publish, ended, peer)
        made.block(self._blocked)
        self._circuits[name] = made
        return made

    async def count(self, expected: Mapping[str, int], seconds: float) -> dict[str, int]:
        """Return how many agents answer for each instance, once all are ``expected`` or ``seconds`` have passed."""
        polls = {instance: self._poll(instance) for instance in expected}

        async def all_of_them() -> None:
            while any(self._polls[polls[instance]] < number for instance, number in expected.items()):
                self._answered.clear()
                await self._answered.wait()

        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(all_of_them(), seconds)
        return {instance: self._polls.pop(name) for instance, name in polls.items()}

    def close(self) -> None:
        """Close the connection. What was written before is sent."""
        if self._timer is not None:
            self._timer.cancel()
        self._flush()
        super().close()

    def suspect(self, seconds: float) -> None:
        """End the connection if the broker does not answer a ping in ``seconds``."""
        if self._timer is None or self._unanswered == UNANSWERED:
            return
        self._timer.cancel()
        self._unanswered = UNANSWERED
        self._send(self._nats.ping())
        self._timer = asyncio.get_running_loop().call_later(seconds, self._tick)

    def _send(self, data: bytes) -> None:
        """Send a command with the others of this turn of the event loop: one system call and one TLS record for all."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent += data

    def _flush(self) -> None:
        data, self._unsent = bytes(self._unsent), bytearray()
        if data:
            super()._send(data)

    def _tick(self) -> None:
        """Ping the broker, and probe the circuits."""
        if self._unanswered == UNANSWERED:
            self._fail(TimeoutError("it does not answer any more"))
            self.close()
            return
        self._unanswered += 1
        self._send(self._nats.ping())
        self._probe_circuits("")
        self._timer = asyncio.get_running_loop().call_later(self._probe, self._tick)

    def _probe_circuits(self, prefix: str) -> None:
        for name, each in list(self._circuits.items()):
            if name.startswith(prefix):
                each.probe()

    def _poll(self, instance: str) -> str:
        """Ask all agents of an instance to answer. Return the name of the poll."""
        name = f"{instance}.{circuit.new_session()}"
        self._polls[name] = 0
        self._send(self._nats.publish(f"assist.a.{name}", _POLL, self._prefix + name))
        return name

    def _watch(self, instance: str) -> None:
        """Poll the agents of an instance that has circuits."""
        self._polls.pop(self._watched.get(instance, ""), None)
        self._watched[instance] = self._poll(instance)

    def _take_answer(self, name: str) -> None:
        """Count an answer to a poll. The second one ends the circuits to this instance."""
        if name not in self._polls:
            return
        self._polls[name] += 1
        self._answered.set()
        if self._polls[name] > 1:
            instance = name.partition(".")[0]
            for name, each in list(self._circuits.items()):
                if name.startswith(f"{instance}."):
                    self._send(self._nats.publish(f"assist.a.{name}", circuit.CLOSED, self._prefix + name))
                    each.lose(_cloned(instance))

    def _take(self, event: object) -> None:
        if isinstance(event, nats.Message):
            self._pass(event)
        elif isinstance(event, nats.Error) and "permissions violation" in event.text.lower():
            log.warning("the broker at '%s' refused a message: %s", self.address, event.text)  # it stays connected
        else:
            super()._take(event)

    def _pass(self, message: nats.Message) -> None:
        if message.subject.startswith("assist.up."):
            instance = message.subject[len("assist.up.") :]
            self._probe_circuits(f"{instance}.")  # those of before: the agent does not know them
            if any(name.startswith(f"{instance}.") for name in self._circuits):
                self._watch(instance)
            for heard in self.listeners:
                heard(instance)
            return
        name = message.subject[len(self._prefix) :]
        found = self._circuits.get(name)
        if found is None:
            if message.status != nats.NO_RESPONDERS:
                self._take_answer(name)
        elif message.status == nats.NO_RESPONDERS:
            found.lose(AgentAbsent("it is not connected to the broker"))
        else:
            found.receive(message.payload)

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        self._unanswered = 0  # over a slow network, a PONG comes late, after the data of many agents
        super().data_received(data)

    def pause_writing(self) -> None:
        self._block(True)

    def resume_writing(self) -> None:
        self._block(False)

    def _block(self, blocked: bool) -> None:
        self._blocked = blocked
        for each in list(self._circuits.values()):
            each.block(blocked)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self._timer is not None:
            self._timer.cancel()
        why = ConnectionResetError(f"the connection to the broker at '{self.address}' is lost: {self._failure}")
        for each in list(self._circuits.values()):
            each.lose(why)
        self.ended.set()


Made = TypeVar("Made", bound=CircuitConnection)


class BrokerShare:
    """The connection of one event loop to a broker of a home. It is open while it has users.

    ``handshakes`` limits the circuits that are being opened.
    """

    def __init__(self) -> None:
        self.handshakes = asyncio.Semaphore(HANDSHAKES)
        self._free = asyncio.Semaphore(MOST_CIRCUITS + 1)  # the server also hears
        self._users = 0
        self._connection: CircuitConnection | None = None
        self._opening: asyncio.Task[CircuitConnection] | None = None

    @property
    def is_connected(self) -> bool:
        return self._opening is not None or (self._connection is not None and self._connection.is_open)

    async def enter(self, home: Home, timeouts: AgentTimeouts) -> CircuitConnection:
        """Become a user, in turn, and return the open connection. Raises as ``connect``."""
        await self._free.acquire()
        self._users += 1
        try:
            if self._connection is None or not self._connection.is_open:
                if self._opening is None:
                    self._opening = asyncio.get_running_loop().create_task(_open(home, timeouts))
                    self._opening.add_done_callback(self._opened)
                return await asyncio.shield(self._opening)
            return self._connection
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Stop being a user. The last one closes the connection."""
        self._free.release()
        self._users -= 1
        if self._users:
            return
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _opened(self, task: asyncio.Task[CircuitConnection]) -> None:
        if task is self._opening:
            self._opening = None
            if task.exception() is None:
                self._connection = task.result()
        elif not task.cancelled() and task.exception() is None:
            task.result().close()  # its last user left just then


_shares: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Path, BrokerShare]] = weakref.WeakKeyDictionary()


def _share(home: Home) -> BrokerShare:
    """Return the share of this event loop in a broker of the home."""
    of_loop = _shares.setdefault(asyncio.get_running_loop(), {})
    if home.root not in of_loop:
        of_loop[home.root] = BrokerShare()
    return of_loop[home.root]


async def _open(home: Home, timeouts: AgentTimeouts) -> CircuitConnection:
    """Connect to the first broker of the home that answers. Raises as ``connect``."""
    if not broker_folder.exists(home):
        raise ClientNotOnline(
            "cannot reach agents that dial out: this home has no broker",
            hint="to make one: assist broker init tls://HOST, with the host name of its machine",
        )
    controller = broker_folder.settings(home).controller
    token = broker_folder.token(home, "controller")
    return await open_first(home, token, timeouts, lambda each: CircuitConnection(each, controller, timeouts.probe))


async def open_first(home: Home, token: str, timeouts: AgentTimeouts, make: Callable[[BrokerAddress], Made]) -> Made:
    """Open a connection to the first broker of the home that answers. ``make`` makes one. Raises as ``connect``.

    They are tried in turn. One that does not answer soon is waited for while the next one is tried.
    """
    attempts: list[asyncio.Task[Made]] = []
    first: Made | None = None

    async def attempt(address: BrokerAddress) -> Made:
        connection = make(address)
        await broker.open_connection(connection, home, token, timeouts.connect)
        return connection

    addresses = broker_folder.settings(home).addresses
    try:
        for address in addresses:
            attempts.append(asyncio.get_running_loop().create_task(attempt(address)))
            first = await _first_made(attempts, None if address == addresses[-1] else timeouts.head_start)
            if first is not None:
                return first
    finally:
        for each in attempts:
            each.cancel()
            if each.done() and not each.cancelled() and each.exception() is None and each.result() is not first:
                each.result().close()
    errors: list[AgentError] = []
    for each in attempts:
        error = each.exception()
        assert error is not None
        if not isinstance(error, ClientNotOnline | ClientNotRunning):
            raise error
        errors.append(error)
    raise ClientNotOnline("; ".join(each.message for each in errors), hint=errors[0].hint)


async def _first_made(attempts: Sequence[asyncio.Task[Made]], seconds: float | None) -> Made | None:
    """Return the first connection that is made; None if every attempt failed, or none ends in ``seconds``."""
    while pending := [each for each in attempts if not each.done()]:
        done, _ = await asyncio.wait(pending, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            if each.exception() is None:
                return each.result()
        if not done:
            return None
    return None


def _cloned(instance: str) -> AgentCloned:
    """Return the error for an instance whose identity two agents use."""
    return AgentCloned(
        f"cannot use the agent at '{Nats(instance)}': two agents use its identity, because a machine was cloned",
        hint=f"see which: assist instance show {instance}; make the copy an instance of its own: "
        "assist instance install HOST --rotate",
    )


def _failure(route: Nats, error: Exception, seconds: float) -> AgentError:
    """Return the error for a circuit that failed, after ``seconds``."""
    if isinstance(error, ssl.SSLError):
        return tls.failure(str(route), error, seconds)
    hint = "check whether the machine is up, and on it: agentd status; the brokers: assist broker status"
    if isinstance(error, asyncio.TimeoutError):
        return ClientNotOnline(
            f"cannot reach the agent at '{route}': no answer through the broker in {seconds:.0f} s", hint=hint
        )
    return ClientNotOnline(f"cannot reach the agent at '{route}': {error}", hint=hint)
