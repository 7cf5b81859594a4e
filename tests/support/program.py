"""An installed program, run as by a user."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

GUARD = 60.0  # seconds after which a program that should have ended is an error of the test


class Program:
    """``program("run", "--", "true")`` runs it to its end; ``program.start(…)`` returns while it runs.

    Standard input is empty by default, so nothing ever waits for a keyboard. Processes that still run at the end of the
    test are killed.
    """

    def __init__(self, name: str, folder: Path) -> None:
        suffix = ".exe" if sys.platform == "win32" else ""
        self.path = Path(sysconfig.get_path("scripts")) / (name + suffix)
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []

    def __call__(
        self,
        *words: str | os.PathLike[str],
        input: bytes | None = None,
        env: Mapping[str, str | None] | None = None,
        timeout: float = GUARD,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it to its end. ``env`` is added to the environment of the test; None removes a name."""
        with self.start(*words, input=input is not None, env=env) as process:
            try:
                stdout, stderr = process.communicate(input, timeout=timeout)
            except subprocess.TimeoutExpired:
                process.kill()
                stdout, stderr = process.communicate()
                raise AssertionError(
                    f"{self.path.name} {' '.join(map(str, words))} did not end in {timeout:.0f} s\n"
                    f"stdout: {stdout!r}\nstderr: {stderr!r}"
                ) from None
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def start(
        self,
        *words: str | os.PathLike[str],
        input: bool = False,
        env: Mapping[str, str | None] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start it, with pipes for its output, and for its input when ``input`` says so."""
        changed: dict[str, str | None] = {**os.environ, **(env or {})}
        process = subprocess.Popen(
            [str(self.path), *map(os.fspath, words)],
            stdin=subprocess.PIPE if input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._folder,
            env={name: value for name, value in changed.items() if value is not None},
        )
        self._started.append(process)
        return process

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            with contextlib.suppress(ValueError):  # a pipe that communicate has closed
                process.communicate()


@contextlib.contextmanager
def serving(assist: Program) -> Iterator[None]:
    """Run ``assist serve`` during the block, and end it in order."""
    server = assist.start("serve")
    assert server.stderr is not None
    try:
        while b"serving " not in server.stderr.readline():
            assert server.poll() is None, "the server has ended"
        yield
    finally:
        server.terminate()
        server.communicate(timeout=GUARD)
