"""Whether the database is whole, and whether what it says of one thing in two places is the same."""

from __future__ import annotations

from assist_cli.model.invocation import RepeatMode
from assist_cli.model.status import InvocationStatus, invoke_status
from assist_cli.store.database import Reader


def faults(reader: Reader) -> list[str]:
    """What SQLite finds wrong with the file and its references; nothing when it is whole."""
    found = [str(row[0]) for row in reader.query("PRAGMA integrity_check") if row[0] != "ok"]
    return found + [f"{row[0]}: row {row[1]} refers to nothing" for row in reader.query("PRAGMA foreign_key_check")]


def disagreements(reader: Reader) -> list[str]:
    """Invocations whose status does not follow from their instances', or these from their records'.

    The levels are those of docs/rules.md section 2.
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
            JOIN invocations ON invocations.id = place.invocation_id AND invocations.repeat_mode = ?
            JOIN records ON records.invocation_id = place.invocation_id
                AND records.instance_id = place.instance_id AND records.number = place.repeats
            WHERE records.status <> place.status
            """,
            [RepeatMode.ONCE.value],
        )
    ]
    return list(dict.fromkeys(found))
