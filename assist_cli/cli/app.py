"""The root application: its commands, and the options that stand before a command."""

from typing import Annotated, Any, ClassVar

import typer

from assist_cli import __version__
from assist_cli.cli import options
from assist_cli.cli.boundary import Boundary
from assist_cli.cli.output import Printer


class Root(Boundary):
    """The root group. ``table`` has the commands in the order of the help: those of every day first.

    Those after LAST share a line of the help.
    """

    table: ClassVar[dict[str, str]] = {
        "run": "assist_cli.cli.run:app",
        "invoke": "assist_cli.cli.invoke:app",
        "rerun": "assist_cli.cli.rerun:app",
        "send": "assist_cli.cli.send:app",
        "stop": "assist_cli.cli.invocation:stop_app",
        "top": "assist_cli.cli.top:app",
        "invocation": "assist_cli.cli.invocation:app",
        "queue": "assist_cli.cli.queue:app",
        "file": "assist_cli.cli.file:app",
        "command": "assist_cli.cli.command:app",
        "instance": "assist_cli.cli.instance:app",
        "schedule": "assist_cli.cli.schedule:app",
        "serve": "assist_cli.cli.serve:app",
        "service": "assist_cli.cli.service:app",
        "doctor": "assist_cli.cli.doctor:app",
        "backup": "assist_cli.cli.backup:app",
        "restore": "assist_cli.cli.backup:restore_app",
        "broker": "assist_cli.cli.broker:app",
        "quota": "assist_cli.cli.quota:app",
        "user": "assist_cli.cli.user:app",
        "console": "assist_cli.cli.console:app",
        "group": "assist_cli.cli.group:app",
        "catalog": "assist_cli.cli.catalog:app",
        "accesskey": "assist_cli.cli.accesskey:app",
        "enrolment": "assist_cli.cli.enrolment:app",
        "notify": "assist_cli.cli.notify:app",
        "audit": "assist_cli.cli.audit:app",
        "query": "assist_cli.cli.query:app",
        "completion": "assist_cli.cli.completion.command:app",
        "help": "assist_cli.cli.help:app",
    }

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write a line for each command up to LAST, and one for all others. No command is imported for its line."""
        from assist_cli.cli.completion.answer import tree

        known = tree()["commands"]
        self.format_usage(ctx, formatter)
        shown = list(self.table).index(LAST) + 1
        rows = [(name, known[name]["help"] + ".") for name in self.table]
        others = [name for name in list(self.table)[shown:] if name != "help"]  # which OPTIONS has
        rows[shown:] = [("others", ", ".join(others) + ".")]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
        formatter.write_text(OPTIONS)


LAST = "backup"
OPTIONS = "Options: -q (quiet), -v (verbose), --version. Help: COMMAND --help, help TOPIC"

app = typer.Typer(
    cls=Root,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        printer = Printer()
        printer.line(f"assist {__version__}")
        printer.flush()
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only data and errors.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log the steps to stderr.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Run scripts on one machine or on thousands, and keep commands and their history."""
    if verbose:
        from assist_cli.cli import log

        log.start(options.printer(context))
    options.print_help(context)
