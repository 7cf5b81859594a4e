"""Watch an invocation until it ends: pass its output through, show several instances, or redraw its status.

Section 3 of docs/cli.md describes the output. ``detaching`` handles a stop of watching before the end.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from assist_cli import codes
from assist_cli.cli import detaching
from assist_cli.cli.exit_status import exit_status
from assist_cli.cli.output import Encoding, Printer
from assist_cli.cli.pass_through import PassThrough
from assist_cli.errors import GaveUpWaiting
from assist_cli.model.command import CommandType
from assist_cli.model.invocation import Invocation
from assist_cli.model.names import quoted
from assist_cli.model.output import Portion
from assist_cli.model.rollout import Rollout
from assist_cli.operations.controller import Controller
from assist_cli.operations.runs import recording, refresh
from assist_cli.operations.runs.listener import Listener
from assist_cli.structs import Struct
from assist_cli.units import count

if TYPE_CHECKING:
    from assist_cli.cli.fanout import Fanout
    from assist_cli.cli.invocation_screen import InvocationScreen
    from assist_cli.cli.result_rows import ResultRows
    from assist_cli.model.transfer import Transfer


UNREACHABLE = frozenset({codes.CLIENT_NOT_ONLINE, codes.CLIENT_NOT_RUNNING, codes.CLIENT_AUTH_FAILED})
# The next step after CommandNotApplicable.
_OTHER_TYPES = {
    CommandType.SHELL: "Windows runs Bat and PowerShell scripts: --type bat or --type powershell",
    CommandType.BAT: "only Windows runs Bat scripts: --type shell, or other targets",
    CommandType.POWERSHELL: "install PowerShell there, or give other targets",
}


class Look(Struct):
    """The view of several instances: only lines as they arrive (``live``), or only groups of equal output (``gather``).

    By default a terminal shows both, and other streams get lines.
    """

    live: bool = False
    gather: bool = False

    def portion(self, *, terminal: bool) -> Portion:
        """Return the portion of each output to show as lines, ENDS for none."""
        if self.gather:
            return Portion.ENDS
        return Portion.NEWEST if terminal and not self.live else Portion.WHOLE

    def groups(self, *, terminal: bool) -> bool:
        return self.gather or (terminal and not self.live)


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
    outdir: Path | None = None,
) -> int:
    """Send a recorded invocation, and watch it unless ``detach`` is set. Return the exit status.

    With ``outdir``, an empty folder, the output is written there too.
    """
    if detach:
        return detaching.detach(printer, controller, invocation, rollout)
    from assist_cli.operations.runs import dispatch

    def send(listener: Listener | None) -> None:
        dispatch.send_and_watch(controller, invocation, listener=listener, patience=patience, rollout=rollout)

    def show(follow: Callable[[Listener | None], None]) -> int:
        return watch(
            printer,
            controller,
            invocation,
            follow,
            encoding=encoding,
            look=look,
            leave=lambda: detaching.hand_over(controller, invocation, rollout),
            rows=printer.prints_rows and invocation.transfer is None,
        )

    if outdir is None:
        return show(send)
    from assist_cli.cli.output_files import Both, OutputFiles

    files = OutputFiles(printer, controller, outdir, invocation)
    with files.closing():
        status = show(lambda view: send(Both(files, view)))
    return files.status(status)


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
    rows: bool = False,
) -> int:
    """Show an invocation while ``follow`` receives its output and its end. Return the exit status.

    ``follow`` takes the listener for the output, None for JSON. ``leave`` is called when watching stops early: on
    Ctrl-C, SIGTERM, a closed terminal, lost output, or after ``--wait``. A ``screen`` replaces the view of ``look``.
    With ``rows``, a result is printed as each instance ends. Raises OutputClosed and OutputFailure, after the messages
    about them.
    """
    view: PassThrough | Fanout | InvocationScreen | ResultRows | None
    show_stopped: Callable[[Invocation], None] | None
    if rows:
        from assist_cli.cli.result_rows import ResultRows

        view = finished = ResultRows(printer, controller, invocation, encoding)
        show_stopped = finished.finish
    elif printer.is_json:
        from assist_cli.cli import documents

        view = None

        def print_stopped(stopped: Invocation) -> None:
            printer.document(documents.invocation(stopped, encoding))

        show_stopped = print_stopped
    else:
        view, show_stopped = screen or _view(printer, invocation, look, controller.now()), None
    verb = "invocation watch" if screen else "invocation wait"
    with detaching.report_lost_output(printer, controller, invocation, verb, leave=leave):
        gave_up = None
        came: list[int] = []
        try:
            with detaching.interrupt_on_signals(came):
                follow(view)
        except KeyboardInterrupt:
            return detaching.interrupted(
                printer,
                controller,
                invocation,
                verb,
                came=came,
                leave=leave,
                show=(lambda _: None) if view is None or isinstance(view, PassThrough) else view.close,
                show_stopped=show_stopped,
            )
        except GaveUpWaiting as error:
            leave()
            gave_up = error

        ended = refresh.up_to_date(controller, invocation.id, output=view is None or view.shows_outputs)
        if view is None:
            printer.document(documents.invocation(ended, encoding))
            _print_queue(printer, controller, ended)
            return exit_status(ended)
        if gave_up is None or not isinstance(view, PassThrough):
            for place in ended.instances:
                if view.lacks(place):
                    view.replay(recording.with_output(controller, place))
            if screen is None and not isinstance(view, PassThrough):  # whose last line is that of the totals
                _print_hint(printer, ended)
            view.close(ended.instances, _length_before(invocation))
            if isinstance(view, PassThrough):
                _print_hint(printer, ended)
        _print_queue(printer, controller, ended)
        if gave_up is not None:
            raise gave_up
        return exit_status(ended)


def _print_queue(printer: Printer, controller: Controller, ended: Invocation) -> None:
    """Print what a user can do about queued records, if there are any."""
    if any(place.record.may_wait for place in ended.instances):
        from assist_cli.cli import queued

        queued.print_hints(printer, controller, ended.instances)


def _print_hint(printer: Printer, ended: Invocation) -> None:
    """Print the next step after the first failure that has one: an unreachable agent, or a script of another system."""
    for place in ended.instances:
        if place.record.status.is_final and place.record.error_code in UNREACHABLE:
            printer.talk(f"hint: check the route: assist doctor {quoted(place.instance_name)}")
            return
        if place.record.error_code == codes.COMMAND_NOT_APPLICABLE and ended.command_type is not None:
            printer.talk(f"hint: {_OTHER_TYPES[ended.command_type]}")
            return


def _length_before(invocation: Invocation) -> timedelta | None:
    """Return the duration of an invocation that had ended before it was watched, else None."""
    return None if invocation.finished is None else invocation.finished - invocation.created


def _view(printer: Printer, invocation: Invocation, look: Look, now: datetime) -> PassThrough | Fanout:
    transfer = invocation.transfer
    if len(invocation.instances) == 1 and not look.gather and not look.live:
        return PassThrough(printer, arrived=file_in_words(transfer) if transfer else "")
    from assist_cli.cli.fanout import Fanout  # most runs do not need it

    names = [place.instance_name for place in invocation.instances]
    age = (now - invocation.created).total_seconds()
    ages = {
        place.instance_name: max(0.0, (now - (place.record.started or place.record.sent)).total_seconds())
        for place in invocation.instances
        if place.record.sent is not None and not place.record.is_queued
    }
    if transfer:
        silence = file_in_words(transfer)
        return Fanout(printer, names, portion=Portion.ENDS, groups=True, age=age, ages=ages, silence=silence)
    terminal = printer.stdout_is_terminal
    portion, groups = look.portion(terminal=terminal), look.groups(terminal=terminal)
    return Fanout(printer, names, portion=portion, groups=groups, age=age, ages=ages)


def file_in_words(transfer: Transfer) -> str:
    """Format a file that was sent: ``/etc/app/app.conf, 1,204 bytes``."""
    return f"{transfer.path}, {count(transfer.size, 'byte')}"
