"""Parameters on the command line: their options, and questions for missing ones."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from assist_cli.cli import options
from assist_cli.cli.output import Printer
from assist_cli.cli.typer_classes import Group
from assist_cli.errors import InvalidParameter
from assist_cli.model import parameters as rules
from assist_cli.model.command import CommandVersion
from assist_cli.model.parameters import Definition, Value
from assist_cli.model.secret import Secret
from assist_cli.units import escape

Secrets = Annotated[
    list[str] | None,
    typer.Option("--secret", metavar="KEY=REF", help="Secret parameter; REF is env:VARIABLE or @FILE."),
]


class ParameterOptions(Group):
    """Options with values for the parameters of a script."""

    pairs: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="KEY=VALUE", help="Value for {{key}} in the script; may be repeated."),
    ] = None
    document: Annotated[
        str | None,
        typer.Option("--params", metavar="JSON|@FILE", help="Parameters as a JSON object, or a file with one."),
    ] = None
    secrets: Secrets = None

    def values(self) -> dict[str, Value] | None:
        """Return the values by key, None without such options. Raises InvalidParameter, FileFailure."""
        if not self.pairs and self.document is None and not self.secrets:
            return None
        from assist_cli.operations.commands import parameters

        found = parameters.gather(self.pairs or (), self.document, self.secrets or ())
        for value in found.values():
            if isinstance(value, Secret) and (value.reference or "").startswith("@"):
                options.warn_if_exposed(Path(str(value.reference)[1:]))
        return found


def ask(printer: Printer, definitions: Iterable[Definition]) -> dict[str, Value]:
    """Ask a person for each value, on stderr. Ask again if it is not allowed; a secret is not echoed."""
    answers: dict[str, Value] = {}
    for definition in definitions:
        if definition.description:
            printer.warn(definition.description)
        while definition.key not in answers:
            answer = printer.ask(f"{_question(definition)}: ", hidden=definition.secret)
            value = Secret(answer) if definition.secret else answer
            try:
                rules.check_value(definition, value)
            except InvalidParameter as error:
                printer.warn(error.message)
            else:
                answers[definition.key] = value
    return answers


def _question(definition: Definition) -> str:
    return definition.key + (f" ({', '.join(map(escape, definition.choices))})" if definition.choices else "")


def warn_of_keys(printer: Printer, version: CommandVersion) -> None:
    """Warn of keys that are not parameters, and of values that could become shell code."""
    from assist_cli.model import command_text  # a run does not need it

    for warning in command_text.warnings(version):
        printer.talk(f"warning: {warning}")
