"""The history as a list: one line for each invocation, with what tells them apart."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from assist_cli.model import ids
from assist_cli.model.invocation import Summary
from assist_cli.store.database import Reader
from assist_cli.store.packing import counts, invocation_of

SUMMARY_BYTES = 200


def summaries(reader: Reader, limit: int | None) -> list[Summary]:
    """The newest invocations first, at most ``limit`` of them (None: all)."""
    rows = reader.query(
        "SELECT *, substr(content, 1, ?) AS beginning FROM invocations WHERE id GLOB 't-*' ORDER BY id DESC LIMIT ?",
        [SUMMARY_BYTES, -1 if limit is None else limit],
    )
    return [_summary(reader, row) for row in rows]


def short_ids(reader: Reader, invocation_ids: Iterable[str]) -> dict[str, str]:
    """For each id the shortest beginning that names it alone, and not less than its time (12 characters)."""
    return {each: each[: max(ids.SHORT_LENGTH, _shared(reader, each) + 1)] for each in invocation_ids}


def _summary(reader: Reader, row: sqlite3.Row) -> Summary:
    known = reader.first(
        """
        SELECT min(instance_name) AS name, max(exit_code) AS exit_code, count(nullif(exit_code, 0)) AS nonzero
        FROM invocation_instances WHERE invocation_id = ?
        """,
        [row["id"]],
    )
    assert known is not None
    return Summary(
        invocation=invocation_of(row, row["beginning"], ()),
        counts=counts(reader, row["id"]),
        instance_name=known["name"],
        exit_code=known["exit_code"],
        nonzero=known["nonzero"],
    )


def _shared(reader: Reader, invocation_id: str) -> int:
    """How many characters the id has in common with its nearest neighbours."""
    row = reader.first(
        """
        SELECT (SELECT max(id) FROM invocations WHERE id < ?1) AS before,
            (SELECT min(id) FROM invocations WHERE id > ?1) AS after
        """,
        [invocation_id],
    )
    assert row is not None
    return max(_common(invocation_id, row["before"] or ""), _common(invocation_id, row["after"] or ""))


def _common(one: str, other: str) -> int:
    for position, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return position
    return min(len(one), len(other))
