"""The network to a broker, or a program at its end, fails during a run: nothing is lost, and nothing runs twice.

The agents reach the broker through a relay, the controller through another one. Both ping more often than usual.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission
from assist_cli.model.target import Selection
from assist_cli.model.timeouts import AgentTimeouts
from assist_cli.operations.controller import open_controller
from assist_cli.operations.runs import dispatch, recording
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.operations.server import recovery
from assist_cli.paths import Home
from tests.support import effects, nats_fleet, nats_place
from tests.support.agent import eventually
from tests.support.effects import assert_consistent, assert_true
from tests.support.nats_fleet import NatsFleet
from tests.support.nats_user import NatsUser
from tests.support.program import Program
from tests.support.relay import Relay, relaying

pytestmark = [pytest.mark.long, pytest.mark.timeout(300), pytest.mark.usefixtures("starts_processes")]

COUNT = 4
OUTPUT = b"begun\nended\n"
QUICK = AgentTimeouts(probe=0.5, connect=3, answer=2)
GUARD = 60.0


class Network:
    """A fleet with a relay at each side of its broker."""

    def __init__(self, fleet: NatsFleet, agents: Relay, controller: Relay) -> None:
        self.fleet = fleet
        self.agents = agents
        self.controller = controller

    def assert_survives(self, fault: Callable[[], object]) -> float:
        return assert_survives(self.fleet, fault)


def assert_survives(
    fleet: NatsFleet,
    fault: Callable[[], object],
    body: str = "",
    output: bytes = OUTPUT,
    timeouts: AgentTimeouts = QUICK,
) -> float:
    """Check that a run with a fault in it is complete. Return the seconds that it took from the fault on."""
    begin = 0.0

    def begun() -> None:
        nonlocal begin
        begin = time.monotonic()
        fault()

    found = asyncio.run(asyncio.wait_for(fleet.carried(timeouts, begun, body), GUARD))
    seconds = time.monotonic() - begin
    assert len(found) == COUNT
    assert_true(found, fleet.effects, output, undelivered=())
    assert_consistent(fleet.home)
    return seconds


@pytest.fixture
def network(home: Path) -> Iterator[Network]:
    with relaying() as agents, relaying() as controller, nats_fleet.enlisted(home, COUNT, relay=agents) as fleet:
        controller.target = fleet.broker.address.port
        nats_place.use_relay(fleet.broker, controller)
        yield Network(fleet, agents, controller)


@pytest.mark.parametrize("side", ["agents", "controller"])
def test_half_open_connections_are_noticed(network: Network, side: str) -> None:
    """At the broker, the old connections of the agents stay beside the new ones for minutes."""
    assert network.assert_survives(getattr(network, side).abandon) < 20


@pytest.mark.parametrize("side", ["agents", "controller"])
def test_a_network_that_is_split_for_some_seconds(network: Network, side: str) -> None:
    relay = getattr(network, side)

    def fault() -> None:
        relay.hold()
        time.sleep(5)  # the fault
        relay.go_on()

    network.assert_survives(fault)


@pytest.mark.parametrize("side", ["agents", "controller"])
def test_connections_that_are_cut_repeatedly(network: Network, side: str) -> None:
    def fault() -> None:
        for _ in range(20):
            getattr(network, side).cut()
            time.sleep(0.1)  # the fault

    network.assert_survives(fault)


def test_a_slow_network(network: Network, caplog: pytest.LogCaptureFixture) -> None:
    """Round trips of a second, and 128 KiB/s: answers to pings come late, after the output of all agents."""

    def fault() -> None:
        network.agents.delay, network.controller.delay = 0.1, 0.5
        network.agents.cut()
        network.controller.cut()

    size = 250_000
    body = f"head -c {size} /dev/zero | tr '\\0' x"
    caplog.set_level("INFO")
    assert_survives(network.fleet, fault, body, b"begun\n" + b"x" * size, QUICK.replace(probe=1, connect=10))
    assert "does not answer" not in caplog.text


def test_a_broker_that_stops_for_ever_is_left_for_the_next(home: Path) -> None:
    with nats_fleet.enlisted(home, COUNT, brokers=2) as fleet, contextlib.ExitStack() as stack:
        assert assert_survives(fleet, lambda: stack.enter_context(fleet.broker.frozen())) < 30


def test_agents_that_are_killed_during_a_run(network: Network) -> None:
    """Their scripts go on, and the next agents report them."""
    members = network.fleet.agents.members

    def fault() -> None:
        for member in members:
            assert member.pid is not None
            os.kill(member.pid, signal.SIGKILL)
        network.fleet.agents.start(members)

    network.assert_survives(fault)


def test_a_broker_that_stops_for_ever_costs_a_record_its_answer_until_it_returns(home: Path) -> None:
    """The record ends at its deadline as unanswered, and gets its true outcome when its agent answers again."""
    with nats_fleet.enlisted(home, COUNT) as fleet:
        with open_controller(Home(home)) as opened:
            controller = opened.replace(timeouts=opened.timeouts.replace(agent=QUICK))
            request = RunRequest(fleet.script().encode(), timeout=2, targets=Selection(everything=True))
            begun = fleet.begin()

            async def work() -> None:
                with recording.recorded(controller, request) as invocation:
                    running = asyncio.ensure_future(dispatch.carry(controller, invocation, BatchWriter(controller)))
                    await asyncio.to_thread(eventually, begun)
                    stack.enter_context(fleet.broker.frozen())
                    fleet.end()
                    await running

            with contextlib.ExitStack() as stack:
                asyncio.run(asyncio.wait_for(work(), GUARD))
                ended = effects.settled(home)
                assert {(each.status.value, each.error_code) for each in ended} == {("Failed", "ClientNotResponse")}
            fleet.wait()
            asyncio.run(recovery.correct(controller))
        assert_true(effects.settled(home), fleet.effects, OUTPUT, undelivered=())


def test_a_controller_that_stands_still_for_30_s_gets_every_byte(network: Network, installed: Program) -> None:
    """Much output arrives meanwhile; no agent waits for longer than this."""
    size = 3_000_000
    begun = network.fleet.begin()
    body = f"head -c {size} /dev/zero | tr '\\0' x"
    with installed.start("run", "--all", "-c", network.fleet.script(body)) as running:
        eventually(begun)
        running.send_signal(signal.SIGSTOP)
        network.fleet.end()
        time.sleep(30)  # the fault
        running.send_signal(signal.SIGCONT)
        stdout, _ = running.communicate(timeout=GUARD)
    assert running.returncode == 0
    assert stdout.count(b"x") >= COUNT * size
    assert {each.status.value for each in effects.settled(network.fleet.home)} == {"Finished"}


def test_consumers_that_do_not_read_are_cut_off_and_disturb_nobody(
    network: Network, installed: Program, isolation: Path
) -> None:
    """Connections with the rights of the controller that subscribe to everything for it, and read nothing."""
    home = Home(network.fleet.home)
    with open_controller(home) as controller, contextlib.ExitStack() as stack:
        name = controller.id
        pem = pki.controller_credentials(home, name, name, controller.now())
        token = admission.controller_token(home, name, controller.now())
        for _ in range(20):
            user = stack.enter_context(NatsUser(network.fleet.broker.address.port, pem, token, isolation))
            user.send(f"SUB assist.c.{name}.> 1".encode())
            assert user.errors() == []
        size = 5_000_000
        begin = time.monotonic()
        done = installed("run", "--all", "-c", f"head -c {size} /dev/zero | tr '\\0' x")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(b"x") >= COUNT * size
        assert time.monotonic() - begin < 30
        eventually(lambda: "Slow Consumer" in network.fleet.broker.log.read_text())
