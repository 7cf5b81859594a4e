"""A network between two programs of this machine, as a TCP relay: it can delay, stop, cut and lose."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator


class Relay:
    """A relay to a port of 127.0.0.1, on ``port``. Its faults may be changed from any thread."""

    def __init__(self, target: int = 0) -> None:
        self.port = 0
        self.target = target
        self.delay = 0.0  # seconds, of each part that passes in each direction
        self._loop = asyncio.new_event_loop()
        self._open: asyncio.Event
        self._links: set[_Link] = set()

    def hold(self) -> None:
        """Pass nothing, as a network that is split; new connections are accepted, and wait too."""
        self._do(lambda: self._open.clear())

    def go_on(self) -> None:
        """Pass what was held, and all that follows."""
        self._do(lambda: self._open.set())

    def cut(self) -> None:
        """Reset all connections."""
        self._do(lambda: [each.reset() for each in self._links])

    def abandon(self) -> None:
        """Lose all connections of now in silence: both ends keep one that is half open. New ones are served."""
        self._do(lambda: [each.lose() for each in self._links])

    def _do(self, work: Callable[[], object]) -> None:
        done = threading.Event()

        def call() -> None:
            work()
            done.set()

        self._loop.call_soon_threadsafe(call)
        assert done.wait(30)

    def _run(self, ready: threading.Event) -> None:
        self._loop.run_until_complete(self._serve(ready))
        self._loop.close()

    async def _serve(self, ready: threading.Event) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._end = asyncio.Event()
        server = await asyncio.start_server(self._link, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._end.wait()
        server.close()
        links = set(self._links)
        for each in links:
            each.reset()
        await asyncio.gather(*(each.ended for each in links))

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer)
        self._links.add(link)
        with contextlib.suppress(OSError):
            await self._open.wait()
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
            link.writers.append(back)
            copies = [asyncio.ensure_future(self._copy(link, *each)) for each in ((reader, back), (there, writer))]
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
            for each in copies:
                each.cancel()
            await asyncio.wait(copies)
        link.reset()
        self._links.discard(link)
        link.ended.set_result(None)

    async def _copy(self, link: _Link, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await self._open.wait()
                await asyncio.sleep(self.delay)
                if link.is_lost:
                    await link.over.wait()
                    return
                target.write(data)
                await target.drain()


class _Link:
    """One connection through the relay."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writers = [writer]
        self.is_lost = False
        self.over = asyncio.Event()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def lose(self) -> None:
        self.is_lost = True

    def reset(self) -> None:
        self.over.set()
        for each in self.writers:
            each.transport.abort()


@contextlib.contextmanager
def relaying(target: int = 0) -> Iterator[Relay]:
    """Run a relay to ``target`` until the end of the block."""
    relay = Relay(target)
    ready = threading.Event()
    thread = threading.Thread(target=relay._run, args=(ready,))
    thread.start()
    assert ready.wait(30)
    try:
        yield relay
    finally:
        relay._do(lambda: (relay._open.set(), relay._end.set()))
        thread.join(30)
