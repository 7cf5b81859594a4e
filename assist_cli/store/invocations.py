"""Invocations, their instances, their records and what these wrote.

The three levels of status are stored side by side; whatever changes a record's status changes the other two in the
same transaction. A final state is not overwritten: ``model.status.may_become`` decides.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from assist_cli.errors import NotFound
from assist_cli.model import ids
from assist_cli.model.command import CommandType
from assist_cli.model.invocation import Invocation, InvocationInstance, Outcome, Record, RepeatMode, Summary
from assist_cli.model.output import Output
from assist_cli.model.parameters import Value
from assist_cli.model.secret import Secret
from assist_cli.model.status import UNANSWERED, InvocationStatus, InvokeStatus, invoke_status, may_become
from assist_cli.store.database import Reader, Transaction, from_ms, from_ms_or_none, to_ms, to_ms_or_none

SUMMARY_BYTES = 200


def add(transaction: Transaction, invocation: Invocation) -> None:
    """Write an invocation with its instances and their first records."""
    transaction.execute(
        """
        INSERT INTO invocations (id, status, created_at, finished_at, command_id, command_name, command_version,
            command_type, repeat_mode, frequency, timeout, working_dir, username, keep_script, parameters_enabled,
            parameters, content)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            invocation.id,
            invocation.status.value,
            to_ms(invocation.created),
            to_ms_or_none(invocation.finished),
            invocation.command_id,
            invocation.command_name,
            invocation.command_version,
            invocation.command_type.value,
            invocation.repeat_mode.value,
            invocation.frequency,
            invocation.timeout,
            invocation.working_dir,
            invocation.username,
            invocation.keep_script,
            invocation.parameters_enabled,
            _packed(invocation.parameters),
            invocation.content,
        ],
    )
    transaction.execute_many(
        """
        INSERT INTO invocation_instances (invocation_id, instance_id, position, instance_name, status, repeats)
        VALUES (?, ?, ?, ?, ?, ?)
        """,
        (
            (invocation.id, each.instance_id, position, each.instance_name, each.status.value, each.repeats)
            for position, each in enumerate(invocation.instances)
        ),
    )
    transaction.execute_many(
        """
        INSERT INTO records (id, invocation_id, instance_id, number, status, sender, deadline_at)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        """,
        (
            (
                each.record.id,
                invocation.id,
                each.instance_id,
                each.record.number,
                each.record.status.value,
                each.record.sender,
                to_ms(each.record.deadline),
            )
            for each in invocation.instances
        ),
    )


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
        _put_output(transaction, record_id, outcome.output)
        transaction.execute(
            "UPDATE invocation_instances SET status = ?, exit_code = ? WHERE invocation_id = ? AND instance_id = ?",
            [outcome.status.value, outcome.exit_code, row["invocation_id"], row["instance_id"]],
        )
        touched.add(row["invocation_id"])
        written[record_id] = old
    for invocation_id in touched:
        _update_status(transaction, invocation_id)
    return written


def find(reader: Reader, text: str) -> str:
    """The id of the invocation that ``text`` names: an id, a unique prefix of one, or ``-`` for the newest.

    Raises NotFound, which says when a prefix names several.
    """
    if text == "-":
        row = reader.first("SELECT max(id) AS id FROM invocations WHERE id GLOB 't-*'")
        if row is None or row["id"] is None:
            raise NotFound("cannot find the newest invocation: nothing was run yet", hint="assist run -- uname -a")
        return str(row["id"])
    prefix = text.lower()
    if len(prefix) > len(ids.Kind.INVOCATION.value) and ids.is_prefix(prefix, ids.Kind.INVOCATION):
        rows = reader.query("SELECT id FROM invocations WHERE id >= ? AND id < ? LIMIT 2", [prefix, prefix + "~"])
        if len(rows) == 1:
            return str(rows[0]["id"])
        if rows:
            raise NotFound(
                f"cannot tell which invocation '{text}' means: more than one id begins so", hint="give more of it"
            )
    raise _not_found(text)


def get(reader: Reader, invocation_id: str, *, output: bool) -> Invocation:
    """An invocation whole, with the newest record of each instance and, where asked for, what these wrote.

    Raises NotFound.
    """
    row = reader.first("SELECT * FROM invocations WHERE id = ?", [invocation_id])
    if row is None:
        raise NotFound(
            f"cannot find an invocation '{invocation_id}'", hint="assist invocation list shows what there is"
        )
    rows = reader.query(
        """
        SELECT records.*, place.instance_name, place.status AS instance_status, place.repeats
        FROM invocation_instances AS place
        JOIN records ON records.invocation_id = place.invocation_id
            AND records.instance_id = place.instance_id AND records.number = place.repeats
        WHERE place.invocation_id = ? ORDER BY place.position
        """,
        [invocation_id],
    )
    instances = tuple(
        InvocationInstance(
            instance_id=each["instance_id"],
            instance_name=each["instance_name"],
            status=InvocationStatus(each["instance_status"]),
            repeats=each["repeats"],
            record=_record(each, _get_output(reader, each["id"]) if output else None),
        )
        for each in rows
    )
    return _invocation(row, row["content"], instances)


def summaries(reader: Reader, limit: int | None) -> list[Summary]:
    """The newest invocations first, at most ``limit`` of them (None: all)."""
    rows = reader.query(
        "SELECT *, substr(content, 1, ?) AS beginning FROM invocations WHERE id GLOB 't-*' ORDER BY id DESC LIMIT ?",
        [SUMMARY_BYTES, -1 if limit is None else limit],
    )
    return [_summary(reader, row) for row in rows]


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
        found.setdefault(row["invocation_id"], []).append(_record(row, None))
    return found


def short_ids(reader: Reader, invocation_ids: Iterable[str]) -> dict[str, str]:
    """For each id the shortest beginning that names it alone, and not less than its time (12 characters)."""
    return {each: each[: max(ids.SHORT_LENGTH, _shared(reader, each) + 1)] for each in invocation_ids}


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
        invocation=_invocation(row, row["beginning"], ()),
        counts=_counts(reader, row["id"]),
        instance_name=known["name"],
        exit_code=known["exit_code"],
        nonzero=known["nonzero"],
    )


def _not_found(text: str) -> NotFound:
    return NotFound(f"cannot find an invocation '{text}'", hint="assist invocation list shows what there is")


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


def _put_output(transaction: Transaction, record_id: str, output: Output) -> None:
    if output.data or output.dropped:
        transaction.execute(
            "INSERT OR REPLACE INTO outputs (record_id, runs, cut, dropped, data) VALUES (?, ?, ?, ?, ?)",
            [record_id, " ".join(map(str, output.runs)), output.cut, output.dropped, output.data],
        )


def _get_output(reader: Reader, record_id: str) -> Output:
    row = reader.first("SELECT * FROM outputs WHERE record_id = ?", [record_id])
    if row is None:
        return Output()
    return Output(data=row["data"], runs=tuple(map(int, row["runs"].split())), cut=row["cut"], dropped=row["dropped"])


def _packed(parameters: Mapping[str, Value]) -> str:
    """Values as JSON; null stands for a secret, whose value is kept nowhere."""
    return json.dumps(
        {key: None if isinstance(value, Secret) else value for key, value in parameters.items()}, ensure_ascii=False
    )


def _unpacked(text: str) -> dict[str, Value]:
    return {key: Secret(None) if value is None else value for key, value in json.loads(text).items()}


def _record(row: sqlite3.Row, output: Output | None) -> Record:
    return Record(
        id=row["id"],
        instance_id=row["instance_id"],
        number=row["number"],
        status=InvocationStatus(row["status"]),
        deadline=from_ms(row["deadline_at"]),
        sender=row["sender"],
        exit_code=row["exit_code"],
        error_code=row["error_code"],
        error_info=row["error_info"],
        sent=from_ms_or_none(row["sent_at"]),
        started=from_ms_or_none(row["started_at"]),
        finished=from_ms_or_none(row["finished_at"]),
        stopped=from_ms_or_none(row["stopped_at"]),
        output=output,
    )


def _invocation(row: sqlite3.Row, content: bytes, instances: Collection[InvocationInstance]) -> Invocation:
    return Invocation(
        id=row["id"],
        command_id=row["command_id"],
        command_type=CommandType(row["command_type"]),
        content=content,
        timeout=row["timeout"],
        status=InvokeStatus(row["status"]),
        created=from_ms(row["created_at"]),
        instances=tuple(instances),
        command_name=row["command_name"],
        command_version=row["command_version"],
        parameters_enabled=bool(row["parameters_enabled"]),
        parameters=_unpacked(row["parameters"]),
        working_dir=row["working_dir"],
        username=row["username"],
        keep_script=bool(row["keep_script"]),
        repeat_mode=RepeatMode(row["repeat_mode"]),
        frequency=row["frequency"],
        finished=from_ms_or_none(row["finished_at"]),
    )
