"""A fleet of real agents behind real brokers, and the run of a script on all of them while something fails."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from assist_cli.model.invocation import Record
from assist_cli.model.target import Selection
from assist_cli.model.timeouts import AgentTimeouts
from assist_cli.operations.broker import contact
from assist_cli.operations.controller import open_controller
from assist_cli.operations.runs import dispatch, recording
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.paths import Home
from tests.support import effects, nats_place
from tests.support.agent import eventually
from tests.support.fleet import Fleet, enlist
from tests.support.nats_place import HomeBroker
from tests.support.program import Program
from tests.support.relay import Relay

GUARD = 120.0
PATIENCE = 60.0  # seconds for all agents to be connected again


class NatsFleet:
    """Agents that dial ``brokers``, and are registered in ``home``."""

    def __init__(self, home: Path, agents: Fleet, brokers: list[HomeBroker]) -> None:
        self.home = home
        self.agents = agents
        self.count = len(agents.members)
        self.brokers = brokers
        self.effects = home.parent / "effects"
        self.effects.touch()
        self._end = home.parent / "end"

    @property
    def broker(self) -> HomeBroker:
        return self.brokers[0]

    def connected(self) -> int:
        """The agents that are connected to a broker."""
        with open_controller(Home(self.home)) as controller:
            statuses = asyncio.run(contact.status(controller))
        return len({instance for each in statuses for instance in each.links})

    def wait(self) -> float:
        """Wait until all agents are connected. Return the seconds that it took."""
        begin = time.monotonic()
        while self.connected() < self.count:
            assert time.monotonic() - begin < PATIENCE, "not all agents are connected"
            time.sleep(0.1)  # a state of other processes, which report no event
        return time.monotonic() - begin

    def ran(self) -> int:
        """The scripts that have started."""
        return len(self.effects.read_bytes().split())

    def run_during(self, assist: Program, fault: Callable[[], object], *words: str) -> list[Record]:
        """Run a script on all agents, during which ``fault`` happens and ends. Return the records, which have ended."""
        begun = self.begin()
        with assist.start("run", "--all", *words, "-c", self.script()) as running:
            eventually(begun)
            fault()
            self.end()
            running.communicate(timeout=GUARD)
        return effects.settled(self.home)

    def script(self, body: str = "") -> str:
        """A script that runs until ``end``, and then ``body``."""
        until = f"echo begun; until [ -e {self._end} ]; do sleep 0.1; done; {body or 'echo ended'}"
        return effects.script(self.effects, until)

    def begin(self) -> Callable[[], bool]:
        """Return a function that tells if the next run of ``script`` has begun on all agents."""
        self._end.unlink(missing_ok=True)
        goal = self.ran() + self.count
        return lambda: self.ran() >= goal

    def end(self) -> None:
        """End all scripts."""
        self._end.touch()

    async def carried(self, timeouts: AgentTimeouts, fault: Callable[[], object], body: str = "") -> list[Record]:
        """Run as ``run_during``, in this process and with these timeouts."""
        begun = self.begin()
        with open_controller(Home(self.home)) as opened:
            controller = opened.replace(timeouts=opened.timeouts.replace(agent=timeouts))
            request = RunRequest(self.script(body).encode(), targets=Selection(everything=True))
            with recording.recorded(controller, request) as invocation:
                running = asyncio.ensure_future(dispatch.carry(controller, invocation, BatchWriter(controller)))
                await asyncio.to_thread(eventually, begun)
                await asyncio.to_thread(fault)
                self.end()
                await running
        return await asyncio.to_thread(effects.settled, self.home)


@contextlib.contextmanager
def enlisted(
    home: Path,
    count: int,
    *,
    brokers: int = 1,
    program: Path | None = None,
    relay: Relay | None = None,
) -> Iterator[NatsFleet]:
    """A fleet that is registered and connected. Its agents use the ``relay`` to the first broker if there is one."""
    folder = home.parent / "fleet"
    folder.mkdir()
    with open_controller(Home(home)) as controller, contextlib.ExitStack() as stack:
        made = nats_place.prepare(controller.home, controller.id, brokers, program)
        for each in made:
            stack.callback(each.kill)
            each.start()
        dial = ",".join(str(each.address) for each in made)
        if relay is not None:
            relay.target = made[0].address.port
            dial = f"tls://127.0.0.1:{relay.port}"
        fleet = stack.enter_context(Fleet(folder, controller, count, dial=dial))
        enlist(controller, fleet.members)
        found = NatsFleet(home, fleet, made)
        found.wait()
        yield found
