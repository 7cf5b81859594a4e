"""Timing in turns, a throw-away home, and budgets that are kept or broken."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import processes

ASSIST = str(Path(sysconfig.get_path("scripts")) / "assist")


@dataclass(frozen=True)
class Times:
    """Wall seconds of the turns of one program."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        return f"{self.name:<34} {self.median * 1000:8.0f} ms   fastest {min(self.seconds) * 1000:.0f} ms"


def in_turns(turns: int, programs: Mapping[str, Callable[[], object]]) -> dict[str, Times]:
    """Run every program ``turns`` times in turns, after one turn that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(turns + 1):
        for name, program in programs.items():
            start = time.perf_counter()
            program()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: Times(name, tuple(taken)) for name, taken in seconds.items()}


def command(words: Sequence[str], environment: Mapping[str, str]) -> Callable[[], None]:
    """A program for ``in_turns``. It must succeed: a failure is often quick."""

    def run() -> None:
        subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=True)

    return run


@dataclass
class Report:
    """Print what was measured, and remember broken budgets."""

    title: str
    broken: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        print(f"\n{self.title}")

    def line(self, text: object) -> None:
        print(f"  {text}")

    def budget(self, name: str, value: float, limit: float, unit: str = "") -> None:
        """Check one promise: ``value`` is at most ``limit``."""
        kept = value <= limit
        self.broken |= not kept
        print(f"  {'kept' if kept else 'BROKEN':<6} {name}: {value:.2f}{unit}, budget {limit:.2f}{unit}")

    def end(self) -> None:
        """End the program with status 1 if a budget was broken."""
        sys.exit(1 if self.broken else 0)


@contextlib.contextmanager
def throw_away_home() -> Iterator[dict[str, str]]:
    """An environment with an empty ASSIST_HOME; the agent that was started in it is stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="assist-benchmark-") as folder:
        home = Path(folder, "assist")
        # no settings of Python: an installed program has its bytecode
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("ASSIST_", "PYTHON"))}
        environment.update(HOME=folder, ASSIST_HOME=str(home), LANG="C.UTF-8", TERM="dumb")
        try:
            yield environment
        finally:
            processes.stop_agent(home / "agent")


def agent_of(environment: Mapping[str, str]) -> int:
    """The process id of the agent of a home. Raises RuntimeError when none listens."""
    pid = processes.listener(Path(environment["ASSIST_HOME"], "agent", "agentd.sock"))
    if pid is None:
        raise RuntimeError("no agent listens in this home")
    return pid
