"""The time to resolve targets among many instances with facts: python -m benchmarks.targets."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from assist_cli.model.ids import Kind, new_id
from assist_cli.model.instance import Instance
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.operations.fleet import groups
from assist_cli.operations.fleet import instances as operations
from assist_cli.paths import Home
from assist_cli.store import instances
from benchmarks.measure import in_turns, throw_away_home
from benchmarks.report import Report, arguments

BUDGET = 100.0  # ms
TARGETS = {
    "one name": "web00042",
    "a tag": "@role=web",
    "a fact, half of them": "@os=debian",
    "a tag, two facts, without one": "@role=web&@os=debian&@arch=aarch64,!web00042",
    "an address": "@addresses=10.0.7.*",
    "a group": "group:debian",
}


def fill(controller: Controller, number: int) -> None:
    """Register this many instances, each with tags and all facts."""
    with controller.database.transaction() as transaction:
        for each in range(number):
            made = Instance(
                new_id(Kind.INSTANCE, each), f"web{each:05}", f"tls:10.0.{each // 256}.{each % 256}", controller.now(),
                tags={"role": "web" if each % 3 else "db", "zone": f"z{each % 7}"},
            )  # fmt: skip
            instances.register(transaction, made)
            facts = {
                "os": "debian" if each % 2 else "alinux", "version": "12", "arch": "x86_64" if each % 5 else "aarch64",
                "kernel": "6.1.0-28-amd64", "python": "3.11.2", "cpus": 4, "memory": 16_500_000_000,
                "hostname": f"{made.name}.example.com", "addresses": [made.address[4:], f"fd00::{each:x}"],
            }  # fmt: skip
            controller.note_contact(made.id, "linux", facts=facts)
        controller.write_contacts(transaction)
    groups.add(controller, "debian", "@os=debian,!@arch=aarch64")


def main() -> None:
    parser = arguments(__file__, __doc__)
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=11)
    options = parser.parse_args()

    report = Report(f"Targets among {options.instances:,} instances with facts, {options.turns} turns", options)
    with throw_away_home() as environment, open_controller(Home(Path(environment["ASSIST_HOME"]))) as controller:
        fill(controller, options.instances)
        resolve = {
            f"{name}: `{target}`": partial(operations.resolve, controller, Selection((target,)))
            for name, target in TARGETS.items()
        }
        for name, times in in_turns(options.turns, resolve).items():
            report.budget(name, times.median * 1000, BUDGET, " ms")
    report.end()


if __name__ == "__main__":
    main()
