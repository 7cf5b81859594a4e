"""``assist run``: a script, once, without saving it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from assist_cli.cli import documents, options
from assist_cli.cli.documents import Encoding
from assist_cli.cli.output import Format, Printer
from assist_cli.cli.watching import exit_status, tell_failures, watch
from assist_cli.errors import ExitStatus, FileFailure, UsageError
from assist_cli.model.command import DEFAULT_TIMEOUT, CommandType, type_from_word, type_of_script
from assist_cli.model.invocation import Invocation
from assist_cli.operations import history
from assist_cli.operations.controller import open_controller
from assist_cli.operations.invoke import RunRequest, recorded
from assist_cli.paths import home

app = options.application()


@app.command(
    epilog=options.examples("assist run -- uname -a", "assist run -f backup.sh --timeout 10m --workdir /srv"),
)
def run(
    context: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(metavar="[-- WORD...]")] = None,
    text: Annotated[str | None, typer.Option("--command", "-c", metavar="TEXT", help="The script as text.")] = None,
    file: Annotated[str | None, typer.Option("--file", "-f", metavar="FILE", help="The script; - is stdin.")] = None,
    instance: options.Targets = None,
    type: Annotated[str | None, typer.Option("--type", help="shell, bat or powershell.", metavar="TYPE")] = None,
    timeout: Annotated[
        int, typer.Option("--timeout", metavar="TIME", parser=options.whole_seconds, help="Stop it after so long.")
    ] = DEFAULT_TIMEOUT,
    working_dir: Annotated[
        str | None, typer.Option("--workdir", metavar="DIR", help="Where to run; default: the user's home.")
    ] = None,
    username: Annotated[
        str | None, typer.Option("--user", metavar="NAME", help="Run as this user; default: the agent's own.")
    ] = None,
    keep_script: Annotated[bool, typer.Option("--keep-script", help="Leave the script file on the instance.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Print the id and return at once.")] = False,
    patience: options.Patience = None,
    output: options.Output = Format.TABLE,
    encoding: options.EncodingOption = Encoding.TEXT,
) -> None:
    """Run a script once, without saving it, and show what it prints as it comes.

    The script is words after --, text with -c, or a file with -f; a shebang line is honoured. The exit status is the
    script's own, and 124 when its time ran out.
    """
    printer = options.printer(context, output)
    content, kind = _script(words, text, file, type)
    request = RunRequest(
        content=content,
        type=kind,
        timeout=timeout,
        working_dir=working_dir,
        username=username,
        keep_script=keep_script,
        targets=tuple(instance or ()),
    )
    with open_controller(home()) as controller, recorded(controller, request) as invocation:
        from assist_cli.operations import dispatch  # asyncio, which a refused request does not need

        if detach:
            dispatch.send(controller, invocation)
            status = _tell_detached(printer, history.show(controller, invocation.id, output=False))
        else:
            status = watch(
                printer,
                controller,
                invocation,
                lambda listener: dispatch.send_and_watch(controller, invocation, listener=listener, patience=patience),
                encoding,
            )
    raise typer.Exit(status)


def _tell_detached(printer: Printer, invocation: Invocation) -> int:
    """The id on stdout, how to come back on stderr; the exit status."""
    if printer.is_json:
        printer.document(documents.started(invocation))
    else:
        printer.line(invocation.id)
    if invocation.status.is_final:
        tell_failures(printer, invocation)
        return exit_status(invocation)
    if not printer.is_json:
        printer.talk(f"It runs; see it through with: assist invocation wait {invocation.id}")
    return ExitStatus.DONE


def _script(
    words: Sequence[str] | None, text: str | None, file: str | None, word: str | None
) -> tuple[bytes, CommandType]:
    """The one script that is given, and its type: the one that is named, else the one that the file tells."""
    if sum(given is not None and given != [] for given in (words, text, file)) != 1:
        raise UsageError(
            "cannot tell what to run: give words after --, or -c TEXT, or -f FILE, and one of them only",
            hint="assist run -- uname -a",
        )
    kind = type_from_word(word) if word else None
    if words:
        kind = kind or CommandType.SHELL
        return _encode(_QUOTE[kind](words) + "\n"), kind
    if file is None:
        return _encode(text or ""), kind or CommandType.SHELL
    content = sys.stdin.buffer.read() if file == "-" else _read(Path(file))
    return content, kind or type_of_script(content, file)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")  # what came as bytes that are no UTF-8 leaves as it came


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileFailure(f"cannot read the script '{path}': {error.strerror}") from error


def _quote_powershell(words: Sequence[str]) -> str:
    return "& " + " ".join("'" + word.replace("'", "''") + "'" for word in words)


def _quote_bat(words: Sequence[str]) -> str:
    return " ".join('"' + word.replace("%", "%%").replace('"', '""') + '"' for word in words)


_QUOTE = {
    CommandType.SHELL: shlex.join,
    CommandType.POWERSHELL: _quote_powershell,
    CommandType.BAT: _quote_bat,
}
