"""Watching a record by the client of the controller."""

from __future__ import annotations

import contextlib

from assist_cli.agents.client import Client, OutputGap, TaskResult
from assist_cli.model.output import Stream


async def watched(client: Client, record: str) -> tuple[bytes, bytes, TaskResult]:
    """Return the output of both streams, and the result."""
    streams = {Stream.STDOUT: bytearray(), Stream.STDERR: bytearray()}
    async with contextlib.aclosing(client.watch(record)) as events:
        async for event in events:
            if isinstance(event, TaskResult):
                return bytes(streams[Stream.STDOUT]), bytes(streams[Stream.STDERR]), event
            assert not isinstance(event, OutputGap)
            streams[event.stream] += event.data
    raise AssertionError("a watch ends with a result")
