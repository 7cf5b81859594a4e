"""The processes of a test, found in /proc. Without /proc nothing is found and nothing is checked."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import struct
import time
from pathlib import Path

GUARD = 10.0  # seconds that an agent may take to stop


def children(parent: int) -> set[int]:
    """The children of a process, zombies included."""
    lists = [*Path(f"/proc/{parent}/task").glob("*/children")]  # where the kernel has them: all of /proc takes 5 ms
    if not lists:
        return {pid for pid in _all() if _parent(pid) == parent}
    found = set()
    for path in lists:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
            found.update(map(int, path.read_text().split()))
    return found


def stop_agent(folder: Path) -> None:
    """Stop the agent that listens in ``folder``, if there is one, and wait until it is gone."""
    pid = listener(folder / "agentd.sock")
    if pid is not None:
        _end(pid, signal.SIGTERM)


def stop_guarded(folder: Path) -> None:
    """Stop the guard of the agent in ``folder``, and the agent with it, if there is one."""
    try:
        guard = int(json.loads((folder / "guard.json").read_text())["pid"])
    except (OSError, ValueError, KeyError):
        return
    if b"guard" in _read(guard, "cmdline").split(b"\0"):
        _end(guard, signal.SIGTERM)


def gone(folder: Path, patience: float = GUARD) -> bool:
    """Return True if a folder is gone within ``patience`` seconds: a process that is not ours removes it."""
    end = time.monotonic() + patience
    while folder.exists() and time.monotonic() < end:
        time.sleep(0.02)
    return not folder.exists()


def listener(path: Path) -> int | None:
    """The process that listens on a unix socket, from the kernel; None if there is none."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    with socket.socket(socket.AF_UNIX) as sock, contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            sock.connect(f"/proc/self/fd/{folder}/{path.name}")  # works for paths of any length
        finally:
            os.close(folder)
        pid: int = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        return pid
    return None


def end_all(folder: Path) -> list[str]:
    """Kill what still runs with ``folder`` in its argv or its environment, and describe each.

    Agents, shims and detached senders are recognised by the path of their home. They get a moment to end by themselves
    first, since a shim outlives its script until it has written the result.
    """
    end = time.monotonic() + 2
    while (found := _mentioning(folder)) and time.monotonic() < end:
        time.sleep(0.02)  # they are not our children, so there is no event to wait for
    described = [f"process {describe(pid)}" for pid in sorted(found)]
    for pid in found:
        _end(pid, signal.SIGKILL)
    return described


def running(folder: Path, word: str) -> set[int]:
    """The processes that were started for a home in ``folder`` with ``word`` in their argv."""
    return {pid for pid in _mentioning(folder) if word.encode() in _read(pid, "cmdline").split(b"\0")}


def describe(pid: int) -> str:
    """``1234 python -m agentd serve`` or ``1234 (defunct)``."""
    words = _read(pid, "cmdline").replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return f"{pid} {words or '(defunct)'}"


def _end(pid: int, number: int) -> None:
    """Send a signal and wait until the process has ended; kill it when it takes too long."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, number)
        if not _gone(handle, GUARD):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            _gone(handle, GUARD)
            raise AssertionError(f"process {pid} did not end after signal {number}")
    finally:
        os.close(handle)


def _gone(handle: int, seconds: float) -> bool:
    """Return True if the process of a pidfd has ended, within ``seconds``."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _mentioning(folder: Path) -> set[int]:
    """Other living processes with ``folder`` in their argv or environment."""
    text = os.fsencode(folder) + b"/"
    own = os.getpid()
    return {
        pid
        for pid in _all()
        if pid != own and (text in _read(pid, "cmdline") or text in _read(pid, "environ")) and not _defunct(pid)
    }


def _all() -> list[int]:
    try:
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    except FileNotFoundError:
        return []


def _read(pid: int, name: str) -> bytes:
    try:
        return Path("/proc", str(pid), name).read_bytes()
    except OSError:  # it has ended, or belongs to another user
        return b""


def _parent(pid: int) -> int:
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _defunct(pid: int) -> bool:
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return not fields or fields[0] in (b"Z", b"X")
