"""Handing one record to its agent, so that it runs at most once and nothing of it is lost.

A record is noted as sent before its first byte leaves. From then on delivery is repeated over new connections until
the agent has answered; it runs the record at most once, however often it comes (docs/rules.md section 8).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from assist_cli import codes
from assist_cli.agents.client import Client
from assist_cli.errors import AgentRefused, AssistError, ClientNotOnline
from assist_cli.model.invocation import Record
from assist_cli.model.lifecycle import NOT_ASKED, Answer, Heard, lifetime
from assist_cli.model.moment import Moment
from assist_cli.model.status import UNANSWERED
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.connection import AgentConnection
from assist_cli.operations.runs import follow
from assist_cli.operations.runs.batch_writer import BatchWriter

Request = Callable[[Client], Awaitable[Any]]


class Delivery(NamedTuple):
    """What is to be delivered: a request that may run for ``timeout`` seconds.

    ``prepare`` makes the request when nothing is in its way any more; what it raises is why the record cannot be
    executed. Of one that was ``due`` at a time it is noted how late it is. ``noted`` is the moment that is written
    already as when it was sent, though nothing of it has left. It is given up ``until`` a moment of the loop's clock,
    by TimeoutError; what was not sent by then is not sent.
    """

    timeout: int
    prepare: Callable[[], Request]
    due: datetime | None = None
    noted: Moment | None = None
    until: float | None = None


async def deliver(
    controller: Controller, writer: BatchWriter, connection: AgentConnection, record: Record, delivery: Delivery
) -> tuple[Record | None, Answer]:
    """Deliver a record: the record as it is now, and what was heard.

    The record is None when it was not to be sent: it was stopped, or is closed. NOT_ASKED is heard of one that may have
    been sent before, when it cannot be sent again. Raises TimeoutError as ``Delivery`` has
    it, and DatabaseFailure.
    """
    try:
        client = await asyncio.wait_for(
            connection.client(), _left(delivery.until) if delivery.until is not None else None
        )
    except AssistError as error:  # before anything of the record could leave
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
        record = replace(
            record, sent=sent.wall, sent_elapsed=sent.elapsed, boot=sent.boot, deadline=sent.wall + allowed
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
        answer = await asyncio.wait_for(connection.retry(request), seconds)
    except asyncio.TimeoutError:
        if seconds < longest:
            raise
        return record, Answer(Heard.SILENT)
    except AgentRefused as error:
        return record, Answer(Heard.REFUSED, code=error.code, why=error.message)
    except AssistError as error:  # of a connection that was made again too: the agent may have it by the one before
        return record, follow.heard(error)
    result = answer.get("result")  # that of a file is its answer already
    return record, follow.ended(result) if result else follow.OPEN


def _unsent(error: AssistError) -> Answer:
    """The answer that no connection is. What was not sent is not unanswered. Raises DatabaseFailure."""
    answer = follow.heard(error)
    code = ClientNotOnline.code if answer.code == UNANSWERED else answer.code
    how = Heard.AWAY if answer.heard is Heard.AWAY else Heard.UNREACHABLE
    return Answer(how, code=code or error.code, why=error.message)


def _left(until: float | None) -> float:
    return math.inf if until is None else until - asyncio.get_running_loop().time()
