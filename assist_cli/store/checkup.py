"""Whether the database is whole, and whether what it says of one thing in two places is the same."""

from __future__ import annotations

import itertools
import json

from assist_cli.model.invocation import RepeatMode
from assist_cli.model.status import InvocationStatus, instance_status, invoke_status
from assist_cli.store.database import Reader


def faults(reader: Reader) -> list[str]:
    """What SQLite finds wrong with the file and its references; nothing when it is whole."""
    found = [str(row[0]) for row in reader.query("PRAGMA integrity_check") if row[0] != "ok"]
    return found + [f"{row[0]}: row {row[1]} refers to nothing" for row in reader.query("PRAGMA foreign_key_check")]


def disagreements(reader: Reader) -> list[str]:
    """Invocations whose status does not follow from their instances', or these from their records'.

    The levels are those of docs/rules.md section 2, also for what runs again and again.
    """
    found = [
        row["id"]
        for row in reader.query(
            """
            SELECT invocations.id, invocations.status, group_concat(DISTINCT place.status) AS statuses
            FROM invocations JOIN invocation_instances AS place ON place.invocation_id = invocations.id
            GROUP BY invocations.id
            """
        )
        if invoke_status(InvocationStatus(text) for text in row["statuses"].split(",")).value != row["status"]
    ]
    found += [
        row["invocation_id"]
        for row in reader.query(
            """
            SELECT DISTINCT place.invocation_id FROM invocation_instances AS place
            JOIN invocations ON invocations.id = place.invocation_id
            LEFT JOIN records ON records.invocation_id = place.invocation_id
                AND records.instance_id = place.instance_id AND records.number = place.repeats
            WHERE repeat_mode || ' ' || place.status || ' ' || coalesce(records.status, '')
                IN (SELECT value FROM json_each(?))
            """,
            [json.dumps(_impossible())],
        )
    ]
    return list(dict.fromkeys(found))


def _impossible() -> list[str]:
    """How an instance and its newest record (empty: none yet) never stand together, by the mode of the invocation."""
    return [
        f"{mode.value} {status} {newest or ''}"
        for mode, status, newest in itertools.product(RepeatMode, InvocationStatus, (None, *InvocationStatus))
        if instance_status(status, newest, periodic=mode is RepeatMode.PERIOD) is not status
    ]
