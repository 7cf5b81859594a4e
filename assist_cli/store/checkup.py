"""Whether the database is whole, and whether what it says of one thing in two places is the same."""

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

_LOOKED_AT = 16 * 1024 * 1024  # bytes of a write-ahead log, which usually has four million
_STATUSES = [json.dumps([status.value for status in known]) for known in (InvokeStatus, InvocationStatus)]
_HEAD, _FRAME = 32, 24  # bytes: the head of a write-ahead log, and of each frame in it


def faults(database: Database) -> list[str]:
    """What SQLite finds wrong with the file and its references; what is missing, and statuses that there are not.

    Nothing when it is whole, of whichever schema it is. Raises DatabaseFailure where too much is wrong to tell.
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
    return found + [f"{row['id']} has a status that there is not" for row in database.query(odd, _STATUSES)]


def _steps(database: Database) -> Sequence[str]:
    """The migrations whose tables and indexes are to be there: all, or of an older schema those that it has taken."""
    if database.version == SCHEMA_VERSION:
        return STEPS
    taken = {row["name"] for row in database.query("SELECT name FROM _sqlite_migrations")}
    return [step for step in STEPS if step in taken]


def _names(reader: Reader) -> set[str]:
    """The tables, indexes, views and triggers of a database."""
    return {row[0] for row in reader.query("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")}


def _names_after(steps: Sequence[str]) -> set[str]:
    """The same of a database that has taken these migrations."""
    from assist_cli.store import migrations

    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        migrations.apply(connection, steps)
        return _names(Reader(connection, Path(":memory:")))


def log_faults(path: Path) -> list[str]:
    """What is wrong with the write-ahead log beside a database: changes that SQLite would pass over without a word.

    The format is that of sqlite.org/fileformat2.html, section 4. A frame that is broken at the very end is what a power
    cut leaves of a change that was not made, and one of an earlier use of the file ends it; before others it is damage.
    """
    try:
        with path.with_name(f"{path.name}-wal").open("rb") as file:
            log = file.read(_LOOKED_AT)
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
    """The running checksum of a write-ahead log over ``data``, whose length is a multiple of 8."""
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for low, high in zip(words[::2], words[1::2], strict=True):
        first = (first + low + second) & 0xFFFFFFFF
        second = (second + high + first) & 0xFFFFFFFF
    return first, second


def disagreements(reader: Reader) -> list[str]:
    """Invocations whose status does not follow from their instances', or these from their records'.

    The levels are those of docs/rules.md section 2, also for what runs again and again.
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
    except ValueError:  # a word that is no status
        return False


def _impossible() -> list[str]:
    """How an instance and its newest record (empty: none yet) never stand together, by the mode of the invocation."""
    return [
        f"{mode.value} {status} {newest or ''}"
        for mode, status, newest in itertools.product(RepeatMode, InvocationStatus, (None, *InvocationStatus))
        if instance_status(status, newest, periodic=mode is RepeatMode.PERIOD) is not status
    ]
