"""A fleet behind a broker: python -m benchmarks.broker (Linux, with nats-server).

Simulated agents dial out to a real broker and answer a real controller. Their circuits are real: outer TLS with
certificates and tokens, inner TLS 1.3, and the reconnects of the real agent. Only their tasks run nothing. See
docs/benchmarks.md for the method and its limits.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from assist_cli.agents.nats import MOST_CIRCUITS
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.paths import Home
from benchmarks.agent_idle import Counters
from benchmarks.measure import ASSIST, Report, throw_away_home
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


@dataclass(frozen=True)
class Cost:
    """The cost of one run: wall seconds, processor seconds and peak memory (MiB) of the program."""

    wall: float
    cpu: float
    peak: float


@dataclass
class Row:
    """A row of the sizing table."""

    agents: int
    load: float = field(default_factory=lambda: os.getloadavg()[0])
    figures: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"| {self.agents:,} | {' | '.join(self.figures.values())} | {self.load:.1f} |"


class Fleet:
    """A home with a broker and a crowd of agents, and the measurements of it.

    With ``counts`` only lost and doubled records break a budget, not times or sizes.
    """

    def __init__(self, report: Report, home: Home, environment: Mapping[str, str], size: int, *, counts: bool) -> None:
        self.report = report
        self.row = Row(size)
        self._home = home
        self._environment = environment
        self._size = size
        self._counts = counts

    def limit(self, name: str, value: float, limit: float, unit: str) -> None:
        """Check a budget of time or memory."""
        if self._counts:
            self.report.line(f"{name}: {value:.2f}{unit}")
        else:
            self.report.budget(name, value, limit, unit)

    def connect(self, agents: Crowd, broker: nats_place.HomeBroker) -> None:
        """Connect all agents."""
        began = time.time()
        agents.start()
        took = agents.wait(began) - began
        self.limit("all connected", took, CONNECT, " s")
        self.report.line(f"memory of the broker then: {peak(broker.pid):.0f} MiB")
        self.row.figures["connected"] = f"{took:.1f} s"
        agents.report()

    def cold(self, agents: Crowd) -> None:
        """Run on all of them, by a process that has no connection yet."""
        cost = self._run("run", "--all", "--", "true")
        self._describe(cost)
        self.limit("cold run", cost.wall, COLD, " s")
        self.limit("memory of the command", cost.peak, CONTROLLER, " MiB")
        self._check("cold run", agents.report(), self._size)
        self.row.figures["cold"], self.row.figures["command"] = f"{cost.wall:.1f} s", f"{cost.peak:.0f} MiB"

    def flood(self, agents: Crowd) -> None:
        """Run on many that all answer in the same moment."""
        size = min(FLOODED, self._size)
        agents.behave(FLOOD, PERIOD)
        cost = self._run("run", "--all", "--pick", str(size), "--live", "--", "true")
        agents.behave()
        self._describe(cost)
        self.limit("memory of the command with these answers", cost.peak, CONTROLLER, " MiB")
        found = agents.report()
        self._check(f"{size:,} agents that answer {FLOOD // 1024} KiB", found, size)
        with open_controller(self._home) as controller:
            rows = controller.database.query(
                "SELECT count(*) AS n FROM outputs JOIN records ON records.id = record_id"
                " WHERE invocation_id = (SELECT max(invocation_id) FROM records) AND length(data) = ? AND dropped = 0",
                [FLOOD],
            )
        self.report.budget("incomplete answers", size - rows[0]["n"], 0)

    def warm(self, agents: Crowd, server: subprocess.Popen[bytes]) -> None:
        """Run on all of them by a server, one time cold and one time warm."""
        with open_controller(self._home) as controller:
            for name in ("by the server, cold", "by the server, warm"):
                began, cpu = time.monotonic(), Counters.of(server.pid).cpu
                self._run("run", "--all", "--detach", "--", "true")
                await_end(controller)
                took, cpu = time.monotonic() - began, Counters.of(server.pid).cpu - cpu
                self.report.line(f"{name}: {took:.1f} s, {cpu:.1f} s of processor time")
                self._check(name, agents.report(), self._size)
        self.limit("run by a warm server", took, WARM, " s")
        self.limit("memory of the server", peak(server.pid), CONTROLLER, " MiB")
        self.row.figures["warm"], self.row.figures["server"] = f"{took:.1f} s", f"{peak(server.pid):.0f} MiB"

    def weigh(self, broker: nats_place.HomeBroker, *, answers: bool) -> None:
        """Measure the memory of the broker, which has a budget before the large ``answers``: they wait in it."""
        memory = peak(broker.pid)
        if answers:
            self.report.line(f"memory of the broker with large answers: {memory:.0f} MiB")
        else:
            self.limit("memory of the broker", memory, BROKER, " MiB")
        self.row.figures["broker"] = f"{memory:.0f} MiB"

    def kill(self, agents: Crowd, broker: nats_place.HomeBroker, times: int) -> None:
        """Kill the broker in the middle of a queued run, and start it again."""
        slowest = memory = 0.0
        with open_controller(self._home) as controller:
            for number in range(1, times + 1):
                self._run("run", "--all", "--queue", "1h", "--detach", "--", "true")
                await_end(controller, left=self._size * 2 // 3)
                broker.kill()
                broker.start()
                began = time.time()
                back = agents.wait(began) - began
                await_end(controller)
                ended = time.time() - began
                slowest, memory = max(slowest, back), max(memory, peak(broker.pid))
                self.report.line(f"kill {number}: all back after {back:.1f} s, all records ended after {ended:.1f} s")
                self._check(f"kill {number}", agents.report(), self._size)
        self.limit("all back after a kill of the broker", slowest, BACK, " s")
        self.limit("memory of the broker that was restarted", memory, BROKER, " MiB")
        self.row.figures["back"] = f"{slowest:.1f} s"

    def _run(self, *words: str) -> Cost:
        """Run ``assist`` to its end. Raises RuntimeError if it fails."""
        with tempfile.TemporaryFile() as output:
            began = time.perf_counter()
            process = subprocess.Popen(
                [ASSIST, *words], env=self._environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                output.seek(0)
                raise RuntimeError(f"assist {' '.join(words)} failed: {output.read()[-2000:].decode(errors='replace')}")
        return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)

    def _describe(self, cost: Cost) -> None:
        self.report.line(f"{cost.wall:.1f} s, {cost.cpu:.1f} s of processor time, {cost.peak:.0f} MiB")

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
        self.report.budget(f"{name}: lost", size - min(ran, rows[0]["n"]), 0)
        self.report.budget(f"{name}: doubled", found.doubled, 0)
        self.limit(f"{name}: concurrent circuits, as agents see them", found.circuits, MOST_CIRCUITS * LAG, "")


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=AGENTS, metavar="N")
    parser.add_argument("--kills", type=int, default=1, metavar="N", help="of the broker, each in the middle of a run")
    parser.add_argument("--counts", action="store_true", help="fail only for lost and doubled records, not for times")
    options = parser.parse_args()

    machine = (
        f"{os.cpu_count()} processors, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )
    report = Report(f"{options.agents:,} agents that dial out, {machine}, load {os.getloadavg()[0]:.1f}")
    with contextlib.ExitStack() as stack:
        environment = stack.enter_context(throw_away_home())
        home = Home(Path(environment["ASSIST_HOME"]))
        with open_controller(home) as controller:
            enlist(controller, options.agents)
            name = controller.id
        broker = stack.enter_context(nats_place.running(home, name))
        spare = MEMORY if MEMORY.is_dir() else None
        files = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="assist-crowd-", dir=spare)))
        agents = stack.enter_context(crowd(home, files, options.agents))
        fleet = Fleet(report, home, environment, options.agents, counts=options.counts)
        fleet.connect(agents, broker)
        fleet.cold(agents)
        fleet.weigh(broker, answers=False)
        fleet.flood(agents)
        server, _ = stack.enter_context(serving(environment))
        fleet.warm(agents, server)
        fleet.weigh(broker, answers=True)
        fleet.kill(agents, broker, options.kills)
    report.line(f"| agents | {' | '.join(fleet.row.figures)} | load |")
    report.line(fleet.row)
    report.end()


if __name__ == "__main__":
    main()
