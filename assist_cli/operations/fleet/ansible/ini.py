"""Inventories in Ansible's INI form: ``[group]``, ``[group:children]`` and ``[group:vars]``."""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from typing import Any

from assist_cli.operations.fleet.ansible.inventory import UNGROUPED, Inventory, InventoryError

_SECTION = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?")
_CHILD = re.compile(r"([^:\]\s]+)\s*(?:#.*)?")


def read(text: str) -> Inventory:
    """Return the inventory in a text. Raises InventoryError."""
    found = Inventory()
    declared = {UNGROUPED, "all"}
    used: dict[str, int] = {}  # groups that must be declared somewhere, by the first line that names them
    group, kind = UNGROUPED, "hosts"
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        section = _SECTION.fullmatch(line)
        if section is not None:
            group, kind = section[1], section[2] or "hosts"
            if kind not in ("hosts", "children", "vars"):
                raise InventoryError(f"'[{group}:{kind}]' is not a section: use hosts, children or vars", number)
            found.group(group)
            if kind == "vars":
                used.setdefault(group, number)
            else:
                declared.add(group)
        elif line.startswith("[") and line.endswith("]"):
            raise InventoryError(f"'{line}' is not a section", number)
        elif kind == "hosts":
            pattern, variables = _host(line, number)
            found.add_hosts(group, pattern, variables, number)
        elif kind == "vars":
            name, equals, value = line.partition("=")
            if not equals:
                raise InventoryError(f"'{line}' is not a variable, K=V", number)
            found.group(group).variables[name.strip()] = _value(value.strip())
        else:
            child = _CHILD.fullmatch(line)
            if child is None:
                raise InventoryError(f"'{line}' is not the name of a group", number)
            used.setdefault(child[1], number)
            found.group(group).children[child[1]] = None
            found.group(child[1])
    for name, number in used.items():
        if name not in declared:
            raise InventoryError(f"there is no group '{name}'", number)
    return found


def _host(line: str, number: int) -> tuple[str, dict[str, Any]]:
    """Return the pattern and the variables of a line. Raises InventoryError."""
    try:
        pattern, *words = shlex.split(line, comments=True)
    except ValueError as error:
        raise InventoryError(str(error).lower(), number) from None
    variables = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise InventoryError(f"'{word}' is not a variable of a host, K=V", number)
        variables[name] = _value(value)
    if pattern.endswith(":") or pattern == "---":
        raise InventoryError(f"'{pattern}' is not a host", number)
    return pattern, variables


def _value(text: str) -> Any:
    """Return a value, which is a literal of Python, or the text itself."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return text
