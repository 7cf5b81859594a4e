"""The duration of a run on this machine: python -m benchmarks.run_local."""

from __future__ import annotations

import argparse
import time

from benchmarks import sshd
from benchmarks.measure import ASSIST, Report, Times, command, in_turns, throw_away_home

SECONDS = 0.35  # a warm assist run -- true
BEYOND_SSH = 0.1  # seconds that it may take longer than ssh to 127.0.0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15)
    turns = parser.parse_args().turns

    report = Report(f"A run on this machine, {turns} turns")
    with throw_away_home() as environment, sshd.throw_away() as ssh:
        run = "assist run -- true"
        programs = {run: [ASSIST, "run", "--", "true"]}
        if ssh:
            programs["ssh 127.0.0.1 true"] = [*ssh.words, "true"]
        times = in_turns(turns, {name: command(words, environment) for name, words in programs.items()})
    first = Times("the first run: the agent starts", tuple(_first_run() for _ in range(3)))
    for taken in (*times.values(), first):
        report.line(taken)
    report.budget("a warm run", times[run].median, SECONDS, " s")
    if ssh:
        beyond = times[run].median - times["ssh 127.0.0.1 true"].median
        report.budget("a warm run, beyond ssh", beyond, BEYOND_SSH, " s")
    else:
        report.line("not compared with ssh: no sshd here that lets us in (on Debian: apt-get install openssh-server)")
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
