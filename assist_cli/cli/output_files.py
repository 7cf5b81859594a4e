"""Output as files: ``--outdir DIR`` writes the streams of each instance, and the names by outcome.

An instance has ``NAME.stdout`` and ``NAME.stderr``, which appear when its record has ended, as a whole. Until then
they are hidden ``.part`` files. Bytes that were not kept are a line in the file, as in the other views.
``hosts.succeeded`` and ``hosts.failed`` are written last, a name a line, for targets like ``file:hosts.failed``. A
failure of the folder is reported one time. It ends the writing, not the run.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from assist_cli import codes
from assist_cli.cli.output import Printer
from assist_cli.errors import AssistError, Conflict, ExitStatus, FileFailure, Refused
from assist_cli.model import names
from assist_cli.model.folding import fold_some
from assist_cli.model.gaps import gap
from assist_cli.model.invocation import Invocation, InvocationInstance, Outcome, Record
from assist_cli.model.output import Output, Portion, Stream
from assist_cli.model.status import UNANSWERED
from assist_cli.operations.controller import Controller
from assist_cli.operations.runs import recording
from assist_cli.operations.runs.listener import Listener, replay
from assist_cli.units import count

LONGEST_STEM = 200  # bytes of a file name without its ending; file systems allow 255 with it

_SAFE = "._-"  # in file names, beside letters and digits
_COMMENT = re.compile(r"(?:^|\s)#")  # in a file of targets


@contextlib.contextmanager
def folder(path: Path) -> Iterator[None]:
    """Check the folder for the block, and create it. It is removed again if the block is refused.

    Raises Conflict if it is not empty or not a folder, FileFailure if it cannot be created or written.
    """
    try:
        is_new = not path.exists()
        path.mkdir(parents=True, exist_ok=True)
        is_empty = next(path.iterdir(), None) is None
        if is_empty:
            _check_writable(path)
    except (FileExistsError, NotADirectoryError):
        raise _refusal(path, "it is not a folder") from None
    except OSError as error:
        raise FileFailure(f"cannot write files to '{path}': {error.strerror}") from error
    if not is_empty:
        raise _refusal(path, "it is not empty")
    try:
        yield
    except AssistError:
        if is_new:
            with contextlib.suppress(OSError):  # it has files of a run
                path.rmdir()
        raise


def _check_writable(path: Path) -> None:
    probe = path / ".part"
    probe.touch()
    probe.unlink()


def _refusal(path: Path, reason: str) -> Refused:
    return Conflict(
        f"cannot write files to '{path}': {reason}",
        code=codes.FOLDER_NOT_EMPTY,
        hint="give a new or an empty folder: --outdir DIR",
    )


class OutputFiles(Listener):
    """Writes the files of one invocation into a folder. A failure of the folder never reaches the caller."""

    portion = Portion.WHOLE

    def __init__(self, printer: Printer, controller: Controller, folder: Path, invocation: Invocation) -> None:
        self._printer = printer
        self._controller = controller
        self._folder = folder
        self._id = invocation.id
        self._stems = stems(place.instance_name for place in invocation.instances)
        self._seen = dict.fromkeys(self._stems, 0)
        self._missing = dict.fromkeys(self._stems, 0)  # bytes before the next ones
        self._begun: set[tuple[str, Stream]] = set()
        self._inside: set[tuple[str, Stream]] = set()  # files that end inside a line; binary output has no lines
        self._cut: set[tuple[str, Stream]] = set()  # files of these with missing bytes next
        self._broken: set[str] = set()  # instances whose files lack bytes
        self._finished: set[str] = set()
        self._has_failed = False

    # what dispatch calls

    def output(self, instance: str, stream: Stream, data: bytes) -> None:
        self._seen[instance] += len(data)
        if instance not in self._finished:
            self._append(instance, stream, self._mark(instance, stream) + data)
            is_whole = data.endswith(b"\n") or b"\0" in data
            (self._inside.discard if is_whole else self._inside.add)((instance, stream))

    def missing(self, instance: str, size: int) -> None:
        self._seen[instance] += size
        self._missing[instance] += size  # of an unknown stream: the line about them precedes the next bytes
        self._cut |= {(instance, stream) for stream in Stream} & self._inside

    def ended(self, instance: str, outcome: Outcome) -> None:
        if outcome.error_code != UNANSWERED:  # then the history may get more of its output
            self.finish(instance, outcome.output)

    # the end

    def finish(self, instance: str, output: Output) -> None:
        """Write the part of ``output`` that was not received, and give the files their names."""
        if instance in self._finished:
            return
        replay(self, instance, output, self._seen[instance])
        if mark := self._mark(instance, Stream.STDOUT):
            self._append(instance, Stream.STDOUT, mark)
        self._finished.add(instance)
        for stream in Stream:
            self._attempt(functools.partial(self._name, instance, stream))

    @contextlib.contextmanager
    def closing(self) -> Iterator[None]:
        """Call ``close`` at the end of the block, however it ends."""
        try:
            yield
        finally:
            self.close(recording.recall(self._controller, self._id, output=False).instances)

    def close(self, places: Sequence[InvocationInstance]) -> None:
        """Write the last files and the names by outcome. Output of records that have not ended is not written."""
        ended = [place for place in places if place.repeats and place.record.status.is_final]
        for place in ended:
            if place.instance_name not in self._finished:
                known = recording.with_output(self._controller, place).record
                self.finish(place.instance_name, known.output or Output())
        for instance, stream in self._begun:
            if instance not in self._finished or self._has_failed:
                with contextlib.suppress(OSError):
                    self._part(instance, stream).unlink()
        for word, wanted in (("succeeded", True), ("failed", False)):
            lines = [_target(place) for place in ended if place.record.is_success is wanted]
            self._attempt(functools.partial(self._write_list, f"hosts.{word}", lines))
        if self._has_failed:
            return
        if self._broken:
            self._printer.warn(f"warning: output is missing in the files of {fold_some(self._broken)}")
        if len(ended) < len(places):
            self._printer.talk(
                f"{count(len(places) - len(ended), 'instance')} without files in '{self._folder}', not ended yet. "
                f"After the end: {self._later}"
            )

    @property
    def lacks_bytes(self) -> bool:
        """Return True if a file has a line in place of missing bytes."""
        return bool(self._broken)

    def status(self, status: int) -> int:
        """Return the exit status: ``status``, unless a file could not be written."""
        return ExitStatus.LOCAL_FAILURE if self._has_failed else status

    @property
    def _later(self) -> str:
        return f"assist invocation output {self._id} --outdir DIR"

    def _mark(self, instance: str, stream: Stream) -> bytes:
        """Return what precedes the next bytes of a stream: the end of a line that is cut, the line about a gap."""
        mark = b"\n" if (instance, stream) in self._cut else b""
        self._cut.discard((instance, stream))
        if size := self._missing[instance]:
            self._missing[instance] = 0
            self._broken.add(instance)
            mark += f"{gap(size)}\n".encode()
        return mark

    def _append(self, instance: str, stream: Stream, data: bytes) -> None:
        def append() -> None:
            with self._part(instance, stream).open("ab") as file:
                self._begun.add((instance, stream))
                file.write(data)

        self._attempt(append)

    def _name(self, instance: str, stream: Stream) -> None:
        part = self._part(instance, stream)
        if (instance, stream) not in self._begun:
            part.touch()
        part.replace(self._folder / f"{self._stems[instance]}.{stream.value}")

    def _write_list(self, name: str, lines: Iterable[str]) -> None:
        part = self._folder / f".{name}.part"
        part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        part.replace(self._folder / name)

    def _part(self, instance: str, stream: Stream) -> Path:
        return self._folder / f".{self._stems[instance]}.{stream.value}.part"

    def _attempt(self, action: Callable[[], None]) -> None:
        """Write, unless it has failed before. The first failure is reported."""
        if self._has_failed:
            return
        try:
            action()
        except OSError as error:
            self._has_failed = True
            message = f"cannot write the output to '{self._folder}': {error.strerror}"
            hint = f"the run is not affected; after its end: {self._later}"
            self._printer.error(FileFailure(message, hint=hint))


class Both(Listener):
    """Passes the events of an invocation to its ``files``, then to the ``view``, if there is one."""

    portion = Portion.WHOLE

    def __init__(self, files: OutputFiles, view: Listener | None) -> None:
        self._files = files
        self._view = view or Listener()
        self.live = self._view.live
        self.keyboard = self._view.keyboard

    def started(self, instance: str) -> None:
        self._view.started(instance)

    def output(self, instance: str, stream: Stream, data: bytes) -> None:
        self._files.output(instance, stream, data)
        self._view.output(instance, stream, data)

    def missing(self, instance: str, size: int) -> None:
        self._files.missing(instance, size)
        self._view.missing(instance, size)

    def ended(self, instance: str, outcome: Outcome) -> None:
        self._files.ended(instance, outcome)
        self._view.ended(instance, outcome)

    def queued(self, instance: str, record: Record) -> None:
        self._view.queued(instance, record)

    def beat(self) -> None:
        self._view.beat()

    def pressed(self) -> None:
        self._view.pressed()


def stems(instances: Iterable[str]) -> dict[str, str]:
    """Return the file name of each instance, without its ending.

    Characters other than ASCII letters, digits and ``._-`` are percent-encoded, as is a dot at the beginning. A name
    that is too long, or differs from another one only in upper and lower case, ends in a digest of itself.
    """
    found: dict[str, str] = {}
    used: set[str] = set()
    for name in sorted(instances):
        stem = quote(name, safe=_SAFE).replace("~", "%7E")
        if stem.startswith("."):
            stem = f"%2E{stem[1:]}"
        if len(stem) > LONGEST_STEM or stem.lower() in used:
            digest = hashlib.sha256(name.encode()).hexdigest()[:16]
            stem = re.sub(r"%.?\Z", "", stem[:LONGEST_STEM]) + f"~{digest}"
        used.add(stem.lower())
        found[name] = stem
    return found


def _target(place: InvocationInstance) -> str:
    """Return the name of an instance as a target in a file; its id if the name would be read as something else."""
    name = place.instance_name
    try:
        is_name = names.checked_target_name(name) == name
    except Refused:  # it is older than the rule
        is_name = False
    return name if is_name and not _COMMENT.search(name) else place.instance_id
