"""The views of ``assist query``: the history as tables for people (docs/history.md).

Their names and columns are stable: a column may be added, and none changes its meaning. Times are text in UTC, as the
date functions of SQLite return them: ``created > datetime('now', '-7 days')`` compares them. No view has a secret: no
keys, no values of parameters that are secrets, no addresses of notifications.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping


def _time(column: str) -> str:
    return f"datetime({column} / 1000, 'unixepoch')"


_NAME = """(SELECT place.instance_name FROM main.invocation_instances AS place
        WHERE place.invocation_id = {0}.invocation_id AND place.instance_id = {0}.instance_id)"""


def _of_output(column: str) -> str:
    """Return a column of the output of a record: of the final one, else of the interim one."""
    return f"""coalesce((SELECT {column} FROM main.outputs WHERE record_id = records.id),
        (SELECT {column} FROM main.interim WHERE record_id = records.id))"""  # noqa: S608 - constants


# The columns of each view, and the table that has its rows. A view of one table is not copied before it is searched.
VIEWS: Mapping[str, tuple[Mapping[str, str], str]] = {
    "invocations": (
        {
            "id": "id",
            "kind": "CASE WHEN id GLOB 'f-*' THEN 'file' ELSE 'script' END",
            "status": "status",
            "created": _time("created_at"),
            "finished": _time("finished_at"),
            "seconds": "(finished_at - created_at) / 1000.0",
            "command_id": "nullif(command_id, '')",
            "command_name": "command_name",
            "command_version": "command_version",
            "command_type": "nullif(command_type, '')",
            "script": "CASE WHEN id GLOB 't-*' THEN CAST(content AS TEXT) END",
            "file": """(SELECT rtrim(directory, '/') || '/' || name FROM main.transfers
                WHERE invocation_id = invocations.id)""",
            "parameters": "parameters",
            "repeat_mode": "repeat_mode",
            "frequency": "frequency",
            "timezone": "timezone",
            "timeout": "timeout",
            "working_dir": "working_dir",
            "username": "username",
            "instance_count": "(SELECT count(*) FROM main.invocation_instances WHERE invocation_id = invocations.id)",
        },
        "invocations",
    ),
    "records": (
        {
            "id": "id",
            "invocation_id": "invocation_id",
            "instance_id": "instance_id",
            "instance_name": _NAME.format("records"),
            "number": "number",
            "status": "status",
            "exit_code": "CASE typeof(exit_code) WHEN 'integer' THEN exit_code END",
            "error_code": "nullif(error_code, '')",
            "error_info": "nullif(error_info, '')",
            "sent": _time("sent_at"),
            "started": _time("started_at"),
            "finished": _time("finished_at"),
            "stopped": _time("stopped_at"),
            "seconds": "(finished_at - started_at) / 1000.0",
            "queued": _time("queued_at"),
            "deliver_by": _time("deliver_by"),
            "output": f"CAST({_of_output('data')} AS TEXT)",
            "dropped": f"coalesce({_of_output('dropped')}, 0)",
        },
        "records",
    ),
    "instances": (
        {
            "id": "id",
            "name": "name",
            "address": "address",
            "os_type": "os_type",
            "tags": "tags",
            "facts": "json_patch(facts, own_facts)",
            "created": _time("created_at"),
            "last_heard": _time("heard_at"),
        },
        "instances WHERE removed_at IS NULL",
    ),
    "schedules": (
        {
            "invocation_id": "invocation_id",
            "command_name": "(SELECT command_name FROM main.invocations WHERE id = invocation_id)",
            "status": "(SELECT status FROM main.invocations WHERE id = invocation_id)",
            "frequency": "frequency",
            "timezone": "timezone",
            "next": _time("next_at"),
            "last": _time("last_at"),
            "paused": _time("paused_at"),
            "jitter_seconds": "jitter_ms / 1000.0",
            "missed": "missed",
            "keep": "keep",
            "error": "error",
        },
        "schedules",
    ),
    "slots": (
        {
            "invocation_id": "invocation_id",
            "instance_id": "instance_id",
            "instance_name": _NAME.format("slots"),
            "due": _time("due_at"),
            "due_until": _time("until_at"),
            "outcome": "outcome",
            "lateness_seconds": "lateness_ms / 1000.0",
            "record_id": "record_id",
        },
        "slots",
    ),
    "audit": (
        {
            "time": _time("at"),
            "login": "login",
            "uid": "uid",
            "origin": "origin",
            "action": "action",
            "subject": "subject",
            "detail": "detail",
            "outcome": "outcome",
        },
        "audit",
    ),
}


def create(connection: sqlite3.Connection) -> None:
    """Create the views, for this connection alone."""
    for name, (columns, rows) in VIEWS.items():
        chosen = ", ".join(f'{value} AS "{column}"' for column, value in columns.items())
        connection.execute(f'CREATE TEMP VIEW "{name}" AS SELECT {chosen} FROM main.{rows}')  # noqa: S608 - constants


def create_empty(connection: sqlite3.Connection) -> None:
    """Create views of the same names and columns, with nothing behind them."""
    for name, (columns, _) in VIEWS.items():
        chosen = ", ".join(f'NULL AS "{column}"' for column in columns)
        connection.execute(f'CREATE TEMP VIEW "{name}" AS SELECT {chosen} WHERE 0')
