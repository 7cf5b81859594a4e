"""Delivery of one record to its agent, at most once and without loss.

A record is marked as sent before its first byte leaves. From then on its delivery is retried over new connections until
the agent answers. The agent runs a record at most once, however often it is delivered (docs/rules.md section 8).
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, NamedTuple

from assist_cli import codes
from assist_cli.agents.client import Client
from assist_cli.errors import AgentCloned, AgentRefused, AssistError, ClientNotOnline
from assist_cli.model.invocation import Invocation, InvocationInstance, Record
from assist_cli.model.lifecycle import NOT_ASKED, Answer, Heard, lifetime
from assist_cli.model.moment import Moment
from assist_cli.model.output import Portion
from assist_cli.model.status import UNANSWERED
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.connection import AgentConnection
from assist_cli.operations.runs import follow, payload
from assist_cli.operations.runs.batch_writer import BatchWriter

Request = Callable[[Client], Awaitable[Any]]


class Delivery(NamedTuple):
    """A delivery: a request that may run for ``timeout`` seconds.

    ``prepare`` makes the request after the agent is connected. An error in it means that the record cannot be executed.
    If the record was ``due`` at a time, its lateness is noted. ``noted`` is its sending time if that is written
    already, though nothing was sent. At ``until``, on the clock of the loop, the delivery raises TimeoutError. A record
    that is unsent by then stays unsent.
    """

    timeout: int
    prepare: Callable[[], Request]
    due: datetime | None = None
    noted: Moment | None = None
    until: float | None = None


def request(invocation: Invocation, instance: InvocationInstance, region: str, portion: Portion | None) -> Request:
    """Return the request that delivers a record; that of a script also follows this portion, if any is wanted."""
    method, params = payload.request(invocation, instance, region)
    if portion is None or method != "task.run":
        return lambda client: client.call(method, params)
    return lambda client: client.run(params, portion)


async def deliver(
    controller: Controller, writer: BatchWriter, connection: AgentConnection, record: Record, delivery: Delivery
) -> tuple[Record | None, Answer]:
    """Deliver a record. Returns its new state, and the answer of its agent.

    The record is None if it must not be sent: it was stopped or closed. The answer is NOT_ASKED if the record may have
    been sent before and cannot be sent again. Raises TimeoutError at ``until`` of the delivery, and DatabaseFailure.
    """
    try:
        client = await asyncio.wait_for(
            connection.client(), _left(delivery.until) if delivery.until is not None else None
        )
    except AssistError as error:  # nothing of the record was sent
        return record, _unsent(error)
    if _left(delivery.until) <= 0:
        raise asyncio.TimeoutError
    if record.enrolment and client.greeting.enrolment not in ("", record.enrolment):
        return record, Answer(Heard.REPLACED)
    allowed = lifetime(delivery.timeout)
    again = record.sent is not None
    if not again or record.wait is not None:
        sent = delivery.noted or await writer.mark_sent(record.id, allowed, due=delivery.due)
        if sent is None:
            return None, NOT_ASKED
        record = record._replace(
            sent=sent.wall, sent_elapsed=sent.elapsed, boot=sent.boot, deadline=sent.wall + allowed
        )
    try:
        request = delivery.prepare()
    except AssistError as error:
        if again:
            return record, NOT_ASKED
        return record, Answer(Heard.REFUSED, code=codes.EXECUTION_EXCEPTION, why=error.message)
    longest = allowed.total_seconds()
    seconds = min(longest, max(_left(delivery.until), controller.timeouts.agent.shortest))
    try:
        answer = await _in_time(connection.retry(request), seconds)
    except asyncio.TimeoutError:
        if seconds < longest:
            raise
        return record, Answer(Heard.SILENT)
    except AgentRefused as error:
        return record, Answer(Heard.REFUSED, code=error.code, why=error.message)
    except AssistError as error:  # the agent may have received it over an earlier connection
        return record, follow.heard(error)
    if answer["state"] == "Forgotten":
        return record, NOT_ASKED  # it ran already: its state tells the result
    result = answer.get("result")  # the answer to a file is its result
    return record, follow.ended(result) if result else follow.OPEN


def _unsent(error: AssistError) -> Answer:
    """The answer if there was no connection. An unsent record is never UNANSWERED. Raises DatabaseFailure.

    A record waits in the queue until a clone of the instance is gone.
    """
    answer = follow.heard(error)
    code = ClientNotOnline.code if answer.code == UNANSWERED else answer.code
    how = Heard.AWAY if answer.heard is Heard.AWAY or isinstance(error, AgentCloned) else Heard.UNREACHABLE
    return Answer(how, code=code or error.code, why=error.message)


async def _in_time(work: Awaitable[Any], seconds: float) -> Any:
    """Wait for ``work`` at most for this time, in the task of the caller where Python can.

    A task of its own would begin to send only after all the others of this turn of the loop are prepared. Raises
    TimeoutError.
    """
    if sys.version_info < (3, 11):
        return await asyncio.wait_for(work, seconds)
    async with asyncio.timeout(seconds):
        return await work


def _left(until: float | None) -> float:
    return math.inf if until is None else until - asyncio.get_running_loop().time()
