"""The cost of a list of many commands: python -m benchmarks.command_list."""

from __future__ import annotations

import json
from pathlib import Path

from assist_cli.model.command import CommandVersion
from assist_cli.model.parameters import Definition
from assist_cli.operations.commands import commands, exchange, quotas
from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from benchmarks.measure import ASSIST, Times, command, in_turns, throw_away_home
from benchmarks.report import Report, arguments

RATIO = 1.5  # against the list of an empty library
FORMS = {"as a table": [], "as JSON": ["-o", "json"]}


def fill(home: Home, number: int) -> None:
    """Save this many commands, each with a script of 200 bytes and a parameter."""
    version = CommandVersion(
        b"#!/bin/sh\n".ljust(180, b"#") + b"\necho {{service|sh}}\n",
        parameters_enabled=True,
        definitions=(Definition("service", "the name of a unit", pattern="[a-z-]+"),),
    )
    with open_controller(home) as controller:
        quotas.set_limit(controller, "commands", number)
        commands.create(controller, "command", version, "restarts a unit and says how it is")
        document = exchange.export(controller, ["command"])
        (example,) = document["Commands"]
        document["Commands"] = [{**example, "Name": f"command-{each:05}"} for each in range(1, number)]
        exchange.import_text(controller, json.dumps(document))


def main() -> None:
    parser = arguments(__file__, __doc__)
    parser.add_argument("--commands", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=11)
    options = parser.parse_args()

    report = Report(f"`assist command list` of {options.commands:,} commands, {options.turns} turns", options)
    all_times: list[Times] = []
    with throw_away_home() as empty, throw_away_home() as full:
        fill(Home(Path(full["ASSIST_HOME"])), options.commands)
        for form, words in FORMS.items():
            list_ = [ASSIST, "command", "list", *words]
            times = in_turns(
                options.turns,
                {
                    f"no commands, {form}": command(list_, empty),
                    f"the first 100 of many, {form}": command([*list_, "-n", "100"], full),
                    f"all of them, {form}": command([*list_, "-n", "0"], full),
                },
            )
            none, many, _ = times.values()
            report.budget(f"the first 100 of many, {form}, against no commands", many.against(none), RATIO, " ×")
            all_times += times.values()
    report.times(all_times)
    report.end()


if __name__ == "__main__":
    main()
