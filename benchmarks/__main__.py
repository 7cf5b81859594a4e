"""Run benchmarks, each in a process of its own, and print one table of their promises: python -m benchmarks [NAME…].

It ends with status 1 if a promise is broken or a benchmark fails.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine
from benchmarks.report import Promise, judged

QUICK = (
    "startup",
    "completion",
    "run_local",
    "agent_idle",
    "agent",
    "command_list",
    "targets",
    "frequency",
    "scheduler",
)
LONG = ("api", "history", "web", "install", "fanout", "broker")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    choices = f"one of {', '.join(QUICK)} (default: all of these), {', '.join(LONG)}"
    parser.add_argument("names", nargs="*", metavar="NAME", help=choices)
    parser.add_argument("--write-docs", action="store_true", help="write the figures into docs/benchmarks.md")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - {*QUICK, *LONG}:
        parser.error(f"there is no benchmark '{min(unknown)}', only {', '.join((*QUICK, *LONG))}")

    start = f"{machine.describe()}, load average {machine.load():.2f} at the start"
    more = ["--write-docs"] if options.write_docs else []
    found = {name: promises_of([sys.executable, "-m", f"benchmarks.{name}", *more]) for name in options.names or QUICK}
    print(f"\n{start}\n")
    return summarise(found)


def promises_of(words: Sequence[str]) -> list[Promise]:
    """Run a benchmark, and return its promises. One that fails has only the promise to succeed, which is broken."""
    with tempfile.TemporaryDirectory(prefix="assist-benchmark-") as folder:
        file = Path(folder, "promises")
        status = subprocess.run([*words, "--promises", str(file)], check=False).returncode
        if not file.exists():
            return [Promise("exit status", status, 0)]
        return [Promise(**each) for each in json.loads(file.read_text())]


def summarise(found: dict[str, list[Promise]]) -> int:
    """Print the promises of all benchmarks. Return 1 if one is broken."""
    promises = [(name, promise) for name, some in found.items() for promise in some]
    for line in judged([[name, *promise.cells] for name, promise in promises], ["benchmark"]).plain():
        print(line)
    broken = sum(promise.is_broken for _, promise in promises)
    print(f"\n{len(promises)} promises, {broken} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
