"""Concurrent work is bounded, its results are in the order of the items, and what has ended takes no memory."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from assist_cli.agents import unix
from assist_cli.agents.client import Client
from assist_cli.model.instance import Instance
from assist_cli.model.rollout import Rollout
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import concurrency
from assist_cli.operations.runs import dispatch, recording
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.store import instances
from tests.support import hostile


def test_results_are_in_the_order_of_the_items_and_concurrency_is_bounded() -> None:
    busy = most = 0

    async def work(item: int) -> int:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        for _ in range(20 - item % 7):
            await asyncio.sleep(0)
        busy -= 1
        return item * 2

    found = asyncio.run(concurrency.each(range(100), work, limit=8))
    assert found == [item * 2 for item in range(100)]
    assert most == 8


PROBE = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
from assist_cli.operations.fleet import concurrency
print(concurrency.connections())
"""


@pytest.mark.usefixtures("starts_processes")
def test_fewer_open_files_mean_fewer_connections() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], stdout=subprocess.PIPE, check=True)
    assert int(done.stdout) == 100 - concurrency.SPARE_FILES


def test_a_connection_takes_no_memory_after_its_instance_has_ended(controller: Controller, isolation: Path) -> None:
    names, socket = ("a", "b", "c"), isolation / "a.sock"
    with controller.database.transaction() as transaction:
        for name in names:
            instances.register(transaction, Instance(f"i-{name}", name, f"unix:{socket}", controller.now()))
    made: list[weakref.ref[Client]] = []
    others: list[int] = []  # clients that exist when the next one connects

    async def connect(instance: str) -> Client:
        others.append(sum(each() is not None for each in made))
        client = await unix.connect(socket)
        made.append(weakref.ref(client))
        await client.greet(controller.id, "1", 10)
        return client

    with hostile.listening(socket, lambda request: None):
        reaching = controller.replace(connect=connect)
        with recording.recorded(reaching, RunRequest(b"true", targets=Selection(names))) as invocation:
            dispatch.send_and_watch(reaching, invocation, listener=None, rollout=Rollout(concurrency=1))
    found = recording.recall(controller, invocation.id)
    assert (found.status.value, others) == ("Finished", [0, 0, 0])
