"""Timing in turns, the cost of a program, and a throw-away home."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support import processes

STOPWATCH = Path(__file__).with_name("stopwatch.py")
ASSIST = str(Path(sysconfig.get_path("scripts")) / "assist")


@dataclass(frozen=True)
class Times:
    """Wall seconds of the turns of one program."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def fastest(self) -> float:
        return min(self.seconds)

    def against(self, other: Times) -> float:
        """The median of the ratios of adjacent turns: a slow phase of the machine is in both of a pair."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.seconds, other.seconds, strict=True))

    def beyond(self, other: Times) -> float:
        """The median of the differences of adjacent turns, in seconds."""
        return statistics.median(ours - theirs for ours, theirs in zip(self.seconds, other.seconds, strict=True))


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


@dataclass(frozen=True)
class Cost:
    """The cost of one run: wall and processor seconds, and the peak memory of its largest process in MiB."""

    wall: float
    cpu: float
    peak: float


def cost_of(words: Sequence[str], environment: Mapping[str, str]) -> tuple[Cost, bytes]:
    """Run a program. Return its cost and its output. Raises RuntimeError if it fails: a failure is often quick."""
    with tempfile.NamedTemporaryFile() as file, tempfile.TemporaryFile() as output:
        subprocess.run(
            [sys.executable, "-I", "-S", STOPWATCH, file.name, *words],
            env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=True,
        )  # fmt: skip
        output.seek(0)
        said = output.read()
        found = json.loads(file.read())
    if found["status"]:
        raise RuntimeError(
            f"{' '.join(words[:4])} ended with {found['status']}: {said[-2000:].decode(errors='replace')}"
        )
    return Cost(**found["cost"]), said


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
