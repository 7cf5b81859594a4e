"""Complete invocations: writing them with their instances and first records, finding and reading them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

from assist_cli.errors import NotFound
from assist_cli.model import ids, names
from assist_cli.model.ids import Kind
from assist_cli.model.invocation import Invocation, InvocationInstance, Record, no_record
from assist_cli.model.status import InvocationStatus
from assist_cli.store.database import Reader, Transaction, from_ms, from_ms_or_none, to_ms, to_ms_or_none
from assist_cli.store.rows import OUTPUT, OUTPUTS, get_transfer, invocation_of, packed, put_transfer, record_of

if TYPE_CHECKING:
    from assist_cli.model.transfer import Transfer

RUNS = (Kind.INVOCATION,)
FILES = (Kind.FILE,)
BOTH = (*RUNS, *FILES)

_NOUNS = {Kind.INVOCATION: "invocation", Kind.FILE: "file"}
_FIRST_STEPS = {
    Kind.INVOCATION: ("nothing was run yet", "assist run -- uname -a"),
    Kind.FILE: ("nothing was sent yet", "assist send FILE --to DIR"),
}


def add(transaction: Transaction, invocation: Invocation) -> None:
    """Write an invocation with its instances and their first records. The content of a file is not stored."""
    transaction.execute(
        """
        INSERT INTO invocations (id, status, created_at, finished_at, command_id, command_name, command_version,
            command_type, repeat_mode, frequency, timezone, timeout, working_dir, username, keep_script,
            parameters_enabled, parameters, content, launcher)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            invocation.id,
            invocation.status.value,
            to_ms(invocation.created),
            to_ms_or_none(invocation.finished),
            invocation.command_id,
            invocation.command_name,
            invocation.command_version,
            invocation.command_type.value if invocation.command_type else "",
            invocation.repeat_mode.value,
            invocation.frequency,
            invocation.timezone,
            invocation.timeout,
            invocation.working_dir,
            invocation.username,
            invocation.keep_script,
            invocation.parameters_enabled,
            packed(invocation.parameters),
            b"" if invocation.transfer else invocation.content,
            invocation.launcher,
        ],
    )
    if invocation.transfer:
        put_transfer(transaction, invocation.id, invocation.transfer)
    transaction.execute_many(
        """
        INSERT INTO invocation_instances (invocation_id, instance_id, position, instance_name, status, repeats)
        VALUES (?, ?, ?, ?, ?, ?)
        """,
        [
            (invocation.id, each.instance_id, position, each.instance_name, each.status.value, each.repeats)
            for position, each in enumerate(invocation.instances)
        ],
    )
    transaction.execute_many(
        """
        INSERT INTO records (id, invocation_id, instance_id, number, status, sender, deadline_at, deliver_by, enrolment)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            (
                each.record.id,
                invocation.id,
                each.instance_id,
                each.record.number,
                each.record.status.value,
                each.record.sender,
                to_ms(each.record.deadline),
                to_ms_or_none(each.record.deliver_by),
                each.record.enrolment,
            )
            for each in invocation.instances
            if each.repeats
        ],
    )


def find(reader: Reader, text: str, kinds: Sequence[Kind] = RUNS) -> str:
    """Return the id of the invocation that ``text`` names: an id, a unique prefix of one, or ``-`` for the newest.

    Its kind is one of ``kinds``; the newest is of the first kind. Raises NotFound, also when a prefix matches several.
    """
    if text == "-":
        row = reader.first("SELECT max(id) AS id FROM invocations WHERE id >= ? AND id < ?", _range(kinds[0].value))
        if row is None or row["id"] is None:
            why, hint = _FIRST_STEPS[kinds[0]]
            raise NotFound(f"cannot find the newest {_NOUNS[kinds[0]]}: {why}", hint=hint)
        return str(row["id"])
    prefix = text.lower()
    kind = next((each for each in BOTH if prefix != each.value and ids.is_prefix(prefix, each)), None)
    if kind is None:
        raise _not_found(text, kinds[0])
    if kind not in kinds:
        raise _not_found(text, kinds[0], hint=f"assist {_NOUNS[kind]} show {text}")
    rows = reader.query("SELECT id FROM invocations WHERE id >= ? AND id < ? LIMIT 2", _range(prefix))
    if not rows:
        raise _not_found(text, kind)
    if len(rows) > 1:
        rows = reader.query("SELECT id FROM invocations WHERE id >= ? AND id < ? ORDER BY id DESC", _range(prefix))
        which = names.some_of([row["id"] for row in rows])
        raise NotFound(
            f"cannot tell which {_NOUNS[kind]} '{text}' means: more than one id begins with it",
            hint=f"give more of it: {which}",
        )
    return str(rows[0]["id"])


def get(reader: Reader, invocation_id: str, *, output: bool) -> Invocation:
    """Return a complete invocation with the newest record of each instance and, on request, the ``output`` of these.

    Raises NotFound.
    """
    row = reader.first("SELECT * FROM invocations WHERE id = ?", [invocation_id])
    if row is None:
        raise _not_found(invocation_id, Kind.INVOCATION)
    rows = reader.query(
        f"""
        SELECT records.*, place.instance_id AS place_id, place.instance_name, place.status AS instance_status,
            place.repeats, place.stopped_at AS place_stopped_at{", " + OUTPUT if output else ""}
        FROM invocation_instances AS place
        LEFT JOIN records ON records.invocation_id = place.invocation_id
            AND records.instance_id = place.instance_id AND records.number = place.repeats
        {OUTPUTS if output else ""}
        WHERE place.invocation_id = ? ORDER BY place.position
        """,  # noqa: S608
        [invocation_id],
    )
    instances = tuple(
        InvocationInstance(
            instance_id=each["place_id"],
            instance_name=each["instance_name"],
            status=InvocationStatus(each["instance_status"]),
            repeats=each["repeats"],
            stopped=from_ms_or_none(each["place_stopped_at"]),
            record=record_of(each, output=output)
            if each["repeats"]
            else no_record(each["place_id"], InvocationStatus(each["instance_status"]), from_ms(row["created_at"])),
        )
        for each in rows
    )
    return invocation_of(row, row["content"], instances, _transfer(reader, row))


def records(reader: Reader, invocation_id: str, instance_id: str) -> list[Record]:
    """Return all records of an invocation on one instance with their output, newest first."""
    rows = reader.query(
        f"""
        SELECT records.*, {OUTPUT} FROM records {OUTPUTS}
        WHERE invocation_id = ? AND instance_id = ? ORDER BY records.number DESC
        """,  # noqa: S608
        [invocation_id, instance_id],
    )
    return [record_of(row, output=True) for row in rows]


def what(reader: Reader, invocation_id: str) -> Invocation:
    """Return the script and the settings of an invocation, without its instances. Raises NotFound."""
    return what_of(reader, [invocation_id])[invocation_id]


def what_of(reader: Reader, invocation_ids: Sequence[str]) -> dict[str, Invocation]:
    """Return the same for several invocations, by id. Raises NotFound for each that is missing."""
    rows = reader.query(
        "SELECT * FROM invocations WHERE id IN (SELECT value FROM json_each(?))", [json.dumps(invocation_ids)]
    )
    found = {row["id"]: invocation_of(row, row["content"], (), _transfer(reader, row)) for row in rows}
    for each in invocation_ids:
        if each not in found:
            raise _not_found(each, Kind.INVOCATION)
    return found


def newest(reader: Reader, kind: Kind, limit: int | None) -> list[Invocation]:
    """Return the invocations of a kind, newest first, at most ``limit`` of them (None: all), without output."""
    rows = reader.query(
        "SELECT id FROM invocations WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ?",
        [*_range(kind.value), -1 if limit is None else limit],
    )
    return [get(reader, row["id"], output=False) for row in rows]


def _transfer(reader: Reader, row: sqlite3.Row) -> Transfer | None:
    return None if row["command_type"] else get_transfer(reader, row["id"])


def _range(prefix: str) -> tuple[str, str]:
    """Return the bounds of the ids that begin with a prefix."""
    return prefix, prefix + "~"


_NEWEST = frozenset({"latest", "last", "newest", "recent", "previous", "prev", "@last", "head", "-1"})


def _not_found(text: str, kind: Kind, hint: str = "") -> NotFound:
    noun = _NOUNS[kind]
    article = "an" if kind is Kind.INVOCATION else "a"
    if text.lower() in _NEWEST:
        hint = f"for the newest {noun} give -, as in: assist {noun} show -"
    elif text.lower() == "all" and kind is Kind.INVOCATION:
        hint = "give one of them; assist invocation list --status Running shows those in progress"
    return NotFound(f"cannot find {article} {noun} '{text}'", hint=hint or f"assist {noun} list shows what there is")
