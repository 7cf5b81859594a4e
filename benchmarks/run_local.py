"""The duration of a run on this machine: python -m benchmarks.run_local."""

from __future__ import annotations

import sys
import time

from benchmarks import sshd
from benchmarks.measure import ASSIST, Times, command, in_turns, throw_away_home
from benchmarks.report import Promise, Report, arguments
from benchmarks.startup import TYPER

OF_TYPER = 2.0  # against importing Typer
SECONDS = 0.35
BEYOND_SSH = 0.1  # seconds that it may take longer than ssh to 127.0.0.1

RUN = "`assist run -- true`"
SSH = "`ssh 127.0.0.1 true`"
FIRST_RUNS = 3


def main() -> None:
    parser = arguments(__file__, __doc__)
    parser.add_argument("--turns", type=int, default=15)
    options = parser.parse_args()

    report = Report(f"A run on this machine, {options.turns} turns", options, ["OpenSSH"])
    with throw_away_home() as environment, sshd.throw_away() as ssh:
        programs = {RUN: [ASSIST, "run", "--", "true"], TYPER: [sys.executable, "-c", "import typer"]}
        if ssh:
            programs[SSH] = [*ssh.words, "true"]
        times = in_turns(options.turns, {name: command(words, environment) for name, words in programs.items()})
    first = Times("the first run, which starts the agent", tuple(_first_run() for _ in range(FIRST_RUNS)))
    report.times([*times.values(), first])
    run = times[RUN]
    report.budget(f"{RUN}, against {TYPER}", run.against(times[TYPER]), OF_TYPER, " ×")
    report.budget(RUN, run.median, SECONDS, " s")
    if not ssh:
        report.line("not compared with ssh: no sshd here lets us in (on Debian: apt-get install openssh-server)")
    report.check(Promise(f"{RUN}, beyond {SSH}", run.beyond(times[SSH]) if ssh else None, BEYOND_SSH, " s"))
    report.end()


def _first_run() -> float:
    """The seconds of a run in a home without history and agent."""
    with throw_away_home() as environment:
        run = command([ASSIST, "run", "--", "true"], environment)
        start = time.perf_counter()
        run()
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
