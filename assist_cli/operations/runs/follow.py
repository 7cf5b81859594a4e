"""Requests to an agent about one record: query, follow, stop. Each returns an ``Answer``, even on errors.

``model.lifecycle`` decides the next request, and the effect of an answer on the record.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from assist_cli import codes
from assist_cli.agents.client import Chunk, Client, OutputGap, TaskResult, task_result
from assist_cli.errors import (
    AgentCloned,
    AgentError,
    AgentRefused,
    AssistError,
    BrokerRefused,
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

SPOOLED = 64 * 1024 * 1024  # maximum bytes that an agent keeps of a record
SLOWEST = 64 * 1024  # minimum bytes per second of an agent whose output is fetched
BEYOND_ANY_OUTPUT = 2**62  # an offset that requests the state only, without output

STREAMED_BYTES = 128 * 1024  # longer output is passed to the listener and not kept here

OPEN = Answer(Heard.OPEN)
HAS_OUTPUT = Answer(Heard.ENDED)  # ended; the output must be fetched before there is an outcome
CLOCKS_DIFFER = timedelta(days=1)  # maximum difference between the clocks of an agent and the controller
NO_REASON = {InvocationStatus.FAILED: codes.EXECUTION_EXCEPTION, InvocationStatus.STOPPED: codes.EXECUTION_INTERRUPTED}
WAS_TOLD = frozenset({Heard.OPEN, Heard.NOT_ASKED})  # the answers of ``tell_stop`` after the agent got the request

log = logging.getLogger(__name__)


def portion(listener: Listener | None) -> Portion:
    """Return the portion of output that the listener wants; without a listener, what the history holds."""
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
    """Query the state of a record. If it has ended, also fetch its output, as ``follow`` does."""

    async def state(client: Client) -> Answer:
        found = await client.call("task.get", {"record": record.id, "offset": BEYOND_ANY_OUTPUT})
        if found["state"] == "Forgotten":  # another copy of this home may have fetched it
            return Answer(Heard.DELETED) if found["result"] is None else _without_output(found["result"])
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
    """Follow a record to its end, for at most ``seconds``. The answer is SILENT if it has not ended by then.

    A ``listener`` gets its portion of the output as it is produced, under the instance's ``name``; without one, what
    the history holds is fetched. Output starts after the end of ``fold``, so that a new connection or call resumes.
    A record that has ended is fetched even if no time is left.
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
    """Tell the agent to stop a record. The answer is NOT_ASKED if it has ended: its outcome must be queried."""

    async def tell(client: Client) -> Answer:
        found = await client.call("task.stop", {"record": record.id})
        return OPEN if found["state"] in ("Running", "Stopping") else NOT_ASKED

    return await _answered(record, connection.once(tell), controller.timeouts.agent.answer)


async def fetch(controller: Controller, instance: InvocationInstance, listener: Listener) -> None:
    """Pass the whole output so far of a record to ``listener``, if its agent answers and still has it."""
    seconds = controller.timeouts.agent.fetch + SPOOLED / SLOWEST
    with connection_to(controller, instance.instance_id) as connection:
        try:
            await asyncio.wait_for(_fetch_pages(controller, connection, instance, listener), seconds)
        except ListenerError as failure:
            raise failure.error from None
        except (AgentError, asyncio.TimeoutError) as error:
            log.info("%s: cannot fetch the output: %s", instance.record.id, error)


async def _fetch_pages(
    controller: Controller, connection: AgentConnection, instance: InvocationInstance, listener: Listener
) -> None:
    client = await connection.client()
    offset: int | None = 0
    while offset is not None:
        page = await asyncio.wait_for(client.page(instance.record.id, offset), controller.timeouts.agent.answer)
        for event in page.events:
            _pass_on(event, instance.instance_name, listener)
        offset = page.next if page.next and page.next > offset else None


def in_our_time(outcome: Outcome, record: Record, now: datetime) -> Outcome:
    """Return the outcome with possible start and finish times of a record that was sent and has ended by ``now``.

    The times of its agent are kept if they are possible: in order, and at most ``CLOCKS_DIFFER`` before it was sent or
    after now. Else they are replaced by the time it was sent, and now (docs/rules.md section 2).
    """
    started, finished = outcome.started, outcome.finished
    in_order = finished is not None and (started is None or started <= finished)
    if in_order and all(_is_possible(moment, record, now) for moment in (started, finished)):
        return outcome
    return outcome._replace(started=started and record.sent, finished=max(now, record.sent or now))


def _is_possible(moment: datetime | None, record: Record, now: datetime) -> bool:
    return moment is None or (record.sent or now) - CLOCKS_DIFFER <= moment <= now + CLOCKS_DIFFER


async def so_far(
    connection: AgentConnection, record: Record, now: datetime, *, output: bool
) -> tuple[datetime | None, Output | None]:
    """Query the start time of a running record and, with ``output``, its interim output as the history would hold it.

    The time is checked as in ``in_our_time``. There is no timeout here: the caller sets one. Raises AgentError.
    """
    client = await connection.client()
    known = await client.page(record.id, BEYOND_ANY_OUTPUT)
    printed = await _ends(client, record.id, known.produced) if output else None
    if known.started is None and printed is not None and printed.data:  # it has started since the first query
        known = await client.page(record.id, BEYOND_ANY_OUTPUT)
    started = _moment(known.started)
    started = started if _is_possible(started, record, now) else record.sent
    return started, printed


async def ends(controller: Controller, connection: AgentConnection, record: Record, fold: Fold) -> Output:
    """Fetch the output of an ended record as the history holds it. If that fails, return it as all dropped.

    ``fold`` has counted the output, but does not contain it.
    """
    try:
        fetching = connection.retry(lambda client: _ends(client, record.id, fold.offset))
        return await asyncio.wait_for(fetching, controller.timeouts.agent.fetch)
    except (AgentError, asyncio.TimeoutError) as error:
        log.warning("%s: cannot fetch the output: %s", record.id, error)
        return fold.output()


async def _ends(client: Client, record_id: str, produced: int | None) -> Output:
    """Fetch the beginning and the end of an output; only the beginning if an old agent does not report the size."""
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
    """The answer for a result on the wire of a record without output."""
    return Answer(Heard.ENDED, _outcome(task_result(result), Fold()))


def _without_output(result: Mapping[str, Any]) -> Answer:
    """Return the answer for a result whose output the agent has deleted at our request."""
    fold = Fold()
    if result["output_bytes"]:
        fold.skip(result["output_bytes"])
    return Answer(Heard.ENDED, _outcome(task_result(result), fold))


def heard(error: AssistError) -> Answer:
    """The answer for an error of the agent or of the connection to it. Raises DatabaseFailure."""
    if isinstance(error, DatabaseFailure):  # it has nothing to do with the instance
        raise error
    if isinstance(error, AgentRefused):
        if error.code == codes.RECORD_NOT_FOUND:
            return Answer(Heard.UNKNOWN)
        if error.code == codes.RECORD_FORGOTTEN:
            return NOT_ASKED  # its state tells the result
    if isinstance(error, InvalidAnswer | AgentCloned):
        kind = Heard.INVALID
    elif isinstance(error, ClientNotOnline | ClientNotRunning | ConnectionLost | BrokerRefused):
        kind = Heard.AWAY
    else:
        kind = Heard.UNREACHABLE
    return Answer(kind, code=error.code, why=error.message)


async def _answered(record: Record, asking: Awaitable[Answer], seconds: float) -> Answer:
    """Wait up to ``seconds`` for an answer, and return errors as answers. Raises DatabaseFailure, ListenerError."""
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
        fold.skip(event.size)
    if listener:
        _pass_on(event, name, listener)
        if listener.portion is not Portion.ENDS and fold.offset > STREAMED_BYTES:
            fold.release()  # the listener has it, and the agent keeps it until it is fetched for the history


def _pass_on(event: Chunk | OutputGap, name: str, listener: Listener) -> None:
    """Pass output to the listener. Raises ListenerError."""
    try:
        if isinstance(event, Chunk):
            listener.output(name, event.stream, event.data)
        else:
            listener.missing(name, event.size)
    except Exception as error:
        raise ListenerError(error) from error


def _outcome(result: TaskResult, fold: Fold) -> Outcome:
    error_code, error_info = result.error_code, result.error_info
    if result.state is InvocationStatus.FINISHED and result.exit_code and not error_code:
        error_code, error_info = codes.EXIT_CODE_NONZERO, f"the script ended with exit code {result.exit_code}"
    if result.state is not InvocationStatus.FINISHED:  # even if the agent gives no reason
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
