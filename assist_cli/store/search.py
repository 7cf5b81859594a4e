"""Full-text search in outputs, in scripts, and in the names of commands and instances.

Two FTS5 indexes refer to the texts where they are stored. No run waits for them: ``index_some`` adds the texts that
were written since its last call, a few in each transaction, and two settings have its position. The numbers of texts
only grow, so the texts up to the position are in the index, and the others are not. A trigger removes the words of a
deleted text.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Collection, Iterator
from datetime import datetime

from assist_cli.model import ids
from assist_cli.model.ids import Kind
from assist_cli.model.invocation import Hit
from assist_cli.model.phrase import Phrase
from assist_cli.store.database import Reader, Transaction, from_ms, to_ms

TEXTS = 2_000  # in one transaction, which other writers wait for
TEXT_BYTES = 2 * 1024 * 1024
MERGED_PAGES = 500

_OUTPUTS = "search.outputs"
_INVOCATIONS = "search.invocations"


def behind(reader: Reader) -> int:
    """Return about how many texts are not in the indexes yet."""
    row = reader.first("SELECT (SELECT max(number) FROM outputs), (SELECT max(number) FROM invocations)")
    assert row is not None
    return max((row[0] or 0) - _mark(reader, _OUTPUTS), 0) + max((row[1] or 0) - _mark(reader, _INVOCATIONS), 0)


def index_some(transaction: Transaction, *, most: int = TEXT_BYTES) -> int:
    """Add the next texts to the indexes, of ``most`` bytes in all; return their number, 0 when there are none."""
    mark = _mark(transaction, _OUTPUTS)
    rows = transaction.query(
        "SELECT number, length(data) AS size FROM outputs WHERE number > ? ORDER BY number LIMIT ?", [mark, TEXTS]
    )
    if rows:
        end, count = _as_many_as_fit(rows, most)
        transaction.execute(
            "INSERT INTO output_words (rowid, data) SELECT number, data FROM outputs WHERE number > ? AND number <= ?",
            [mark, end],
        )
        transaction.set(_OUTPUTS, end)
        return count
    mark = _mark(transaction, _INVOCATIONS)
    rows = transaction.query(
        "SELECT number, length(content) AS size FROM invocations WHERE number > ? ORDER BY number LIMIT ?",
        [mark, TEXTS],
    )
    if rows:
        end, count = _as_many_as_fit(rows, most)
        transaction.execute(
            """
            INSERT INTO invocation_words (rowid, command_name, content, instance_names)
            SELECT number, command_name, content, instance_names FROM invocation_texts
            WHERE number > ? AND number <= ?
            """,
            [mark, end],
        )
        transaction.set(_INVOCATIONS, end)
        return count
    return 0


@contextlib.contextmanager
def reindexed(transaction: Transaction, invocation_id: str) -> Iterator[None]:
    """Keep the index correct while the block changes texts of an invocation that are in it."""
    texts = """
        SELECT {}number, command_name, content, instance_names FROM invocation_texts
        WHERE id = ? AND number <= (SELECT CAST(value AS INTEGER) FROM settings WHERE name = ?)
    """
    columns = "rowid, command_name, content, instance_names"
    transaction.execute(
        f"INSERT INTO invocation_words (invocation_words, {columns}) {texts.format(repr('delete') + ', ')}",
        [invocation_id, _INVOCATIONS],
    )
    yield
    transaction.execute(f"INSERT INTO invocation_words ({columns}) {texts.format('')}", [invocation_id, _INVOCATIONS])


def tidy_some(transaction: Transaction, *, begin: bool = False) -> bool:
    """Rewrite a part of the index without its deleted words; return False when nothing is left to do.

    With ``begin``, this and the next calls rewrite all of it.
    """
    before = _changes(transaction)
    pages = -MERGED_PAGES if begin else MERGED_PAGES
    transaction.execute("INSERT INTO output_words (output_words, rank) VALUES ('merge', ?)", [pages])
    return _changes(transaction) - before > 1


def search(
    reader: Reader,
    wanted: Phrase,
    *,
    instance_ids: Collection[str] | None = None,
    since: datetime | None = None,
    limit: int | None = None,
    offset: int = 0,
    names: bool = True,
) -> list[Hit]:
    """Return the hits, newest first: after the first ``offset`` ones, at most ``limit`` (None: all).

    Without ``names``, no names of instances are searched or shown. The text around the words is found here: ``snippet``
    of FTS5 takes minutes where a text has a word very often.
    """
    since_ms = 0 if since is None else to_ms(since)
    where = None if instance_ids is None else json.dumps(list(instance_ids))
    most = -1 if limit is None else offset + limit
    rows = [
        *_in_outputs(reader, wanted, where, since_ms, most),
        *_in_invocations(reader, wanted, where, since_ms, most, names=names),
    ]
    rows.sort(key=lambda row: int(row["at"]), reverse=True)
    chosen = rows[offset:] if limit is None else rows[offset : offset + limit]
    return [_hit(row, wanted.snippet(_texts(reader, row, names=names))) for row in chosen]


def _in_outputs(reader: Reader, wanted: Phrase, where: str | None, since_ms: int, limit: int) -> list[sqlite3.Row]:
    """Find outputs. The joins are in the order of the tables, so that the query can end at its limit."""
    return reader.query(
        """
        SELECT records.id AS record_id, invocation_id, instance_id, instance_name, command_name,
            coalesce(records.started_at, records.finished_at, created_at) AS at, outputs.number
        FROM output_words
        CROSS JOIN outputs ON outputs.number = output_words.rowid
        CROSS JOIN records ON records.id = outputs.record_id
        CROSS JOIN invocation_instances AS place USING (invocation_id, instance_id)
        CROSS JOIN invocations ON invocations.id = invocation_id
        WHERE output_words MATCH ?1 AND output_words.rowid >= (
                SELECT coalesce(min(number), 9e18) FROM outputs WHERE record_id >= ?2
            )
            AND records.id >= ?2 AND (?3 IS NULL OR instance_id IN (SELECT value FROM json_each(?3)))
        ORDER BY output_words.rowid DESC LIMIT ?4
        """,
        [_query(wanted), ids.earliest(Kind.RECORD, since_ms), where, limit],
    )


def _in_invocations(
    reader: Reader, wanted: Phrase, where: str | None, since_ms: int, limit: int, *, names: bool
) -> list[sqlite3.Row]:
    """Find scripts and names."""
    columns = "" if names else "{command_name content} : "
    return reader.query(
        """
        SELECT NULL AS record_id, texts.id AS invocation_id, NULL AS instance_id, NULL AS instance_name,
            texts.command_name, texts.created_at AS at, texts.number
        FROM invocation_words
        CROSS JOIN invocations AS texts ON texts.number = invocation_words.rowid
        WHERE invocation_words MATCH ?1 AND texts.id GLOB 't-*' AND texts.id >= ?2 AND (?3 IS NULL OR EXISTS (
            SELECT 1 FROM invocation_instances
            WHERE invocation_id = texts.id AND instance_id IN (SELECT value FROM json_each(?3))
        ))
        ORDER BY invocation_words.rowid DESC LIMIT ?4
        """,
        [columns + _query(wanted), ids.earliest(Kind.INVOCATION, since_ms), where, limit],
    )


def _texts(reader: Reader, row: sqlite3.Row, *, names: bool) -> list[str]:
    """Return the texts of a hit."""
    if row["record_id"] is not None:
        text = reader.first("SELECT data FROM outputs WHERE number = ?", [row["number"]])
        return [] if text is None else [_text(text["data"])]
    text = reader.first("SELECT * FROM invocation_texts WHERE number = ?", [row["number"]])
    if text is None:
        return []
    return [text["command_name"], _text(text["content"]), *([text["instance_names"]] if names else [])]


def _query(wanted: Phrase) -> str:
    """Return a phrase as FTS5 writes it. Only the star at its end has a meaning."""
    quoted = wanted.text.replace('"', '""').replace("\0", " ")
    return f'"{quoted}"' + ("*" if wanted.open_end else "")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _hit(row: sqlite3.Row, snippet: str) -> Hit:
    return Hit(
        invocation_id=row["invocation_id"],
        record_id=row["record_id"],
        instance_id=row["instance_id"],
        instance_name=row["instance_name"],
        command_name=row["command_name"],
        time=from_ms(row["at"]),
        snippet=snippet,
    )


def _as_many_as_fit(rows: Collection[sqlite3.Row], most: int) -> tuple[int, int]:
    """Return the number of the last text that fits into one transaction, and how many fit; at least one."""
    size = end = count = 0
    for row in rows:
        size += row["size"]
        if count and size > most:
            break
        end = row["number"]
        count += 1
    return end, count


def _changes(reader: Reader) -> int:
    """Return how many rows this connection has changed. FTS5 counts one where it found nothing to merge."""
    row = reader.first("SELECT total_changes()")
    assert row is not None
    return int(row[0])


def _mark(reader: Reader, name: str) -> int:
    return int(reader.setting(name) or 0)
