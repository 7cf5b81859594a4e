"""The lease: which process serves this home, and until when it may be believed to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from assist_cli.store.database import Reader, Transaction, from_ms, to_ms


@dataclass(frozen=True)
class Lease:
    """``owner`` is the token of a sender (operations.runs.senders); ``host`` and ``pid`` say where it is."""

    owner: str
    host: str
    pid: int
    until: datetime


def get(reader: Reader) -> Lease | None:
    """The lease that was taken last and not given up."""
    row = reader.first("SELECT * FROM lease")
    return None if row is None else Lease(row["owner"], row["host"], row["pid"], from_ms(row["until_at"]))


def take(transaction: Transaction, lease: Lease) -> None:
    """Write a lease in place of any other."""
    transaction.execute(
        "INSERT OR REPLACE INTO lease (one, owner, host, pid, until_at) VALUES (1, ?, ?, ?, ?)",
        [lease.owner, lease.host, lease.pid, to_ms(lease.until)],
    )


def renew(transaction: Transaction, owner: str, until: datetime) -> bool:
    """Let it go on; False when another one has it."""
    return transaction.execute("UPDATE lease SET until_at = ? WHERE owner = ?", [to_ms(until), owner]) == 1


def give_up(transaction: Transaction, owner: str) -> None:
    transaction.execute("DELETE FROM lease WHERE owner = ?", [owner])
