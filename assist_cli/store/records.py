"""The states of records: sent, stopping, ended.

The three levels of status are stored side by side. A change of a record's status changes the other two in the same
transaction. A final state is not overwritten: ``model.status.may_become`` decides.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from assist_cli.model.invocation import Outcome, Record, RepeatMode
from assist_cli.model.moment import Moment
from assist_cli.model.status import UNANSWERED, InvocationStatus, instance_status, invoke_status, may_become
from assist_cli.store.database import Reader, Transaction, to_ms, to_ms_or_none
from assist_cli.store.rows import OUTPUT, OUTPUTS, put_outputs, record_of


def add(transaction: Transaction, invocation_id: str, found: Iterable[Record]) -> None:
    """Write the next record of each of these instances of an invocation. A record may have been sent already."""
    add_all(transaction, [(invocation_id, each) for each in found])


def add_all(transaction: Transaction, found: Sequence[tuple[str, Record]]) -> None:
    """Do the same for records of several invocations: each with the id of its own."""
    transaction.execute_many(
        """
        INSERT INTO records (id, invocation_id, instance_id, number, status, sender, deadline_at, sent_at,
            sent_elapsed, boot, deliver_by, enrolment)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            (
                each.id,
                invocation_id,
                each.instance_id,
                each.number,
                each.status.value,
                each.sender,
                to_ms(each.deadline),
                to_ms_or_none(each.sent),
                None if each.sent_elapsed is None else int(each.sent_elapsed * 1000),
                each.boot,
                to_ms_or_none(each.deliver_by),
                each.enrolment,
            )
            for invocation_id, each in found
        ),
    )
    transaction.execute_many(
        "UPDATE invocation_instances SET repeats = ? WHERE invocation_id = ? AND instance_id = ?",
        ((each.number, invocation_id, each.instance_id) for invocation_id, each in found),
    )


def mark_sent(transaction: Transaction, record_id: str, now: Moment, lifetime: timedelta) -> bool:
    """Note that bytes of a record may leave from now on, and set its deadline; return False if it must not be sent.

    It must not after it was stopped, or closed by a process that took its sender for dead.
    """
    changed = transaction.execute(
        """
        UPDATE records SET sent_at = ?, deadline_at = ?, sent_elapsed = ?, boot = ? WHERE id = ? AND status = ?
        """,
        [
            to_ms(now.wall),
            to_ms(now.wall + lifetime),
            int(now.elapsed * 1000),
            now.boot,
            record_id,
            InvocationStatus.RUNNING.value,
        ],
    )
    return changed == 1


def mark_accepted(transaction: Transaction, record_ids: Iterable[str]) -> None:
    """Note that the agents of these records have accepted them."""
    transaction.execute_many("UPDATE records SET accepted = 1 WHERE id = ?", ((each,) for each in record_ids))


def take_over(transaction: Transaction, invocation_id: str, sender: str) -> None:
    """Assign the records that are neither sent nor queued yet to another sender."""
    transaction.execute(
        """
        UPDATE records SET sender = ? WHERE invocation_id = ? AND status = ? AND sent_at IS NULL AND queued_at IS NULL
        """,
        [sender, invocation_id, InvocationStatus.RUNNING.value],
    )


def adopt(transaction: Transaction, record_id: str, sender: str) -> None:
    """Assign a record to another sender, sent or not."""
    transaction.execute("UPDATE records SET sender = ? WHERE id = ?", [sender, record_id])


def mark_stopping(transaction: Transaction, invocation_id: str, instance_ids: Collection[str], now: datetime) -> int:
    """Note the request to stop an invocation where it is Running on these instances; return how many these are.

    Where no record is open, because it is between two firings or before its first, it becomes Stopped, and the newest
    record gets the moment of the request.
    """
    which = json.dumps(list(instance_ids))
    running, stopping, stopped = (
        InvocationStatus.RUNNING.value,
        InvocationStatus.STOPPING.value,
        InvocationStatus.STOPPED.value,
    )
    transaction.execute(
        """
        UPDATE records SET status = ?, stopped_at = ? WHERE invocation_id = ? AND status = ?
            AND instance_id IN (SELECT value FROM json_each(?))
        """,
        [stopping, to_ms(now), invocation_id, running, which],
    )
    transaction.execute(
        """
        UPDATE records SET stopped_at = ? WHERE invocation_id = ? AND stopped_at IS NULL AND (instance_id, number) IN (
            SELECT instance_id, repeats FROM invocation_instances
            WHERE invocation_id = ?2 AND status = ? AND instance_id IN (SELECT value FROM json_each(?))
        )
        """,
        [to_ms(now), invocation_id, running, which],
    )
    changed = transaction.execute(
        """
        UPDATE invocation_instances SET stopped_at = ?6, status = CASE WHEN EXISTS (
            SELECT 1 FROM records WHERE records.invocation_id = ?3 AND records.status = ?1
                AND records.instance_id = invocation_instances.instance_id
        ) THEN ?1 ELSE ?2 END
        WHERE invocation_id = ?3 AND status = ?4 AND instance_id IN (SELECT value FROM json_each(?5))
        """,
        [stopping, stopped, invocation_id, running, which, to_ms(now)],
    )
    if changed:
        _update_status(transaction, invocation_id, now)
    return changed


def settle(transaction: Transaction, outcomes: Mapping[str, Outcome]) -> dict[str, InvocationStatus]:
    """Write the outcomes of records, by record id; return the earlier status of those that changed.

    A record that is already final stays as it is, except for the one correction that ``may_become`` allows.
    """
    written: dict[str, InvocationStatus] = {}
    ended, places, touched = [], [], {}
    for row in transaction.query(
        """
        SELECT records.id, invocation_id, instance_id, records.number, records.status, error_code, repeats,
            place.status AS instance_status, repeat_mode
        FROM json_each(?) AS each CROSS JOIN records ON records.id = each.value
        JOIN invocation_instances AS place USING (invocation_id, instance_id)
        JOIN invocations ON invocations.id = invocation_id
        """,
        [json.dumps(list(outcomes))],
    ):
        outcome, old = outcomes[row["id"]], InvocationStatus(row["status"])
        if not may_become(old, outcome.status, error_code=row["error_code"]):
            continue
        is_periodic = row["repeat_mode"] == RepeatMode.PERIOD.value  # it keeps the moment of the stop, however it ended
        ended.append(
            (
                outcome.status.value,
                outcome.exit_code,
                outcome.error_code,
                outcome.error_info,
                to_ms_or_none(outcome.started),
                to_ms_or_none(outcome.finished),
                is_periodic,
                row["id"],
            )
        )
        if row["number"] == row["repeats"]:  # an older record does not change the status of the instance
            status = instance_status(InvocationStatus(row["instance_status"]), outcome.status, periodic=is_periodic)
            places.append((status.value, outcome.exit_code, row["invocation_id"], row["instance_id"]))
            if status.value != row["instance_status"]:
                touched[row["invocation_id"]] = outcome.finished
        written[row["id"]] = old
    transaction.execute_many(
        """
        UPDATE records SET status = ?, exit_code = ?, error_code = ?, error_info = ?,
            started_at = coalesce(?, started_at), finished_at = ?,
            stopped_at = CASE WHEN ?1 = 'Stopped' OR ? THEN stopped_at END, sent_elapsed = NULL, boot = ''
        WHERE id = ?
        """,
        ended,
    )
    put_outputs(transaction, {record_id: outcomes[record_id].output for record_id in written})
    accepted = [record_id for record_id in written if outcomes[record_id].accepted]  # others keep their interim output
    transaction.execute(
        "DELETE FROM interim WHERE record_id IN (SELECT value FROM json_each(?))", [json.dumps(accepted)]
    )
    transaction.execute_many(
        "UPDATE invocation_instances SET status = ?, exit_code = ? WHERE invocation_id = ? AND instance_id = ?", places
    )
    for invocation_id, now in touched.items():
        _update_status(transaction, invocation_id, now)
    return written


def existing(reader: Reader, record_ids: Iterable[str]) -> set[str]:
    """Return those of these ids that a record has."""
    query = "SELECT id FROM records WHERE id IN (SELECT value FROM json_each(?))"
    return {row["id"] for row in reader.query(query, [json.dumps(list(record_ids))])}


def get(reader: Reader, record_id: str, *, output: bool = False) -> Record | None:
    """Return a record, with its output on request; None when it was removed."""
    columns, joins = (f", {OUTPUT}", OUTPUTS) if output else ("", "")
    row = reader.first(f"SELECT records.*{columns} FROM records {joins} WHERE records.id = ?", [record_id])  # noqa: S608
    return None if row is None else record_of(row, output=output)


def of_invocation(reader: Reader, invocation_id: str, record_id: str) -> Record | None:
    """Return a record of this invocation, without its output; None if it has no such record."""
    row = reader.first("SELECT * FROM records WHERE id = ? AND invocation_id = ?", [record_id, invocation_id])
    return None if row is None else record_of(row)


def is_of_file(reader: Reader, record_id: str) -> bool:
    """Return True for the record of a file that is sent, False for that of a script."""
    query = "SELECT 1 FROM records JOIN transfers USING (invocation_id) WHERE records.id = ?"
    return reader.first(query, [record_id]) is not None


def senders(reader: Reader) -> set[str]:
    """Return the senders of the open records."""
    rows = reader.query("SELECT DISTINCT sender FROM records WHERE status IN ('Running', 'Stopping')")
    return {row["sender"] for row in rows}


def unhandled(
    reader: Reader, attended: Collection[str], living: Collection[str], now: datetime
) -> dict[str, list[Record]]:
    """Return the open records by invocation, without those that run and need nothing: read for each scan.

    These are those whose ids are ``attended``; and those of ``living`` senders, up to their deadline if they were sent.
    """
    rows = reader.query(
        """
        SELECT * FROM records WHERE status IN ('Running', 'Stopping') AND (status = 'Stopping' OR (
            id NOT IN (SELECT value FROM json_each(?)) AND NOT (
                sender IN (SELECT value FROM json_each(?)) AND (sent_at IS NULL OR ? BETWEEN sent_at AND deadline_at))))
        """,
        [json.dumps(list(attended)), json.dumps(list(living)), to_ms(now)],
    )
    return _by_invocation(rows)


def unsettled(reader: Reader, *, invocation_id: str | None = None) -> dict[str, list[Record]]:
    """Return the records that may still change, by invocation: all open ones, or those of one invocation.

    For one invocation, these include the ones that were closed as unanswered.
    """
    if invocation_id is None:
        return _by_invocation(reader.query("SELECT * FROM records WHERE status IN ('Running', 'Stopping')"))
    rows = reader.query(
        """
        SELECT * FROM records WHERE invocation_id = ?
            AND (status IN ('Running', 'Stopping') OR (status = 'Failed' AND error_code = ?))
        """,
        [invocation_id, UNANSWERED],
    )
    return _by_invocation(rows)


def _by_invocation(rows: list[sqlite3.Row]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for row in rows:
        found.setdefault(row["invocation_id"], []).append(record_of(row))
    return found


def unanswered(reader: Reader, since: datetime) -> list[Record]:
    """Return the records that were closed as unanswered since a moment, and may be corrected."""
    rows = reader.query(
        f"SELECT * FROM records WHERE error_code = '{UNANSWERED}' AND finished_at > ?",  # noqa: S608
        [to_ms(since)],
    )
    return [record_of(row) for row in rows]


def _update_status(transaction: Transaction, invocation_id: str, now: datetime | None) -> None:
    """Set the status of an invocation by those of its instances. It ends with its last record, or ``now``.

    A periodic one ends no sooner than when it was stopped.
    """
    status = invoke_status(_statuses(transaction, invocation_id))
    finished = None
    if status.is_final:
        row = transaction.first(
            """
            SELECT max(records.finished_at), max(CASE repeat_mode WHEN 'Period' THEN stopped_at END)
            FROM records JOIN invocations ON invocations.id = invocation_id WHERE invocation_id = ?
            """,
            [invocation_id],
        )
        moments = [to_ms_or_none(now), *(row or ())]
        finished = max((moment for moment in moments if moment is not None), default=None)
    transaction.execute(
        "UPDATE invocations SET status = ?, finished_at = ? WHERE id = ?", [status.value, finished, invocation_id]
    )


def _statuses(reader: Reader, invocation_id: str) -> set[InvocationStatus]:
    """Return the statuses of its instances; only Running if any is, because that one decides.

    A run on thousands looks after each batch of ends. One of the last instances is usually still Running, so few rows
    are read.
    """
    last_running = """
        SELECT 1 FROM invocation_instances WHERE invocation_id = ? AND status = 'Running'
        ORDER BY instance_id DESC LIMIT 1
    """
    if reader.first(last_running, [invocation_id]) is not None:
        return {InvocationStatus.RUNNING}
    rows = reader.query("SELECT DISTINCT status FROM invocation_instances WHERE invocation_id = ?", [invocation_id])
    return {InvocationStatus(row["status"]) for row in rows}
