"""Work on many machines on a terminal: lines as they end, a progress bar, a table of failures, and Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from assist_cli.cli.formatting import so_far
from assist_cli.cli.output import Column, Printer
from assist_cli.errors import AgentError, AssistError, ExitStatus
from assist_cli.units import count, took

if TYPE_CHECKING:
    from assist_cli.operations.fleet.many import Ended, Many

R = TypeVar("R")

File = Annotated[str | None, typer.Option("--file", "-f", metavar="FILE", help="Read FILE, one a line; - is stdin.")]

FromAnsible = Annotated[
    str | None,
    typer.Option("--from-ansible", metavar="FILE", help="An inventory of Ansible; groups become tags; - is stdin."),
]

_FAILURES = (
    Column("HOST", flexible=True, least=16),
    Column("STEP", flexible=True, least=16),
    Column("REASON", flexible=True, least=24),
)


def watch(printer: Printer, many: Many[Any, R], verb: str, ended: Callable[[R], str]) -> list[Ended[R]]:
    """Show work until its end, and return the outcomes. ``ended`` describes a success, ``verb`` is as "installed".

    After Ctrl-C nothing more is started, and what has begun continues to its end; after a second one it is left.
    """
    from assist_cli.operations.fleet.many import Question  # most commands do not need it

    began = time.monotonic()
    failed = 0

    def answer(question: Question) -> None:
        try:
            question.answer(printer.ask(question.prompt, hidden=True))
        except typer.Abort:
            question.answer(None)
            raise KeyboardInterrupt from None

    def follow() -> None:
        nonlocal failed
        for event in many.events():
            if isinstance(event, Question):
                answer(event)
            elif event is not None:
                title = many.titles[event.index]
                if event.ended is None:
                    if printer.verbose:
                        printer.talk(f"{title}: - {event.step}")
                elif event.ended.error is None:
                    assert event.ended.value is not None
                    printer.talk(f"{title}: {ended(event.ended.value)}")
                else:
                    failed += 1
                    printer.warn(f"{title}: {explained(event.ended.error)}")
            done = sum(outcome is not None for outcome in many.outcomes)
            text = f"{so_far(done, len(many.items), failed, 0)}  {_since(began)}"
            printer.progress(text, "Ctrl-C: stop launching")

    try:
        follow()
    except KeyboardInterrupt:
        many.stop_launching()
        left = many.in_progress
        printer.warn("")
        printer.warn(
            f"Interrupted: no other one is started. {count(len(left), 'host')} in progress: waiting for the end; "
            "Ctrl-C again leaves them as they are."
        )
        try:
            follow()
        except KeyboardInterrupt:
            printer.warn("")
    outcomes = many.close()
    rows = [
        [title, outcome.step or "-", outcome.error.message]
        for title, outcome in zip(many.titles, outcomes, strict=True)
        if outcome.error is not None and outcome.is_begun
    ]
    not_begun = sum(not outcome.is_begun for outcome in outcomes)
    if not printer.is_json and rows:
        printer.table(_FAILURES, rows)
    sums = f"{count(len(outcomes), 'host')} in {_since(began)}: {len(outcomes) - len(rows) - not_begun} {verb}"
    sums += f", {len(rows)} not" if rows else ""
    printer.talk(sums + (f", {not_begun} not started" if not_begun else ""))
    return outcomes


def status(errors: Sequence[AssistError], total: int) -> ExitStatus:
    """Return the exit status of work on ``total`` machines, of which some failed."""
    if not errors:
        return ExitStatus.DONE
    if any(error.exit_status is ExitStatus.INTERRUPTED for error in errors):
        return ExitStatus.INTERRUPTED
    unreached = len(errors) == total and all(isinstance(error, AgentError) for error in errors)
    return ExitStatus.UNREACHABLE if unreached else ExitStatus.FAILED


def explained(error: AssistError) -> str:
    """Return an error and its hint in one line."""
    return error.message + (f"; {error.hint}" if error.hint else "")


def _since(began: float) -> str:
    return took(timedelta(seconds=time.monotonic() - began))
