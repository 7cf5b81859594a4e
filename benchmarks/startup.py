"""The duration of a command that does nothing: python -m benchmarks.startup."""

from __future__ import annotations

import sys

from benchmarks.measure import ASSIST, command, in_turns, throw_away_home
from benchmarks.report import Report, arguments

# Against importing Typer alone.
VERSION_RATIO = 1.5
LIST_RATIO = 2.5

TYPER = "`python -c 'import typer'`"
VERSION = "`assist --version`"
LIST = "`assist invocation list`"


def main() -> None:
    parser = arguments(__file__, __doc__)
    parser.add_argument("--turns", type=int, default=15)
    options = parser.parse_args()

    report = Report(f"Start-up, {options.turns} turns", options)
    with throw_away_home() as environment:
        programs = {
            "`python -c pass`": [sys.executable, "-c", "pass"],
            TYPER: [sys.executable, "-c", "import typer"],
            VERSION: [ASSIST, "--version"],
            "`assist --help`": [ASSIST, "--help"],
            LIST: [ASSIST, "invocation", "list"],
        }
        times = in_turns(options.turns, {name: command(words, environment) for name, words in programs.items()})
    report.times(times.values())
    for program, limit in ((VERSION, VERSION_RATIO), (LIST, LIST_RATIO)):
        report.budget(f"{program}, against {TYPER}", times[program].against(times[TYPER]), limit, " ×")
    report.end()


if __name__ == "__main__":
    main()
