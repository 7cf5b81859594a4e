"""The recovery of records without a live sender."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from assist_cli.model.lifecycle import SETTLING
from assist_cli.model.status import InvocationStatus
from assist_cli.model.target import Selection
from assist_cli.operations.fleet.pool import ConnectionPool
from assist_cli.operations.runs import recording, senders
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.operations.server.deliverer import Deliverer
from assist_cli.operations.server.failures import Failures
from assist_cli.operations.server.queue import QueueDelivery
from assist_cli.operations.server.recovery import Recovery
from assist_cli.store import invocations, records
from assist_cli.store.database import Database
from tests.support.world import world_of

START = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
SIZE = 5


class _Counted(Database):
    """An open database that counts the reads of invocations."""

    def __init__(self, database: Database) -> None:
        vars(self).update(vars(database))
        self.reads = 0

    def first(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        self.reads += sql.startswith("SELECT * FROM invocations ")
        return super().first(sql, parameters)


def test_an_invocation_is_read_one_time_to_send_all_its_records(home: Path) -> None:
    """Reading thousands of instances for each of thousands would take minutes."""

    async def story() -> None:
        pool, writer = ConnectionPool(controller), BatchWriter(controller)
        deliverer = Deliverer(controller, token, writer, pool, Failures())
        request = RunRequest(b"true", targets=Selection(everything=True))
        with recording.recorded(controller, request, token=token) as run:
            pass
        async with world.agents():
            before = database.reads
            queue = QueueDelivery(controller, token, writer, pool)
            Recovery(controller, token, writer, pool, deliverer, queue).scan({})
            assert database.reads - before == 1
            assert len(deliverer.under_way) == SIZE
            await asyncio.gather(*deliverer.under_way.values())
            pool.close()
        assert len(world.arrivals.of(run.id)) == SIZE
        found = invocations.get(controller.database, run.id, output=False)
        assert all(each.record.is_success for each in found.instances)

    with world_of(home, START, size=SIZE) as world:
        database = _Counted(world.controller.database)
        controller = world.controller.replace(database=database)
        with senders.sender(controller.home) as token:
            asyncio.run(story())


def test_a_record_that_the_queue_delivers_is_told_to_stop_and_not_closed(home: Path) -> None:
    """An agent that does not know it may still get it, so nobody may report it as undelivered."""

    async def story() -> None:
        pool, writer = ConnectionPool(controller), BatchWriter(controller)
        deliverer = Deliverer(controller, token, writer, pool, Failures())
        queue = QueueDelivery(controller, token, writer, pool)
        request = RunRequest(b"true", targets=Selection(everything=True))
        with recording.recorded(controller, request, token=token) as run:
            pass
        record = run.instances[0].record
        await writer.mark_sent(record.id, timedelta(seconds=60))
        with controller.database.transaction() as transaction:
            records.mark_stopping(transaction, run.id, [record.instance_id], controller.now())
        delivery = asyncio.get_running_loop().create_future()
        queue.under_way[record.id] = delivery
        recovery = Recovery(controller, token, writer, pool, deliverer, queue)
        async with world.agents():
            world.skip(SETTLING.total_seconds())
            recovery.scan({})
            await asyncio.sleep(0.3)
            known = records.get(controller.database, record.id)
            assert known is not None
            assert known.status is InvocationStatus.STOPPING
            await asyncio.gather(*recovery.cancel(), return_exceptions=True)
            pool.close()

    with world_of(home, START, size=1) as world:
        controller = world.controller
        with senders.sender(controller.home) as token:
            asyncio.run(story())
