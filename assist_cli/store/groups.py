"""Saved groups of targets."""

from __future__ import annotations

from assist_cli import codes
from assist_cli.errors import Conflict, NotFound
from assist_cli.model import names
from assist_cli.model.target import TargetGroup
from assist_cli.store.database import Reader, Transaction


def add(transaction: Transaction, group: TargetGroup) -> None:
    """Write a group. Raises Conflict if its name is taken."""
    known = transaction.first("SELECT target FROM target_groups WHERE name = ?", [group.name])
    if known is not None:
        raise Conflict(
            f"cannot use the name '{group.name}': the group {known['target']!r} has it",
            hint=f"to change the group, remove it first: assist group remove {names.quoted(group.name)}",
            code=codes.GROUP_NAME_EXISTS,
        )
    transaction.execute("INSERT INTO target_groups (name, target) VALUES (?, ?)", [group.name, group.target])


def listing(reader: Reader) -> list[TargetGroup]:
    """Return all groups by name."""
    return [TargetGroup(*row) for row in reader.query("SELECT name, target FROM target_groups ORDER BY name")]


def get(reader: Reader, name: str) -> TargetGroup:
    """Return the group of this name. Raises NotFound."""
    row = reader.first("SELECT name, target FROM target_groups WHERE name = ?", [name])
    if row is None:
        near = names.meant(name, (each.name for each in listing(reader)))
        raise NotFound(
            f"cannot find a group '{name}'",
            hint=f"{near}assist group list shows all; assist group add makes one",
            code=codes.GROUP_NOT_EXISTS,
        )
    return TargetGroup(*row)


def remove(transaction: Transaction, name: str) -> None:
    transaction.execute("DELETE FROM target_groups WHERE name = ?", [name])
