"""The verbs of ``assist invocation`` for the whole history: search, diff and prune."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated

import typer

from assist_cli.cli import documents, options, scripts, targets
from assist_cli.cli.formatting import clock
from assist_cli.cli.output import Column, Format, Printer, Style
from assist_cli.errors import ExitStatus, UsageError
from assist_cli.model.comparison import Comparison, Difference
from assist_cli.model.folding import fold
from assist_cli.model.gathering import in_words
from assist_cli.model.invocation import Hit
from assist_cli.operations.controller import open_controller
from assist_cli.operations.history import history
from assist_cli.paths import home
from assist_cli.units import HUNDRED_YEARS, ago, count, escape, one_line, size

app = options.application()

One = Annotated[str, typer.Argument(metavar="ID1", help="Older invocation: an id, or its first characters.")]
Other = Annotated[str, typer.Argument(metavar="ID2", help="Newer invocation: the same, or - for the newest.")]


@app.command(
    epilog=options.examples(
        "assist invocation search 'No space left' --since 30d", "assist invocation search 'connection ref*' -i @role=db"
    )
)
def search(
    context: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Consecutive words; word* for the beginning of one.")],
    instance: Annotated[
        list[str] | None, typer.Option("--instance", "-i", metavar="TARGET", help="Only runs on these instances.")
    ] = None,
    since: options.Since = None,
    number: options.Number = None,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """Search the history for words.

    It covers output, scripts, and names of commands and instances. The newest matches come first. Case and
    punctuation are ignored.
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
            tell=lambda texts: printer.talk(f"Building the search index of {texts:,} texts; the next search is quick."),
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
            Column("WHEN", drop=1),
            Column("COMMAND", flexible=True, drop=2),
            Column("FOUND", flexible=True, least=12),
        ]
        printer.table(columns, (_row(hits, short, now) for hits in searching.alike(shown)))
    else:
        printer.talk(f"No matches for '{text}' in the history.")
    if len(found) > len(shown):
        printer.talk("There are older matches. To show all: -n 0")


@app.command(epilog=options.examples("assist invocation diff t-01k3 -", "assist invocation diff t-01k3 t-01k7 -o json"))
def diff(context: typer.Context, old: One, new: Other, output: options.Output = Format.TABLE) -> None:
    """Compare two invocations of one script, instance by instance.

    It shows how the result and the output of each instance have changed. Instances with the same change are grouped.
    Exit status: 0 if nothing has changed; 1 if something has, or may have because output is missing in the history; 75
    if nothing has changed so far, and some are still in progress.
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
        typer.Option(
            "--older-than", metavar="TIME", parser=options.age, help="Delete those that ended TIME ago, as 180d."
        ),
    ] = None,
    keep: Annotated[
        int | None, typer.Option("--keep", metavar="N", min=0, help="Delete all except the newest N.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without a question.")] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Count what would be deleted; delete nothing.")] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Delete old invocations, with their output.

    Disk space is freed. Invocations in progress stay. Other commands can run meanwhile. The audit log stays complete.
    """
    if (older_than is None) == (keep is None):
        raise UsageError(
            "cannot prune: not exactly one of --older-than and --keep given",
            hint="assist invocation prune --older-than 180d",
        )
    from assist_cli.operations.history import prune as pruning

    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        age = None if older_than is None else timedelta(seconds=min(older_than, HUNDRED_YEARS))
        limit = pruning.limit(controller, older_than=age, keep=keep)
        invocations, records = pruning.count(controller, limit)
        past = f"older than {clock(limit.before)}" if limit.before is not None else f"beyond the newest {keep:,}"
        if not preview:
            if (invocations or records) and not yes:
                _ask(printer, f"{_amount(invocations, records)} {past}")
            done = pruning.prune_history(controller, limit)
    if preview and printer.is_json:
        printer.document(documents.pruned(invocations, records, 0))
    elif preview:
        printer.line(f"To delete: {_amount(invocations, records)} {past}")
    elif printer.is_json:
        printer.document(documents.pruned(done.invocations, done.records, done.freed))
    else:
        what = _amount(done.invocations, done.records)
        printer.talk(f"Pruned: {what} {past}; the database is {size(done.freed)} smaller.")


def _amount(invocations: int, records: int) -> str:
    return f"{count(invocations, 'invocation')} with {count(records, 'record')}"


def _ask(printer: Printer, what: str) -> None:
    refusal = f"cannot prune {what} without confirmation"
    options.confirm(printer, f"Delete {what}?", refusal, "add --yes, or --preview to delete nothing")


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
        printer.line(f"Unknown, {count(dropped, 'byte')} of output missing in the history: {escape(fold(names))}")
    for what, names in (
        ("Only in the first", found.only_before),
        ("Only in the second", found.only_after),
        ("Still in progress", found.not_over),
    ):
        if names:
            printer.line(f"{what}: {escape(fold(names))}")
    different = sum(len(each.names) for each in found.differences)
    unknown = sum(map(len, found.not_known.values()))
    total = different + unknown + len(found.same)
    more = f", {unknown} unknown" if unknown else ""
    if found.same and not different + unknown:
        printer.talk(f"No change on {count(total, 'instance')}.")
    elif total:
        printer.talk(f"{different} of {count(total, 'instance')} {'differs' if different == 1 else 'differ'}{more}.")


def _print_difference(printer: Printer, difference: Difference) -> None:
    names = fold(difference.names) + (f" ({len(difference.names)})" if len(difference.names) > 1 else "")
    before, after = (in_words(answer) for answer in (difference.before, difference.after))
    change = f": {before} → {after}" if before != after else ""
    printer.line(printer.paint(f"=== {names}{change} ===", Style.STRONG))
    for lines in (difference.stdout, difference.stderr):
        scripts.print_difference(printer, lines)
    if difference.before.dropped or difference.after.dropped:
        dropped = f"{difference.before.dropped:,} → {difference.after.dropped:,}"
        printer.line(f"bytes of output missing in the history: {dropped}")
