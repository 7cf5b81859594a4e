"""A history without runs: invocations with their outcomes, written as by a fan-out."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from assist_cli.model.command import CommandType
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation, InvocationInstance, Outcome, Record
from assist_cli.model.outcomes import stopped_unsent
from assist_cli.model.output import Output
from assist_cli.model.status import InvocationStatus, InvokeStatus
from assist_cli.operations.controller import Controller
from assist_cli.paths import home
from assist_cli.store import instances, invocations, migrations, records
from assist_cli.store.database import STEPS, Database, to_ms


def older_home(home: Path, version: int) -> None:
    """A home whose database has an older schema."""
    home.mkdir(0o700)
    with contextlib.closing(sqlite3.connect(home / "assist.db", isolation_level=None)) as connection:
        connection.execute("BEGIN")
        migrations.apply(connection, STEPS[:version])
        connection.execute("INSERT OR IGNORE INTO settings VALUES ('controller', 'x')")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")


def register(database: Database, names: Sequence[str], now: datetime) -> list[Instance]:
    """Instances of these names, without agents."""
    made = [
        Instance(new_id(Kind.INSTANCE, to_ms(now)), name, f"unix:{home().root}/missing/{name}.sock", now)
        for name in names
    ]
    with database.transaction() as transaction:
        for instance in made:
            instances.register(transaction, instance)
    return made


def invocation_on(where: Sequence[Instance], moment: datetime, **settings: Any) -> Invocation:
    """An invocation in progress, not written yet."""
    known = {"command_id": new_id(Kind.COMMAND, to_ms(moment)), "content": b"true", **settings}
    return Invocation(
        id=new_id(Kind.INVOCATION, to_ms(moment)),
        command_type=CommandType.SHELL,
        timeout=60,
        status=InvokeStatus.RUNNING,
        created=moment,
        instances=tuple(
            InvocationInstance(
                instance_id=each.id,
                instance_name=each.name,
                status=InvocationStatus.RUNNING,
                repeats=1,
                record=Record(
                    id=new_id(Kind.RECORD, to_ms(moment)),
                    instance_id=each.id,
                    number=1,
                    status=InvocationStatus.RUNNING,
                    deadline=moment + timedelta(seconds=90),
                ),
            )
            for each in where
        ),
        **known,
    )


def write(database: Database, invocation: Invocation, outcomes: Sequence[Outcome | None]) -> Invocation:
    """Write it, with an outcome for each instance in turn; None leaves that one open."""
    ended = {
        place.record.id: outcome
        for place, outcome in zip(invocation.instances, outcomes, strict=True)
        if outcome is not None
    }
    with database.transaction() as transaction:
        invocations.add(transaction, invocation)
        records.settle(transaction, ended)
    return invocation


def leave_open(controller: Controller, invocation: Invocation) -> None:
    """Mark the open records of an invocation as just sent, so that nobody closes them for an hour."""
    with controller.database.transaction() as transaction:
        for place in invocation.instances:
            records.mark_sent(transaction, place.record.id, controller.moment(), timedelta(hours=1))


def finished(text: str = "", exit_code: int = 0, *, at: datetime | None = None) -> Outcome:
    """The outcome of a record that ended, with this output."""
    data = text.encode()
    output = Output(data, (len(data),)) if data else Output()
    code, info = ("ExitCodeNonzero", f"the script ended with exit code {exit_code}") if exit_code else ("", "")
    return Outcome(InvocationStatus.FINISHED, exit_code, code, info, at, at, output)


def unstarted(why: str, *, at: datetime) -> Outcome:
    """The outcome of a record that was not started, since too many others had failed."""
    return stopped_unsent(at, why)


def failed(code: str, info: str, *, at: datetime | None = None) -> Outcome:
    return Outcome(InvocationStatus.FAILED, None, code, info, finished=at)
