"""Generate files from the code: make generated.

``assist_cli/cli/completion/words.json`` has the commands and options for completion, and ``completions/`` the scripts
of the shells, to source or to package. ``docs/reference.md`` has the help of every command as one page, and
``docs/man/`` as manual pages: one for the program and one for each top-level command. In ``docs/api.md``,
``docs/architecture.md``, ``docs/catalog.md``, ``docs/errors.md`` and ``docs/protocol.md`` the parts between two
comments are generated.
``--check`` writes nothing, and exits with 1 if a file is stale.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer
import typer.main

from assist_cli import __version__, codes
from assist_cli.agents import answers
from assist_cli.api.actions import ACTIONS
from assist_cli.api.faults import MESSAGES
from assist_cli.api.parameters import COMMON_FIELDS, RefusedParameter, Takes, UnusedParameter, ValueKind
from assist_cli.cli.app import Root, app
from assist_cli.cli.completion import values
from assist_cli.cli.completion.answer import BY_THE_SHELL
from assist_cli.cli.help import TOPICS
from assist_cli.model.access import Role
from assist_cli.model.command import CommandType
from assist_cli.model.lifecycle import ROWS
from assist_cli.model.notice import Occasion
from assist_cli.model.quotas import COMMANDS
from assist_cli.operations.commands import catalog

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "assist_cli/cli/completion"

# The kind of completion for each metavar of the help; if it differs by command, with words of the command before it.
# "text" is any text, "program" a program after --, a list has all values.
KINDS: dict[str, str | list[str]] = {
    "-- WORD": "program",
    "ACTION": "text",
    "ADDRESS": "text",
    "ADDRESS:PORT": "text",
    "ADDRESS[:PORT]": "text",
    "CONTROLLER": "text",
    "DIR": "folders",
    "EXPR": "text",
    "FILE": "files",
    "FILE|-": "files",
    "FREQUENCY": "text",
    "GROUP": "text",
    "ID": "invocation",
    "ID1": "invocation",
    "ID2": "invocation",
    "enrolment ID": "enrolment",
    "file ID": "file",
    "queue ID": "queued",
    "INSTANCE": "instance",
    "INVOCATION": "invocation",
    "JSON|@FILE": "text",
    "KEY …": "text",
    "KEY=REF": "text",
    "KEY=VALUE": "parameter",
    "K=V": "text",
    "MODE": "text",
    "N": "text",
    "N|N%": "text",
    "NAME": "text",
    "catalog NAME": catalog.names(),
    "command NAME": "command",
    "command create NAME": "text",
    "group NAME": "group",
    "group add NAME": "text",
    "instance NAME": "instance",
    "instance add NAME": "text",
    "instance enroll ID": "enrolment",
    "instance enroll NAME": "text",
    "instance install NAME": "text",
    "REF": "text",
    "invocation list NAME": "command",
    "invocation output NAME": "place",
    "user NAME": "user",
    "user add NAME": "text",
    "NAME[@VERSION]": "reference",
    "NAME|ID": "accesskey",
    "NEW": "text",
    "ROLE": [role.value for role in Role],
    "SQL": "text",
    "TARGET": "targets",
    "[TARGET]... K=V": "targets",
    "TEXT": "text",
    "TIME": "text",
    "TOPIC|COMMAND": [*TOPICS, *Root.table],
    "URL": "text",
    "URL|CMD": "program",
    "USER": "text",
    "WHEN": [each.value for each in Occasion],
    "TYPE": [kind.word for kind in CommandType],
    "VERSION": "version",
    "ZONE": "zone",
    "tls://HOST[:PORT]": "text",
    "[ADDRESS:]PORT": "text",
    "[USER@]HOST": "text",
    "commands": [COMMANDS.name],
}


def kind_of(parameter: Any, path: str) -> object:
    """Return the kind of completion of a parameter's value; None for a flag."""
    if getattr(parameter, "is_flag", False):
        return None
    if choices := getattr(parameter.type, "choices", None):
        return [[getattr(each, "value", each), ""] for each in choices]
    metavar = parameter.metavar.strip("'").removesuffix("...")
    if metavar.startswith("[") and metavar.endswith("]"):
        metavar = metavar[1:-1].removesuffix("...")
    words = path.split()
    for length in range(len(words), -1, -1):
        kind = KINDS.get(" ".join([*words[:length], metavar]))
        if kind is not None:
            return [[each, ""] for each in kind] if isinstance(kind, list) else kind
    raise SystemExit(
        f"docs/generate.py: no completion of {metavar!r} of 'assist {path}': add it to KINDS as one of "
        f"{', '.join(['text', 'program', 'zone', *BY_THE_SHELL, *values.KINDS])}, or a list"
    )


def tree(command: Any, path: str = "") -> dict[str, Any]:
    """Return the words of a command and its subcommands, for completion."""
    options = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    return {
        "help": short_help(command),
        "arguments": [kind_of(each, path) for each in arguments],
        "repeats": any(each.nargs == -1 for each in arguments),
        "options": [
            {
                "names": [*each.opts, *each.secondary_opts],
                "help": sentence(each.help or ""),
                "value": kind_of(each, path),
            }
            for each in options
        ]
        + [{"names": ["--help", "-h"], "help": "Show this help", "value": None}],
        "commands": {
            name: tree(below, f"{path} {name}".strip()) for name, below in commands_of(command) if not below.hidden
        },
    }


def commands_of(command: Any) -> Iterator[tuple[str, Any]]:
    for name in getattr(command, "commands", {}):
        yield name, command.commands[name]


def short_help(command: Any) -> str:
    return sentence((command.help or "").strip().split("\n\n")[0].replace("\n", " ").split(". ")[0])


def sentence(text: str) -> str:
    return text.split("\b")[0].strip().removesuffix(".")


def pages(command: Any, path: str = "assist") -> Iterator[tuple[str, Any]]:
    """Yield a command and its subcommands, each after its path."""
    yield path, command
    for name, below in commands_of(command):
        if not below.hidden:
            yield from pages(below, f"{path} {name}")


def help_of(path: str, command: Any) -> str:
    names = ["-h", "--help"]
    with typer.Context(command, info_name=path, terminal_width=80, help_option_names=names) as context:
        return str(command.get_help(context))


def reference(root: Any) -> str:
    """Return all help texts as one page of Markdown."""
    lines = [
        "# Reference",
        "",
        "The help of every command, written by `make generated`. [cli.md](cli.md) has the promises of the program, and",
        "`assist help` has pages about targets, parameters, frequencies and exit statuses.",
    ]
    for path, command in pages(root):
        lines += ["", f"## {path}", "", "```text", help_of(path, command), "```"]
    return "\n".join(lines) + "\n"


def manual(path: str, found: list[tuple[str, Any]]) -> str:
    """Return the manual page of a command and its subcommands: man-pages(7)."""
    (_, command), *below = found
    name = path.replace(" ", "-")
    lines = [
        f'.TH {name.upper()} 1 "" "Assist {__version__}" "Assist"',
        ".SH NAME",
        f"{name} \\- {roff(short_help(command))}",
        ".SH SYNOPSIS",
    ]
    for words, each in found:
        usage = " ".join(help_of(words, each).split("\n\n")[0].split()).removeprefix(f"Usage: {words}").strip()
        lines += [f".B {roff(words)}", roff(usage), ".br"]
    for words, each in found:
        rest = help_of(words, each).partition("\n\n")[2]
        lines += [f".SH {roff(words.upper())}" if below else ".SH DESCRIPTION", ".nf", roff(rest), ".fi"]
    others = "assist-COMMAND(1) for each command, assist help TOPIC" if path == "assist" else "assist(1)"
    return "\n".join([*lines, ".SH SEE ALSO", others]) + "\n"


def roff(text: str) -> str:
    """Return text escaped for roff."""
    lines = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").splitlines()
    return "\n".join(f"\\&{line}" if line.startswith(".") else line for line in lines)


def filled(text: str, name: str, lines: Iterable[str]) -> str:
    """Return the text of a page with these lines between the comments that name them."""
    begin, end = f"<!-- {name}: made by make generated -->", f"<!-- end of {name} -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return "\n".join([before + begin, "", *lines, "", end + after])


def life_of_a_record() -> Iterator[str]:
    """Yield the table of model/lifecycle.py as Markdown."""
    yield "| # | when | then |"
    yield "| --- | --- | --- |"
    for number, row in enumerate(ROWS, start=1):
        yield f"| {number} | {row.when} | {row.then} |"


def table_of_answers() -> Iterator[str]:
    """Yield the table of agents/answers.py as Markdown."""
    yield "| in | field | what it may be |"
    yield "| --- | --- | --- |"
    for where, name, words in answers.rows():
        yield f"| {where if ' ' in where else f'`{where}`'} | `{name}` | {words} |"


def table_of_codes(name: str) -> Iterator[str]:
    """Yield one table of codes, without empty columns, and without the exit status if all rows have the same one."""
    rows = [each for each in codes.EVERY if each.table == name]
    cells = {
        "code": [f"`{each}`" for each in rows],
        "exit": [", ".join(map(str, each.exits)) for each in rows],
        "meaning": [each.meaning.replace("|", r"\|") for each in rows],
        "what to do": [each.advice for each in rows],
    }
    if len(set(cells["exit"])) == 1:
        del cells["exit"]
    columns = [[title, "---", *column] for title, column in cells.items() if any(column)]
    for row in zip(*columns, strict=True):
        yield f"| {' | '.join(row)} |"


def fields_of_actions() -> Iterator[str]:
    """Yield the parameters of each action of the API and their treatment, from the tables that parse calls."""
    yield "| action | honoured | refused, in this code | without meaning here |"
    yield "| --- | --- | --- | --- |"
    yield _row_of_fields("every action", COMMON_FIELDS)
    for action in ACTIONS.values():
        own = {name: taken for name, taken in action.takes.items() if taken != COMMON_FIELDS.get(name)}
        yield _row_of_fields(f"`{action.name}`", own)


def _row_of_fields(title: str, takes: Takes) -> str:
    found = sorted(takes.items())
    honoured = ", ".join(f"`{name}`" for name, taken in found if isinstance(taken, ValueKind))
    refused = ", ".join(f"`{name}` (`{taken.code}`)" for name, taken in found if isinstance(taken, RefusedParameter))
    unused = "; ".join(f"`{name}`: {taken.reason}" for name, taken in found if isinstance(taken, UnusedParameter))
    return f"| {title} | {honoured or '–'} | {refused or '–'} | {unused or '–'} |"


def table_of_catalog() -> Iterator[str]:
    """Yield the commands of the catalog with their parameters."""
    yield "| command | | parameters |"
    yield "| --- | --- | --- |"
    for name in catalog.names():
        (entry,) = catalog.document(name)["Commands"]
        given = [
            f"`{each['ParameterName']}`" if each["Required"] else f"*{each['ParameterName']}*"
            for each in entry["Versions"][-1]["ParameterDefinitions"]
        ]
        yield f"| `{name}` | {entry['Description'].removesuffix('.')} | {', '.join(given)} |"


def words() -> dict[Path, str]:
    """Return the file from which the help of all commands is made, and completion."""
    root = typer.main.get_command(app)
    return {SCRIPTS / "words.json": json.dumps(tree(root), ensure_ascii=False, indent=1) + "\n"}


def stale(made: dict[Path, str]) -> list[Path]:
    """Return the files that are missing or have another content."""
    return [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]


def refuse(old: list[Path]) -> None:
    names = ", ".join(str(path.relative_to(ROOT)) for path in old)
    sys.exit(f"cannot accept stale files: {names}\nhint: make generated")


def codes_of_api() -> Iterator[str]:
    """Yield the rows of the codes with which the API refuses a call, by their HTTP status."""
    yield "| HTTP | codes |"
    yield "| --- | --- |"
    for status in sorted({status for status, _ in MESSAGES.values()}):
        yield f"| {status} | {', '.join(f'`{code}`' for code in sorted(MESSAGES) if MESSAGES[code][0] == status)} |"


def files() -> dict[Path, str]:
    """Return the content that each file should have."""
    root = typer.main.get_command(app)
    made = words()
    for script in SCRIPTS.glob("assist.*"):
        made[ROOT / "completions" / script.name] = script.read_text(encoding="utf-8")
    made[ROOT / "docs/reference.md"] = reference(root)
    architecture = ROOT / "docs/architecture.md"
    made[architecture] = filled(architecture.read_text(encoding="utf-8"), "rows", life_of_a_record())
    protocol = ROOT / "docs/protocol.md"
    made[protocol] = filled(protocol.read_text(encoding="utf-8"), "answers", table_of_answers())
    errors = ROOT / "docs/errors.md"
    made[errors] = errors.read_text(encoding="utf-8")
    for name in dict.fromkeys(each.table for each in codes.EVERY):
        made[errors] = filled(made[errors], f"{name} codes", table_of_codes(name))
    api = ROOT / "docs/api.md"
    made[api] = filled(api.read_text(encoding="utf-8"), "fields", fields_of_actions())
    made[api] = filled(made[api], "codes", codes_of_api())
    ready = ROOT / "docs/catalog.md"
    made[ready] = filled(ready.read_text(encoding="utf-8"), "catalog", table_of_catalog())
    made[ROOT / "docs/man/assist.1"] = manual("assist", [("assist", root)])
    for name, command in commands_of(root):
        path = f"assist {name}"
        made[ROOT / "docs/man" / f"assist-{name}.1"] = manual(path, list(pages(command, path)))
    return made


def write(made: dict[Path, str], old: list[Path]) -> None:
    """Write these files, or remove those that are not made any more."""
    for path in old:
        if path in made:
            path.parent.mkdir(exist_ok=True)
            path.write_text(made[path], encoding="utf-8")
        else:
            path.unlink()
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")


def main() -> None:
    os.environ["COLUMNS"] = "80"  # not the width of the terminal
    checks = "--check" in sys.argv[1:]
    first = words()
    if old := stale(first):
        if checks:
            refuse(old)
        write(first, old)
    made = files()
    there = {path for folder in ("completions", "docs/man") for path in (ROOT / folder).glob("*")}
    old = stale(made) + sorted(there - made.keys())
    if not checks:
        write(made, old)
    elif old:
        refuse(old)


if __name__ == "__main__":
    main()
