"""Groups of options that run, invoke, rerun and send share (docs/cli.md section 3)."""

import contextlib
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assist_cli.cli import detaching, options
from assist_cli.cli.formatting import clock
from assist_cli.cli.output import Printer
from assist_cli.cli.typer_classes import SHOWN, WAVES, WHEN, WHERE, Group
from assist_cli.errors import InvalidParameter, UsageError
from assist_cli.model.invocation import Invocation
from assist_cli.model.names import quoted
from assist_cli.model.rollout import LONGEST_QUEUE, Rollout, Share, share
from assist_cli.model.schedule import KEEP, Missed, Schedule, Timing
from assist_cli.operations.controller import Also, Controller
from assist_cli.units import count, seconds_of

if TYPE_CHECKING:
    from assist_cli.cli.watching import Look


def interval(text: str) -> float:
    """Parse the interval of a rate. An error for an expression names the option for it."""
    try:
        return options.duration(text)
    except typer.BadParameter as error:
        from assist_cli.model.frequency.shorthand import NAMED

        name = f"@{text.strip().lower().removeprefix('@')}"
        if name not in NAMED and not 5 <= len(text.split()) <= 7:
            raise
        cron = name if name in NAMED else quoted(text)
        raise typer.BadParameter(f"'{text}' is not a duration; did you mean --cron {cron}?") from error


_FREQUENCY = r"cannot use the frequency '.*?': "


class ScheduleOptions(Group):
    """Options of periodic invocations, and of one-time runs at a later time."""

    heading = WHEN
    together = (("at", "in_", "Run one time, at '2026-12-01 02:00' or in 10m."),)

    every: Annotated[
        float | None,
        typer.Option("--every", metavar="TIME", parser=interval, help="Run periodically, every 30s, 5m, 2h or 1d."),
    ] = None
    cron: Annotated[
        str | None, typer.Option("--cron", metavar="EXPR", help="Run at 'second minute hour day month weekday'.")
    ] = None
    timezone: Annotated[
        str | None,
        typer.Option("--timezone", metavar="ZONE", help="Time zone of --cron, --at (default: this machine's)."),
    ] = None
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="Run one time, at '2026-12-01 02:00' or 02:00.")
    ] = None
    in_: Annotated[
        float | None,
        typer.Option("--in", metavar="TIME", parser=options.duration, help="Run one time, after TIME: 10m."),
    ] = None
    jitter: Annotated[
        float | None,
        typer.Option(
            "--jitter", metavar="TIME", parser=options.duration, help="Spread the instances of each run over TIME."
        ),
    ] = None
    missed: Annotated[
        Missed | None,
        typer.Option("--missed", metavar="skip|run-once", help="Runs missed while the server was down (default skip)."),
    ] = None
    keep: Annotated[
        int | None, typer.Option("--keep", metavar="N", help=f"Keep N records of each instance (default {KEEP}).")
    ] = None

    def timing(self, rollout: Rollout) -> Timing | None:
        """Return the timing, None for a run now. Only a run now can have a rollout.

        Raises UsageError, InvalidParameter, QuotaExceeded.
        """
        times = {"--every": self.every, "--cron": self.cron, "--at": self.at, "--in": self.in_}
        given = [name for name, value in times.items() if value is not None]
        if len(given) > 1:
            raise UsageError(
                f"cannot tell when to run: {' and '.join(given)} contradict each other", hint="give one of them"
            )
        if self.timezone is not None and self.cron is None and self.at is None:
            raise UsageError("cannot use --timezone here: it is for --cron and --at", hint="remove --timezone")
        if not given:
            settings = {"--jitter": self.jitter, "--missed": self.missed, "--keep": self.keep}
            for name, value in settings.items():
                if value is not None:
                    raise UsageError(f"cannot use {name}: it is for periodic runs", hint="add --every, or --cron")
            return None
        if not rollout.is_plain:
            raise UsageError(
                "cannot schedule a rollout: --canary, --batch, --max-errors and --concurrency are for a run now",
                hint="remove them; --jitter spreads the instances over time",
            )
        from assist_cli.model import frequency
        from assist_cli.operations.local_zone import local_zone

        now = datetime.now(timezone.utc)
        zone = self.timezone or local_zone()
        with _named(given[0], times[given[0]]):
            if self.every is not None:
                found = frequency.every(self.every)
            elif self.cron is not None:
                found = frequency.cron(self.cron, zone=zone, now=now)
            elif self.at is not None:
                found = frequency.at(self.at, zone=zone, now=now)
            else:
                assert self.in_ is not None
                found = frequency.after(self.in_, zone=zone, now=now)
        jitter = timedelta(seconds=self.jitter or 0)
        return Timing(found, jitter, self.missed or Missed.SKIP, KEEP if self.keep is None else self.keep)


@contextlib.contextmanager
def _named(option: str, value: object) -> Iterator[None]:
    """Name the option and its value in an error, in place of the frequency that was made of it."""
    try:
        yield
    except InvalidParameter as error:
        reason = re.sub(_FREQUENCY, "", error.message, flags=re.DOTALL)
        if reason == error.message:
            raise
        said = f"{value:,.15g} s" if isinstance(value, float) else value
        hint = _other_option(option, said) or error.hint
        raise InvalidParameter(f"cannot use {option} '{said}': {reason}", hint=hint, code=error.code) from None


def _other_option(option: str, value: object) -> str:
    """Return a hint with the option for a value that is a time from now or an interval, else an empty text."""
    text = str(value).strip().lower()
    span = re.sub(r"^(?:\+|in\s|@?every\s)\s*", "", text)
    if option == "--at" and text == "now":
        return "to run now, omit --at"
    if re.search("[a-z]", span) and seconds_of(span) is not None and option in ("--at", "--cron"):
        return f"did you mean {'--in' if option == '--at' else '--every'} {quoted(span)}?"
    return ""


def _queue_time(text: str) -> float:
    seconds = options.duration(text)
    if not 1 <= seconds <= LONGEST_QUEUE.total_seconds():
        raise typer.BadParameter(f"'{text}' is not between 1 s and {LONGEST_QUEUE.days} d")
    return seconds


class QueueOptions(Group):
    """The option for targets that are offline."""

    heading = WHERE

    queue: Annotated[
        float | None,
        typer.Option(
            "--queue",
            metavar="TIME",
            parser=_queue_time,
            help="Queue for offline targets up to TIME (default: off).",
        ),
    ] = None

    def wait(self, timing: Timing | None = None) -> timedelta | None:
        """Return how long records may wait in the queue, None without it. Raises UsageError."""
        if self.queue is None:
            return None
        if timing is not None:
            raise UsageError(
                "cannot queue a schedule: --queue is for a run now", hint="remove --queue; a later due time fires again"
            )
        return timedelta(seconds=self.queue)


class WaveOptions(Group):
    """Options of a rollout: canary, batches, and a limit of failures."""

    heading = WAVES

    canary: Annotated[
        str | None,
        typer.Option("--canary", metavar="N|N%", help="Start N or N% first; start the rest when they end."),
    ] = None
    batch: Annotated[
        str | None, typer.Option("--batch", metavar="N|N%", help="Start N instances, or N%, together (default: all).")
    ] = None
    max_errors: Annotated[
        str | None,
        typer.Option("--max-errors", metavar="N|N%", help="Stop launching after more than N failures, or N%."),
    ] = None
    concurrency: Annotated[
        int | None,
        typer.Option("--concurrency", metavar="N", min=1, help="Run on at most N instances concurrently."),
    ] = None

    def rollout(self) -> Rollout:
        """Return the rollout. Raises UsageError."""
        return Rollout(
            canary=None if self.canary is None else _share(self.canary, "--canary", least=1),
            batch=None if self.batch is None else _share(self.batch, "--batch", least=1),
            max_errors=None if self.max_errors is None else _share(self.max_errors, "--max-errors", least=0),
            concurrency=self.concurrency,
        )


def _share(text: str, option: str, *, least: int) -> Share:
    """Parse the share of an option. Raises UsageError, as other options do for a wrong number."""
    try:
        return share(text, option, least=least)
    except InvalidParameter as error:
        raise UsageError(error.message, hint=error.hint) from None


class WatchOptions(Group):
    """Options that limit how long a command waits."""

    heading = SHOWN
    together = (("detach", "patience", "Do not wait, or wait at most TIME (then exit 75)."),)

    detach: Annotated[bool, typer.Option("--detach", help="Print the id and do not wait.")] = False
    patience: options.Patience = None

    def check(self, timing: Timing | None = None) -> None:
        """Raise UsageError for a time to wait if the command does not wait."""
        if self.patience is not None and (self.detach or timing is not None):
            other = "--detach" if self.detach else "a schedule"
            raise UsageError(
                f"cannot use --wait with {other}: the command does not wait then",
                hint="to wait for it later: assist invocation wait ID --wait TIME",
            )


class FileOptions(Group):
    """The option for output as files."""

    heading = SHOWN

    outdir: options.OutputFolder = None

    def path(self, timing: Timing | None, *, detach: bool) -> Path | None:
        """Return the folder, None without the option. Raises UsageError if the command does not wait."""
        if self.outdir is not None and (detach or timing is not None):
            other = "--detach" if detach else "a schedule"
            raise UsageError(
                f"cannot use --outdir with {other}: the files are written while the command waits",
                hint="after the end: assist invocation output ID --outdir DIR",
            )
        return self.outdir


class ViewOptions(Group):
    """Options of the output of several instances."""

    heading = SHOWN
    together = (("live", "gather", "Several instances: only lines, or only equal groups."),)

    live: options.Live = False
    gather: options.Gather = False

    def look(self) -> "Look":
        """Return the view of several instances. Raises UsageError."""
        from assist_cli.cli.watching import Look

        if self.live and self.gather:
            raise UsageError("cannot use --live together with --gather", hint="give one of --live and --gather")
        return Look(self.live, self.gather)


class NotifyOptions(Group):
    """Options of the notification of the outcome."""

    heading = SHOWN

    notify: Annotated[
        str | None,
        typer.Option("--notify", metavar="URL|CMD", help="Send the outcome to a URL or a program (or @FILE)."),
    ] = None
    notify_on: Annotated[
        str | None, typer.Option("--notify-on", metavar="WHEN", help="Notify on end or failure (default end).")
    ] = None

    def also(self) -> Also | None:
        """Return the notification to record with an invocation, None without one.

        Raises UsageError, typer.BadParameter, InvalidParameter, NotFound, FileFailure.
        """
        if self.notify is None:
            if self.notify_on is not None:
                raise UsageError(
                    "cannot use --notify-on without --notify", hint="give a URL or a program: --notify URL"
                )
            return None
        from assist_cli.model.notice import Occasion, Wish
        from assist_cli.operations.notify import wishes

        try:
            wanted = Occasion(self.notify_on or Occasion.END)
        except ValueError:
            raise typer.BadParameter(f"'{self.notify_on}' is not an occasion to notify; write end or failure") from None
        asking = wishes.asking(wishes.checked(Wish(self.notify, wanted)))
        if self.notify.startswith("@"):
            options.warn_if_exposed(Path(self.notify[1:]))
        return asking


def output_folder(path: Path | None) -> contextlib.AbstractContextManager[object]:
    """Check and create the folder for output files for a block, if there is one. Raises Conflict, FileFailure."""
    if path is None:
        return contextlib.nullcontext()
    from assist_cli.cli import output_files

    return output_files.folder(path)


def print_scheduled(printer: Printer, controller: Controller, invocation: Invocation, schedule: Schedule) -> None:
    """Print the id, the time of the first run, and a warning if the server is not running."""
    from assist_cli.cli.server_down import NO_SCHEDULE, warning

    detaching.print_started(printer, controller, invocation, "schedule show")
    if not printer.is_json:
        assert schedule.next is not None
        where = count(len(invocation.instances), "instance")
        first = clock(schedule.next, schedule.timezone)
        printer.talk(f"{schedule.expression} on {where}, first at {first}; to stop it: assist stop {invocation.id}")
    if down := warning(controller, NO_SCHEDULE):
        printer.talk(down)
