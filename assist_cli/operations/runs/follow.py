"""Questions to the agent about one record, each with an ``Answer`` whatever happens: its state, its end, its stop.

What is asked next, and what an answer means for the record, is for ``model.lifecycle`` to decide.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from assist_cli import codes
from assist_cli.agents.client import Chunk, Client, OutputGap, TaskResult, task_result
from assist_cli.errors import (
    AgentError,
    AgentRefused,
    AssistError,
    ClientNotOnline,
    ClientNotRunning,
    ConnectionLost,
    DatabaseFailure,
    InvalidAnswer,
)
from assist_cli.model.invocation import InvocationInstance, Outcome, Record
from assist_cli.model.lifecycle import NOT_ASKED, Answer, Heard
from assist_cli.model.output import BUDGET, Fold, Output, Portion
from assist_cli.model.status import InvocationStatus
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.connection import AgentConnection, connection_to
from assist_cli.operations.runs.listener import Listener, ListenerError

SPOOLED = 64 * 1024 * 1024  # bytes that an agent keeps of a record at most
SLOWEST = 64 * 1024  # bytes in a second: an agent that sends fewer is not waited for
BEYOND_ANY_OUTPUT = 2**62  # as an offset: the state alone is wanted, and no page of output

STREAMED_BYTES = 128 * 1024  # of an output that a listener gets: what is longer is not kept here meanwhile

OPEN = Answer(Heard.OPEN)
HAS_OUTPUT = Answer(Heard.ENDED)  # it has ended, and its output is to be fetched before there is an outcome
CLOCKS_DIFFER = timedelta(days=1)  # by which an agent's clock may differ from ours
NO_REASON = {InvocationStatus.FAILED: codes.EXECUTION_EXCEPTION, InvocationStatus.STOPPED: codes.EXECUTION_INTERRUPTED}
WAS_TOLD = frozenset({Heard.OPEN, Heard.NOT_ASKED})  # the answers of ``tell_stop`` of an agent that was told

log = logging.getLogger(__name__)


def portion(listener: Listener | None) -> Portion:
    """How much output is wanted of a record: for the history alone it is what that holds."""
    return Portion.ENDS if listener is None else listener.portion


async def ask(
    controller: Controller,
    connection: AgentConnection,
    record: Record,
    fold: Fold,
    *,
    name: str = "",
    listener: Listener | None = None,
) -> Answer:
    """Ask how a record stands. What has ended comes with its output, as by ``follow``."""

    async def state(client: Client) -> Answer:
        found = await client.call("task.get", {"record": record.id, "offset": BEYOND_ANY_OUTPUT})
        if found["state"] == "Forgotten":
            return Answer(Heard.DELETED)
        if found["result"] is None:
            return OPEN
        return HAS_OUTPUT if found["result"]["output_bytes"] else ended(found["result"])

    answer = await _answered(record, connection.once(state), controller.timeouts.agent.answer)
    if answer is HAS_OUTPUT:
        return await follow(controller, connection, record, fold, seconds=0, name=name, listener=listener)
    return answer


async def follow(
    controller: Controller,
    connection: AgentConnection,
    record: Record,
    fold: Fold,
    *,
    seconds: float,
    name: str = "",
    listener: Listener | None = None,
) -> Answer:
    """Follow a record to its end, for so many ``seconds`` at most; SILENT when it has not ended by then.

    A ``listener`` gets its portion of the output as it is produced, under the instance's ``name``; without one it is
    what the history holds. It begins after what the ``fold`` has already, so a lost connection, or another call, goes
    on where it was. What has ended is fetched, though there is no time left.
    """

    async def watch(client: Client) -> Answer:
        events = client.watch(record.id, offset=fold.offset, portion=portion(listener))
        async with contextlib.aclosing(events):
            async for event in events:
                if isinstance(event, TaskResult):
                    return Answer(Heard.ENDED, _outcome(event, fold))
                _take(event, fold, name, listener)
        raise AssertionError("a watch ends with a result")

    return await _answered(record, connection.retry(watch), max(seconds, controller.timeouts.agent.fetch))


async def tell_stop(controller: Controller, connection: AgentConnection, record: Record) -> Answer:
    """Tell the agent to end what it runs of a record; NOT_ASKED when it has ended, for how is to be asked."""

    async def tell(client: Client) -> Answer:
        found = await client.call("task.stop", {"record": record.id})
        return OPEN if found["state"] in ("Running", "Stopping") else NOT_ASKED

    return await _answered(record, connection.once(tell), controller.timeouts.agent.answer)


async def fetch(controller: Controller, place: InvocationInstance, listener: Listener) -> None:
    """Give ``listener`` the output so far of a record from its agent, as far as that answers and still has it."""
    seconds = controller.timeouts.agent.fetch + SPOOLED / SLOWEST
    with connection_to(controller, place.instance_id) as connection:
        try:
            await asyncio.wait_for(_pour(controller, connection, place, listener), seconds)
        except ListenerError as failure:
            raise failure.error from None
        except (AgentError, asyncio.TimeoutError) as error:
            log.info("%s: %s", place.record.id, error)


async def _pour(
    controller: Controller, connection: AgentConnection, place: InvocationInstance, listener: Listener
) -> None:
    client = await connection.client()
    offset: int | None = 0
    while offset is not None:
        page = await asyncio.wait_for(client.page(place.record.id, offset), controller.timeouts.agent.answer)
        for event in page.events:
            _tell(event, place.instance_name, listener)
        offset = page.next if page.next and page.next > offset else None


def in_our_time(outcome: Outcome, record: Record, now: datetime) -> Outcome:
    """Return the outcome with moments that can be those of a record that was sent, and has ended by ``now``.

    Those of its agent are taken where they can be true: in their order, and not more than ``CLOCKS_DIFFER`` before it
    was sent or after now. Else ours take their place: when it was sent, and now (docs/rules.md section 2).
    """
    started, finished = outcome.started, outcome.finished
    in_order = finished is not None and (started is None or started <= finished)
    if in_order and all(_is_possible(moment, record, now) for moment in (started, finished)):
        return outcome
    return replace(outcome, started=started and record.sent, finished=max(now, record.sent or now))


def _is_possible(moment: datetime | None, record: Record, now: datetime) -> bool:
    return moment is None or (record.sent or now) - CLOCKS_DIFFER <= moment <= now + CLOCKS_DIFFER


async def so_far(
    connection: AgentConnection, record: Record, now: datetime, *, output: bool
) -> tuple[datetime | None, Output | None]:
    """Ask when a record that runs started and, where ``output`` is wanted, what it has printed so far.

    The moment is bounded as by ``in_our_time``. Of the output it is what the history would hold.
    Raises AgentError; its end is for the caller to wait for.
    """
    client = await connection.client()
    known = await client.page(record.id, BEYOND_ANY_OUTPUT)
    started = _moment(known.started)
    started = started if _is_possible(started, record, now) else record.sent
    return started, await _ends(client, record.id, known.produced) if output else None


async def ends(controller: Controller, connection: AgentConnection, record: Record, fold: Fold) -> Output:
    """Return what the history is to hold of a record that has ended, from its agent as far as that still answers.

    The ``fold`` has counted the output, and holds none of it.
    """
    try:
        fetching = connection.retry(lambda client: _ends(client, record.id, fold.offset))
        return await asyncio.wait_for(fetching, controller.timeouts.agent.fetch)
    except (AgentError, asyncio.TimeoutError) as error:
        log.warning("%s: cannot fetch the output: %s", record.id, error)
        return fold.output()


async def _ends(client: Client, record_id: str, produced: int | None) -> Output:
    """Return the beginning and the end of an output; of an agent that is too old to tell its size, the beginning."""
    fold = Fold()

    async def take(offset: int, end: int) -> None:
        while fold.offset < end:
            page = await client.page(record_id, offset)
            for event in page.events:
                _take(event, fold, "", None)
            if page.next is None or page.next <= offset:
                break
            offset = page.next

    if produced is None:
        await take(0, BUDGET)
        return fold.output()
    await take(0, BUDGET // 2)
    tail = produced - BUDGET // 2
    if tail > fold.offset:
        fold.skip(tail - fold.offset)
    await take(fold.offset, produced)
    if produced > fold.offset:
        fold.skip(produced - fold.offset)
    return fold.output()


def ended(result: Mapping[str, Any]) -> Answer:
    """The answer that a result on the wire is, of a record that has written nothing."""
    return Answer(Heard.ENDED, _outcome(task_result(result), Fold()))


def heard(error: AssistError) -> Answer:
    """The answer that an error of the agent, or on the way to it, is to a question. Raises DatabaseFailure."""
    if isinstance(error, DatabaseFailure):  # it is of no instance
        raise error
    if isinstance(error, AgentRefused):
        if error.code == codes.RECORD_NOT_FOUND:
            return Answer(Heard.UNKNOWN)
        if error.code == codes.RECORD_FORGOTTEN:
            return Answer(Heard.DELETED)
    if isinstance(error, InvalidAnswer):
        how = Heard.INVALID
    elif isinstance(error, ClientNotOnline | ClientNotRunning | ConnectionLost):
        how = Heard.AWAY
    else:
        how = Heard.UNREACHABLE
    return Answer(how, code=error.code, why=error.message)


async def _answered(record: Record, asking: Awaitable[Answer], seconds: float) -> Answer:
    """Wait for an answer so long, and make one of what goes wrong. Raises DatabaseFailure, ListenerError."""
    try:
        return await asyncio.wait_for(asking, seconds)
    except AssistError as error:
        log.info("%s: %s", record.id, error)
        return heard(error)
    except asyncio.TimeoutError:
        log.info("%s: the agent of %s does not answer", record.id, record.instance_id)
        return Answer(Heard.SILENT)


def _take(event: Chunk | OutputGap, fold: Fold, name: str, listener: Listener | None) -> None:
    if isinstance(event, Chunk):
        fold.add(event.stream, event.data)
    else:
        fold.skip(event.count)
    if listener:
        _tell(event, name, listener)
        if listener.portion is not Portion.ENDS and fold.offset > STREAMED_BYTES:
            fold.release()  # the listener has it, and the agent until the history has it too


def _tell(event: Chunk | OutputGap, name: str, listener: Listener) -> None:
    """Tell the listener of output. Raises ListenerError."""
    try:
        if isinstance(event, Chunk):
            listener.output(name, event.stream, event.data)
        else:
            listener.missing(name, event.count)
    except Exception as error:
        raise ListenerError(error) from error


def _outcome(result: TaskResult, fold: Fold) -> Outcome:
    error_code, error_info = result.error_code, result.error_info
    if result.state is InvocationStatus.FINISHED and result.exit_code and not error_code:
        error_code, error_info = codes.EXIT_CODE_NONZERO, f"the script ended with exit code {result.exit_code}"
    if result.state is not InvocationStatus.FINISHED:  # and an agent that gives no reason is told of too
        error_code, error_info = error_code or NO_REASON[result.state], error_info.strip() or "its agent gave no reason"
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
