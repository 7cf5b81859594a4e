"""The targets that are more than names and tags: facts and saved groups from the database, and files."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from assist_cli import codes
from assist_cli.errors import FileFailure, InvalidParameter, NotFound
from assist_cli.model import target
from assist_cli.model.target import Selection
from assist_cli.store import instances
from assist_cli.store.database import Reader

MOST_BYTES = 2**24  # of a file with targets
BOM = b"\xef\xbb\xbf"  # at the beginning of files of some editors

_COMMENT = r"(?:^|\s)#.*"


class DatabaseSources:
    """``target.Sources`` with a database. Each file is read one time, because it may be a pipe.

    With ``within``, a group has only the instances with these ids: others do not exist for who asks.
    """

    def __init__(self, reader: Reader, within: Collection[str] | None = None) -> None:
        self._reader = reader
        self._within = within
        self._files: dict[str, list[tuple[int, str]]] = {}

    def fact(self, name: str, glob: str) -> Mapping[str, Any]:
        """Return a fact of all instances whose value may match ``glob``, by id."""
        return instances.facts_named(self._reader, name, glob)

    def group(self, name: str) -> str:
        """Return the target of a group; with ``within`` the ids of its instances there. Raises NotFound."""
        from assist_cli.store import groups

        text = groups.get(self._reader, name).target
        if self._within is None:
            return text
        everything = instances.registered(self._reader)
        try:
            members = target.choose(everything, Selection((text,)), sources=DatabaseSources(self._reader))
        except NotFound:  # its hints may name instances outside
            members = []
        inside = [each.id for each in members if each.id in self._within]
        if not inside:
            raise NotFound(
                f"cannot find an instance 'group:{name}'",
                hint="no instance of the group is in your scope",
                code=codes.INSTANCE_NOT_EXISTS,
            )
        return ",".join(inside)

    def file(self, path: str) -> Sequence[tuple[int, str]]:
        """Return the targets in a file, with the numbers of their lines. Raises FileFailure, InvalidParameter."""
        if path not in self._files:
            self._files[path] = _lines(path)
        return self._files[path]


def _lines(path: str) -> list[tuple[int, str]]:
    """Read and check a file with a list of targets in each line. ``#`` begins a comment, at a word."""
    try:
        with Path(path).expanduser().open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise FileFailure(
            f"cannot read the targets in '{path}': {reason}", hint="file:PATH has a target in each line"
        ) from error
    if len(content) > MOST_BYTES:
        raise _refusal(path, f"it has more than {MOST_BYTES:,} bytes")
    found = []
    for number, line in enumerate(content.removeprefix(BOM).split(b"\n"), 1):
        place = f"line {number} of '{path}'"
        try:
            text = re.sub(_COMMENT, "", line.decode()).strip()
        except UnicodeDecodeError:
            raise _refusal(path, f"line {number} is not UTF-8") from None
        with target.placed(place):
            target.refuse_files(text)
        if text:
            found.append((number, text))
    if not found:
        raise _refusal(path, "it has no target")
    return found


def _refusal(path: str, reason: str) -> InvalidParameter:
    return InvalidParameter(
        f"cannot use the targets in '{path}': {reason}",
        hint="write a target in each line, as web1, web[01-20] or @role=web",
        code=codes.INVALID_TARGET,
    )
