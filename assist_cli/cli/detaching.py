"""Stop watching while the invocation continues: --detach, signals, a closed stdout (docs/cli.md section 3).

What is not sent yet is passed to the server or to a process in the background, so that nothing is lost.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from assist_cli.cli.exit_status import exit_status
from assist_cli.cli.output import Printer
from assist_cli.cli.pass_through import print_failures
from assist_cli.errors import ExitStatus, Interrupted, OutputClosed, OutputFailure
from assist_cli.model.invocation import Invocation, InvocationInstance
from assist_cli.model.rollout import Rollout
from assist_cli.operations.controller import Controller
from assist_cli.operations.runs import recording


@contextlib.contextmanager
def interrupt_on_signals(came: list[int]) -> Iterator[None]:
    """Do as at Ctrl-C when the terminal is closed, unless that is ignored (nohup), and on SIGTERM.

    The number of the signal is added to ``came``.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        on_ctrl_c = signal.getsignal(signal.SIGINT)
        if not callable(on_ctrl_c):  # it is ignored, as in the background of a script
            raise KeyboardInterrupt
        on_ctrl_c(signal.SIGINT, frame)

    if sys.platform == "win32":  # Windows has no such signals
        yield
        return
    numbers = [each for each in (signal.SIGHUP, signal.SIGTERM) if signal.getsignal(each) is signal.SIG_DFL]
    for each in numbers:
        signal.signal(each, interrupt)
    try:
        yield
    finally:
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)


@contextlib.contextmanager
def report_lost_output(
    printer: Printer,
    controller: Controller,
    invocation: Invocation,
    verb: str,
    *,
    leave: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Stop watching when stdout is closed or cannot be written: call ``leave``, and print how to continue.

    ``verb`` of ``assist`` follows the invocation again. Raises the OutputClosed or OutputFailure of the block, or of
    the flush at its end.
    """
    try:
        yield
        printer.flush()
    except (OutputClosed, OutputFailure) as error:
        printer.discard()
        leave()
        known = recording.recall(controller, invocation.id, output=False)
        how = "has ended" if known.status.is_final else "was not stopped"  # it may have ended meanwhile
        back = f"assist {verb} {invocation.id}"
        if isinstance(error, OutputFailure):
            raise OutputFailure(error.message, hint=f"{invocation.id} {how}; to follow it: {back}") from None
        if printer.is_json:
            printer.error(OutputClosed(f"cannot continue: stdout is closed, and {invocation.id} {how}", hint=back))
        else:
            printer.warn(f"Stdout is closed, and {invocation.id} {how}. To follow it: {back}")
        raise


def detach(printer: Printer, controller: Controller, invocation: Invocation, rollout: Rollout) -> int:
    """Send a recorded invocation without watching it, print its id, and return the exit status.

    For one instance it is sent by this process, so that a failure is reported immediately.
    """
    from assist_cli.operations.notify import wishes
    from assist_cli.operations.runs import dispatch

    if rollout.is_plain and len(invocation.instances) == 1:
        dispatch.send(controller, invocation)
    hand_over(controller, invocation, rollout)
    wishes.hurry(controller)
    known = recording.recall(controller, invocation.id, output=False)
    print_started(printer, controller, known, "invocation wait")
    if known.status.is_final:
        print_failures(printer, known.instances)
        return exit_status(known)
    if any(place.record.may_wait for place in known.instances):
        from assist_cli.cli import queued

        for place in known.instances:
            if place.record.is_queued and not printer.is_json:
                printer.talk(f"{place.instance_name}: {queued.in_words(place.record)}")
        queued.print_hints(printer, controller, known.instances)
    if not printer.is_json and not all(place.record.is_queued for place in known.instances):
        what = "The file is being sent" if known.transfer else "It is running"
        printer.talk(f"{what}. To wait for the end: assist invocation wait {known.id}")
    return ExitStatus.DONE


def print_started(printer: Printer, controller: Controller, invocation: Invocation, verb: str) -> None:
    """Print the id of an invocation that continues in the background. Raises as ``report_lost_output``."""
    with report_lost_output(printer, controller, invocation, verb):
        if printer.is_json:
            from assist_cli.cli import documents

            document = documents.started(invocation)
            if printer.is_csv:
                from assist_cli.cli.rows import print_documents

                print_documents(printer, [document])
            else:
                printer.document(document)
        else:
            printer.line(invocation.id)


def hand_over(controller: Controller, invocation: Invocation, rollout: Rollout) -> None:
    """Pass on what is not sent yet, and the notification of its end, to the server or a process in the background."""
    from assist_cli.operations.notify import wishes

    known = recording.recall(controller, invocation.id, output=False)
    left = [
        place.record for place in known.instances if not place.record.status.is_final and not place.record.is_queued
    ]
    if any(record.is_unsent for record in left) or (left and wishes.is_wanted(controller, invocation.id)):
        from assist_cli.operations.server import handover

        handover.hand_over(controller, invocation, rollout)


def interrupted(
    printer: Printer,
    controller: Controller,
    invocation: Invocation,
    verb: str,
    *,
    came: Sequence[int],
    leave: Callable[[], None],
    show: Callable[[Sequence[InvocationInstance]], None],
    show_stopped: Callable[[Invocation], None] | None,
) -> int:
    """Stop watching after Ctrl-C, or when a signal ``came``; after a second Ctrl-C, stop the invocation.

    ``show`` prints the output so far, and ``show_stopped`` the stopped invocation. ``leave`` passes on what is not
    sent, and ``verb`` of ``assist`` follows the invocation again. Return the exit status.
    """
    try:
        leave()
        if came and came[0] != signal.SIGTERM:  # the terminal is closed
            return ExitStatus.INTERRUPTED
        known = recording.recall(controller, invocation.id)
        if known.status.is_final:
            print_failures(printer, known.instances)
            return ExitStatus.INTERRUPTED
        show(known.instances)
        _print_how_to_follow(printer, invocation, verb, "terminated" if came else "interrupted")
        if not came:
            seconds = controller.timeouts.view.second_press
            if not printer.is_json:
                printer.talk(f"Ctrl-C again within {seconds:g} s stops it.")
            time.sleep(seconds)
    except KeyboardInterrupt:
        from assist_cli.operations.runs import stop

        printer.talk(f"Stopping {invocation.id} …")
        stopped = stop.stop(controller, invocation.id)
        if show_stopped is not None:
            show_stopped(stopped)
        print_failures(printer, stopped.instances)
        return exit_status(stopped)
    return ExitStatus.INTERRUPTED


def _print_how_to_follow(printer: Printer, invocation: Invocation, verb: str, why: str) -> None:
    back = f"assist {verb} {invocation.id}"
    if printer.is_json:
        message = f"cannot continue to watch: {why}, and {invocation.id} continues"
        printer.error(Interrupted(message, hint=back))
        return
    printer.warn("")
    printer.warn(f"{why.capitalize()}, and {invocation.id} continues. To follow it:")
    printer.warn(f"  {back}")
