"""Former scripts of a periodic invocation, each with the time until which it ran."""

from __future__ import annotations

from datetime import datetime

from assist_cli.model.invocation import Invocation
from assist_cli.store import search
from assist_cli.store.database import Reader, Transaction, from_ms, to_ms
from assist_cli.store.rows import packed, unpacked


def change(transaction: Transaction, new: Invocation, now: datetime) -> None:
    """Make an invocation run the script and the values of ``new`` from its next record on."""
    transaction.execute(
        """
        INSERT INTO former_scripts
        SELECT id, ?, command_id, command_name, command_version, parameters_enabled, parameters, content
        FROM invocations WHERE id = ?
        """,
        [to_ms(now), new.id],
    )
    with search.reindexed(transaction, new.id):
        transaction.execute(
            """
            UPDATE invocations SET command_id = ?, command_name = ?, command_version = ?, parameters_enabled = ?,
                parameters = ?, content = ? WHERE id = ?
            """,
            [
                new.command_id,
                new.command_name,
                new.command_version,
                new.parameters_enabled,
                packed(new.parameters),
                new.content,
                new.id,
            ],
        )


def former(reader: Reader, now: Invocation) -> list[tuple[datetime, Invocation]]:
    """Return the former scripts of an invocation, newest first, each with the time until which it ran."""
    rows = reader.query("SELECT * FROM former_scripts WHERE invocation_id = ? ORDER BY until_at DESC", [now.id])
    return [
        (
            from_ms(row["until_at"]),
            Invocation(
                id=now.id,
                content=row["content"],
                timeout=now.timeout,
                status=now.status,
                created=now.created,
                instances=(),
                command_id=row["command_id"],
                command_type=now.command_type,
                command_name=row["command_name"],
                command_version=row["command_version"],
                parameters_enabled=bool(row["parameters_enabled"]),
                parameters=unpacked(row["parameters"]),
            ),
        )
        for row in rows
    ]
