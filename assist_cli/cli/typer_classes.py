"""Subclasses of Typer's commands and groups, and groups of options that several commands share.

A group of options has an annotated attribute for each option. A command takes it as one argument; Typer reads each
attribute as a parameter::

    class WaveOptions(Group):
        heading = WAVES
        canary: Annotated[int | None, typer.Option("--canary", help="Start N instances first.")] = None

    @app.command()
    def run(context: typer.Context, *, waves: WaveOptions) -> None: ...

Each start reads the annotations of all parameters of a command. So the module of a group has no postponed annotations,
which would be compiled one by one.
"""

from __future__ import annotations

import copy
import functools
import inspect
import itertools
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup, TyperOption

from assist_cli.cli.formatting import fit, wrap
from assist_cli.cli.output import Printer
from assist_cli.cli.streams import Streams, raise_interrupts
from assist_cli.errors import UsageError
from assist_cli.structs import Struct

F = TypeVar("F", bound=Callable[..., None])  # the function of a command

# Typer exports only some of its usage errors. This is their base class, which covers all of them.
TyperUsageError: Any = typer.BadParameter.__base__

LARGEST = 10**15  # number in an option or argument
MANY = 15  # parameters; the help of a command with this many has the sections below, in this order
HELP_COLUMNS = 80  # of a help text on a wider terminal
NARROW = 24  # columns; with less beside the names, their text stands below them
HEADINGS = BOTH, WHERE, WHEN, WAVES, SHOWN = (
    "Arguments and options",
    "Targets",
    "Schedule",
    "Rollout",
    "Output",
)


# Typer's notes in a help text that the usage line or the text itself has already.
_NOTES = r"  \[(x>=\d+|\d+<=x<=\d+|required)\]$"


_Formatter: Any = typer.Context.formatter_class


class HelpFormatter(_Formatter):  # type: ignore[misc]
    """A help text that fits the terminal. No word is broken; on a narrow terminal a text stands below its names."""

    def __init__(self) -> None:
        super().__init__(width=min(Streams().stdout.columns, HELP_COLUMNS))

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        self.write(wrap(f"Usage: {prog} {args}".rstrip(), self.width, 4) + "\n")

    def write_text(self, text: str) -> None:
        """Write paragraphs. One that begins with ``\\b`` keeps its lines."""
        indent = " " * self.current_indent
        for number, paragraph in enumerate(text.split("\n\n")):
            first, *lines = paragraph.splitlines()
            if first == "\b":
                self.write("\n" * bool(number) + "".join(f"{indent}{line}\n" for line in lines))
            else:
                words = indent + " ".join([first, *(line.strip() for line in lines)])
                self.write("\n" * bool(number) + wrap(words, self.width, self.current_indent) + "\n")

    def write_dl(self, rows: Any, col_max: int = 30, col_spacing: int = 2) -> None:
        """Write names and their texts in two columns, or on a narrow terminal below each other."""
        rows = list(rows)
        names = self.current_indent + min(max(len(name) for name, _ in rows), col_max) + col_spacing
        below = names if self.width - names >= NARROW else self.current_indent + 2
        for name, text in rows:
            line = fit(" " * self.current_indent + name.rstrip(), self.width)
            text = wrap(" " * below + text, self.width, below) if text else ""
            if len(line) + col_spacing <= below:
                self.write((line + text[len(line) :]).rstrip() + "\n")
            else:
                self.write(f"{line}\n" + (f"{text}\n" if text else ""))

    def getvalue(self) -> str:
        """Return the text; lines that the terminal would break are wrapped: examples, and long words of the usage."""
        return fit(super().getvalue(), self.width)


class _PrintsHelp:
    """A command that prints its help with the Printer, and accepts -q and -v, the options of the root."""

    def get_params(self, ctx: Any) -> list[Any]:
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        return found if ctx.parent is None else [*found, *_global_options()]

    def get_help(self, ctx: Any) -> str:
        formatter = HelpFormatter()
        self.format_help(ctx, formatter)  # type: ignore[attr-defined]
        return formatter.getvalue().rstrip("\n")

    def get_help_option(self, ctx: Any) -> Any:
        option = super().get_help_option(ctx)  # type: ignore[misc]
        if option is not None:
            option.callback = _print_help
            option.help = "Show this help."
        return option


@functools.cache
def _global_options() -> tuple[TyperOption, ...]:
    """Return hidden -q and -v, which have the same effect as before the command."""
    return tuple(
        TyperOption(
            param_decls=[f"-{name[0]}", f"--{name}", name],
            is_flag=True,
            default=False,
            hidden=True,
            expose_value=False,
            callback=_set_global,
        )
        for name in ("quiet", "verbose")
    )


def _set_global(ctx: Any, option: Any, given: bool) -> None:
    if not given or ctx.resilient_parsing:
        return
    ctx.find_root().params[option.name] = True
    if option.name == "verbose":
        from assist_cli.cli import log

        log.start(Printer(quiet=ctx.find_root().params["quiet"], verbose=True))


def _print_help(ctx: Any, option: Any, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        printer = Printer()
        printer.line(ctx.get_help())
        printer.flush()
        ctx.exit()


class Noun(_PrintsHelp, TyperGroup):
    """A group that says, of a word that is none of its commands, which one was meant."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        word = args[0]
        if word not in self.commands and not word.startswith("-"):
            from assist_cli.cli import suggestions

            hint = suggestions.note(ctx.command_path, word)
            if not hint and ctx.parent is None:
                from assist_cli.cli import misplaced

                hint = misplaced.of_root(args)
            if not hint:
                meant = suggestions.commands(ctx.command_path, word, self.commands)
                hint = f"{suggestions.question(meant)}see {ctx.command_path} --help"
            raise UsageError(f"cannot understand this: no such command '{word}'", hint=hint)
        return super().resolve_command(ctx, args)


class Group(Struct):
    """Base class of the groups of options. A group also checks the options, and converts them to objects of the model.

    A long help shows the options under ``heading``, one of HEADINGS. ``together`` has pairs of options that share a
    line there, with the text of that line.
    """

    heading: ClassVar[str | None] = None
    together: ClassVar[tuple[tuple[str, str, str], ...]] = ()


class CliCommand(_PrintsHelp, TyperCommand):
    """A command. If it has many options, its help is compact and has headings, so that it fits a screen."""

    def invoke(self, ctx: Any) -> Any:
        raise_interrupts()
        return super().invoke(ctx)

    def parse_args(self, ctx: Any, args: list[str]) -> Any:
        """Parse the words. An error gets its command, and for a wrong choice the similar ones."""
        words = list(args)
        try:
            rest = super().parse_args(ctx, args)
        except TyperUsageError as error:
            error.ctx = error.ctx or ctx
            choices = getattr(getattr(error, "param", None), "type", None)
            if hasattr(choices, "choices"):
                error.possibilities = _near(words, error.param)
            raise
        for each in self.get_params(ctx):
            value = ctx.params.get(each.name)
            if isinstance(value, int) and abs(value) > LARGEST:
                raise UsageError(
                    f"cannot use {each.opts[0]}: the number is larger than {LARGEST:,}", hint="give a smaller one"
                )
        return rest

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the usage without the braces that Typer puts around required arguments."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        parameters = [each for each in self.get_params(ctx) if not getattr(each, "hidden", False)]
        records = {
            each.name: (record[0], re.sub(_NOTES, "", record[1]))
            for each in parameters
            if (record := each.get_help_record(ctx)) is not None
        }
        if len(parameters) < MANY:
            for title, kind in (("Arguments", "argument"), ("Options", "option")):
                found = [
                    records[each.name] for each in parameters if each.name in records and each.param_type_name == kind
                ]
                if found:
                    with formatter.section(title):
                        formatter.write_dl(found)
            return
        headings = {each.name: getattr(each, "rich_help_panel", None) for each in parameters}
        for group in getattr(self.callback, "groups", ()):
            headings.update(dict.fromkeys(group.value_names(), group.heading))
            for one, other, text in group.together:
                records[one] = (f"{records[one][0]}, {records.pop(other)[0]}", text)
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in HEADINGS}
        for name, record in records.items():
            sections[headings[name] or BOTH].append(record)
        columns = max(len(names) for names, _ in records.values())
        formatter.write_paragraph()
        for heading, found in sections.items():
            if not found:
                continue
            formatter.write_heading(heading)
            with formatter.indentation():
                formatter.write_dl([(names.ljust(columns), text) for names, text in found])


class WordsCommand(CliCommand):
    """A command whose ``words`` are a program and its arguments. They are accepted after ``--`` only.

    A pattern that a shell has expanded, as in ``-i node[1-2]``, is an error then, and not a program.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given = list(args)
        rest: list[str] = super().parse_args(ctx, args)
        words = list(ctx.params.get("words") or ())
        if words and given[-len(words) - 1 :] != ["--", *words]:
            from assist_cli.cli import misplaced

            hint = misplaced.of_run(self, ctx, given)
            raise UsageError(f"cannot run '{words[0]}': a program and its arguments stand after --", hint=hint)
        return rest


class OnUse(Mapping[str, Any]):
    """Commands by name, each built when it is used."""

    def __init__(self, names: Collection[str], build: Callable[[str], Any]) -> None:
        self._names = names
        self._build = functools.cache(build)

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return self._build(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class CliApplication(typer.Typer):
    """A Typer application of these commands. Their functions may take groups of options."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[F], F]:
        register = super().command(name, **{"cls": CliCommand, **settings})

        def decorate(function: F) -> F:
            register(_Callback(function))
            return function

        return decorate

    def build(self) -> Any:
        """Return the command of this application, or its group, which builds each of its commands on use."""
        if self.registered_callback is None:
            return typer.main.get_command(self)
        infos = {
            info.name or typer.main.get_command_name(info.callback.__name__): info  # type: ignore[union-attr]
            for each in (self, *(added.typer_instance for added in self.registered_groups))
            for info in each.registered_commands  # type: ignore[union-attr]
        }
        alone = copy.copy(self)
        alone.registered_commands, alone.registered_groups = [], []
        group: Any = typer.main.get_command(alone)
        group.commands = OnUse(
            infos,
            lambda name: typer.main.get_command_from_info(
                infos[name], pretty_exceptions_short=False, rich_markup_mode=None
            ),
        )
        return group


def _near(words: list[str], option: Any) -> list[str]:
    """Return the choices of an option that are similar to the wrong word that was given for it."""
    import difflib

    known = [str(getattr(each, "value", each)) for each in option.type.choices]
    given = [word for name, word in itertools.pairwise(words) if name in option.opts]
    given += [word for name, equals, word in (each.partition("=") for each in words) if equals and name in option.opts]
    folded = {each.casefold(): each for each in known}
    wrong = next((word.casefold() for word in given if word not in known), "")
    return [folded[each] for each in difflib.get_close_matches(wrong, list(folded), n=2, cutoff=0.7)]


class _Callback:
    """The function of a command as Typer calls it: with the options of each group as parameters.

    Typer reads the signature when it builds the command. ``groups`` are those groups, for the help; Typer copies the
    attribute to the callback of its command.
    """

    def __init__(self, function: Callable[..., None]) -> None:
        functools.update_wrapper(self, function)
        self.__annotations__ = {}  # they are in the signature, evaluated
        self._function = function

    @functools.cached_property
    def __signature__(self) -> inspect.Signature:
        signature = inspect.signature(self._function, eval_str=True)
        groups: dict[str, type[Group]] = {}
        parameters: list[inspect.Parameter] = []
        for parameter in signature.parameters.values():
            if isinstance(parameter.annotation, type) and issubclass(parameter.annotation, Group):
                groups[parameter.name] = parameter.annotation
                parameters += _parameters(parameter.annotation)
            else:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        self.groups = tuple(groups.values())
        self._groups = groups
        return signature.replace(parameters=parameters)

    def __call__(self, **values: Any) -> None:
        given = {
            name: group(**{option: values.pop(option) for option in group.value_names()})
            for name, group in self._groups.items()
        }
        self._function(**values, **given)


def _parameters(group: type[Group]) -> list[inspect.Parameter]:
    annotations: dict[str, Any] = {}
    for each in reversed(group.__mro__):
        annotations.update(inspect.get_annotations(each, eval_str=True))
    return [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=getattr(group, name), annotation=annotations[name]
        )
        for name in group.value_names()
    ]
