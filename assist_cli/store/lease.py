"""The lease of this home: the server that holds it, and until when."""

from __future__ import annotations

from datetime import datetime

from assist_cli.store.database import Reader, Transaction, from_ms, to_ms
from assist_cli.structs import Struct


class Lease(Struct):
    """The right to be the leader. ``owner`` is the token of its sender (operations.runs.senders), on ``host``."""

    owner: str
    host: str
    pid: int
    until: datetime


def get(reader: Reader) -> Lease | None:
    """Return the newest lease that was not released."""
    row = reader.first("SELECT * FROM lease")
    return None if row is None else Lease(row["owner"], row["host"], row["pid"], from_ms(row["until_at"]))


def take(transaction: Transaction, lease: Lease) -> None:
    """Write a lease; it replaces any other."""
    transaction.execute(
        "INSERT OR REPLACE INTO lease (one, owner, host, pid, until_at) VALUES (1, ?, ?, ?, ?)",
        [lease.owner, lease.host, lease.pid, to_ms(lease.until)],
    )


def renew(transaction: Transaction, owner: str, until: datetime) -> bool:
    """Extend the lease; return False if another owner has it."""
    return transaction.execute("UPDATE lease SET until_at = ? WHERE owner = ?", [to_ms(until), owner]) == 1


def give_up(transaction: Transaction, owner: str) -> None:
    transaction.execute("DELETE FROM lease WHERE owner = ?", [owner])
