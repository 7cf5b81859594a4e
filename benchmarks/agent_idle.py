"""The cost of an idle agent: python -m benchmarks.agent_idle (Linux)."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.agent import Site
from benchmarks.measure import ASSIST, agent_of, command, throw_away_home
from benchmarks.report import Report, arguments

RESIDENT = 22.0  # MiB
SETTLE = 3.0  # seconds after the last run, in which the agent cleans up


@dataclass(frozen=True)
class Counters:
    """Counters of the kernel for a process, all of its threads."""

    wakes: int  # voluntary context switches
    preemptions: int  # involuntary ones
    cpu: float  # seconds
    resident: float  # MiB
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> Counters:
        folder = Path("/proc", str(pid))
        wakes = preemptions = 0
        for status in folder.glob("task/*/status"):
            fields = _fields(status)
            wakes += int(fields["voluntary_ctxt_switches"])
            preemptions += int(fields["nonvoluntary_ctxt_switches"])
        times = (folder / "stat").read_text().rpartition(")")[2].split()[11:13]  # utime and stime, see proc(5)
        return cls(
            wakes=wakes,
            preemptions=preemptions,
            cpu=sum(map(int, times)) / os.sysconf("SC_CLK_TCK"),
            resident=int(_fields(folder / "status")["VmRSS"].split()[0]) / 1024,
            descriptors=len(list((folder / "fd").iterdir())),
        )


def _fields(path: Path) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in path.read_text().splitlines() if ":\t" in line)


def listening(runs: int) -> float:
    """The resident memory of ``agentd.pyz`` that listens with TLS, after it ran this many scripts."""
    with tempfile.TemporaryDirectory(prefix="assist-benchmark-") as folder:
        site = Site(Path(folder))
        site.start()
        try:
            with site.client() as client:
                for _ in range(runs):
                    client.complete("true")
            time.sleep(SETTLE)
            return Counters.of(site.agent.pid).resident
        finally:
            site.agent.close()


def main() -> None:
    parser = arguments(__file__, __doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--runs", type=int, default=10, help="scripts that the agent runs before it is left alone")
    options = parser.parse_args()

    report = Report(f"An idle agent, for {options.seconds:.0f} s after {options.runs} runs", options)
    with throw_away_home() as environment:
        for _ in range(options.runs):
            command([ASSIST, "run", "--", "true"], environment)()
        pid = agent_of(environment)
        time.sleep(SETTLE)
        before = Counters.of(pid)
        time.sleep(options.seconds)
        after = Counters.of(pid)
    report.figure("descriptors", str(after.descriptors))
    report.figure("processor time", f"{after.cpu - before.cpu:.2f} s")
    report.budget("resident memory", after.resident, RESIDENT, " MiB")
    report.budget("resident memory, listening with TLS", listening(options.runs), RESIDENT, " MiB")
    report.budget("wake-ups", after.wakes - before.wakes, 0)
    report.budget("pre-emptions", after.preemptions - before.preemptions, 0)
    report.end()


if __name__ == "__main__":
    main()
