"""Scripts on the command line: their options, the editor, and their display and comparison."""

import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from assist_cli import codes
from assist_cli.cli.output import Printer, Style
from assist_cli.cli.streams import Streams
from assist_cli.cli.typer_classes import Group
from assist_cli.errors import FileFailure, InvalidParameter, Refused, UsageError
from assist_cli.model.command import CommandType, CommandVersion, sent, shebang
from assist_cli.units import escape

_EXTENSIONS = {CommandType.SHELL: ".sh", CommandType.BAT: ".bat", CommandType.POWERSHELL: ".ps1"}
_LANGUAGES = {CommandType.BAT: "bat", CommandType.POWERSHELL: "powershell"}
_INTERPRETERS = (("python", "python"), ("perl", "perl"), ("ruby", "ruby"), ("node", "javascript"), ("awk", "awk"))


class ScriptOptions(Group):
    """Options that give a script."""

    text: Annotated[str | None, typer.Option("--command", "-c", metavar="TEXT", help="The script as text.")] = None
    file: Annotated[
        str | None, typer.Option("--file", "-f", metavar="FILE", help="Read the script from FILE; - is stdin.")
    ] = None
    fix: Annotated[bool, typer.Option("--fix-line-endings", help="Convert CR LF of a shell script to LF.")] = False

    def content(self) -> bytes | None:
        """Return the script, None when there is no such option. Raises FileFailure, UsageError."""
        if self.text is not None and self.file is not None:
            raise UsageError("cannot use two scripts", hint="give -c TEXT or -f FILE")
        if self.fix and self.file is None:
            raise UsageError("cannot use --fix-line-endings without -f", hint="give the script with -f FILE")
        if self.text is not None:
            return encoded(self.text)
        return None if self.file is None else read(self.file)

    def fixed(self, printer: Printer, content: bytes, kind: CommandType) -> bytes:
        """Convert CR LF in a shell script from a file to LF with ``fix``, else warn of it. Return the script."""
        if self.file is None or kind is not CommandType.SHELL:
            return content
        if self.fix:
            return content.replace(b"\r\n", b"\n")
        breaks = _broken_by_cr(content)
        if breaks:
            name = "the script" if self.file == "-" else f"'{self.file}'"
            printer.talk(f"warning: {name} has CR LF line endings: {breaks}; --fix-line-endings makes them LF")
        return content


def _broken_by_cr(content: bytes) -> str:
    """Describe what the first CR LF of a script breaks. Return an empty text if no shell reads the script."""
    lines = sent(content, CommandType.SHELL).split(b"\n")[:-1]
    number = next((number for number, line in enumerate(lines, start=1) if line.endswith(b"\r")), 0)
    interpreter = shebang(lines[0]) if number == 1 else None
    if interpreter is not None:
        return f"line 1 names the interpreter '{escape(interpreter.strip(b' ').decode('utf-8', 'replace'))}'"
    if number and CommandVersion(content).runs_in_a_shell:
        return f"from line {number} on, the last word of each line ends in CR"
    return ""


def encoded(text: str) -> bytes:
    """Encode text of the command line. Bytes that are not UTF-8 stay as they were given."""
    return text.encode("utf-8", "surrogateescape")


def read(file: str, what: str = "script") -> bytes:
    """Read a file, or stdin for ``-``. ``what`` names it in an error. Raises FileFailure."""
    if file == "-":
        return Streams().stdin.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise FileFailure(f"cannot read the {what} '{file}': {error.strerror}") from error


def edited(content: bytes, kind: CommandType) -> bytes:
    """Edit a script in ``$VISUAL`` or ``$EDITOR``, and return it.

    Raises FileFailure if the editor fails, Refused if nothing was changed.
    """
    import subprocess
    import tempfile

    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ("notepad" if sys.platform == "win32" else "vi")
    with tempfile.TemporaryDirectory(prefix="assist-") as folder:
        path = Path(folder, "script" + _EXTENSIONS[kind])
        path.write_bytes(content)
        try:
            subprocess.run([*shlex.split(editor), str(path)], check=True)
            saved = path.read_bytes()
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise FileFailure(
                f"cannot edit the script with '{editor}': {error}", hint="set EDITOR, or give the script with -f FILE"
            ) from error
    if saved == content:
        raise Refused(
            "cannot save: the script was not changed in the editor",
            hint="change it and save, or give the script with -f FILE",
            code=codes.NOTHING_CHANGED,
        )
    return saved


def show(printer: Printer, content: bytes, kind: CommandType) -> None:
    """Print a script: with colours on a terminal, control characters escaped."""
    printer.script(escape(content.decode("utf-8", "replace"), keep="\n\t"), _language(content, kind))


def print_difference(printer: Printer, lines: Sequence[str]) -> None:
    """Print a unified diff: removed lines in red, added ones in green."""
    for line in lines:
        printer.line(printer.paint(line, _style(line), keep="\t"))


def quote(words: Sequence[str], kind: CommandType) -> bytes:
    """Return a script that runs these words as they are."""
    return encoded(_QUOTE[kind](words))


def _language(content: bytes, kind: CommandType) -> str:
    if kind in _LANGUAGES:
        return _LANGUAGES[kind]
    line = (shebang(content) or b"").decode("ascii", "replace")
    return next((language for word, language in _INTERPRETERS if re.search(rf"\b{word}", line)), "bash")


def _style(line: str) -> Style:
    if line.startswith(("+++", "---")):
        return Style.STRONG
    return {"+": Style.GOOD, "-": Style.BAD, "@": Style.BUSY}.get(line[:1], Style.PLAIN)


def _quote_powershell(words: Sequence[str]) -> str:
    return "& " + " ".join("'" + word.replace("'", "''") + "'" for word in words)


def _quote_bat(words: Sequence[str]) -> str:
    """Quote what cmd would change. Other words stay bare: cmd knows its own commands, as ``echo``, only without quotes.

    Raises InvalidParameter for a line end in a word: cmd has no way to write one.
    """
    for word in words:
        if "\n" in word or "\r" in word:
            raise InvalidParameter(
                f"cannot run {word!r} as a Bat script: cmd has no line end inside a word",
                hint="send a file: -f FILE --type bat",
            )
    return " ".join(
        word
        if re.fullmatch(r"[\w./\\+-][\w.:/\\@+-]*", word)
        else '"' + word.replace("%", "%%").replace('"', '""') + '"'
        for word in words
    )


_QUOTE = {
    CommandType.SHELL: shlex.join,
    CommandType.POWERSHELL: _quote_powershell,
    CommandType.BAT: _quote_bat,
}
