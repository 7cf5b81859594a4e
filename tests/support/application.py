"""The command line, called in this process: arguments, streams and exit status as of the installed program."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from assist_cli.__main__ import run
from assist_cli.agents.ssh import login
from assist_cli.operations.actor import local_actor
from tests.support import starting


class Application:
    """``assist("run", "--", "true")`` runs a command to its end, in ``folder``, as ``Program`` does.

    It saves the start of a process. A test of the process itself (signals, background work, imports) needs ``Program``.
    Standard input is empty by default.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(
        self,
        *words: str | os.PathLike[str],
        input: bytes | None = None,
        env: Mapping[str, str | None] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it to its end. ``env`` is added to the environment of the test; None removes a name."""
        argv = ["assist", *map(os.fspath, words)]
        with contextlib.ExitStack() as stack:
            stdout = stack.enter_context(tempfile.TemporaryFile())
            stderr = stack.enter_context(tempfile.TemporaryFile())
            for context in (
                _environment(env or {}),
                _folder(self._folder),
                _signals(),
                _logging(),
                _input(input),
                _stream("stdout", 1, stdout.fileno()),
                _stream("stderr", 2, stderr.fileno()),
                _words(argv),
                starting.without_forks(),
            ):
                stack.enter_context(context)
            local_actor.cache_clear()
            try:
                run()
                status = 0
            except SystemExit as end:
                status = int(end.code or 0)
            finally:
                login.hang_up()
            sys.stdout.flush()
            sys.stderr.flush()
            return subprocess.CompletedProcess(argv, status, _content(stdout.fileno()), _content(stderr.fileno()))


def _content(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0)


@contextlib.contextmanager
def _words(argv: list[str]) -> Iterator[None]:
    before, sys.argv = sys.argv, argv
    try:
        yield
    finally:
        sys.argv = before


@contextlib.contextmanager
def _environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    early = {name for name in changes if name in ("LANG", "TZ") or name.startswith(("LC_", "PYTHON"))}
    assert not early, f"an interpreter reads {early} when it starts: a test of that asks for the fixture installed"
    before = {name: os.environ.get(name) for name in changes}
    try:
        _change(changes)
        yield
    finally:
        _change(before)


def _change(changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)


@contextlib.contextmanager
def _logging() -> Iterator[None]:
    """Reset logging as in a new process; restore the handlers afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    root.handlers = []
    root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.handlers = handlers
        root.setLevel(level)


@contextlib.contextmanager
def _input(data: bytes | None) -> Iterator[None]:
    """Make standard input a pipe with ``data``, or empty."""
    if data is None:
        with Path(os.devnull).open("rb") as empty, _stream("stdin", 0, empty.fileno()):
            yield
        return
    reading, writing = os.pipe()
    writer = threading.Thread(target=_write, args=(writing, data))
    writer.start()
    try:
        with os.fdopen(reading, "rb") as pipe, _stream("stdin", 0, pipe.fileno()):
            yield
    finally:
        writer.join()  # drop the unread rest


def _write(descriptor: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as pipe:
        pipe.write(data)


@contextlib.contextmanager
def _stream(name: str, number: int, descriptor: int) -> Iterator[None]:
    """Make one of the three streams this descriptor, by its number too."""
    kept, before = os.dup(number), getattr(sys, name)
    os.dup2(descriptor, number)
    try:
        mode = "w" if number else "r"
        with open(number, mode, encoding="utf-8", errors="surrogateescape", closefd=False) as stream:
            setattr(sys, name, stream)
            yield
    finally:
        setattr(sys, name, before)
        os.dup2(kept, number)
        os.close(kept)
