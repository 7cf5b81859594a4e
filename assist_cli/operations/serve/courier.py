"""Bringing records to their agents over connections that are kept, and following them to their end."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from assist_cli.agents.client import Client
from assist_cli.errors import AgentError, AssistError
from assist_cli.model.invocation import Outcome, Record
from assist_cli.model.status import InvocationStatus
from assist_cli.operations import render
from assist_cli.operations.collect import budget, conclude, follow, not_sent, unanswered
from assist_cli.operations.controller import Controller
from assist_cli.operations.invoke import lifetime
from assist_cli.operations.ledger import Ledger
from assist_cli.operations.reach import Line
from assist_cli.operations.serve.firing import Delivery
from assist_cli.operations.serve.lines import Lines

log = logging.getLogger(__name__)


class Courier:
    """Carries each delivery in a task of its own. A record is in ``under_way`` for as long as one is at work on it."""

    def __init__(self, controller: Controller, ledger: Ledger, lines: Lines) -> None:
        self._controller = controller
        self._ledger = ledger
        self._lines = lines
        self.under_way: dict[str, asyncio.Task[None]] = {}
        self._unaccepted: set[str] = set()

    def carry(self, delivery: Delivery) -> None:
        """Begin to bring a record to its agent."""
        record_id = delivery.record.id
        self._unaccepted.add(record_id)
        task = asyncio.get_running_loop().create_task(self._carry(delivery))
        self.under_way[record_id] = task
        task.add_done_callback(lambda done: self._done(record_id, done))

    def unaccepted(self) -> list[asyncio.Task[None]]:
        """Those whose record no agent is known to have taken yet."""
        return [self.under_way[record_id] for record_id in self._unaccepted]

    def cancel(self) -> list[asyncio.Task[None]]:
        """Let go of everything; it stays open, for whoever looks next."""
        tasks = list(self.under_way.values())
        for task in tasks:
            task.cancel()
        return tasks

    def _done(self, record_id: str, task: asyncio.Task[None]) -> None:
        self._unaccepted.discard(record_id)
        self.under_way.pop(record_id, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("cannot see %s through: %s", record_id, error, exc_info=not isinstance(error, AssistError))

    async def _carry(self, delivery: Delivery) -> None:
        async with self._lines.line(delivery.place.instance_id) as line:
            record, outcome = await self._deliver(line, delivery)
            self._unaccepted.discard(record.id)
            if outcome is None:
                self._ledger.note_accepted(record.id)
                outcome = await follow(self._controller, line, record, accepted=True)
            elif outcome.status is InvocationStatus.FAILED:
                name = delivery.place.instance_name
                log.warning("%s: not delivered to %s: %s", delivery.invocation.id, name, outcome.error_info)
            if outcome is not None:
                await conclude(self._ledger, line, {record.id: outcome})

    async def _deliver(self, line: Line, delivery: Delivery) -> tuple[Record, Outcome | None]:
        """Hand a record to its agent. The record as it is now, and its outcome when it ended by this."""
        record = delivery.record
        try:
            await line.client()
        except AgentError as error:
            return record, self._failed(error.code, error.message)
        allowed = lifetime(delivery.invocation.timeout)
        if record.sent is None:
            sent = await self._ledger.mark_sent(record.id, allowed, due=delivery.when)
            if sent is None:
                return record, not_sent(self._controller.now())
            record = replace(record, sent=sent, deadline=sent + allowed)
        try:
            _, params = render.request(delivery.with_secrets(), delivery.place, self._controller.region)
        except AssistError as error:
            return record, self._failed("ExecutionException", error.message)

        async def run(client: Client) -> None:
            await client.run(params, budget=budget(None))

        try:
            await asyncio.wait_for(line.insist(run), allowed.total_seconds())
        except asyncio.TimeoutError:
            return record, unanswered(self._controller.now())
        except AgentError as error:
            return record, self._failed(error.code, error.message)
        return record, None

    def _failed(self, code: str, why: str) -> Outcome:
        return Outcome(status=InvocationStatus.FAILED, error_code=code, error_info=why, finished=self._controller.now())
