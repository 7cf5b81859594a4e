"""Assist from Python: ``from assist_cli import Assist`` (docs/library.md).

It calls the same operations as the command line: with the same history, the same rules, and the same errors, those of
``assist_cli.errors``. Calls block. Each call runs its own event loop, so a program with an event loop calls from a
thread. An ``Assist`` belongs to one thread.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType

from assist_cli import paths
from assist_cli.model.command import DEFAULT_TIMEOUT, CommandType, type_from_word
from assist_cli.model.invocation import Invocation, InvocationInstance
from assist_cli.model.output import Output, Stream
from assist_cli.model.parameters import Value
from assist_cli.model.secret import Secret
from assist_cli.model.target import Selection
from assist_cli.model.transfer import DEFAULT_MODE
from assist_cli.operations.commands import commands
from assist_cli.operations.controller import Controller
from assist_cli.operations.history import history
from assist_cli.operations.runs import dispatch, files, plans, recording
from assist_cli.store.database import open_database

__all__ = ["Assist", "Result", "Run"]


@dataclass(frozen=True)
class Result:
    """The outcome on one instance. ``status`` is one of the five of docs/rules.md section 2.

    ``exit_code`` is None unless it ended by itself; ``error_code`` and ``error_info`` are empty without an error.
    ``output`` has both streams in order of arrival. Of a long output it has the first and the last half MiB, and
    ``dropped`` counts the bytes between. A file transfer has no output.
    """

    instance: str
    status: str
    exit_code: int | None
    error_code: str
    error_info: str
    output: bytes
    stdout: bytes
    stderr: bytes
    dropped: int

    @property
    def ok(self) -> bool:
        """Return True if it finished with exit code 0."""
        return self.status == "Finished" and not self.exit_code


@dataclass(frozen=True)
class Run:
    """The state of an invocation: its id, its status, and the result on each instance."""

    id: str
    status: str
    results: tuple[Result, ...]

    @property
    def ok(self) -> bool:
        """Return True if it succeeded on every instance."""
        return all(result.ok for result in self.results)


class Assist:
    """A controller. ``home`` is the folder of its database, by default that of the command line.

    Close it, or use it as a context. Raises DatabaseFailure, FileFailure, NotPermitted.
    """

    def __init__(self, home: str | os.PathLike[str] | None = None) -> None:
        place = paths.home(home)
        place.prepare()
        self._controller = Controller(place, open_database(place.database))

    def run(
        self,
        script: str | bytes | Iterable[str],
        *,
        on: str | Iterable[str] = (),
        type: str = CommandType.SHELL.word,
        parameters: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        timeout: int = DEFAULT_TIMEOUT,
        working_dir: str | None = None,
        username: str | None = None,
        detach: bool = False,
        patience: float | None = None,
    ) -> Run:
        """Run a script one time, or a program with its arguments, given as a list.

        ``on`` takes the targets of ``-i`` (docs/cli.md section 2), by default this machine. With ``detach`` it returns
        when every agent has accepted. After ``patience`` seconds GaveUpWaiting is raised; the run continues. Also
        raises Refused, NotFound, AgentError: then nothing has run. An unreachable instance is a result, not an error.
        """
        if not isinstance(script, str | bytes):
            script = shlex.join(script)
        given = _values(parameters, secrets)
        request = plans.RunRequest(
            content=script.encode() if isinstance(script, str) else script,
            type=type_from_word(type),
            timeout=timeout,
            working_dir=working_dir,
            username=username,
            parameters=given or None,
            targets=_selection(on),
        )
        with recording.recorded(self._controller, request) as invocation:
            return self._carry_out(invocation, detach, patience)

    def invoke(
        self,
        command: str,
        *,
        on: str | Iterable[str] = (),
        parameters: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        timeout: int | None = None,
        working_dir: str | None = None,
        username: str | None = None,
        detach: bool = False,
        patience: float | None = None,
    ) -> Run:
        """Run a saved command, NAME or NAME@VERSION; ``timeout`` and ``working_dir`` replace those of the command."""
        request = plans.InvokeRequest(
            command=commands.get(self._controller, command),
            parameters=_values(parameters, secrets),
            timeout=timeout,
            working_dir=working_dir,
            username=username,
            targets=_selection(on),
        )
        with recording.recorded(self._controller, request) as invocation:
            return self._carry_out(invocation, detach, patience)

    def send(
        self,
        content: bytes,
        name: str,
        directory: str,
        *,
        on: str | Iterable[str] = (),
        mode: str = DEFAULT_MODE,
        owner: str | None = None,
        group: str | None = None,
        overwrite: bool = False,
    ) -> Run:
        """Send a file to ``directory``/``name``. It arrives whole, or the old file stays."""
        request = files.SendRequest(
            content=content,
            name=name,
            directory=directory,
            mode=mode,
            owner=owner,
            group=group,
            overwrite=overwrite,
            targets=_selection(on),
        )
        with files.recorded(self._controller, request) as invocation:
            return self._carry_out(invocation, False, None)

    def wait(self, id: str = "-", *, patience: float | None = None) -> Run:
        """Wait until an invocation has ended: an id, its beginning, or ``-`` for the newest. Raises GaveUpWaiting."""
        found = recording.recall(self._controller, history.find(self._controller, id, files=True), output=False)
        dispatch.watch(self._controller, found, listener=None, patience=patience)
        return self.results(found.id)

    def results(self, id: str = "-") -> Run:
        """Return the state of an invocation. The agents of records that are not final are asked. Raises NotFound."""
        found = history.find(self._controller, id, files=True)
        return _run(history.show(self._controller, found, output=True))

    def close(self) -> None:
        """Close the database. Scripts continue."""
        self._controller.settle_contacts()
        self._controller.database.close()

    def __enter__(self) -> Assist:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _carry_out(self, invocation: Invocation, detach: bool, patience: float | None) -> Run:
        if detach:
            dispatch.send(self._controller, invocation)
        else:
            dispatch.send_and_watch(self._controller, invocation, listener=None, patience=patience)
        return self.results(invocation.id)


def _selection(on: str | Iterable[str]) -> Selection:
    return Selection((on,) if isinstance(on, str) else tuple(on), reads_files=True)


def _values(parameters: Mapping[str, str] | None, secrets: Mapping[str, str] | None) -> dict[str, Value]:
    return {**(parameters or {}), **{key: Secret(value) for key, value in (secrets or {}).items()}}


def _run(found: Invocation) -> Run:
    return Run(found.id, found.status.value, tuple(map(_result, found.instances)))


def _result(place: InvocationInstance) -> Result:
    record = place.record
    output = record.output or Output()
    return Result(
        instance=place.instance_name,
        status=record.status.value,
        exit_code=record.exit_code,
        error_code=record.error_code,
        error_info=record.error_info,
        output=output.bytes_of(*Stream),
        stdout=output.bytes_of(Stream.STDOUT),
        stderr=output.bytes_of(Stream.STDERR),
        dropped=output.dropped,
    )
