"""The group of the root application, which handles all errors.

An error of Assist becomes one line, a hint and its exit status. So does a wrong command line, with status 2. A pipe
that its reader has closed ends the program silently, with status 130. Anything else is a bug: one line, and a report in
ASSIST_HOME/logs. Commands are imported on use.
"""

from __future__ import annotations

import errno
import functools
import importlib
import itertools
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import typer
import typer.main

from assist_cli.cli.output import Format, Printer
from assist_cli.cli.typer_classes import Noun, OnUse, TyperUsageError
from assist_cli.errors import (
    AssistError,
    DatabaseFailure,
    ExitStatus,
    FileFailure,
    InternalError,
    LocalFailure,
    OutputClosed,
    OutputFailure,
    UsageError,
)
from assist_cli.paths import home
from assist_cli.units import escape


class Boundary(Noun):
    """A group that handles every exception. ``table`` has the Typer application of each command, as MODULE:NAME."""

    table: ClassVar[Mapping[str, str]] = {}

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = OnUse(self.table, lambda name: _command(name, self.table[name]))

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, *_: Any, **settings: Any) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        settings["standalone_mode"] = False
        try:
            status = self._status(words, prog_name or "assist", settings)
            Printer().flush()
        except OutputClosed:
            Printer().discard()
            status = ExitStatus.INTERRUPTED
        except OutputFailure as error:
            Printer().discard()
            status = _report(error, words)
        sys.exit(status)

    def _status(self, words: list[str], name: str, settings: dict[str, Any]) -> Any:
        """Run a command and return its exit status. Raises OutputClosed and OutputFailure, reports other errors."""
        try:
            return super().main(words, name, **settings)
        except (OutputClosed, OutputFailure):
            raise
        except AssistError as error:
            return _report(error, words)
        except TyperUsageError as error:
            return _report(_wrong_words(error, words), words)
        except typer.Abort:
            return ExitStatus.INTERRUPTED
        except Exception as error:  # most likely a bug: the details go to the report
            return _report(_damage(error) or _bug(error), words)


def _damage(error: Exception) -> DatabaseFailure | None:
    """Return the error for a damaged database, None if the database is sound."""
    from assist_cli.operations.observe import doctor

    try:
        found = doctor.damage(home())
    except (AssistError, OSError):
        return None
    return None if found is None else DatabaseFailure(f"cannot go on: {found.detail} ({error})", hint=found.hint)


_FILE_HINTS = {
    errno.ENOENT: "check the path: there is no such file or folder",
    errno.EISDIR: "give a file, not a folder",
    errno.ENOTDIR: "check the path: a part of it is not a folder",
    errno.EACCES: "this user may not use it: check the owner and mode of it and of its folders",
    errno.EPERM: "this user may not use it: check the owner and mode of it and of its folders",
    errno.ENOSPC: "free some space on its disk",
    errno.EROFS: "its file system is read-only: give another path",
}


@functools.cache
def _command(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    command = getattr(importlib.import_module(module), attribute).build()
    command.name = name
    return command


def _report(error: AssistError, words: Sequence[str]) -> ExitStatus:
    if isinstance(error, FileFailure) and error.hint == error.advice and isinstance(error.__cause__, OSError):
        error.hint = _FILE_HINTS.get(error.__cause__.errno or 0, error.hint)
    Printer(format=_format_asked_for(words)).error(error)
    return error.exit_status


def _format_asked_for(words: Sequence[str]) -> Format:
    """Return the format of ``-o``, found without the parser, which may have refused the words."""
    options = list(words[: words.index("--")] if "--" in words else words)
    for form in (Format.JSON, Format.JSONL):
        joined = {f"-o{form.value}", f"--output={form.value}"}
        split = {("-o", form.value), ("--output", form.value)}
        if joined & set(options) or split & set(itertools.pairwise(options)):
            return form
    return Format.TABLE


_EXTRA = r"Got unexpected extra arguments?(?:\(s\))? \((.*)\)"
_PLAIN = (  # messages of the parser, in plain words
    (_EXTRA, r"too many arguments: '\1'"),
    (r"(\S+) is not in the range x>=(\d+)", r"'\1' is not a number from \2 on"),
    (r"(\S+) is not in the range (\d+)<=x<=(\d+)", r"'\1' is not a number from \2 to \3"),
    (r"is not a valid int(?:eger)?(?: range)?$", "is not a whole number"),
)


def _wrong_words(error: Any, words: Sequence[str]) -> UsageError:
    possible = getattr(error, "possibilities", None)  # options, or choices, that look like the one that there is not
    is_value = isinstance(error, typer.BadParameter)
    message = (error.message if possible and not is_value else error.format_message()).rstrip(".")
    for pattern, plain in _PLAIN:
        message = re.sub(pattern, plain, message)
    path = error.ctx.command_path if error.ctx else "assist"
    hint = f"see {path} --help"
    is_group = isinstance(error.ctx.command, Noun) if error.ctx else True
    option = getattr(error, "option_name", None)
    is_unknown = hasattr(error, "possibilities") and not is_value
    note = ""
    if is_unknown and option and error.ctx is not None:
        from assist_cli.cli import suggestions

        own = [name for each in error.ctx.command.get_params(error.ctx) for name in each.opts]
        is_of_a_program = path == RUN and _is_of_a_program(option, words)
        possible = [] if is_of_a_program else suggestions.options(path, option, own)
        note = "" if own and option in own else suggestions.note(path, option)
        if is_of_a_program:
            from assist_cli.cli import misplaced

            note = misplaced.of_program(error.ctx.command, error.ctx, words[words.index("run") + 1 :])
        if is_group and not possible:
            hint = f"options of a command stand after it; see {path} --help"
    if option in GLOBAL:
        hint = f"use it alone: assist {option}"
    elif path == "assist invoke" and (extra := re.search(_EXTRA, error.message)):
        hint = _of_invoke(error.ctx.params.get("command"), extra[1])
    elif message.startswith(("too many", "Missing option")) or (
        is_unknown and path in (RUN, PREVIEW) and "--" not in words
    ):
        hint = HINTS.get(path, hint)
    if note:
        hint = note
    elif possible:
        hint = f"did you mean {' or '.join(possible)}? see {path} --help"
    return UsageError(f"cannot understand this: {message[:1].lower()}{message[1:]}", hint=hint)


def _of_invoke(command: object, extra: str) -> str:
    """Return the hint for words after the name of a command: parameters, a version, or targets."""
    from assist_cli.model.names import quoted

    first = extra.split()[0]
    if "=" in first and not first.startswith("@"):
        return f"parameters are given with -p, as in: assist invoke {command} -p {quoted(first)}"
    if first.lstrip("v").isdecimal():
        return f"a version follows the name: assist invoke {command}@{first.lstrip('v')}"
    return HINTS["assist invoke"]


def _is_of_a_program(option: str, words: Sequence[str]) -> bool:
    """Return True if an option looks like one of a program that stands without ``--``: ``assist run ls -l``."""
    found = [place for place, word in enumerate(words) if word.startswith(option)]
    if not found or "--" in words or found[0] < 2:
        return False
    before, last = words[found[0] - 2 : found[0]]
    return not last.startswith("-") and not before.startswith("-") and last != "run"


GLOBAL = frozenset({"--version"})  # options of the root alone
RUN = "assist run"
PREVIEW = "assist schedule preview"
HINTS = {
    RUN: "put the program after --, as in: assist run -- uname -a",
    "assist invoke": "targets are given with -i, as in: assist invoke NAME -i web1",
    "assist rerun": "it runs where it did not succeed; on other instances: assist invoke NAME -i web1",
    "assist send": "target and folder are options, as in: assist send FILE -i web1 --to /etc/app",
    "assist stop": "targets are given with -i, as in: assist stop ID -i web1",
    "assist invocation list": "targets are given with -i, as in: assist invocation list -i web1",
    "assist command create": "the script is given with -c TEXT or -f FILE",
    "assist command clone": "the script is given with -c TEXT or -f FILE",
    PREVIEW: "put the frequency in quotes: assist schedule preview '0 30 2 * * *'",
}


def _bug(error: Exception) -> AssistError:
    from assist_cli import bug_report

    try:
        where = f"the report is '{bug_report.write(home(), error)}'"
    except (AssistError, OSError):
        text = "".join(traceback.format_exception(error))
        Printer().log(escape(text.removesuffix("\n"), keep="\n\t"))
        where = "the report is above"
    if isinstance(error, OSError) and error.filename is None:  # no process, memory or descriptor left: not a bug
        return LocalFailure(f"cannot go on: {error.strerror}", hint=where)
    return InternalError(f"cannot go on: there is a bug in Assist ({type(error).__name__})", hint=where)
