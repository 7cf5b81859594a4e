"""Saved commands in words: their parameters, the differences of two versions, and warnings about a script."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from assist_cli.errors import InvalidParameter
from assist_cli.model import parameters
from assist_cli.model.command import Command, CommandVersion
from assist_cli.model.comparison import unified
from assist_cli.model.parameters import Definition
from assist_cli.units import escape

Setting = tuple[str, str | None, str | None]  # name, value before, value after


def described(definition: Definition) -> str:
    """Return a definition in one line: ``required, one of soft, hard: how to restart``."""
    words = ["secret"] if definition.secret else []
    words.append("required" if definition.default is None else f"default {definition.default!r}")
    if definition.choices:
        words.append("one of " + ", ".join(definition.choices))
    if definition.pattern is not None:
        words.append(f"pattern {definition.pattern}")
    return ", ".join(words) + (f": {definition.description}" if definition.description else "")


def changed_settings(old: Command, new: Command) -> list[Setting]:
    """Return the settings and parameters that differ in two versions."""
    before, after = _settings(old.version), _settings(new.version)
    return [
        (title, before.get(title), after.get(title))
        for title in dict.fromkeys([*before, *after])
        if before.get(title) != after.get(title)
    ]


def changed_lines(old: Command, new: Command) -> list[str]:
    """Return the lines of the unified diff of two scripts, control characters escaped."""
    names = f"{old.name}@{old.version.number}", f"{new.name}@{new.version.number}"
    return unified(_lines(old.version.content), _lines(new.version.content), *names)


def warnings(version: CommandVersion) -> Iterator[str]:
    """Yield warnings of keys that are not parameters, and of values that could become shell code."""
    if not version.parameters_enabled:
        with contextlib.suppress(InvalidParameter):  # an invalid key is plain text
            for key in parameters.parse(version.content).keys:
                yield f"parameters are off, so {{{{{key}}}}} is plain text; --enable-parameters makes it a parameter"
        return
    template = version.template()
    for key in parameters.bare_keys(template) if version.runs_in_a_shell else ():
        yield f"a value of {{{{{key}}}}} is code to the shell; {{{{{key}|sh}}}} keeps it one word"
    for key in parameters.keys_inside_quotes(template):
        yield f"{{{{{key}|sh}}}} is inside quotes, which cancel its own; remove the quotes around it"


def _settings(version: CommandVersion) -> dict[str, str | None]:
    return {
        "Type": version.type.value,
        "Timeout": f"{version.timeout} s",
        "WorkingDir": version.working_dir,
        "Launcher": version.launcher,
        "EnableParameter": "yes" if version.parameters_enabled else "no",
        **{f"Parameter {each.key}": described(each) for each in version.definitions},
    }


def _lines(content: bytes) -> list[str]:
    lines = [escape(line, keep="\t") for line in content.decode("utf-8", "replace").split("\n")]
    if lines[-1]:
        lines[-1] += "  (no end of line)"
    else:
        lines.pop()
    return lines
