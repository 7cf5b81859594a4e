"""The output of a record as it arrives, for the web console: from its agent, and from the history after its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from assist_cli.agents.client import Chunk, TaskResult
from assist_cli.errors import AgentError, AgentRefused
from assist_cli.model.invocation import Record
from assist_cli.model.output import Output, OutputPart, Portion
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.connection import connection_to
from assist_cli.store import records


async def output_from(controller: Controller, record_id: str, offset: int) -> AsyncGenerator[OutputPart, None]:
    """Yield the output of a record after its first ``offset`` bytes, until the record has ended and all is yielded.

    A reader that is slow misses output in between, which is yielded as missing. While the agent is unreachable, the
    reason is yielded, and it is retried. Raises DatabaseFailure.
    """
    pauses = controller.timeouts.agent.retries
    attempts = 0
    while True:
        record = records.get(controller.database, record_id)
        if record is None:
            return
        if record.status.is_final:
            ended = records.get(controller.database, record_id, output=True)
            kept = ended.output if ended is not None else None
            for rest in (kept or Output()).after(offset):
                yield rest
            return
        if record.sent is not None and not record.is_queued:
            try:
                async with contextlib.aclosing(_watched(controller, record, offset)) as parts:
                    async for part in parts:
                        if part is None:
                            return
                        attempts = 0
                        offset += len(part.data) + part.missing
                        yield part
            except AgentRefused:
                pass  # it does not have the record yet, or not any more
            except AgentError as error:
                if attempts == len(pauses):
                    yield OutputPart(reason=error.message)
        attempts += 1
        await asyncio.sleep(pauses[min(attempts, len(pauses)) - 1])


async def _watched(controller: Controller, record: Record, offset: int) -> AsyncGenerator[OutputPart | None, None]:
    """Yield the output from the agent, and None at the end of the record. Raises AgentError."""
    with connection_to(controller, record.instance_id) as connection:
        client = await connection.client()
        async with contextlib.aclosing(client.watch(record.id, offset=offset, portion=Portion.NEWEST)) as events:
            async for event in events:
                if isinstance(event, TaskResult):
                    yield None
                elif isinstance(event, Chunk):
                    yield OutputPart(event.stream, event.data)
                else:
                    yield OutputPart(missing=event.size)
