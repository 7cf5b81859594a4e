"""Labels that API clients give to invocations and commands, and the tokens of their requests."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime

from assist_cli.model.access import Labels
from assist_cli.store.database import Reader, Transaction, to_ms


def put_labels(transaction: Transaction, subject: str, labels: Labels) -> None:
    """Write the labels of the invocation or command with this id."""
    transaction.execute(
        "INSERT INTO labels (subject, access_key, name, description, tags) VALUES (?, ?, ?, ?, ?)",
        [
            subject,
            labels.principal,
            labels.name,
            labels.description,
            json.dumps(dict(labels.tags), ensure_ascii=False),
        ],
    )


def labels_of(reader: Reader, subjects: Collection[str]) -> dict[str, Labels]:
    """Return the labels of these by id; those without labels are missing."""
    places = ", ".join("?" * len(subjects))
    rows = reader.query(f"SELECT * FROM labels WHERE subject IN ({places})", list(subjects))  # noqa: S608
    return {
        row["subject"]: Labels(row["access_key"], row["name"], row["description"], json.loads(row["tags"]))
        for row in rows
    }


def running_schedules(reader: Reader, access_key: str) -> list[str]:
    """Return the ids of the invocations that a key created and that will fire again."""
    rows = reader.query(
        """
        SELECT invocation_id FROM schedules JOIN labels ON labels.subject = invocation_id
        WHERE labels.access_key = ? AND next_at IS NOT NULL AND paused_at IS NULL ORDER BY invocation_id
        """,
        [access_key],
    )
    return [row["invocation_id"] for row in rows]


def token(reader: Reader, access_key: str, token: str) -> tuple[bytes, str] | None:
    """Return the earlier request with this token, and the id that it created."""
    row = reader.first(
        "SELECT request, subject FROM client_tokens WHERE access_key = ? AND token = ?", [access_key, token]
    )
    return None if row is None else (row["request"], row["subject"])


def put_token(
    transaction: Transaction, access_key: str, token: str, request: bytes, subject: str, now: datetime
) -> None:
    """Write a token with the id that its request created."""
    transaction.execute(
        "INSERT INTO client_tokens (access_key, token, request, subject, made_at) VALUES (?, ?, ?, ?, ?)",
        [access_key, token, request, subject, to_ms(now)],
    )


def forget_tokens(transaction: Transaction, before: datetime) -> None:
    """Delete the tokens from before a moment."""
    transaction.execute("DELETE FROM client_tokens WHERE made_at < ?", [to_ms(before)])
