"""Checks of the database: that the file is intact, and that values that are stored twice agree."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import struct
from collections.abc import Sequence
from pathlib import Path

from assist_cli.model.invocation import RepeatMode
from assist_cli.model.status import InvocationStatus, InvokeStatus, instance_status, invoke_status
from assist_cli.store.database import SCHEMA_VERSION, STEPS, Database, Reader

_LOG_BYTES = 16 * 1024 * 1024  # read of a write-ahead log, which usually has four million
_STATUSES = [json.dumps([status.value for status in known]) for known in (InvokeStatus, InvocationStatus)]
_HEAD, _FRAME = 32, 24  # bytes: the head of a write-ahead log, and of each frame in it


def faults(database: Database) -> list[str]:
    """Return what is damaged in the file and its references, what is missing, and unknown statuses.

    Empty when the database is intact, with any schema. Raises DatabaseFailure when it is too damaged to be checked.
    """
    found = [line for row in database.query("PRAGMA integrity_check") for line in str(row[0]).split("\n")]
    found = [line for line in found if line != "ok" and not line.startswith("*** in database")]
    found += [f"{row[0]}: row {row[1]} refers to nothing" for row in database.query("PRAGMA foreign_key_check")]
    found += [f"{name} is missing" for name in sorted(_names_after(_steps(database)) - _names(database))]
    if found:
        return found
    if database.setting("controller") is None:
        found.append("the name of this controller is missing")
    odd = """
        SELECT id FROM invocations WHERE status NOT IN (SELECT value FROM json_each(?1))
        UNION ALL SELECT id FROM records WHERE status NOT IN (SELECT value FROM json_each(?2))
    """
    return found + [f"{row['id']} has an unknown status" for row in database.query(odd, _STATUSES)]


def _steps(database: Database) -> Sequence[str]:
    """Return the migrations whose tables and indexes must exist: all, or for an older schema the applied ones."""
    if database.version == SCHEMA_VERSION:
        return STEPS
    taken = {row["name"] for row in database.query("SELECT name FROM _sqlite_migrations")}
    return [step for step in STEPS if step in taken]


def _names(reader: Reader) -> set[str]:
    """Return the names of the tables, indexes, views and triggers of a database."""
    return {row[0] for row in reader.query("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")}


def _names_after(steps: Sequence[str]) -> set[str]:
    """Return these names for a database with these migrations."""
    from assist_cli.store import migrations

    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        migrations.apply(connection, steps)
        return _names(Reader(connection, Path(":memory:")))


def log_faults(path: Path) -> list[str]:
    """Return the damage in the write-ahead log of a database: changes that SQLite would silently ignore.

    The format is sqlite.org/fileformat2.html, section 4. A broken frame at the very end is left by a power cut, of a
    change that was not committed. A frame of an earlier use of the file ends the log. A broken one before others is
    damage.
    """
    try:
        with path.with_name(f"{path.name}-wal").open("rb") as file:
            log = file.read(_LOG_BYTES)
    except FileNotFoundError:
        return []
    except OSError as error:
        return [f"cannot read its log: {error.strerror}"]
    if len(log) < _HEAD:
        return []
    magic, _, size, _, *salts = struct.unpack(">6I", log[:24])
    order = {0x377F0682: "<", 0x377F0683: ">"}.get(magic)
    sums = (0, 0) if order is None else _sums(order, log[:24], (0, 0))
    if order is None or sums != struct.unpack(">2I", log[24:_HEAD]):
        return [f"its log {path.name}-wal is damaged at the beginning"]
    is_broken = False
    for start in range(_HEAD, len(log) - _FRAME - size + 1, _FRAME + size):
        head = log[start : start + _FRAME]
        is_ours = list(struct.unpack(">2I", head[8:16])) == salts
        if is_broken and is_ours:
            return [f"its log {path.name}-wal is damaged before byte {start}"]
        if not is_broken:
            sums = _sums(order, log[start + _FRAME : start + _FRAME + size], _sums(order, head[:8], sums))
            is_broken = not is_ours or sums != struct.unpack(">2I", head[16:24])
    return []


def _sums(order: str, data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    """Return the running checksum of a write-ahead log over ``data``, whose length is a multiple of 8."""
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for low, high in zip(words[::2], words[1::2], strict=True):
        first = (first + low + second) & 0xFFFFFFFF
        second = (second + high + first) & 0xFFFFFFFF
    return first, second


def disagreements(reader: Reader) -> list[str]:
    """Return the invocations whose status does not follow from their instances, or theirs from their records.

    The levels are those of docs/rules.md section 2, also of periodic invocations.
    """
    found = [
        row["id"]
        for row in reader.query(
            """
            SELECT invocations.id, invocations.status, group_concat(DISTINCT place.status) AS statuses
            FROM invocations JOIN invocation_instances AS place ON place.invocation_id = invocations.id
            GROUP BY invocations.id
            """
        )
        if not _follows(row["status"], row["statuses"].split(","))
    ]
    found += [
        row["invocation_id"]
        for row in reader.query(
            """
            SELECT DISTINCT place.invocation_id FROM invocation_instances AS place
            JOIN invocations ON invocations.id = place.invocation_id
            LEFT JOIN records ON records.invocation_id = place.invocation_id
                AND records.instance_id = place.instance_id AND records.number = place.repeats
            WHERE repeat_mode || ' ' || place.status || ' ' || coalesce(records.status, '')
                IN (SELECT value FROM json_each(?))
            """,
            [json.dumps(_impossible())],
        )
    ]
    return list(dict.fromkeys(found))


def _follows(status: str, statuses: list[str]) -> bool:
    try:
        return invoke_status(map(InvocationStatus, statuses)).value == status
    except ValueError:  # an unknown status
        return False


def _impossible() -> list[str]:
    """Return the impossible pairs of an instance's status and its newest record's (empty: none), by repeat mode."""
    return [
        f"{mode.value} {status} {newest or ''}"
        for mode, status, newest in itertools.product(RepeatMode, InvocationStatus, (None, *InvocationStatus))
        if instance_status(status, newest, periodic=mode is RepeatMode.PERIOD) is not status
    ]
