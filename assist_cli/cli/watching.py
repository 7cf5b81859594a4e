"""What watching an invocation looks like, and how the program ends by it (docs/cli.md sections 1 and 3).

One instance: its stdout goes to stdout and its stderr to stderr as they come, nothing added.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assist_cli.cli import documents
from assist_cli.cli.formatting import count
from assist_cli.cli.output import Encoding, Printer
from assist_cli.errors import ExitStatus, GaveUpWaiting, Interrupted
from assist_cli.model.invocation import Invocation, InvocationInstance
from assist_cli.model.output import Output, Stream
from assist_cli.model.rollout import Rollout
from assist_cli.model.status import InvocationStatus
from assist_cli.model.transfer import Transfer
from assist_cli.operations.controller import Controller
from assist_cli.operations.history import history
from assist_cli.operations.runs.listener import Listener

if TYPE_CHECKING:
    from assist_cli.cli.fanout import Fanout
    from assist_cli.cli.invocation_screen import InvocationScreen

SECOND_PRESS_SECONDS = 2.0
NOT_REACHED = frozenset({"ClientNotRunning", "ClientNotOnline", "ClientAuthFailed", "ClientNeedUpgrade"})


@dataclass(frozen=True)
class Look:
    """How several instances are shown: lines as they come (``live``), equal answers together (``gather``), or both.

    When nothing is asked for, a terminal shows both, and anything else lines.
    """

    live: bool = False
    gather: bool = False

    @property
    def lines(self) -> bool:
        return self.live or not self.gather

    def groups(self, *, terminal: bool) -> bool:
        return self.gather or (terminal and not self.live)


class Streams(Listener):
    """One instance: the listener that lets output through as it comes, and counts the bytes that cannot be had.

    With ``only``, no more than that stream goes out, and it goes to stdout. ``arrived`` is what to say of an instance
    where all went well, empty where what it printed tells enough.
    """

    def __init__(self, printer: Printer, *, only: Stream | None = None, arrived: str = "") -> None:
        self._printer = printer
        self._only = only
        self._arrived = arrived
        self._seen = 0
        self._missing = 0

    def output(self, instance: str, stream: Stream, data: bytes) -> None:
        self._seen += len(data)
        if self._only in (None, stream):
            self._printer.raw(data, error=stream is Stream.STDERR and self._only is None)

    def missing(self, instance: str, size: int) -> None:
        self._seen += size
        self._missing += size

    def replay(self, place: InvocationInstance) -> None:
        """Let through what the history holds beyond what came by itself."""
        instance, output = place.instance_name, place.record.output or Output()
        position = 0
        for stream, data in output.pieces():
            if output.dropped and position == output.cut:
                position += output.dropped
                self.missing(instance, max(position - self._seen, 0))
            begin = max(self._seen - position, 0)
            position += len(data)
            if begin < len(data):
                self.output(instance, stream, data[begin:])

    def close(self, places: Sequence[InvocationInstance]) -> None:
        """Say what the output does not tell: what is missing of it, and why there may be none."""
        if self._missing:
            self._printer.warn(f"{count(self._missing, 'byte')} of the output are missing in the middle")
        tell_failures(self._printer, places)
        if self._arrived:
            for place in places:
                if place.record.is_success:
                    self._printer.talk(f"{place.instance_name}: {self._arrived}")


def watch(
    printer: Printer,
    controller: Controller,
    invocation: Invocation,
    follow: Callable[[Listener | None], None],
    *,
    encoding: Encoding,
    look: Look,
    leave: Callable[[], None] = lambda: None,
    screen: InvocationScreen | None = None,
) -> int:
    """Show an invocation while ``follow`` brings it to its end; the exit status.

    ``follow`` takes the listener for the output, None where only the document is wanted. ``leave`` is called when
    nobody watches any longer: Ctrl-C, a closed terminal, or the patience is at its end. A ``screen`` shows it in place
    of what ``look`` says.
    """
    view = None if printer.is_json else screen or _view(printer, invocation, look)
    gave_up = None
    try:
        with _hearing_hangups():
            follow(view)
    except _HungUp:
        leave()
        return ExitStatus.INTERRUPTED
    except KeyboardInterrupt:
        return _interrupted(printer, controller, invocation, view, "watch" if screen else "wait", leave, encoding)
    except GaveUpWaiting as error:
        leave()
        gave_up = error
    ended = history.show(controller, invocation.id, output=True)
    if view is None:
        printer.document(documents.invocation(ended, encoding))
        return exit_status(ended) if ended.status.is_final else ExitStatus.GAVE_UP_WAITING
    if gave_up is None or not isinstance(view, Streams):
        for place in ended.instances:
            view.replay(place)
        view.close(ended.instances)
    if gave_up is not None:
        raise gave_up
    return exit_status(ended)


class _HungUp(KeyboardInterrupt):
    """The terminal was closed."""


@contextlib.contextmanager
def _hearing_hangups() -> Iterator[None]:
    """Raise _HungUp when the terminal is closed; whoever ignores that (nohup) goes on ignoring it."""

    def hang_up(*_: object) -> None:
        raise _HungUp

    if sys.platform == "win32":  # which has no such signal
        yield
        return
    before = signal.getsignal(signal.SIGHUP)
    if before is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGHUP, hang_up)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _view(printer: Printer, invocation: Invocation, look: Look) -> Streams | Fanout:
    transfer = invocation.transfer
    if len(invocation.instances) == 1 and not look.gather and not look.live:
        return Streams(printer, arrived=file_in_words(transfer) if transfer else "")
    from assist_cli.cli.fanout import Fanout  # which most runs do not need

    names = [place.instance_name for place in invocation.instances]
    if transfer:
        return Fanout(printer, names, lines=False, groups=True, silence=file_in_words(transfer))
    return Fanout(printer, names, lines=look.lines, groups=look.groups(terminal=printer.stdout_is_terminal))


def file_in_words(transfer: Transfer) -> str:
    """``/etc/app/app.conf, 1,204 bytes``: what was sent, and where it is."""
    return f"{transfer.path}, {count(transfer.size, 'byte')}"


def carry_out(
    printer: Printer,
    controller: Controller,
    invocation: Invocation,
    *,
    detach: bool,
    patience: float | None,
    encoding: Encoding,
    look: Look,
    rollout: Rollout,
) -> int:
    """Send an invocation that was recorded, and watch it unless it is to be detached; the exit status."""
    from assist_cli.operations.notify import wishes
    from assist_cli.operations.runs import dispatch
    from assist_cli.operations.server import handover

    def leave() -> None:
        """What is not sent yet is not lost because nobody watches, nor is who is to be told of the end."""
        known = history.recall(controller, invocation.id, output=False)
        unsent = any(place.record.is_unsent for place in known.instances)
        if unsent or (not known.status.is_final and wishes.is_wanted(controller, invocation.id)):
            handover.hand_over(controller, invocation, rollout)

    if detach:
        if rollout.is_plain and len(invocation.instances) == 1:
            dispatch.send(controller, invocation)  # what goes wrong is told here and now
        leave()
        wishes.hurry(controller)
        return _tell_detached(printer, history.recall(controller, invocation.id, output=False))
    return watch(
        printer,
        controller,
        invocation,
        lambda listener: dispatch.send_and_watch(
            controller, invocation, listener=listener, patience=patience, rollout=rollout
        ),
        encoding=encoding,
        look=look,
        leave=leave,
    )


def _tell_detached(printer: Printer, invocation: Invocation) -> int:
    """The id on stdout, how to come back on stderr; the exit status."""
    if printer.is_json:
        printer.document(documents.started(invocation))
    else:
        printer.line(invocation.id)
    if invocation.status.is_final:
        tell_failures(printer, invocation.instances)
        return exit_status(invocation)
    if not printer.is_json:
        what = "It is on its way" if invocation.transfer else "It runs"
        printer.talk(f"{what}; see it through with: assist invocation wait {invocation.id}")
    return ExitStatus.DONE


def tell_failures(printer: Printer, places: Sequence[InvocationInstance]) -> None:
    """Say which records did not come to their own end, and why."""
    for place in places:
        record = place.record
        if record.status.is_final and record.status is not InvocationStatus.FINISHED:
            printer.talk(f"{place.instance_name}: {record.status} ({record.error_code}): {record.error_info}")


def exit_status(invocation: Invocation) -> int:
    """How the program ends: by the one script's own status, or by what became of all."""
    records = [place.record for place in invocation.instances]
    if not all(record.status.is_final for record in records):
        return ExitStatus.GAVE_UP_WAITING
    if len(records) == 1:
        if records[0].status is InvocationStatus.FINISHED:
            return _own_status(records[0].exit_code or 0)
        if records[0].error_code == "ExecutionTimeout":
            return ExitStatus.TIMED_OUT
    if all(record.error_code in NOT_REACHED for record in records):
        return ExitStatus.UNREACHABLE
    succeeded = all(record.is_success for record in records)
    return ExitStatus.DONE if succeeded else ExitStatus.FAILED


def _own_status(exit_code: int) -> int:
    # A system has eight bits for it; a longer code of Windows that ends in zeros is still no success.
    return exit_code & 0xFF or (ExitStatus.FAILED if exit_code else ExitStatus.DONE)


def _interrupted(
    printer: Printer,
    controller: Controller,
    invocation: Invocation,
    view: Streams | Fanout | InvocationScreen | None,
    verb: str,
    leave: Callable[[], None],
    encoding: Encoding,
) -> int:
    """Stop watching; stop the invocation itself when Ctrl-C comes again at once. ``verb`` is how to come back."""
    from assist_cli.operations.runs import stop

    try:
        leave()
        known = history.recall(controller, invocation.id)
        if known.status.is_final:
            tell_failures(printer, known.instances)
            return ExitStatus.INTERRUPTED
        if view is not None and not isinstance(view, Streams):
            view.close(known.instances)
        _tell_that_it_goes_on(printer, invocation, verb)
        time.sleep(SECOND_PRESS_SECONDS)
    except KeyboardInterrupt:
        printer.talk(f"Stopping {invocation.id} …")
        stopped = stop.stop(controller, invocation.id)
        if printer.is_json:
            printer.document(documents.invocation(stopped, encoding))
        tell_failures(printer, stopped.instances)
        return exit_status(stopped)
    return ExitStatus.INTERRUPTED


def _tell_that_it_goes_on(printer: Printer, invocation: Invocation, verb: str) -> None:
    back = f"assist invocation {verb} {invocation.id}"
    if printer.is_json:
        printer.error(Interrupted(f"cannot go on watching: interrupted, and {invocation.id} goes on", hint=back))
        return
    printer.warn("")
    printer.warn(f"Interrupted, and {invocation.id} goes on. To come back to it:")
    printer.warn(f"  {back}")
    printer.talk("Ctrl-C again within 2 s stops it.")
