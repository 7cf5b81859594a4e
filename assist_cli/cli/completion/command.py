"""``assist completion``: show or install the completion script of a shell."""

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

app = options.application("Shell completion of commands, options, names and ids, with Tab.")

MARK = "# completion of assist"


class Shell(str, Enum):
    """The shells with a completion script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


Name = Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]


@app.command(
    epilog=options.examples("assist completion install bash", "assist completion install fish"),
)
def install(context: typer.Context, shell: Name) -> None:
    """Install completion for every new shell.

    The script is written to your folder for completion scripts. For bash and zsh, a line is added at the end of
    ~/.bashrc or ~/.zshrc, unless it is there already. fish finds the script itself.
    """
    printer = options.printer(context)
    script, started = _places(shell)
    make_folder(script.parent)
    write_whole(script, _script(shell).encode(), 0o644)
    printer.talk(f"Wrote {script}")
    if started is not None:
        _add_line(started, f"source {shlex.quote(str(script))}  {MARK}")
        printer.talk(f"Added a line that loads it to {started}")
    printer.talk(f"Start a new {shell.value}, and press Tab after: assist")


@app.command(epilog=options.examples("source <(assist completion show bash)", "assist completion show zsh > _assist"))
def show(context: typer.Context, shell: Name) -> None:
    """Print the completion script of a shell."""
    options.printer(context).raw(_script(shell).encode())


def _script(shell: Shell) -> str:
    return Path(__file__).with_name(f"assist.{shell.value}").read_text(encoding="utf-8")


def _places(shell: Shell) -> tuple[Path, Path | None]:
    """Return the path of the script, and the file that must load it, None if there is none."""
    user = user_home()
    data = user_data()
    if shell is Shell.BASH:
        return data / "bash-completion/completions/assist", user / ".bashrc"
    if shell is Shell.ZSH:
        return data / "zsh/site-functions/_assist", Path(os.environ.get("ZDOTDIR") or user) / ".zshrc"
    config = Path(os.environ.get("XDG_CONFIG_HOME") or user / ".config")
    return config / "fish/completions/assist.fish", None


def _add_line(path: Path, line: str) -> None:
    """Append a line to a file, unless the file has it. A link stays a link."""
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
