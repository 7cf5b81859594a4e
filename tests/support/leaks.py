"""Leaks of a test: threads, descriptors and children, recorded before a test and compared after it."""

from __future__ import annotations

import gc
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support import processes

PATIENCE = 2.0  # seconds that a process which is about to end may take


@dataclass(frozen=True)
class Snapshot:
    threads: frozenset[threading.Thread]
    descriptors: dict[int, str]
    children: frozenset[int]


def snapshot() -> Snapshot:
    """Record what this process holds now."""
    return Snapshot(frozenset(threading.enumerate()), _descriptors(), frozenset(processes.children(os.getpid())))


def since(before: Snapshot, patience: float = PATIENCE) -> list[str]:
    """Return a line for each object that this process holds beyond ``before``; wait a little for those about to end."""
    left = _compare(before)
    if left:
        gc.collect()  # an object that only a reference cycle keeps open is not a leak
        end = time.monotonic() + patience
        while (left := _compare(before)) and time.monotonic() < end:
            time.sleep(0.02)  # the end of a foreign thread is no event
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
    """Open descriptors and their targets, where the system shows them."""
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
