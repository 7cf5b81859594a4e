"""Looking at what was run. Whoever looks first sees to it that what is shown is true (docs/rules.md section 2)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from assist_cli.errors import GaveUpWaiting, NotFound
from assist_cli.model.invocation import Filter, Invocation, InvocationInstance, RepeatMode
from assist_cli.model.status import InvokeStatus
from assist_cli.model.summary import Summary
from assist_cli.model.target import Selection, choose
from assist_cli.operations.controller import Controller
from assist_cli.operations.runs import interim, members, refresh
from assist_cli.operations.runs.listener import Listener
from assist_cli.store import commands, instances, invocations, listing
from assist_cli.store.database import Reader

if TYPE_CHECKING:
    from assist_cli.model.schedule import Schedule


def find(controller: Controller, text: str, *, files: bool = False) -> str:
    """The id of the invocation that is meant: an id, the beginning of one, or ``-`` for the newest run.

    That of a file is found with ``files`` only. Raises NotFound.
    """
    return invocations.find(controller.database, text, invocations.BOTH if files else invocations.RUNS)


def show(controller: Controller, invocation_id: str, *, output: bool) -> Invocation:
    """An invocation with its instances and, where asked for, their output. Raises NotFound.

    The agents of records that are not final are asked first: how they stand, when they started and, where output is
    asked for, what they have printed so far.
    """
    return refresh.up_to_date(controller, invocation_id, output=output)


def former(controller: Controller, found: Invocation) -> list[tuple[datetime, Invocation]]:
    """What a periodic invocation ran before its script was changed, the newest first, each with the time of that."""
    if found.repeat_mode is not RepeatMode.PERIOD:
        return []
    from assist_cli.store import scripts  # what runs once has one script

    return scripts.former(controller.database, found)


def planned(controller: Controller, found: Sequence[Invocation]) -> dict[str, Schedule]:
    """The schedules of those of these invocations that will run again, or at all, by the invocation's id."""
    waiting = [each.id for each in found if each.frequency is not None and each.status is InvokeStatus.RUNNING]
    if not waiting:
        return {}
    from assist_cli.store import schedules  # what runs at once has none

    return {each.invocation_id: each for each in schedules.open_among(controller.database, waiting)}


def changes(controller: Controller) -> object:
    """A mark that differs from an earlier one when the history may have changed since; it costs next to nothing."""
    return controller.database.changes()


def results(
    controller: Controller, invocation_id: str, where: Selection | None = None, *, every: bool = False
) -> Iterator[InvocationInstance]:
    """The instances of an invocation, or those that ``where`` means, each with its newest record and its output.

    With ``every`` an instance comes once for each of its records, newest first. Agents are asked as for ``show``.
    Raises NotFound.
    """
    found = show(controller, invocation_id, output=not every)
    if every:
        interim.refresh(controller, interim.of_places(found.instances), output=True)
    for place in places(controller, found, where):
        if not every:
            yield place
            continue
        for record in invocations.records(controller.database, invocation_id, place.instance_id):
            yield replace(place, record=record)


def places(controller: Controller, invocation: Invocation, where: Selection | None) -> list[InvocationInstance]:
    """The instances of an invocation that ``members.chosen`` means, as they are in it. Raises NotFound."""
    wanted = members.chosen(controller.database, invocation, where)
    return [place for place in invocation.instances if place.instance_id in wanted]


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
    """A filter for ``summaries``. ``command`` is the name or the id of a command, also of one that is gone by now.

    ``where`` means instances by their names of today. Raises NotFound for what was never there.
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
    """The newest invocations first that ``wanted`` lets through, at most ``limit`` of them (None: all).

    Agents are asked as for ``show``.
    """
    refresh.refresh(controller, None)
    return listing.summaries(controller.database, limit, wanted)


def short_ids(controller: Controller, ids: list[str]) -> dict[str, str]:
    """For each id a beginning that names it alone."""
    return listing.short_ids(controller.database, ids)


def outlast(controller: Controller, invocation_id: str, *, listener: Listener | None, patience: float | None) -> None:
    """Be there until an invocation ends that runs again and again: until a person stops it. Raises GaveUpWaiting.

    Nobody is asked: the server, by which it runs, writes how its records end.
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
            raise GaveUpWaiting(f"cannot wait any longer for {invocation_id}: it goes on")
        time.sleep(controller.timeouts.view.beat)


def _commands(reader: Reader, text: str) -> tuple[str, ...]:
    """The ids of the commands that bear this name, or bore it when they ran."""
    found = set(listing.commands_run(reader, text))
    try:
        found.add(commands.find(reader, text))
    except NotFound:
        if not found:
            raise
    return tuple(found)


def known(reader: Reader, where: Selection) -> tuple[str, ...]:
    """Those that are registered; where these do not have it, also those that were removed."""
    try:
        found = choose(instances.registered(reader), where)
    except NotFound:
        found = choose(instances.known(reader), where)
    return tuple(each.id for each in found)
