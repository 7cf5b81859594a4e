"""Reading the history. Open records are first reconciled with their agents (docs/rules.md section 2)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from assist_cli.errors import GaveUpWaiting, NotFound
from assist_cli.model.invocation import Filter, Invocation, InvocationInstance, RepeatMode
from assist_cli.model.status import InvokeStatus
from assist_cli.model.summary import Summary
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.instances import chosen
from assist_cli.operations.runs import interim, members, refresh
from assist_cli.operations.runs.listener import Listener
from assist_cli.store import commands, instances, invocations, listing
from assist_cli.store.database import Reader

if TYPE_CHECKING:
    from assist_cli.model.schedule import Schedule


def find(controller: Controller, text: str, *, files: bool = False) -> str:
    """Resolve an id, a unique prefix of one, or ``-`` for the newest run, to the id of an invocation.

    Invocations of files are found with ``files`` only. Raises NotFound.
    """
    return invocations.find(controller.database, text, invocations.BOTH if files else invocations.RUNS)


def show(controller: Controller, invocation_id: str, *, output: bool) -> Invocation:
    """An invocation with its instances and, with ``output``, their output. Raises NotFound.

    Open records are first reconciled with their agents: status, start time and, with ``output``, interim output.
    """
    return refresh.up_to_date(controller, invocation_id, output=output)


def former(controller: Controller, found: Invocation) -> list[tuple[datetime, Invocation]]:
    """The earlier scripts of a periodic invocation, newest first, each with the time at which it was replaced."""
    if found.repeat_mode is not RepeatMode.PERIOD:
        return []
    from assist_cli.store import scripts  # single executions do not need it

    return scripts.former(controller.database, found)


def planned(controller: Controller, found: Sequence[Invocation]) -> dict[str, Schedule]:
    """The schedules of those of these invocations that will still fire, by id of the invocation."""
    waiting = [each.id for each in found if each.frequency is not None and each.status is InvokeStatus.RUNNING]
    if not waiting:
        return {}
    from assist_cli.store import schedules  # runs without a schedule do not need it

    return {each.invocation_id: each for each in schedules.open_among(controller.database, waiting)}


def changes(controller: Controller) -> object:
    """A value that is different after each change of the history. It is cheap to get."""
    return controller.database.changes()


def results(
    controller: Controller, invocation_id: str, where: Selection | None = None, *, every: bool = False
) -> Iterator[InvocationInstance]:
    """The instances of an invocation, or those of ``where``, each with its newest record and its output.

    With ``every``, one result for each record of an instance, newest first. Open records are reconciled as in ``show``.
    Raises NotFound.
    """
    found = show(controller, invocation_id, output=not every)
    if every:
        interim.refresh(controller, interim.newest_records(found.instances), output=True)
    for instance in places(controller, found, where):
        if not every:
            yield instance
            continue
        for record in invocations.records(controller.database, invocation_id, instance.instance_id):
            yield instance._replace(record=record)


def places(controller: Controller, invocation: Invocation, where: Selection | None) -> list[InvocationInstance]:
    """The instances of an invocation that ``where`` selects, see ``members.chosen``. Raises NotFound."""
    wanted = members.chosen(controller.database, invocation, where)
    return [each for each in invocation.instances if each.instance_id in wanted]


def filtered(
    controller: Controller,
    *,
    statuses: Sequence[InvokeStatus] = (),
    command: str | None = None,
    where: Selection | None = None,
    since: datetime | None = None,
    periodic: bool = False,
    unsuccessful: bool = False,
) -> Filter:
    """A filter for ``summaries``. ``command`` is the name or id of a command, even of a deleted one.

    ``where`` selects instances by their current names. Raises NotFound for a command or an instance that never existed.
    """
    return Filter(
        statuses=tuple(statuses),
        command_ids=None if command is None else _commands(controller.database, command),
        instance_ids=None if where is None or where.is_empty else known(controller.database, where),
        since=since,
        periodic=periodic,
        unsuccessful=unsuccessful,
    )


def summaries(controller: Controller, *, limit: int | None, wanted: Filter | None = None) -> list[Summary]:
    """The invocations that match ``wanted``, newest first, at most ``limit`` (None: all).

    Open records are reconciled as in ``show``.
    """
    refresh.refresh(controller, None)
    return listing.summaries(controller.database, limit, wanted)


def short_ids(controller: Controller, ids: list[str]) -> dict[str, str]:
    """A unique prefix of each id."""
    return listing.short_ids(controller.database, ids)


def outlast(controller: Controller, invocation_id: str, *, listener: Listener | None, patience: float | None) -> None:
    """Wait until a periodic invocation is stopped, up to ``patience`` seconds (None: no limit). Raises GaveUpWaiting.

    Polls the database only: the server that fires it also writes its outcomes.
    """
    until = None if patience is None else time.monotonic() + patience
    before: object = None
    while True:
        now = changes(controller)
        if now != before:
            before = now
            if invocations.get(controller.database, invocation_id, output=False).status.is_final:
                return
        if listener is not None:
            listener.beat()
        if until is not None and time.monotonic() > until:
            raise GaveUpWaiting(
                f"cannot wait any longer for {invocation_id}: it continues",
                hint=f"assist invocation wait {invocation_id}",
            )
        time.sleep(controller.timeouts.view.beat)


def _commands(reader: Reader, text: str) -> tuple[str, ...]:
    """The ids of the commands with this name, now or when they ran."""
    found = set(listing.commands_run(reader, text))
    try:
        found.add(commands.find(reader, text))
    except NotFound:
        if not found:
            raise
    return tuple(found)


def known(reader: Reader, where: Selection) -> tuple[str, ...]:
    """The ids of the instances that ``where`` selects; of removed instances, if no registered one matches."""
    try:
        found = chosen(reader, instances.registered(reader), where)
    except NotFound:
        found = chosen(reader, instances.known(reader), where)
    return tuple(each.id for each in found)
