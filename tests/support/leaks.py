"""What a test process holds: threads, descriptors, children. Taken before a test and compared after it."""

from __future__ import annotations

import gc
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support import processes

PATIENCE = 2.0  # seconds in which what is already ending may end


@dataclass(frozen=True)
class Snapshot:
    threads: frozenset[threading.Thread]
    descriptors: dict[int, str]
    children: frozenset[int]


def snapshot() -> Snapshot:
    """What this process holds now."""
    return Snapshot(frozenset(threading.enumerate()), _descriptors(), frozenset(processes.children(os.getpid())))


def since(before: Snapshot, patience: float = PATIENCE) -> list[str]:
    """What this process holds beyond ``before``, a line for each; waits a little for what is about to end."""
    left = _compare(before)
    if left:
        gc.collect()  # what only a circle of references keeps open is no leak
        end = time.monotonic() + patience
        while (left := _compare(before)) and time.monotonic() < end:
            time.sleep(0.02)  # there is no event for "a thread of somebody else is gone"
    return left


def _compare(before: Snapshot) -> list[str]:
    now = snapshot()
    left = [f"thread {thread.name}" for thread in now.threads - before.threads]
    left += [
        f"descriptor {number}: {target}"
        for number, target in now.descriptors.items()
        if before.descriptors.get(number) != target
    ]
    left += [f"child process {processes.describe(pid)}" for pid in now.children - before.children]
    return sorted(left)


def _descriptors() -> dict[int, str]:
    """Open descriptors and what they are, where the system lets us look."""
    found: dict[int, str] = {}
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return found
    for entry in folder.iterdir():
        try:
            found[int(entry.name)] = str(entry.readlink())
        except FileNotFoundError:
            continue  # the descriptor that listed the folder
    return found
