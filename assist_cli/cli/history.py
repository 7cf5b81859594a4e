"""The history as a whole: the verbs of ``assist invocation`` that search it, compare what is in it, and shorten it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Annotated

import typer

from assist_cli import codes
from assist_cli.cli import documents, options, scripts, targets
from assist_cli.cli.formatting import ago, count, escape, one_line
from assist_cli.cli.output import Column, Format, Printer, Style
from assist_cli.errors import ExitStatus, Refused, UsageError
from assist_cli.model.comparison import Comparison, Difference
from assist_cli.model.gathering import in_words
from assist_cli.model.invocation import Hit
from assist_cli.model.target import fold
from assist_cli.operations.controller import open_controller
from assist_cli.operations.history import history
from assist_cli.paths import home

app = options.application()

One = Annotated[str, typer.Argument(metavar="ID1", help="The older one: an id, its beginning, or - for the newest.")]
Other = Annotated[str, typer.Argument(metavar="ID2", help="The newer one.")]


@app.command(
    epilog=options.examples(
        "assist invocation search 'No space left' --since 30d", "assist invocation search 'connection ref*' -i @role=db"
    )
)
def search(
    context: typer.Context,
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="Words that follow each other; 'word*' for its beginning.")
    ],
    instance: Annotated[
        list[str] | None, typer.Option("--instance", "-i", metavar="TARGET", help="Only what ran there.")
    ] = None,
    since: options.Since = None,
    number: options.Number = None,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """Search the whole history for words.

    They are looked for in what was printed, in scripts, and in the names of commands and instances. The newest
    places come first. The case of letters and what stands between words do not count.
    """
    from assist_cli.operations.history import search as searching

    printer = options.printer(context, output, plain=plain)
    number = options.list_length(number, printer)
    with open_controller(home()) as controller:
        found = searching.search(
            controller,
            text,
            where=targets.TargetOptions(instance).selection(),
            since=since,
            limit=number + 1 if number else None,
            tell=lambda texts: printer.talk(f"Making {texts:,} texts searchable first; the next time it is quick."),
        )
        shown = found[:number] if number else found
        short = history.short_ids(controller, sorted({each.invocation_id for each in shown}))
        now = controller.now()
    if printer.is_json:
        printer.documents(map(documents.hit, shown))
    elif shown:
        columns = [
            Column("ID"),
            Column("INSTANCE", flexible=True),
            Column("WHEN"),
            Column("COMMAND", flexible=True),
            Column("FOUND", flexible=True),
        ]
        alike = groupby(shown, lambda hit: (hit.invocation_id, hit.record_id is None, hit.snippet))
        printer.table(columns, (_row(list(hits), short, now) for _, hits in alike))
    else:
        printer.talk(f"'{text}' stands nowhere in the history.")
    if len(found) > len(shown):
        printer.talk("There are older ones; all of them with -n 0")


@app.command(epilog=options.examples("assist invocation diff t-01k3 -", "assist invocation diff t-01k3 t-01k7 -o json"))
def diff(context: typer.Context, old: One, new: Other, output: options.Output = Format.TABLE) -> None:
    """Compare two invocations of one command.

    It tells which instances answer differently now, and how. Instances with the same difference stand together.
    Ends with 0 when all answer alike, 1 when not or when bytes are missing and nobody knows, 75 when none differs and
    some have not ended.
    """
    from assist_cli.operations.history.compare import compare

    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        old_id, new_id = history.find(controller, old), history.find(controller, new)
        found = compare(controller, old_id, new_id)
    if printer.is_json:
        printer.document(documents.comparison(old_id, new_id, found))
    else:
        _print_comparison(printer, found)
    if found.is_different:
        raise typer.Exit(ExitStatus.FAILED)
    if found.not_over:
        raise typer.Exit(ExitStatus.GAVE_UP_WAITING)


@app.command(
    epilog=options.examples("assist invocation prune --older-than 180d", "assist invocation prune --keep 10000 --yes")
)
def prune(
    context: typer.Context,
    older_than: Annotated[
        float | None,
        typer.Option("--older-than", metavar="TIME", parser=options.duration, help="What ended so long ago, as 180d."),
    ] = None,
    keep: Annotated[int | None, typer.Option("--keep", metavar="N", min=0, help="All but the newest N.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Forget old invocations, with all that they printed.

    The room on the disk is given back. What is not over stays. Others may work meanwhile. The audit log keeps its
    lines.
    """
    if (older_than is None) == (keep is None):
        raise UsageError("cannot tell what to prune", hint="give one of --older-than and --keep")
    from assist_cli.operations.history import prune as pruning

    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        age = None if older_than is None else timedelta(seconds=min(older_than, options.HUNDRED_YEARS))
        limit = pruning.limit(controller, older_than=age, keep=keep)
        invocations, records = pruning.count(controller, limit)
        if (invocations or records) and not yes:
            _ask(printer, invocations, records)
        done = pruning.prune_history(controller, limit)
    if printer.is_json:
        printer.document(documents.pruned(done.invocations, done.records, done.freed))
    else:
        what = f"{count(done.invocations, 'invocation')} with {count(done.records, 'record')}"
        printer.talk(f"Pruned: {what}; the database is {done.freed / 2**20:.1f} MiB smaller.")


def _ask(printer: Printer, invocations: int, records: int) -> None:
    """Raises Refused where nobody can be asked, and typer.Abort when the answer is no."""
    what = f"{count(invocations, 'invocation')} with {count(records, 'record')}"
    if not printer.can_ask:
        raise Refused(
            f"cannot prune {what} without being told to",
            code=codes.NOT_CONFIRMED,
            hint="give --yes where nobody is asked",
        )
    if not printer.confirm(f"Forget {what} for good?"):
        raise typer.Abort


def _row(hits: Sequence[Hit], short: dict[str, str], now: datetime) -> Sequence[str]:
    first = hits[0]
    names = [hit.instance_name for hit in hits if hit.instance_name is not None]
    return [
        short[first.invocation_id],
        fold(names),
        ago(first.time, now),
        first.command_name or "",
        one_line(first.snippet),
    ]


def _print_comparison(printer: Printer, found: Comparison) -> None:
    for difference in found.differences:
        _print_difference(printer, difference)
    for dropped, names in found.not_known.items():
        printer.line(f"Not known to be equal, {count(dropped, 'byte')} missing: {escape(fold(names))}")
    for what, names in (
        ("Only in the first", found.only_before),
        ("Only in the second", found.only_after),
        ("Not over yet", found.not_over),
    ):
        if names:
            printer.line(f"{what}: {escape(fold(names))}")
    different = sum(len(each.names) for each in found.differences)
    unknown = sum(map(len, found.not_known.values()))
    total = different + unknown + len(found.same)
    more = f", {unknown} not known to answer alike" if unknown else ""
    printer.talk(
        f"{different} of {count(total, 'instance')} {'answers' if different == 1 else 'answer'} differently{more}."
    )


def _print_difference(printer: Printer, difference: Difference) -> None:
    names = fold(difference.names) + (f" ({len(difference.names)})" if len(difference.names) > 1 else "")
    before, after = (in_words(answer) for answer in (difference.before, difference.after))
    change = f": {before} → {after}" if before != after else ""
    printer.line(printer.paint(f"=== {names}{change} ===", Style.STRONG))
    for lines in (difference.stdout, difference.stderr):
        scripts.print_difference(printer, lines)
    if difference.before.dropped or difference.after.dropped:
        printer.line(f"bytes missing in the middle: {difference.before.dropped:,} → {difference.after.dropped:,}")
