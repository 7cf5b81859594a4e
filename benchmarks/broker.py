"""A fleet behind a broker: python -m benchmarks.broker (Linux, with nats-server).

Simulated agents dial out to a real broker and answer a real controller. Their circuits are real: outer TLS with
certificates and tokens, inner TLS 1.3, and the reconnects of the real agent. Only their tasks run nothing. Lost and
doubled records break a promise with any number of agents. See docs/benchmarks.md for the method and its limits.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from assist_cli.agents.nats import MOST_CIRCUITS
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.paths import Home
from benchmarks.agent_idle import Counters
from benchmarks.measure import ASSIST, Cost, cost_of, throw_away_home
from benchmarks.report import Report, Table, arguments
from benchmarks.scheduler import serving
from tests.support import nats_place
from tests.support.crowd import Crowd, CrowdReport, crowd, enlist

AGENTS = 10_000
CONNECT = 40.0  # seconds from the start until all are connected
COLD = 45.0  # seconds for a run on all of them by a new process
WARM = 20.0  # seconds for one by a server that has connected before
BACK = 60.0  # seconds until all are connected again after the restart of the broker
BROKER = 900.0  # MiB
CONTROLLER = 300.0  # MiB
FLOODED = 2000  # agents that answer in the same moment
FLOOD = 64 * 1024  # bytes of each of these answers
PERIOD = 5.0  # seconds between two such moments
PATIENCE = 600.0  # seconds for a run to end
LAG = 1.1  # an agent notices the end of a circuit after the controller, which may have opened another one by then
LOOK = 0.1  # seconds between two looks at the history
MEMORY = Path("/dev/shm")


class Fleet:
    """A home with a broker and a crowd of agents, and the measurements of it.

    ``figures`` are those of the table. Times and sizes have budgets for ``AGENTS`` agents.
    """

    def __init__(self, report: Report, home: Home, environment: Mapping[str, str], size: int) -> None:
        self.report = report
        self.figures: dict[str, str] = {}
        self.lost = self.doubled = self.incomplete = self.circuits = 0
        self._home = home
        self._environment = environment
        self._size = size

    def limit(self, name: str, value: float, limit: float, unit: str) -> None:
        """Check a budget of time or memory."""
        if self._size == AGENTS:
            self.report.budget(f"{AGENTS:,} agents: {name}", value, limit, unit)

    def figure(self, name: str, value: float, unit: str) -> None:
        self.figures[name] = f"{value:,.1f} {unit}" if unit == "s" else f"{value:,.0f} {unit}"
        self.report.line(f"{self._size:,} agents: {name}: {self.figures[name]}")

    def connect(self, agents: Crowd, broker: nats_place.HomeBroker) -> None:
        """Connect all agents."""
        began = time.time()
        agents.start()
        took = agents.wait(began) - began
        self.figure("all connected", took, "s")
        self.limit("all connected", took, CONNECT, " s")
        self.figure("memory of the broker, agents connected", peak(broker.pid), "MiB")
        agents.report()

    def cold(self, agents: Crowd, broker: nats_place.HomeBroker) -> None:
        """Run on all of them, by a process that has no connection yet."""
        cost = self._run("run", "--all", "--", "true")
        self.figure("a run by a new process", cost.wall, "s")
        self.figure("its processor time", cost.cpu, "s")
        self.figure("its memory", cost.peak, "MiB")
        self.limit("a run by a new process", cost.wall, COLD, " s")
        self.limit("memory of the command", cost.peak, CONTROLLER, " MiB")
        self._check("a run by a new process", agents.report(), self._size)
        self.figure("memory of the broker, after a run", peak(broker.pid), "MiB")
        self.limit("memory of the broker, after a run", peak(broker.pid), BROKER, " MiB")

    def flood(self, agents: Crowd) -> None:
        """Run on many that all answer in the same moment."""
        size = min(FLOODED, self._size)
        agents.behave(FLOOD, PERIOD)
        cost = self._run("run", "--all", "--pick", str(size), "--live", "--", "true")
        agents.behave()
        answers = f"{size:,} agents that answer {FLOOD // 1024} KiB"
        self.report.line(f"{answers}: {cost.wall:.1f} s, {cost.cpu:.1f} s of processor time, {cost.peak:.0f} MiB")
        self.limit("memory of the command with large answers", cost.peak, CONTROLLER, " MiB")
        self._check(answers, agents.report(), size)
        with open_controller(self._home) as controller:
            rows = controller.database.query(
                "SELECT count(*) AS n FROM outputs JOIN records ON records.id = record_id"
                " WHERE invocation_id = (SELECT max(invocation_id) FROM records) AND length(data) = ? AND dropped = 0",
                [FLOOD],
            )
        self.incomplete += size - rows[0]["n"]

    def warm(self, agents: Crowd, server: subprocess.Popen[bytes], broker: nats_place.HomeBroker) -> None:
        """Run on all of them by a server, one time cold and one time warm."""
        with open_controller(self._home) as controller:
            for name in ("a run by a server, the first", "a run by a server, the next"):
                began, cpu = time.monotonic(), Counters.of(server.pid).cpu
                self._run("run", "--all", "--detach", "--", "true")
                await_end(controller)
                took, cpu = time.monotonic() - began, Counters.of(server.pid).cpu - cpu
                self.figure(name, took, "s")
                self._check(name, agents.report(), self._size)
        self.figure("processor time of the next", cpu, "s")
        self.figure("memory of the server", peak(server.pid), "MiB")
        self.limit("a run by a server that has run before", took, WARM, " s")
        self.limit("memory of the server", peak(server.pid), CONTROLLER, " MiB")
        self.figure("memory of the broker, after large answers too", peak(broker.pid), "MiB")

    def kill(self, agents: Crowd, broker: nats_place.HomeBroker, times: int) -> None:
        """Kill the broker in the middle of a queued run, and start it again."""
        slowest = memory = last = 0.0
        with open_controller(self._home) as controller:
            for number in range(1, times + 1):
                self._run("run", "--all", "--queue", "1h", "--detach", "--", "true")
                await_end(controller, left=self._size * 2 // 3)
                broker.kill()
                broker.start()
                began = time.time()
                slowest = max(slowest, agents.wait(began) - began)
                await_end(controller)
                last, memory = max(last, time.time() - began), max(memory, peak(broker.pid))
                self._check(f"kill {number}", agents.report(), self._size)
        self.figure("all back after a kill of the broker", slowest, "s")
        self.figure("all records of that run ended", last, "s")
        self.figure("memory of the broker, after a restart and a run", memory, "MiB")
        self.limit("all back after a kill of the broker", slowest, BACK, " s")
        self.limit("memory of the broker, after a restart and a run", memory, BROKER, " MiB")

    def _run(self, *words: str) -> Cost:
        return cost_of([ASSIST, *words], self._environment)[0]

    def _check(self, name: str, found: CrowdReport, size: int) -> None:
        """Check that one invocation has succeeded on ``size`` agents, and that none has run it twice."""
        with open_controller(self._home) as controller:
            rows = controller.database.query(
                "SELECT count(DISTINCT instance_id) AS n FROM records"
                " WHERE invocation_id = (SELECT max(invocation_id) FROM records)"
                " AND status = 'Finished' AND exit_code = 0"
            )
        ran = max(found.ran.values(), default=0)
        self.report.line(f"{name}: {found.deliveries:,} deliveries, load {os.getloadavg()[0]:.1f}")
        for why, count in found.failures.most_common(3):
            self.report.line(f"{count:,} times: {why}")
        self.lost += size - min(ran, rows[0]["n"])
        self.doubled += found.doubled
        self.circuits = max(self.circuits, found.circuits)


def await_end(controller: Controller, left: int = 0) -> None:
    """Wait until at most ``left`` records are open. Raises RuntimeError when that takes too long."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        rows = controller.database.query("SELECT count(*) AS n FROM records WHERE status IN ('Running', 'Stopping')")
        if rows[0]["n"] <= left:
            return
        time.sleep(LOOK)  # the history has no event for another process
    raise RuntimeError(f"{rows[0]['n']:,} records have not ended in {PATIENCE:.0f} s")


def peak(pid: int) -> float:
    """The largest resident memory of a process so far, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def main() -> None:
    parser = arguments(__file__, __doc__)
    parser.add_argument("--agents", type=int, nargs="+", default=[1000, 5000, AGENTS], metavar="N")
    parser.add_argument("--kills", type=int, default=1, metavar="N", help="of the broker, each in the middle of a run")
    options = parser.parse_args()

    report = Report("Agents that dial out, one turn", options, ["nats-server"])
    fleets = {size: measure(report, size, options.kills) for size in options.agents}
    rows = [[name, *(fleet.figures[name] for fleet in fleets.values())] for name in fleets[options.agents[0]].figures]
    report.table(Table(("agents", *(f"{size:,}" for size in fleets)), rows))
    report.budget("records lost", sum(fleet.lost for fleet in fleets.values()), 0)
    report.budget("records doubled", sum(fleet.doubled for fleet in fleets.values()), 0)
    report.budget("incomplete answers", sum(fleet.incomplete for fleet in fleets.values()), 0)
    report.end()


def measure(report: Report, size: int, kills: int) -> Fleet:
    """Measure one number of agents in a home of its own."""
    with contextlib.ExitStack() as stack:
        environment = stack.enter_context(throw_away_home())
        home = Home(Path(environment["ASSIST_HOME"]))
        with open_controller(home) as controller:
            enlist(controller, size)
            name = controller.id
        broker = stack.enter_context(nats_place.running(home, name))
        spare = MEMORY if MEMORY.is_dir() else None
        files = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="assist-crowd-", dir=spare)))
        agents = stack.enter_context(crowd(home, files, size))
        fleet = Fleet(report, home, environment, size)
        fleet.connect(agents, broker)
        fleet.cold(agents, broker)
        fleet.flood(agents)
        server, _ = stack.enter_context(serving(environment))
        fleet.warm(agents, server, broker)
        fleet.kill(agents, broker, kills)
        fleet.limit("concurrent circuits, as agents see them", fleet.circuits, MOST_CIRCUITS * LAG, "")
    return fleet


if __name__ == "__main__":
    main()
