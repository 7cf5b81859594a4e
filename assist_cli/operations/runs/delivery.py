"""Handing one record to its agent, so that it runs at most once and nothing of it is lost.

A record is noted as sent before its first byte leaves. From then on delivery is repeated over new connections until
the agent has answered; it runs the record at most once, however often it comes (docs/rules.md section 8).

That an agent cannot be reached, or refuses, is an outcome and no error.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from assist_cli.agents.client import Client
from assist_cli.errors import AgentError, AssistError
from assist_cli.model.invocation import Outcome, Record
from assist_cli.model.lifecycle import lifetime
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.connection import AgentConnection
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.follow import failed, not_sent, unanswered, without_output

SHORTEST_WAIT = 0.001  # seconds in which what is to be done begins at least

Request = Callable[[Client], Awaitable[Any]]


async def deliver(
    controller: Controller,
    writer: BatchWriter,
    connection: AgentConnection,
    record: Record,
    timeout: int,
    prepare: Callable[[], Request],
    *,
    due: datetime | None = None,
    until: float | None = None,
) -> tuple[Record, Outcome | None]:
    """Deliver a record that may run for ``timeout`` seconds.

    The record as it is now, and its outcome when it ended by this.

    ``prepare`` makes the request when nothing is in its way any more; what it raises is why the record cannot be
    executed. Of one that was ``due`` at a time it is noted how late it is.

    It is given up ``until`` a moment of the monotonic clock, by TimeoutError; what was not sent by then is not sent.
    """
    try:
        await connection.client()
    except AgentError as error:
        return record, failed(controller.now(), code=error.code, why=error.message)
    if _left(until) <= 0:
        raise asyncio.TimeoutError
    allowed = lifetime(timeout)
    if record.sent is None:
        sent = await writer.mark_sent(record.id, allowed, due=due)
        if sent is None:
            return record, not_sent(controller.now())
        record = replace(record, sent=sent, deadline=sent + allowed)
    try:
        request = prepare()
    except AssistError as error:
        return record, failed(controller.now(), code="ExecutionException", why=error.message)
    longest = allowed.total_seconds()
    seconds = min(longest, max(_left(until), SHORTEST_WAIT))
    try:
        answer = await asyncio.wait_for(connection.insist(request), seconds)
    except asyncio.TimeoutError:
        if seconds < longest:
            raise
        return record, unanswered(controller.now())
    except AgentError as error:
        return record, failed(controller.now(), code=error.code, why=error.message)
    result = answer.get("result")  # that of a file is its answer already
    return record, without_output(result) if result else None


def _left(until: float | None) -> float:
    return math.inf if until is None else until - time.monotonic()
