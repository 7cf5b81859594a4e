"""When something runs: the options that say that it is to run again and again, or later (docs/cli.md section 3)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Annotated

import typer

from assist_cli.cli import options
from assist_cli.cli.formatting import clock, count
from assist_cli.cli.output import Printer
from assist_cli.errors import UsageError
from assist_cli.model.invocation import Invocation
from assist_cli.model.rollout import Rollout
from assist_cli.model.schedule import KEEP, Missed, Schedule, Timing
from assist_cli.operations.controller import Controller

Every = Annotated[
    float | None,
    typer.Option("--every", metavar="TIME", parser=options.duration, help="Again and again: 30s, 5m, 2h, 1d."),
]
Cron = Annotated[
    str | None, typer.Option("--cron", metavar="EXPR", help="By the clock: 'sec min hour day month weekday'.")
]
Timezone = Annotated[
    str | None, typer.Option("--timezone", metavar="ZONE", help="Of --cron and --at; default: this machine's.")
]
At = Annotated[str | None, typer.Option("--at", metavar="TIME", help="Once, then: '2026-12-01 02:00'.")]
In = Annotated[
    float | None, typer.Option("--in", metavar="TIME", parser=options.duration, help="Once, so long from now: 10m.")
]
Jitter = Annotated[
    float | None,
    typer.Option("--jitter", metavar="TIME", parser=options.duration, help="Spread the instances over so long."),
]
MissedOption = Annotated[
    Missed | None, typer.Option("--missed", metavar="skip|run-once", help="When nobody served; default: skip.")
]
Keep = Annotated[
    int | None, typer.Option("--keep", metavar="N", help=f"So many records of each instance; default: {KEEP}.")
]


def timing(
    every: float | None,
    cron: str | None,
    zone: str | None,
    at: str | None,
    later: float | None,
    jitter: float | None,
    missed: Missed | None,
    keep: int | None,
    *,
    rollout: Rollout,
) -> Timing | None:
    """What the options ask for; None when it is to run now. Raises UsageError, InvalidParameter, QuotaExceeded."""
    given = [
        name
        for name, value in (("--every", every), ("--cron", cron), ("--at", at), ("--in", later))
        if value is not None
    ]
    if len(given) > 1:
        raise UsageError(
            f"cannot tell when to run: {' and '.join(given)} contradict each other", hint="give one of them"
        )
    if zone is not None and cron is None and at is None:
        raise UsageError("cannot use --timezone here: it is for --cron and --at", hint="leave it out")
    if not given:
        odd = [
            name for name, value in (("--jitter", jitter), ("--missed", missed), ("--keep", keep)) if value is not None
        ]
        if odd:
            raise UsageError(f"cannot use {odd[0]}: it is for what runs again, or later", hint="add --every, or --cron")
        return None
    if not rollout.is_plain:
        raise UsageError(
            "cannot run in waves later: --canary, --batch, --max-errors and --concurrency are for what runs now",
            hint="leave them out; --jitter spreads the instances",
        )
    from assist_cli.model import frequency
    from assist_cli.operations.local_zone import local_zone

    now = datetime.now(timezone.utc)
    zone = zone or local_zone()
    if every is not None:
        found = frequency.every(every)
    elif cron is not None:
        found = frequency.cron(cron, zone=zone, now=now)
    elif at is not None:
        found = frequency.at(at, zone=zone, now=now)
    else:
        assert later is not None
        found = frequency.once(now + timedelta(seconds=later), zone=zone)
    return Timing(found, timedelta(seconds=jitter or 0), missed or Missed.SKIP, keep if keep is not None else KEEP)


def tell(printer: Printer, controller: Controller, invocation: Invocation, schedule: Schedule) -> None:
    """The id on stdout; on stderr when it runs first, and that somebody must serve, where nobody does."""
    from assist_cli.operations.server import schedules

    if printer.is_json:
        from assist_cli.cli import documents

        printer.document(documents.started(invocation))
    else:
        printer.line(invocation.id)
        assert schedule.next is not None
        where = count(len(invocation.instances), "instance")
        printer.talk(
            f"{schedule.frequency} on {where}, first at {clock(schedule.next)}; to end it: assist stop {invocation.id}"
        )
    if not schedules.is_served(controller):
        printer.talk("Nobody serves, so nothing will run. To serve: assist serve, or for good: assist service install")
