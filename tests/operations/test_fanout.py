"""Concurrent work is bounded, and its results are in the order of the items."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from assist_cli.operations.fleet import concurrency


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
