"""Invocations whole: written with their instances and first records, found, and read again."""

from __future__ import annotations

from assist_cli.errors import NotFound
from assist_cli.model import ids
from assist_cli.model.invocation import Invocation, InvocationInstance
from assist_cli.model.status import InvocationStatus
from assist_cli.store.database import Reader, Transaction, to_ms, to_ms_or_none
from assist_cli.store.packing import get_output, invocation_of, packed, record_of


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
            packed(invocation.parameters),
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
            record=record_of(each, get_output(reader, each["id"]) if output else None),
        )
        for each in rows
    )
    return invocation_of(row, row["content"], instances)


def _not_found(text: str) -> NotFound:
    return NotFound(f"cannot find an invocation '{text}'", hint="assist invocation list shows what there is")
