"""Targets of a command: their options, and the preview (docs/cli.md section 2)."""

from collections.abc import Sequence
from typing import Annotated

import typer

from assist_cli.cli import options
from assist_cli.cli.output import Printer
from assist_cli.cli.typer_classes import WHERE, Group
from assist_cli.errors import UsageError
from assist_cli.model.folding import fold
from assist_cli.model.instance import Instance
from assist_cli.model.names import quoted
from assist_cli.model.target import Selection, terms
from assist_cli.operations.controller import open_controller
from assist_cli.operations.fleet import instances
from assist_cli.paths import home
from assist_cli.units import count, escape

Targets = Annotated[
    list[str] | None,
    typer.Option("--instance", "-i", metavar="TARGET", help="As web1, 'web*' or @role=web: assist help targets."),
]
All = Annotated[bool, typer.Option("--all", help="Every instance except local.")]
Preview = Annotated[
    bool, typer.Option("--preview", help="Print the names of the targets; run nothing.", rich_help_panel=WHERE)
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; a pattern is confirmed otherwise.")]
Tags = Annotated[
    list[str] | None, typer.Option("--tag", metavar="K=V", help="Tag of the instance, as role=web; may be repeated.")
]


class TargetOptions(Group):
    """Options that select the targets of a command."""

    heading = WHERE
    together = (("pick", "seed", "Pick N targets at random; --seed makes it repeatable."),)

    instance: Targets = None
    everything: All = False
    pick: Annotated[int | None, typer.Option("--pick", metavar="N", min=1, help="Pick N targets at random.")] = None
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Make the choice of --pick repeatable.")] = (
        None
    )
    preview: Preview = False

    def selection(self, more: Sequence[str] | None = None) -> Selection:
        """Return the instances that are asked for, with ``more`` targets that were given without an option.

        Raises UsageError for a seed without a number to pick, and for a target beside --all that takes nothing away.
        """
        if self.seed is not None and self.pick is None:
            raise UsageError(
                "cannot use --seed without --pick", hint="as in: assist run --all --pick 3 --seed 7 -- uptime"
            )
        found = Selection((*(more or ()), *(self.instance or ())), self.everything, self.pick, self.seed, True)
        for term in terms(found) if self.everything else ():
            if not term.startswith("!"):
                raise UsageError(
                    f"cannot use --all together with '{term}'",
                    hint=f"give one of them, or exclude it: --all -i {quoted('!' + term)}",
                )
        return found


def preview(printer: Printer, selection: Selection) -> None:
    """Print the names of the selected instances, one a line."""
    with open_controller(home()) as controller:
        found = instances.resolve(controller, selection)
    print_preview(printer, found)


def print_preview(printer: Printer, found: Sequence[Instance]) -> None:
    """Print the names of these instances, one a line."""
    if printer.is_json:
        from assist_cli.cli import documents

        if printer.is_csv:
            from assist_cli.cli.rows import print_documents

            print_documents(printer, map(documents.instance, found))
        else:
            printer.documents(map(documents.instance, found))
        return
    for each in found:
        printer.line(escape(each.name))


def confirm(printer: Printer, words: Sequence[str], found: Sequence[Instance], verb: str, *, yes: bool) -> None:
    """Ask before instances are removed that ``words`` do not name one by one. ``yes`` is the answer.

    Raises Refused if nobody can be asked, and typer.Abort if the answer is no.
    """
    named = all(any(word == each.name or each.id.startswith(word.lower()) for each in found) for word in words)
    if yes or named:
        return
    what = fold(each.name for each in found)
    options.confirm(
        printer,
        f"{verb.capitalize()} {count(len(found), 'instance')}: {escape(what)}?",
        f"cannot {verb} '{what}' without confirmation: a pattern was given",
        "add --yes, or give the names",
    )


def pairs(texts: list[str]) -> dict[str, str | None]:
    """Parse ``K=V`` into key and value. The value of a key alone is None."""
    pairs: dict[str, str | None] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or key in pairs:
            raise UsageError(
                f"cannot use the tag '{text}': {'its key stands twice' if key else 'it has no key'}",
                hint="write role=web",
            )
        pairs[key] = value if equals else None
    return pairs


def tags(texts: list[str] | None) -> dict[str, str]:
    """Return the tags of the options ``--tag``."""
    return {key: value or "" for key, value in pairs(texts or []).items()}
