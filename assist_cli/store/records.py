"""Records on their way: sent, stopping, ended.

The three levels of status are stored side by side; whatever changes a record's status changes the other two in the
same transaction. A final state is not overwritten: ``model.status.may_become`` decides.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from assist_cli.model.invocation import Outcome, Record
from assist_cli.model.status import UNANSWERED, InvocationStatus, invoke_status, may_become
from assist_cli.store.database import Reader, Transaction, to_ms, to_ms_or_none
from assist_cli.store.packing import put_output, record_of


def mark_sent(transaction: Transaction, record_id: str, now: datetime, lifetime: timedelta) -> bool:
    """Note that bytes of a record may leave from now on, and set its deadline; False when it is not to be sent.

    That is so when it was stopped, or closed by somebody who took its sender for dead.
    """
    changed = transaction.execute(
        "UPDATE records SET sent_at = ?, deadline_at = ? WHERE id = ? AND status = ?",
        [to_ms(now), to_ms(now + lifetime), record_id, InvocationStatus.RUNNING.value],
    )
    return changed == 1


def take_over(transaction: Transaction, invocation_id: str, sender: str) -> None:
    """Let another sender have the records that are not sent yet."""
    transaction.execute(
        "UPDATE records SET sender = ? WHERE invocation_id = ? AND status = ? AND sent_at IS NULL",
        [sender, invocation_id, InvocationStatus.RUNNING.value],
    )


def mark_stopping(transaction: Transaction, invocation_id: str, instance_ids: Collection[str], now: datetime) -> int:
    """Note that a person asked to stop what is Running of an invocation on these; the number of those records."""
    which = json.dumps(list(instance_ids))
    running, stopping = InvocationStatus.RUNNING.value, InvocationStatus.STOPPING.value
    changed = transaction.execute(
        """
        UPDATE records SET status = ?, stopped_at = ? WHERE invocation_id = ? AND status = ?
            AND instance_id IN (SELECT value FROM json_each(?))
        """,
        [stopping, to_ms(now), invocation_id, running, which],
    )
    transaction.execute(
        """
        UPDATE invocation_instances SET status = ? WHERE invocation_id = ? AND status = ?
            AND instance_id IN (SELECT value FROM json_each(?))
        """,
        [stopping, invocation_id, running, which],
    )
    _update_status(transaction, invocation_id)
    return changed


def settle(transaction: Transaction, outcomes: Mapping[str, Outcome]) -> dict[str, InvocationStatus]:
    """Write how records ended, by record id; how those that it was news for stood before.

    A record that is final already stays as it is, but for the one correction that ``may_become`` allows.
    """
    written = {}
    touched = set()
    for record_id, outcome in outcomes.items():
        row = transaction.first(
            "SELECT invocation_id, instance_id, status, error_code FROM records WHERE id = ?", [record_id]
        )
        if row is None:
            continue
        old = InvocationStatus(row["status"])
        if not may_become(old, outcome.status, error_code=row["error_code"]):
            continue
        transaction.execute(
            """
            UPDATE records SET status = ?, exit_code = ?, error_code = ?, error_info = ?, started_at = ?,
                finished_at = ?, stopped_at = CASE WHEN ?1 = 'Stopped' THEN stopped_at END
            WHERE id = ?
            """,
            [
                outcome.status.value,
                outcome.exit_code,
                outcome.error_code,
                outcome.error_info,
                to_ms_or_none(outcome.started),
                to_ms_or_none(outcome.finished),
                record_id,
            ],
        )
        put_output(transaction, record_id, outcome.output)
        transaction.execute(
            "UPDATE invocation_instances SET status = ?, exit_code = ? WHERE invocation_id = ? AND instance_id = ?",
            [outcome.status.value, outcome.exit_code, row["invocation_id"], row["instance_id"]],
        )
        touched.add(row["invocation_id"])
        written[record_id] = old
    for invocation_id in touched:
        _update_status(transaction, invocation_id)
    return written


def unsettled(reader: Reader, *, invocation_id: str | None = None) -> dict[str, list[Record]]:
    """The records that may change yet, by invocation: the open ones of all, or of one invocation.

    Of one, also those that were closed because nobody answered.
    """
    if invocation_id is None:
        rows = reader.query("SELECT * FROM records WHERE status IN ('Running', 'Stopping')")
    else:
        rows = reader.query(
            """
            SELECT * FROM records WHERE invocation_id = ?
                AND (status IN ('Running', 'Stopping') OR (status = 'Failed' AND error_code = ?))
            """,
            [invocation_id, UNANSWERED],
        )
    found: dict[str, list[Record]] = {}
    for row in rows:
        found.setdefault(row["invocation_id"], []).append(record_of(row))
    return found


def _update_status(transaction: Transaction, invocation_id: str) -> None:
    status = invoke_status(_counts(transaction, invocation_id))
    finished = None
    if status.is_final:
        row = transaction.first("SELECT max(finished_at) AS at FROM records WHERE invocation_id = ?", [invocation_id])
        finished = row["at"] if row else None
    transaction.execute(
        "UPDATE invocations SET status = ?, finished_at = ? WHERE id = ?", [status.value, finished, invocation_id]
    )


def _counts(reader: Reader, invocation_id: str) -> dict[InvocationStatus, int]:
    rows = reader.query(
        "SELECT status, count(*) AS count FROM invocation_instances WHERE invocation_id = ? GROUP BY status",
        [invocation_id],
    )
    return {InvocationStatus(row["status"]): row["count"] for row in rows}
