"""Hints for targets and programs in the wrong place: ``assist web1 uptime``, ``assist run web1 uptime``.

ssh, Salt and clush take a host before the program. A hint shows a target only if it names registered instances.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

from assist_cli.errors import AssistError
from assist_cli.model import target
from assist_cli.model.instance import LOCAL, Instance
from assist_cli.paths import home

RUN = "assist run"
_SIGNS = re.compile(r"[@*?\[\]]")  # of targets; no command of Assist has them
_PLACE = "targets are given with -i"


def of_root(words: Sequence[str]) -> str:
    """Return the hint for a command line that begins with a target, empty if it does not."""
    number = _leading(words, registered())
    if not number:
        return f"{_PLACE}; see {RUN} --help" if _SIGNS.search(words[0]) else ""
    rest = list(words[number:])
    program = rest[1:] if rest[:1] == ["--"] else rest
    if program[:1] and program[0].startswith("-"):
        return f"did you mean {_joined([RUN, '-i', ','.join(words[:number]), *program])}? see {RUN} --help"
    text = _run(words[:number], (), program)
    return f"did you mean {text}? see {RUN} --help"


def of_run(command: Any, context: Any, given: Sequence[str]) -> str:
    """Return the hint for ``given``, the words after ``assist run``, with a program or a target before ``--``."""
    options, before, program = _parted(command, context, given)
    number = _leading(before, registered())
    targets, others = before[:number], before[number:]
    if "--" in given:
        if others:
            return f"{_PLACE}, as in: {_run(('TARGET',), (), program)}, with quotes around what a shell expands"
        return f"as in: {_run(targets, options, program)}"
    if context.params.get("text") is not None or context.params.get("file") is not None:
        return f"{_PLACE}, as in: {_joined([RUN, *_targets(targets or ('TARGET',)), *options])}"
    if len(others) == 1 and shlex.quote(others[0]) != others[0]:
        return f"as in: {_joined([RUN, *_targets(targets), *options, '-c', others[0]])}"
    return f"as in: {_run(targets, options, others)}"


def of_program(command: Any, context: Any, given: Sequence[str]) -> str:
    """Return the hint for ``given``, the words after ``assist run``, with options of a program before ``--``."""
    options, before, _ = _parted(command, context, given, most=1)
    if not before:
        return ""
    program = given[given.index(before[0]) :]
    number = _leading(program, registered())
    return f"as in: {_run(program[:number], options, program[number:])}"


def registered() -> list[Instance]:
    """Return the registered instances; none without a home, and if it cannot be read."""
    from assist_cli.operations.controller import open_controller
    from assist_cli.operations.fleet import instances

    try:
        place = home()
        if not place.database.exists():
            return []
        with open_controller(place) as controller:
            return instances.listing(controller, target.Selection())
    except (AssistError, OSError):
        return []


def _leading(words: Sequence[str], known: Sequence[Instance]) -> int:
    """Return how many of the first words name instances."""
    number = 0
    while number < len(words) and _names_some(words[number], known):
        number += 1
    return number


def _names_some(word: str, known: Sequence[Instance]) -> bool:
    if word == LOCAL:
        return True
    try:
        return bool(target.choose(known, target.Selection((word,))))
    except AssistError:
        return False


def _parted(
    command: Any, context: Any, given: Sequence[str], most: int | None = None
) -> tuple[list[str], list[str], list[str]]:
    """Return the options with their values, the words before ``--`` (at most that many), and those after it."""
    with_value = {
        name
        for each in command.get_params(context)
        if each.param_type_name == "option" and not each.is_flag and not each.count
        for name in each.opts
    }
    options: list[str] = []
    before: list[str] = []
    rest = list(given)
    while rest and len(before) != most:
        word = rest.pop(0)
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            before.append(word)
            continue
        options.append(word)
        if word in with_value and rest:
            options.append(rest.pop(0))
    return options, before, rest


def _run(targets: Sequence[str], options: Sequence[str], program: Sequence[str]) -> str:
    return _joined([RUN, *_targets(targets), *options, "--", *(program or ["PROGRAM"])])


def _targets(targets: Sequence[str]) -> list[str]:
    return ["-i", ",".join(targets)] if targets else []


def _joined(words: Sequence[str]) -> str:
    """Return words as a shell reads them; the first is a command, which stays as it is."""
    return f"{words[0]} {shlex.join(words[1:])}"
