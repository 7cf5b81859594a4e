"""Conversion between rows and the model: invocations, transfers, records and outputs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from assist_cli.model.command import CommandType
from assist_cli.model.invocation import Invocation, InvocationInstance, Record, RepeatMode, Wait
from assist_cli.model.output import Output
from assist_cli.model.parameters import Value
from assist_cli.model.secret import Secret
from assist_cli.model.status import InvocationStatus, InvokeStatus
from assist_cli.store.database import Reader, Transaction, from_ms, from_ms_or_none

if TYPE_CHECKING:
    from assist_cli.model.transfer import Transfer

MOST_INFO = 4000  # characters of an ErrorInfo; older versions stored the messages of agents at any length
IS_QUEUED = "(status = 'Running' AND queued_at IS NOT NULL AND accepted = 0)"  # Record.is_queued, for its row
# The output of a record, or its interim output while it runs: the columns for ``record_of``, and their tables.
OUTPUT = ", ".join(f"coalesce(outputs.{name}, interim.{name}) AS {name}" for name in ("runs", "cut", "dropped", "data"))
OUTPUTS = """
    LEFT JOIN outputs ON outputs.record_id = records.id LEFT JOIN interim ON interim.record_id = records.id
    """


def invocation_of(
    row: sqlite3.Row, content: bytes, instances: Collection[InvocationInstance], transfer: Transfer | None = None
) -> Invocation:
    """Return an invocation from its row. For a file, the fields of the command are empty."""
    return Invocation(
        id=row["id"],
        command_id=row["command_id"],
        command_type=CommandType(row["command_type"]) if row["command_type"] else None,
        content=content,
        timeout=row["timeout"],
        status=InvokeStatus(row["status"]),
        created=from_ms(row["created_at"]),
        instances=tuple(instances),
        command_name=row["command_name"],
        command_version=row["command_version"],
        parameters_enabled=bool(row["parameters_enabled"]),
        parameters=unpacked(row["parameters"]),
        working_dir=row["working_dir"],
        username=row["username"],
        launcher=row["launcher"],
        keep_script=bool(row["keep_script"]),
        repeat_mode=RepeatMode(row["repeat_mode"]),
        frequency=row["frequency"],
        timezone=row["timezone"],
        finished=from_ms_or_none(row["finished_at"]),
        transfer=transfer,
    )


def record_of(row: sqlite3.Row, *, output: bool = False) -> Record:
    """Return a record from its row. With ``output``, the row has its columns too; null where nothing was printed."""
    return Record(
        id=row["id"],
        instance_id=row["instance_id"],
        number=row["number"],
        status=InvocationStatus(row["status"]),
        deadline=from_ms(row["deadline_at"]),
        sender=row["sender"],
        exit_code=exit_code_of(row),
        error_code=row["error_code"],
        error_info=row["error_info"][:MOST_INFO],
        sent=from_ms_or_none(row["sent_at"]),
        started=from_ms_or_none(row["started_at"]),
        finished=from_ms_or_none(row["finished_at"]),
        stopped=from_ms_or_none(row["stopped_at"]),
        accepted=bool(row["accepted"]),
        sent_elapsed=None if row["sent_elapsed"] is None else row["sent_elapsed"] / 1000,
        boot=row["boot"],
        output=_output_of(row) if output else None,
        deliver_by=from_ms_or_none(row["deliver_by"]),
        enrolment=row["enrolment"],
        wait=wait_of(row),
    )


def wait_of(row: sqlite3.Row) -> Wait | None:
    """Return the wait of a record in the queue from its row; None when it was never queued."""
    if row["queued_at"] is None:
        return None
    return Wait(from_ms(row["queued_at"]), from_ms(row["tried_at"]), row["tried_why"])


def exit_code_of(row: sqlite3.Row) -> int | None:
    """Return the exit code of a row; None where an older version has stored something else."""
    return row["exit_code"] if isinstance(row["exit_code"], int) else None


def _output_of(row: sqlite3.Row) -> Output:
    if row["data"] is None:
        return Output()
    return Output(data=row["data"], runs=tuple(map(int, row["runs"].split())), cut=row["cut"], dropped=row["dropped"])


def put_outputs(transaction: Transaction, outputs: Mapping[str, Output]) -> None:
    """Write outputs, by record id; nothing where nothing was printed."""
    transaction.execute_many(
        "INSERT OR REPLACE INTO outputs (record_id, runs, cut, dropped, data) VALUES (?, ?, ?, ?, ?)",
        (
            (record_id, " ".join(map(str, output.runs)), output.cut, output.dropped, output.data)
            for record_id, output in outputs.items()
            if output.data or output.dropped
        ),
    )


def put_transfer(transaction: Transaction, invocation_id: str, transfer: Transfer) -> None:
    transaction.execute(
        """
        INSERT INTO transfers (invocation_id, name, directory, size, sha256, mode, owner, group_name, overwrite)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            invocation_id,
            transfer.name,
            transfer.directory,
            transfer.size,
            transfer.sha256,
            transfer.mode,
            transfer.owner,
            transfer.group,
            transfer.overwrite,
        ],
    )


def get_transfer(reader: Reader, invocation_id: str) -> Transfer | None:
    row = reader.first("SELECT * FROM transfers WHERE invocation_id = ?", [invocation_id])
    if row is None:
        return None
    from assist_cli.model.transfer import Transfer  # most invocations send no file

    return Transfer(
        name=row["name"],
        directory=row["directory"],
        size=row["size"],
        sha256=row["sha256"],
        mode=row["mode"],
        owner=row["owner"],
        group=row["group_name"],
        overwrite=bool(row["overwrite"]),
    )


def packed(parameters: Mapping[str, Value]) -> str:
    """Return values as JSON; null stands for a secret, whose value is never stored."""
    return json.dumps(
        {key: None if isinstance(value, Secret) else value for key, value in parameters.items()}, ensure_ascii=False
    )


def unpacked(text: str) -> dict[str, Value]:
    return {key: Secret(None) if value is None else value for key, value in json.loads(text).items()}
