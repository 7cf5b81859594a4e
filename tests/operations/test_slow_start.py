"""A run on many begins with few deliveries, so that the first results are not late."""

from __future__ import annotations

import asyncio

from assist_cli.operations.runs.dispatch import DELIVERIES, FIRST, DeliveryWindow

GUARD = 20.0


class Deliveries:
    """Deliveries that have begun, and end when they are told to."""

    def __init__(self, count: int, slow: float) -> None:
        self.ends = [asyncio.Event() for _ in range(count)]
        self.begun = 0
        self._window = DeliveryWindow(FIRST, slow)
        self._more = asyncio.Event()
        self._tasks = [asyncio.create_task(self._deliver(each)) for each in self.ends]

    async def _deliver(self, end: asyncio.Event) -> None:
        async with self._window.place():
            self.begun += 1
            self._more.set()
            await end.wait()

    async def settle(self) -> int:
        """Return the number of those that have begun, after all that can begin have done so."""
        for _ in range(10):
            await asyncio.sleep(0)
        return self.begun

    async def until(self, number: int) -> None:
        while self.begun < number:
            self._more.clear()
            await asyncio.wait_for(self._more.wait(), GUARD)

    async def end(self) -> None:
        for each in self.ends:
            each.set()
        await asyncio.gather(*self._tasks)


def test_each_delivery_that_has_ended_admits_two():
    async def main() -> None:
        found = Deliveries(2 * DELIVERIES, slow=GUARD)
        assert await found.settle() == FIRST
        found.ends[0].set()
        assert await found.settle() == FIRST + 2
        for each in found.ends:
            each.set()
        await found.until(2 * DELIVERIES)
        await found.end()

    asyncio.run(main())


def test_a_slow_delivery_admits_another_one_beside_it():
    async def main() -> None:
        found = Deliveries(4 * DELIVERIES, slow=0.001)
        await found.until(DELIVERIES)
        assert await found.settle() == DELIVERIES
        found.ends[0].set()
        assert await found.settle() == DELIVERIES + 1
        await found.end()

    asyncio.run(main())
