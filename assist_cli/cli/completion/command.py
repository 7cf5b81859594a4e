"""``assist completion``: the script for a shell, shown or put where the shell finds it."""

from __future__ import annotations

import os
import shlex
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from assist_cli.cli import options
from assist_cli.errors import FileFailure
from assist_cli.paths import make_folder, user_data, user_home, write_whole

app = options.application("Completion for a shell: press Tab for commands, options, names, ids and what else fits.")

MARK = "# completion of assist"


class Shell(str, Enum):
    """The shells that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


Name = Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]


@app.command(
    epilog=options.examples("assist completion install bash", "assist completion install fish"),
)
def install(context: typer.Context, shell: Name) -> None:
    """Have completion in every new shell.

    The script goes to your folder for such scripts. bash and zsh are told of it by a line at the end of ~/.bashrc or
    ~/.zshrc, which is written once; fish finds it by itself.
    """
    printer = options.printer(context)
    script, started = _places(shell)
    make_folder(script.parent)
    write_whole(script, _script(shell).encode(), 0o644)
    printer.talk(f"Wrote {script}")
    if started is not None:
        _add_line(started, f"source {shlex.quote(str(script))}  {MARK}")
        printer.talk(f"It is read by a line at the end of {started}")
    printer.talk(f"Open a new {shell.value}, and press Tab behind: assist")


@app.command(epilog=options.examples("source <(assist completion show bash)", "assist completion show zsh > _assist"))
def show(context: typer.Context, shell: Name) -> None:
    """Print the script of a shell."""
    options.printer(context).raw(_script(shell).encode())


def _script(shell: Shell) -> str:
    return Path(__file__).with_name(f"assist.{shell.value}").read_text(encoding="utf-8")


def _places(shell: Shell) -> tuple[Path, Path | None]:
    """Where the script goes, and the file that has to name it."""
    user = user_home()
    data = user_data()
    if shell is Shell.BASH:
        return data / "bash-completion/completions/assist", user / ".bashrc"
    if shell is Shell.ZSH:
        return data / "zsh/site-functions/_assist", Path(os.environ.get("ZDOTDIR") or user) / ".zshrc"
    config = Path(os.environ.get("XDG_CONFIG_HOME") or user / ".config")
    return config / "fish/completions/assist.fish", None


def _add_line(path: Path, line: str) -> None:
    """Write the line behind all that is there, unless it is there. A file that is a link stays one."""
    make_folder(path.parent)
    try:
        known = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
        if line in known.splitlines():
            return
        with path.open("a", encoding="utf-8") as file:
            file.write(("\n" if known and not known.endswith("\n") else "") + line + "\n")
    except OSError as error:
        raise FileFailure(
            f"cannot write the file '{path}': {error.strerror}", hint=f"write this line into it: {line}"
        ) from error
