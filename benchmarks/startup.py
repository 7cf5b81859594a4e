"""The duration of a command that does nothing: python -m benchmarks.startup."""

from __future__ import annotations

import argparse
import sys

from benchmarks.measure import ASSIST, Report, command, in_turns, throw_away_home

# Against what importing typer alone takes.
VERSION_RATIO = 1.5
LIST_RATIO = 2.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15)
    turns = parser.parse_args().turns

    report = Report(f"Start-up, {turns} turns")
    with throw_away_home() as environment:
        programs = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "python -c 'import typer'": [sys.executable, "-c", "import typer"],
            "assist --version": [ASSIST, "--version"],
            "assist --help": [ASSIST, "--help"],
            "assist invocation list": [ASSIST, "invocation", "list"],
        }
        times = in_turns(turns, {name: command(words, environment) for name, words in programs.items()})
    for taken in times.values():
        report.line(taken)
    typer = times["python -c 'import typer'"].median
    for program, limit in (("assist --version", VERSION_RATIO), ("assist invocation list", LIST_RATIO)):
        report.budget(f"{program}, against importing typer", times[program].median / typer, limit, " ×")
    report.end()


if __name__ == "__main__":
    main()
