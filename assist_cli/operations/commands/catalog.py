"""The catalog: ready commands that come with Assist, each saved like any other command when it is added.

``NAME.json`` is a document of ``exchange`` with one command, without its scripts. ``NAME.sh`` is the script of its
newest version, and ``NAME@VERSION.sh`` that of an earlier one. A change of a released entry is a new version, so that a
command that was saved from any of them is recognised.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from assist_cli import codes
from assist_cli.errors import Conflict, NotFound
from assist_cli.model.command import Command
from assist_cli.model.names import meant, quoted
from assist_cli.operations.commands import commands, exchange
from assist_cli.operations.controller import Controller
from assist_cli.store import commands as store
from assist_cli.store.database import Reader
from assist_cli.structs import Struct

FOLDER = Path(__file__).parents[2] / "catalog"


class EntryState(Enum):
    """The state of a saved command compared with its entry of the catalog."""

    ABSENT = "absent"
    CURRENT = "current"
    OUTDATED = "outdated"
    CHANGED = "changed"


class Entry(Struct):
    """An entry of the catalog, with its newest version, and the state of the saved command of this name."""

    name: str
    description: str
    version: int
    state: EntryState


def names(folder: Path = FOLDER) -> list[str]:
    """Return the names of all entries, sorted."""
    return sorted(file.stem for file in folder.glob("*.json"))


@functools.cache
def versions(name: str, folder: Path = FOLDER) -> tuple[Command, ...]:
    """Return an entry at each of its versions, oldest first, and without an id. Raises NotFound."""
    if name not in names(folder):
        raise NotFound(
            f"cannot find {name!r} in the catalog",
            hint=meant(name, names(folder)) + "assist catalog list shows its commands",
        )
    found = document(name, folder)
    listed = found["Commands"][0]["Versions"]
    for each in listed:
        script = name if each is listed[-1] else f"{name}@{each['Version']}"
        each["CommandContent"] = (folder / f"{script}.sh").read_text(encoding="utf-8")
    (entry,) = exchange.commands_of(json.dumps(found))
    return tuple(entry)


def listing(controller: Controller) -> list[Entry]:
    """Return all entries by name. Only those that are saved are read as commands, since that takes some time."""
    found = []
    for name in names():
        (entry,) = document(name)["Commands"]
        is_saved = store.named(controller.database, name) is not None
        state = _state(controller.database, name, versions(name)) if is_saved else EntryState.ABSENT
        found.append(Entry(name, entry["Description"], len(entry["Versions"]), state))
    return found


def add(
    controller: Controller, name: str, new_name: str | None = None, *, folder: Path = FOLDER
) -> tuple[Command, EntryState]:
    """Save an entry as a command, or as a new version of the one that was saved from an earlier version of the entry.

    Return the command, and the state in which it was. Raises NotFound; Conflict if it is another command, or was
    changed; QuotaExceeded, InvalidParameter.
    """
    known = versions(name, folder)
    newest, wanted = known[-1], new_name or name
    with controller.database.transaction() as transaction:
        state = _state(transaction, wanted, known)
        if state is EntryState.CHANGED:
            raise Conflict(
                f"cannot add {name!r}: the command {wanted!r} is another one, or was changed here",
                code=codes.COMMAND_CHANGED,
                hint=f"under another name: assist catalog add {name} --as OTHER; yours: assist command show "
                + quoted(wanted),
            )
        if state is EntryState.ABSENT:
            made = commands.drafted(controller, wanted, newest.version, newest.description)
            commands.add(controller, transaction, made)
            return made, state
        saved = store.get(transaction, store.find(transaction, wanted))
        if state is EntryState.OUTDATED:
            source = f"version {newest.latest} of the catalog"
            saved = commands.add_version(controller, transaction, saved, newest.version, "command.clone", source)
        return saved, state


def document(name: str, folder: Path = FOLDER) -> Any:
    """Return the document of an entry, without its scripts."""
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def _state(reader: Reader, name: str, known: Sequence[Command]) -> EntryState:
    saved = store.named(reader, name)
    if saved is None:
        return EntryState.ABSENT
    version = store.get(reader, saved).version
    if commands.is_same(version, known[-1].version):
        return EntryState.CURRENT
    is_known = any(commands.is_same(version, each.version) for each in known)
    return EntryState.OUTDATED if is_known else EntryState.CHANGED
