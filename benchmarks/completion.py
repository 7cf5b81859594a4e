"""The cost of pressing Tab with a long history: python -m benchmarks.completion."""

from __future__ import annotations

import os
import statistics
from pathlib import Path

from assist_cli.model.command import CommandVersion
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.instance import Instance
from assist_cli.operations.commands import commands
from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from assist_cli.store import instances
from benchmarks.measure import ASSIST, cost_of, throw_away_home
from benchmarks.report import Report, arguments

BUDGET = 100  # ms of processor time
LINES = ("run --", "run -i web0001,w", "run -i @role", "invocation show t-", "invoke c", "run --timezone Eu")


def fill(home: Home, invocations: int, machines: int) -> None:
    with open_controller(home) as controller, controller.database.transaction() as transaction:
        for number in range(machines):
            id, tags = new_id(Kind.INSTANCE, controller.now_ms()), {"role": "web" if number % 3 else "db"}
            made = Instance(id=id, name=f"web{number:04}", address="tls:10.0.0.1", created=controller.now(), tags=tags)
            instances.register(transaction, made)
        for number in range(invocations):
            at = controller.now_ms() - number * 60_000
            transaction.execute(
                """
                INSERT INTO invocations (id, status, created_at, command_id, command_type, repeat_mode, timeout,
                    keep_script, parameters, content)
                VALUES (?, 'Finished', ?, ?, 'RunShellScript', 'Once', 60, 0, '{}', ?)
                """,
                [new_id(Kind.INVOCATION, at), at, new_id(Kind.COMMAND, at), b"uname -a; echo %d" % number],
            )
    with open_controller(home) as controller:
        for number in range(100):
            commands.create(controller, f"command-{number}", CommandVersion(b"true"))


def main() -> None:
    parser = arguments(__file__, __doc__)
    parser.add_argument("--invocations", type=int, default=10_000)
    parser.add_argument("--instances", type=int, default=1_000)
    parser.add_argument("--turns", type=int, default=11)
    options = parser.parse_args()

    report = Report(
        f"Processor time of a completion with {options.invocations:,} invocations and {options.instances:,} instances, "
        f"{options.turns} turns",
        options,
    )
    with throw_away_home() as environment:
        fill(Home(Path(environment["ASSIST_HOME"])), options.invocations, options.instances)
        taken: dict[str, list[float]] = {line: [] for line in LINES}
        for _ in range(options.turns):
            for line, times in taken.items():
                line_in = {**environment, "COMP_LINE": f"assist {line}", "PATH": os.environ["PATH"]}
                times.append(cost_of([ASSIST, "completion", "answer", "bash"], line_in)[0].cpu)
    for line, times in taken.items():
        report.budget(f"`assist {line}<Tab>`", statistics.median(times) * 1000, BUDGET, " ms")
    report.end()


if __name__ == "__main__":
    main()
