"""How records end: what agents tell becomes outcomes, outcomes become history, and deadlines close the rest.

The agent keeps what it ran until the controller has written it down (``task.forget``), so whoever looks next can fetch
what a killed ``assist`` left behind. A record is asked for when it is not final and nobody else is at work on it; it is
closed without its agent when its sender died before sending, and when its deadline has passed: docs/rules.md section 2.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from assist_cli.agents.client import Chunk, Client, Gap, TaskResult, task_result
from assist_cli.errors import AgentError, AgentRefused
from assist_cli.model.invocation import InvocationInstance, Outcome, Record
from assist_cli.model.output import BUDGET, Fold
from assist_cli.model.status import UNANSWERED, InvocationStatus
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import concurrency
from assist_cli.operations.fleet.connection import AgentConnection, connection_to
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.listener import Listener
from assist_cli.operations.runs.senders import is_alive
from assist_cli.store import records

# What was written to a connection by a sender that died since may be read by the agent only now.
SETTLING = timedelta(seconds=5)
LOOK_AGAIN_SECONDS = 0.2
ANSWER_SECONDS = 5.0  # a look at the history waits no longer for an agent
FETCH_SECONDS = 15.0  # and no less for the output of what has ended, though its deadline is over
BEYOND_ANY_OUTPUT = 2**62

log = logging.getLogger(__name__)


async def conclude(writer: BatchWriter, connection: AgentConnection, outcomes: Mapping[str, Outcome]) -> None:
    """Write how records of one instance ended, and let its agent drop what it kept of them.

    It keeps what the history has not: output beyond the budget, until its own limits, and what belongs to a record that
    is closed unanswered, for that may correct it.
    """
    await writer.settle(outcomes)
    whole = [
        record_id
        for record_id, outcome in outcomes.items()
        if outcome.error_code != UNANSWERED and not outcome.output.dropped
    ]
    if whole:
        connection.tell("task.forget", {"records": whole})


async def follow(
    controller: Controller,
    connection: AgentConnection,
    record: Record,
    *,
    name: str = "",
    listener: Listener | None = None,
    accepted: bool = False,
) -> Outcome | None:
    """Watch a record to its end; None when another process has fetched its outcome, which is in the database then.

    With a ``listener`` all of the output comes, as it is produced, under the instance's ``name``; without, only what
    the history holds. A lost connection is made again and the watch goes on where it was. ``accepted`` tells that the
    agent was heard to accept the record. Past the record's deadline, which counts from when it was sent, the outcome
    says so.
    """
    following = asyncio.ensure_future(_follow(controller, connection, record, name, listener, accepted))
    try:
        while True:
            patience = (record.deadline - controller.now()).total_seconds()
            await asyncio.wait([following], timeout=max(patience, FETCH_SECONDS))
            if following.done():
                return following.result()
            known = records.get(controller.database, record.id)
            if known is None or known.status.is_final:
                return None
            if is_overdue(controller, known):
                return unanswered(controller.now())
            record = known
    finally:
        following.cancel()
        await asyncio.wait([following])


def is_overdue(controller: Controller, record: Record) -> bool:
    """Whether its time is over; one that still waits for a sender that is at work has not begun to have any."""
    if record.sent is None and is_alive(controller.home, record.sender):
        return False
    return controller.now() > record.deadline


def budget(listener: Listener | None) -> int | None:
    """How much output is wanted of a record: all of it only where somebody sees all of it."""
    return None if listener and listener.whole else BUDGET


async def _follow(
    controller: Controller,
    connection: AgentConnection,
    record: Record,
    name: str,
    listener: Listener | None,
    accepted: bool,
) -> Outcome | None:
    fold = Fold()

    async def watch(client: Client) -> Outcome:
        events = client.watch(record.id, offset=fold.offset, budget=budget(listener))
        async with contextlib.aclosing(events):
            async for event in events:
                if isinstance(event, TaskResult):
                    return _outcome(event, fold)
                _take(event, fold, name, listener)
        raise AssertionError("a watch ends with a result")

    while True:
        try:
            return await connection.insist(watch)
        except AgentRefused as refusal:
            if refusal.code == "RecordForgotten":
                return None
            if refusal.code != "RecordNotFound":
                raise
            if accepted:
                return unanswered(controller.now())
            if not may_arrive(controller, record):
                return never_arrived(controller.now())
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


def _take(event: Chunk | Gap, fold: Fold, name: str, listener: Listener | None) -> None:
    if isinstance(event, Chunk):
        fold.add(event.stream, event.data)
    else:
        fold.skip(event.count)
    if listener:
        _tell(event, name, listener)


def _tell(event: Chunk | Gap, name: str, listener: Listener) -> None:
    if isinstance(event, Chunk):
        listener.output(name, event.stream, event.data)
    else:
        listener.missing(name, event.count)


async def fetch(controller: Controller, place: InvocationInstance, listener: Listener) -> None:
    """Let ``listener`` have the output of a finished record from its agent, as far as the agent still has it."""
    with connection_to(controller, place.instance_id) as connection, contextlib.suppress(AgentError):
        client = await connection.client()
        async with contextlib.aclosing(client.watch(place.record.id)) as events:
            async for event in events:
                if not isinstance(event, TaskResult):
                    _tell(event, place.instance_name, listener)


async def look(controller: Controller, connection: AgentConnection, record: Record) -> Outcome | None:
    """How a record that is not final, or was closed unanswered, ended as far as can be known now; None: not yet.

    An agent that still runs what was to be stopped is told so again: whoever told it first may not have reached it.
    """
    overdue = is_overdue(controller, record)
    closed = unanswered(controller.now()) if overdue and not record.status.is_final else None
    attended = is_alive(controller.home, record.sender) and not overdue
    stopping = record.status is InvocationStatus.STOPPING
    if attended and (record.sent is None or not stopping):
        return None
    if record.sent is None:
        return not_sent(controller.now()) if stopping else never_arrived(controller.now())
    try:
        answer = await asyncio.wait_for(_state(connection, record), ANSWER_SECONDS)
        if answer["result"] is None and stopping:
            await asyncio.wait_for(tell_to_stop(await connection.client(), record), ANSWER_SECONDS)
        if answer["result"] is None or attended:
            return closed
        if not answer["result"]["output_bytes"]:
            return without_output(answer["result"])
        return await follow(controller, connection, record, accepted=True)
    except AgentRefused as refusal:
        if refusal.code == "RecordNotFound" and not record.status.is_final and not may_arrive(controller, record):
            return never_arrived(controller.now())
        return closed
    except AgentError as error:
        log.info("%s", error)
        return closed
    except asyncio.TimeoutError:
        log.info("the agent of %s does not answer", record.instance_id)
        return closed


async def tell_to_stop(client: Client, record: Record) -> None:
    """Have an agent end what it runs of a record; it says no to one that it does not know (AgentRefused)."""
    await client.call("task.stop", {"record": record.id})


async def _state(connection: AgentConnection, record: Record) -> Mapping[str, Any]:
    """What ``task.get`` says of a record, without its output."""
    client = await connection.client()
    answer: Mapping[str, Any] = await client.call("task.get", {"record": record.id, "offset": BEYOND_ANY_OUTPUT})
    return answer


def reconcile(controller: Controller, found: Mapping[str, Iterable[Record]]) -> None:
    """Ask the agents how records stand that are not final, and write it; ``found`` is as ``unsettled`` gives it.

    What a living sender is at work on is left to it. An agent that cannot be reached is no error: its records stay as
    they are until their deadline.
    """
    asked = [record for several in found.values() for record in several]
    if asked:
        asyncio.run(ask(controller, asked))


async def ask(controller: Controller, found: Iterable[Record]) -> None:
    """Ask the agents how these records stand, and write what there is to be known."""
    by_instance: dict[str, list[Record]] = {}
    for record in found:
        by_instance.setdefault(record.instance_id, []).append(record)
    writer = BatchWriter(controller)
    await concurrency.each(list(by_instance.values()), lambda several: _ask(controller, writer, several))


async def _ask(controller: Controller, writer: BatchWriter, found: list[Record]) -> None:
    """The same for records of one instance."""
    with connection_to(controller, found[0].instance_id) as connection:
        outcomes = {}
        for record in found:
            outcome = await look(controller, connection, record)
            if outcome is not None:
                outcomes[record.id] = outcome
        await conclude(writer, connection, outcomes)


def failed(now: datetime, *, code: str, why: str) -> Outcome:
    """The outcome of a record that could not be executed."""
    return Outcome(status=InvocationStatus.FAILED, error_code=code, error_info=why, finished=now)


def unanswered(now: datetime) -> Outcome:
    """The outcome of a record whose deadline has passed and of which nothing is proven."""
    return failed(now, code=UNANSWERED, why="nothing was heard of it until its deadline; it may have run")


def never_arrived(now: datetime) -> Outcome:
    """The outcome of a record that no agent has, and that nobody will send."""
    return failed(now, code="DeliveryTimeout", why="it was never delivered, and it will not run")


def may_arrive(controller: Controller, record: Record) -> bool:
    """Whether an agent that does not know the record may still come to know it."""
    if is_alive(controller.home, record.sender):
        return True
    return record.sent is not None and controller.now() < record.sent + SETTLING


def not_sent(now: datetime, why: str = "it was stopped before it was sent") -> Outcome:
    """The outcome of a record that was stopped, or called off, before any byte of it was sent."""
    return Outcome(status=InvocationStatus.STOPPED, error_code="ExecutionInterrupted", error_info=why, finished=now)


def without_output(result: Mapping[str, Any]) -> Outcome:
    """The outcome of a record that wrote nothing, from its result on the wire."""
    return _outcome(task_result(result), Fold())


def _outcome(result: TaskResult, fold: Fold) -> Outcome:
    error_code, error_info = result.error_code, result.error_info
    if result.state is InvocationStatus.FINISHED and result.exit_code and not error_code:
        error_code, error_info = "ExitCodeNonzero", f"the script ended with exit code {result.exit_code}"
    return Outcome(
        status=result.state,
        exit_code=result.exit_code,
        error_code=error_code,
        error_info=error_info,
        started=_moment(result.started),
        finished=_moment(result.finished),
        output=fold.output(),
        accepted=True,
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
