"""Rows of schedules. Each column is checked when it is read: other programs may have changed the file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from assist_cli.model.schedule import Missed, Schedule
from assist_cli.store.database import EPOCH, LATEST_MS, MILLISECOND, from_ms

END_MS = 4_102_617_600_000  # 2100-01-03: in no zone does a frequency fire later, and no jitter is longer
MOST_KEPT = 2**63 - 1  # the largest number of SQLite
MOST_REVISIONS = 2**53
SHOWN = 40  # characters of an invalid value

# Texts are read as bytes, since one that is not UTF-8 would make the whole query fail.
COLUMNS = "invocation_id, " + ", ".join(
    f"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END AS {name}"
    for name in (
        *("frequency", "timezone", "anchor_at", "next_at", "last_at", "jitter_ms", "missed", "keep", "paused_at"),
        *("secrets", "instant_at", "booted_at", "boot", "error", "revision"),
    )
)
IS_DUE_TIME = f"next_at BETWEEN 0 AND {END_MS} AND typeof(next_at) = 'integer'"

T = TypeVar("T")
U = TypeVar("U")


def schedule_of(row: sqlite3.Row) -> Schedule:
    """Return a schedule from its COLUMNS. ``fault`` describes invalid columns, which get harmless values."""
    faults: list[str] = []

    def read(name: str, convert: Callable[[object], T], instead: U) -> T | U:
        value = row[name]
        try:
            return convert(value)
        except (ValueError, RecursionError):
            faults.append(
                "secrets are not names with references" if name == "secrets" else f"{name} is {_shown(value)}"
            )
            return instead

    read("revision", lambda value: _whole(value, 0, MOST_REVISIONS), 0)
    return Schedule(
        invocation_id=row["invocation_id"],
        frequency=read("frequency", _text, legible(row["frequency"])),
        timezone=read("timezone", _text_or_none, None),
        anchor=read("anchor_at", _moment, EPOCH),
        next=read("next_at", _due_or_none, EPOCH),
        last=read("last_at", _moment_or_none, None),
        jitter=read("jitter_ms", lambda value: _whole(value, 0, END_MS), 0) * MILLISECOND,
        missed=read("missed", lambda value: Missed(_text(value)), Missed.SKIP),
        keep=read("keep", lambda value: _whole(value, 1, MOST_KEPT), MOST_KEPT),
        paused=read("paused_at", _moment_or_none, EPOCH),
        secrets=read("secrets", _references, {}),
        instant=read("instant_at", _moment_or_none, None),
        booted=read("booted_at", _moment_or_none, None),
        boot=read("boot", _text, ""),
        error=None if row["error"] is None else legible(row["error"]),
        fault=f"cannot read the stored schedule: {'; '.join(faults)}" if faults else None,
    )


def legible(value: object) -> str:
    """Return the value of a text column in characters, whatever it is."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _shown(value: object) -> str:
    text = ascii(legible(value) if isinstance(value, bytes) else value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _whole(value: object, least: int, most: int) -> int:
    if not isinstance(value, int) or not least <= value <= most:
        raise ValueError(value)
    return value


def _text(value: object) -> str:
    if not isinstance(value, bytes):
        raise ValueError(value)
    return value.decode("utf-8")


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)


def _moment(value: object) -> datetime:
    return from_ms(_whole(value, -LATEST_MS, LATEST_MS))


def _moment_or_none(value: object) -> datetime | None:
    return None if value is None else _moment(value)


def _due_or_none(value: object) -> datetime | None:
    return None if value is None else from_ms(_whole(value, 0, END_MS))


def _references(value: object) -> Mapping[str, str]:
    found = json.loads(_text(value))
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise ValueError(value)
    "".join([*found, *found.values()]).encode("utf-8")  # JSON can contain invalid characters
    return found
