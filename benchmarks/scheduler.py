"""The server under load, and idle: python -m benchmarks.scheduler (Linux).

1,000 schedules of every 10 s fire against a stand-in for their agents, a process of its own that answers immediately.
The stand-in reports how late a record is: from its due time to its arrival. See docs/benchmarks.md.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from assist_cli.model.command import CommandType
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation, InvocationInstance, RepeatMode, no_record
from assist_cli.model.schedule import Schedule
from assist_cli.model.status import InvocationStatus, InvokeStatus
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.paths import Home
from assist_cli.store import instances, invocations, schedules
from benchmarks import peers
from benchmarks.agent_idle import Counters
from benchmarks.measure import ASSIST, throw_away_home
from benchmarks.report import Report, arguments

SCHEDULES = 1000
PERIOD = 10.0
ROUNDS = 3
WARM = 1  # rounds that do not count: every connection is opened in the first one

SPREAD_MEDIAN = 20.0  # ms
SPREAD_99 = 100.0  # ms
IN_PHASE_LAST = 1000.0  # ms
MANY = 10_000
START_SECONDS = 3.0
IDLE_SCHEDULES = 10
IDLE_RESIDENT = 60.0  # MiB
IDLE_CPU = 1.0  # per cent
SPREAD, IN_PHASE = "spread over the period", "all in the same second"
ROOT = Path(__file__).resolve().parents[1]


def plan(controller: Controller, anchors: Sequence[datetime], frequency: str, period: timedelta) -> None:
    """Schedules that are due one period after these moments, each on a stand-in of its own.

    Their creation is one period earlier: one after the start of the server would look like a clock that was set back.
    """
    running = InvocationStatus.RUNNING
    with controller.database.transaction() as transaction:
        for number, before in enumerate(anchors):
            made = before - period
            instance = f"i-{number:026}"
            address = f"unix:{controller.home.root}/{number}.sock"
            instances.register(transaction, Instance(instance, f"n{number}", address, created=made))
            empty = no_record(instance, running, made)
            invocation = Invocation(
                id=new_id(Kind.INVOCATION, controller.now_ms()), command_id=new_id(Kind.COMMAND, controller.now_ms()),
                command_type=CommandType.SHELL, content=b"uptime\n", timeout=60, status=InvokeStatus.RUNNING,
                created=made, repeat_mode=RepeatMode.PERIOD, frequency=frequency,
                instances=(InvocationInstance(instance, f"n{number}", running, 0, empty),),
            )  # fmt: skip
            invocations.add(transaction, invocation)
            schedules.add(transaction, Schedule(invocation.id, frequency, None, made, before + period))


@contextlib.contextmanager
def stand_ins(home: Path, number: int) -> Iterator[None]:
    words = [sys.executable, "-m", "tests.support.standin", str(home), str(number)]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.communicate()


@contextlib.contextmanager
def serving(environment: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """The server, and the seconds that its start took."""
    began = time.perf_counter()
    with (
        tempfile.TemporaryFile() as log,  # a pipe that nobody reads would block the server
        subprocess.Popen([ASSIST, "serve"], env=environment, stderr=log) as process,
    ):
        try:
            while b"serving" not in os.pread(log.fileno(), 1000, 0):
                if process.poll() is not None:
                    raise RuntimeError(f"it does not serve: {os.pread(log.fileno(), 1000, 0).decode()}")
                time.sleep(0.002)  # a file has no event
            yield process, time.perf_counter() - began
        finally:
            process.terminate()
            process.wait()
            for line in os.pread(log.fileno(), 1 << 20, 0).decode().splitlines()[1:4]:
                print(f"  (log) {line}")


def fire(report: Report, name: str, anchors: Sequence[datetime], end: datetime) -> list[float]:
    """Serve until ``end``. Return how late each counted record was, in ms. ``name`` is for the report."""
    with throw_away_home() as environment:
        home = Home(Path(environment["ASSIST_HOME"]))
        with open_controller(home) as controller:
            plan(controller, anchors, f"rate({PERIOD:.0f}s)", timedelta(seconds=PERIOD))
        with stand_ins(home.root, len(anchors)), serving(environment) as (process, _):
            before, began = Counters.of(process.pid), time.monotonic()
            time.sleep((end - datetime.now(timezone.utc)).total_seconds())
            after, took = Counters.of(process.pid), time.monotonic() - began
        arrivals = {
            record: float(moment)
            for record, _, moment in (line.split() for line in (home.root / "arrivals").read_text().splitlines())
        }
        with open_controller(home) as controller:
            slots = controller.database.query("SELECT record_id, due_at, outcome FROM slots")
    odd = [row["outcome"] for row in slots if row["outcome"] != "Ran"]
    first = min(anchors).timestamp() + PERIOD * (1 + WARM)
    late = [
        arrivals[row["record_id"]] * 1000 - row["due_at"]
        for row in slots
        if row["record_id"] in arrivals and row["due_at"] / 1000 >= first
    ]
    cpu = (after.cpu - before.cpu) / took
    report.figure(f"{name}: server", f"{after.resident:.0f} MiB, {cpu:.0%} of a processor")
    report.figure(f"{name}: lateness", shown(late))
    if odd:
        report.line(f"other outcomes: {sorted(set(odd))}")
    report.budget(f"{name}: firings of {len(slots):,} that did not run", len(odd) + len(slots) - len(arrivals), 0)
    return late


def shown(late: Sequence[float]) -> str:
    median, nearly_all = statistics.median(late), percentile(late, 99)
    return f"median {median:.1f} ms, 99th percentile {nearly_all:.1f} ms, maximum {max(late):.1f} ms"


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share / 100), len(values) - 1)]


def spread(report: Report) -> None:
    start = datetime.now(timezone.utc) + timedelta(seconds=3)
    anchors = [start + timedelta(seconds=PERIOD * (number / SCHEDULES - 1)) for number in range(SCHEDULES)]
    late = fire(report, SPREAD, anchors, start + timedelta(seconds=PERIOD * (ROUNDS + WARM) - 0.5))
    report.budget(f"{SPREAD}: lateness in the median", statistics.median(late), SPREAD_MEDIAN, " ms")
    report.budget(f"{SPREAD}: lateness at the 99th percentile", percentile(late, 99), SPREAD_99, " ms")


def in_phase(report: Report) -> None:
    start = (datetime.now(timezone.utc) + timedelta(seconds=6)).replace(microsecond=0)
    anchors = [start - timedelta(seconds=PERIOD)] * SCHEDULES
    late = fire(report, IN_PHASE, anchors, start + timedelta(seconds=PERIOD * (ROUNDS + WARM - 1) + 8))
    report.budget(f"{IN_PHASE}: lateness of the last one", max(late), IN_PHASE_LAST, " ms")


def compare_with_apscheduler(report: Report) -> None:
    python = peers.with_package("APScheduler")
    if python is None:
        report.line("not compared with APScheduler: pip could not install it")
        return
    words = [str(python), str(peers.HERE / "aps_no_ops.py"), str(SCHEDULES), "25"]
    done = subprocess.run(words, capture_output=True, check=True, text=True)
    late = [float(line) for line in done.stdout.split()]
    report.figure(f"APScheduler with {SCHEDULES:,} jobs that do nothing, {IN_PHASE}: lateness", shown(late))


def many(report: Report) -> None:
    now = datetime.now(timezone.utc)
    with throw_away_home() as environment:
        with open_controller(Home(Path(environment["ASSIST_HOME"]))) as controller:
            plan(controller, [now] * MANY, "rate(1h)", timedelta(hours=1))
        with serving(environment) as (process, took):
            report.figure(f"resident memory with {MANY:,} schedules", f"{Counters.of(process.pid).resident:.0f} MiB")
    report.budget(f"a start with {MANY:,} schedules", took, START_SECONDS, " s")


def idle(report: Report, seconds: float) -> None:
    now = datetime.now(timezone.utc)
    with throw_away_home() as environment:
        with open_controller(Home(Path(environment["ASSIST_HOME"]))) as controller:
            plan(controller, [now] * IDLE_SCHEDULES, "rate(1h)", timedelta(hours=1))
        with serving(environment) as (process, _):
            time.sleep(1)
            before = Counters.of(process.pid)
            time.sleep(seconds)
            after = Counters.of(process.pid)
    report.budget(f"idle with {IDLE_SCHEDULES} schedules: resident memory", after.resident, IDLE_RESIDENT, " MiB")
    report.budget(
        f"idle with {IDLE_SCHEDULES} schedules: processor time",
        (after.cpu - before.cpu) / seconds * 100,
        IDLE_CPU,
        " %",
    )


def main() -> None:
    parser = arguments(__file__, __doc__)
    parser.add_argument("--idle", type=float, default=60, metavar="SECONDS", help="for how long an idle one is watched")
    options = parser.parse_args()
    report = Report(f"`assist serve` with {SCHEDULES:,} schedules of every {PERIOD:.0f} s, {ROUNDS} periods", options)
    spread(report)
    in_phase(report)
    compare_with_apscheduler(report)
    many(report)
    idle(report, options.idle)
    report.end()


if __name__ == "__main__":
    main()
