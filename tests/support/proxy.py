"""A small HTTP proxy on 127.0.0.1 or ::1 that only knows CONNECT, in a thread of its own."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import threading


class Proxy:
    """The proxy, from ``__enter__`` to ``__exit__``. ``asked`` has the first line of each request.

    With a ``login`` (USER:PASSWORD) it answers 407 to everybody else. With a ``refusal``, such as ``403 Forbidden``, it
    answers that. One that ``hangs`` answers nothing.
    """

    def __init__(self, host: str = "127.0.0.1", *, login: str = "", refusal: str = "", hangs: bool = False) -> None:
        self.asked: list[str] = []
        self._host = host
        self._login = login
        self._refusal = refusal
        self._hangs = hangs
        self._writers: set[asyncio.StreamWriter] = set()
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))

    @property
    def address(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    def __enter__(self) -> Proxy:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30)
        self._loop.close()

    async def _run(self) -> None:
        server = await asyncio.start_server(self._serve, self._host)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            self.asked.append(head[0])
            if self._hangs:
                await self._end.wait()
            refusal = self._refusal
            wanted = "Proxy-Authorization: Basic " + base64.b64encode(self._login.encode()).decode()
            if self._login and wanted not in head:
                refusal = "407 Proxy Authentication Required"
            if refusal:
                writer.write(f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\n\r\n".encode())
                writer.close()
                return
            host, _, port = head[0].split()[1].rpartition(":")
            there, back = await asyncio.open_connection(host.strip("[]"), int(port))
            self._writers.add(back)
            writer.write(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
            await asyncio.gather(self._copy(reader, back), self._copy(there, writer))

    @staticmethod
    async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
            target.close()
