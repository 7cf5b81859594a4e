"""Event streams of invocations: their events and ids, and all that ends one."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from assist_cli.model.access import Role
from assist_cli.model.invocation import Invocation
from assist_cli.model.output import Output
from assist_cli.model.target import Selection
from assist_cli.model.timeouts import DEFAULTS
from assist_cli.operations.access import sessions, users
from assist_cli.operations.fleet import instances
from assist_cli.web.app import application
from assist_cli.web.changes import ChangeNotices
from assist_cli.web.visit import STREAMS
from tests.support import past
from tests.support.console import DB, HOST, WEB, Browser, Console
from tests.support.console import console as in_process
from tests.support.past import finished

GUARD = 20.0
SOON = 2.0  # seconds within which a stream ends after a logout


@dataclass
class Stream:
    """An event stream: a request to the application in the event loop of the test."""

    app: Any
    path: str
    cookie: str
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    events: asyncio.Queue[tuple[str, str, Any]] = field(default_factory=asyncio.Queue)  # id, event, data
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    moments: list[float] = field(default_factory=list)  # of the events
    _text: str = ""

    async def __call__(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {"host": HOST, "cookie": f"__Host-assist={self.cookie}", **self.headers}
        scope = {
            "type": "http",
            "method": "GET",
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": (HOST, 443),
        }
        await self.app(scope, self._receive, self._send)

    async def next(self) -> tuple[str, str, Any]:
        """Return the id, the name and the data of the next event."""
        return await asyncio.wait_for(self.events.get(), GUARD)

    async def until(self, name: str) -> Any:
        """Return the data of the next event of this name."""
        while True:
            _, event, data = await self.next()
            if event == name:
                return data

    async def _receive(self) -> dict[str, Any]:
        await self.closed.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        self._text += message.get("body", b"").decode()
        *events, self._text = self._text.split("\n\n")
        for each in events:
            fields = dict(line.split(": ", 1) for line in each.splitlines() if not line.startswith(":"))
            if "event" in fields:
                self.moments.append(time.monotonic())
                self.events.put_nowait((fields.get("id", ""), fields["event"], json.loads(fields["data"])))


@contextlib.asynccontextmanager
async def streaming(
    console: Console, browser: Browser, path: str, **headers: str
) -> AsyncIterator[tuple[Stream, asyncio.Task[None]]]:
    stream = Stream(console.app, path, browser.cookie, {name.replace("_", "-"): text for name, text in headers.items()})
    task = asyncio.create_task(stream())
    try:
        yield stream, task
    finally:
        stream.closed.set()
        await asyncio.wait_for(task, GUARD)


def in_loop(console: Console) -> Console:
    """The same console for another event loop."""
    site = replace(console.site, ending=asyncio.Event(), changes=ChangeNotices())
    return replace(console, app=application(site), site=site)


def over(console: Console, output: Output) -> Invocation:
    where = [instances.get(console.controller, WEB)]
    invocation = past.invocation_on(where, console.controller.now())
    return past.write(console.controller.database, invocation, [finished()._replace(output=output)])


def running(console: Console) -> Invocation:
    """An invocation on both instances whose agents do not answer."""
    where = [instances.get(console.controller, each) for each in (WEB, DB)]
    invocation = past.write(
        console.controller.database, past.invocation_on(where, console.controller.now()), [None, None]
    )
    past.leave_open(console.controller, invocation)
    return invocation


def test_an_output_is_streamed_and_the_stream_ends(console: Console):
    data = b"one\n<b>\nthree"
    invocation = over(console, Output(data, (8, 5), cut=8, dropped=1234))
    record = invocation.instances[0].record.id
    browser = console.owner()

    async def collected(**headers: str) -> list[tuple[str, str, Any]]:
        async with streaming(in_loop(console), browser, f"/invocations/{invocation.id}/stream", **headers) as (
            stream,
            task,
        ):
            await asyncio.wait_for(task, GUARD)
            assert stream.status == 200
            assert all(after - before > 0.09 for before, after in itertools.pairwise(stream.moments))
            return [await stream.next() for _ in range(stream.events.qsize())]

    every = asyncio.run(collected())
    assert {event for _, event, _ in every[:-1]} == {"state", "output"}
    assert every[-1][1] == "end"
    lines = [line for _, event, data in every if event == "output" for line in data["parts"][0]["lines"]]
    assert lines == [["one", 0], ["&lt;b&gt;", 0], ["… 1,234 bytes are missing here …", 2], ["three", 1]]
    assert every[-1][0] == str(len(data) + 1234)
    (state,) = [data for _, event, data in every if event == "state"]
    assert state["over"] is True
    assert "exit 0" in state["records"][record]

    resumed = asyncio.run(collected(last_event_id="4"))
    assert [line for _, event, data in resumed if event == "output" for line in data["parts"][0]["lines"]] == lines[1:]
    assert not [each for each in asyncio.run(collected(last_event_id=every[-1][0])) if each[1] == "output"][1:]


def test_events_of_several_records_have_all_offsets(console: Console):
    invocation = past.write(
        console.controller.database,
        past.invocation_on([instances.get(console.controller, each) for each in (WEB, DB)], console.controller.now()),
        [finished("a\n"), finished("bb\n")],
    )
    one, other = (each.record.id for each in invocation.instances)
    path = f"/invocations/{invocation.id}/stream?record={one}:0&record={other}:0"

    async def collected() -> list[tuple[str, str, Any]]:
        async with streaming(in_loop(console), console.owner(), path) as (stream, task):
            await asyncio.wait_for(task, GUARD)
            return [await stream.next() for _ in range(stream.events.qsize())]

    assert asyncio.run(collected())[-1][:2] == ("2,3", "end")


def test_a_stop_is_seen_and_an_unreachable_agent_is_said(console: Console):
    invocation = running(console)
    record = invocation.instances[0].record.id
    browser = console.owner()

    async def work() -> None:
        path = f"/invocations/{invocation.id}/stream?record={record}"
        async with streaming(in_loop(console), browser, path) as (stream, _):
            assert "Running" in (await stream.until("state"))["html"]
            while not (await stream.until("output"))["parts"][0]["notice"].startswith("cannot reach"):
                pass
            await asyncio.to_thread(browser.post, f"/invocations/{invocation.id}/stop")
            while "Stopping" not in (await stream.until("state"))["html"]:
                pass

    asyncio.run(work())
    assert not console.site.streams


def ends_after(console: Console, browser: Browser, change: Callable[[Console], object]) -> str:
    """Return the last event of a stream that ends within two seconds after a change; empty without one."""
    invocation = running(console)

    async def work() -> str:
        here = in_loop(console)
        async with streaming(here, browser, f"/invocations/{invocation.id}/stream") as (stream, task):
            await stream.until("state")
            change(here)
            await asyncio.wait_for(task, SOON)
            name = ""
            while not stream.events.empty():
                _, name, _ = await stream.next()
            return name

    return asyncio.run(work())


def test_a_logout_ends_the_stream(console: Console):
    browser = console.owner()
    user = sessions.valid(console.controller, browser.cookie)
    assert user is not None

    def log_out(_: Console) -> None:
        sessions.log_out(console.controller, browser.cookie, user.user, "test")

    assert ends_after(console, browser, log_out) == "logout"


def test_disabling_the_user_ends_the_stream(console: Console):
    user = console.user(Role.VIEWER)
    browser = console.browser()
    browser.log_in(user.name)
    assert ends_after(console, browser, lambda _: users.disable(console.controller, user.name)) == "logout"


def test_a_smaller_scope_ends_the_stream(console: Console):
    browser = console.logged_in(Role.VIEWER, "@role=web")
    web = Selection((WEB,))

    def untag(_: Console) -> None:
        instances.tag(console.controller, web, {"role": None})

    try:
        assert ends_after(console, browser, untag) == "logout"
    finally:
        instances.tag(console.controller, web, {"role": "web"})


def test_a_shutdown_ends_the_stream(console: Console):
    assert ends_after(console, console.owner(), lambda here: here.site.ending.set()) == ""


def test_a_silent_stream_gives_signs_of_life(tmp_path: Path):
    """A page notices by them that a network has dropped its connection."""

    async def work(console: Console) -> None:
        path = f"/invocations/{running(console).id}/stream"
        async with streaming(in_loop(console), console.owner(), path) as (stream, _):
            await stream.until("alive")
            await stream.until("alive")

    timeouts = DEFAULTS.replace(view=DEFAULTS.view.replace(alive=0.05))
    with in_process(tmp_path / "console", timeouts=timeouts) as console:
        asyncio.run(work(console))


def test_a_session_has_a_limited_number_of_streams(console: Console):
    invocation = running(console)
    browser = console.owner()
    path = f"/invocations/{invocation.id}/stream"

    async def work() -> None:
        here = in_loop(console)
        async with contextlib.AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(streaming(here, browser, path)) for _ in range(STREAMS)]
            for stream, _ in opened:
                await stream.until("state")
            async with streaming(here, browser, path) as (one_more, task):
                await asyncio.wait_for(task, GUARD)
                assert one_more.status == 429
            assert console.site.streams == {browser.cookie: STREAMS}

    asyncio.run(work())
    assert not console.site.streams
