"""The event stream of an invocation: its state, and the output of some of its records as it arrives (docs/console.md).

Events: ``state`` (HTML of the progress, and the states of the records), ``output`` (new lines of records, and why a
record pauses), ``alive`` (after 15 s without another one), ``end``, and ``logout``. The id of an event has the byte
offset of each followed record, so a browser that reconnects continues there. Text of a line that is not complete is
sent again until it is.

Everything runs in the event loop, except for reads of the history. A stream reads the history only after a change of
the database, and checks session and scope each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from markupsafe import Markup
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from assist_cli.errors import NotFound
from assist_cli.model.invocation import Invocation, InvocationInstance, RepeatMode
from assist_cli.model.output import Output
from assist_cli.model.status import InvocationStatus
from assist_cli.model.summary import State, instance_counts
from assist_cli.operations.access import sessions
from assist_cli.operations.controller import Controller
from assist_cli.operations.history import history, pages
from assist_cli.operations.runs import live
from assist_cli.web import words
from assist_cli.web.lines import OutputLine, OutputLines, blocks
from assist_cli.web.visit import STREAMS, Visit

FOLLOWED = 8  # records of a stream
OPEN = 3  # records of which a page shows the output while they run, without a click
HELD_BYTES = 256 * 1024  # of output that waits for the next push; the agent waits then, or skips output
HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),
]


@dataclass
class Followed:
    """A record that a stream follows, from a byte ``offset`` on, which grows with each push."""

    place: InvocationInstance
    offset: int
    lines: OutputLines = field(init=False)
    pending: list[list[Any]] = field(default_factory=list)
    notice: str = ""
    held: int = 0
    is_changed: bool = False
    is_over: bool = False

    def __post_init__(self) -> None:
        self.lines = OutputLines(self.offset)

    @property
    def record_id(self) -> str:
        return self.place.record.id


def offset_of(text: str) -> int:
    """Return an offset that a client sent; 0 for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0


def summary(controller: Controller, found: Invocation) -> dict[str, Any]:
    """Return the values of the progress of an invocation, for its template."""
    kinds = instance_counts(found.instances)
    schedule = history.planned(controller, [found]).get(found.id) if found.frequency else None
    bad = kinds.failed + kinds.nonzero
    parts = (
        ("good", kinds.succeeded, "succeeded"),
        ("bad" if kinds.failed else "odd", bad, "failed"),
        ("odd", kinds.stopped, "stopped"),
        ("plain", kinds.unstarted + kinds.halted, "not started"),
        ("busy", kinds.running, "running"),
        ("wait", kinds.queued, "queued"),
        ("wait", kinds.waiting, "waiting" if schedule is None else "scheduled"),
    )
    ended = sum(each.record.status.is_final for each in found.instances)
    return {
        "state": words.of_invocation(found, schedule, controller.now()),
        "parts": [part for part in parts if part[1]],
        "segments": _segments([(kind, number) for kind, number, _ in parts if number], kinds.total),
        "ended": ended,
        "mark": _mark(found),
        "is_over": found.status.is_final,
        "can_stop": not found.status.is_final and any(_may_stop(each) for each in found.instances),
        "unsuccessful": sum(each.record.status.is_final and not each.record.is_success for each in found.instances),
        "repeats": found.repeat_mode is RepeatMode.PERIOD,
    }


def active(found: Invocation) -> list[InvocationInstance]:
    """Return the instances whose output a page shows while they run: all if these are few, else the first ones sent."""
    left = [each for each in found.instances if each.record.id and not each.record.status.is_final]
    if len(left) <= OPEN:
        return left
    return [each for each in left if each.record.sent is not None and not each.record.is_queued][:FOLLOWED]


def _mark(found: Invocation) -> str:
    """Return a text that differs when a page is to show other records, also where their number stays the same."""
    ended = [each.record.id for each in found.instances if each.record.status.is_final]
    shown = " ".join([*ended, "-", *(each.record.id for each in active(found))])
    return hashlib.sha256(shown.encode()).hexdigest()[:16]


def _may_stop(place: InvocationInstance) -> bool:
    return place.status is InvocationStatus.RUNNING


def _segments(parts: Sequence[tuple[str, int]], total: int) -> list[tuple[str, float, float]]:
    """Return the parts of a bar of the width 1,000: class, beginning, width."""
    found, begin = [], 0.0
    for kind, number in parts:
        width = 1000 * number / max(total, 1)
        found.append((kind, round(begin, 1), round(width, 1)))
        begin += width
    return found


@dataclass(frozen=True)
class Panel:
    """A record that is still open, with its output so far, and the part of it that was shown, in bytes."""

    place: InvocationInstance
    state: State
    output: Markup
    unfinished: OutputLine | None
    offset: int
    lines: int
    is_open: bool


def panel(place: InvocationInstance, *, is_open: bool) -> Panel:
    """Return a panel with the output so far."""
    reader = OutputLines()
    lines = [line for part in (place.record.output or Output()).after(0) for line in reader.add(part)]
    html = blocks(lines, place.record.id)
    number = sum(not each.is_gap for each in lines)
    return Panel(place, words.of_place(place), html, reader.open(), reader.offset, number, is_open)


class _Ended(Exception):
    """The stream ends: the session has ended, or the invocation is no longer visible."""


class EventStream(Response):
    """The answer of a stream. It ends with the invocation, the session, the scope or the server."""

    def __init__(self, visit: Visit, invocation_id: str, followed: Sequence[Followed]) -> None:
        super().__init__()
        self._visit = visit
        self._site = visit.site
        self._timeouts = visit.controller.timeouts.view
        self._invocation_id = invocation_id
        self._followed = list(followed)
        self._wake = asyncio.Event()
        self._has_changed = True
        self._shown = ""
        self._cost = 0.0  # processor time of the last check, in seconds
        self._is_over = False
        self._next_push = 0.0
        resumed = [offset_of(each) for each in visit.request.headers.get("last-event-id", "").split(",") if each]
        if len(resumed) == len(self._followed):
            self._followed = [
                Followed(each.place, offset) for each, offset in zip(self._followed, resumed, strict=True)
            ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streams, browser = self._site.streams, self._visit.browser
        if streams[browser] >= STREAMS:
            text = f"cannot follow more than {STREAMS} pages at a time\nhint: close some of them\n"
            await PlainTextResponse(text, 429)(scope, receive, send)
            return
        streams[browser] += 1
        try:
            await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
            await self._until_the_end(receive, send)
            with contextlib.suppress(OSError):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            streams[browser] -= 1
            if not streams[browser]:
                del streams[browser]

    async def _until_the_end(self, receive: Receive, send: Send) -> None:
        works = [asyncio.create_task(each) for each in (self._push_all(send), _gone(receive), self._site.ending.wait())]
        try:
            await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for work in works:
                work.cancel()
            for result in await asyncio.gather(*works, return_exceptions=True):
                if isinstance(result, Exception) and not isinstance(result, OSError):
                    self._site.reported(result, "continue an event stream")

    async def _push_all(self, send: Send) -> None:
        loop = asyncio.get_running_loop()
        check_at = 0.0
        async with contextlib.AsyncExitStack() as stack:
            controller = await stack.enter_async_context(
                self._site.changes.follow(self._site.controllers, self._change)
            )
            works = [asyncio.create_task(self._follow(controller, each)) for each in self._followed]
            stack.push_async_callback(_cancel, works)
            await send(_body("retry: 2000\n\n"))
            while True:
                self._wake.clear()
                if self._has_changed and loop.time() >= check_at:
                    self._has_changed = False
                    try:
                        state = await loop.run_in_executor(self._site.threads, self._state)
                    except _Ended:
                        await self._push(send, "logout", {})
                        return
                    check_at = loop.time() + min(max(self._timeouts.beat, 4 * self._cost), self._timeouts.check)
                    if state is not None:
                        await self._push(send, "state", state)
                await self._push_output(send)
                if self._is_over and all(each.is_over for each in self._followed):
                    await self._push(send, "end", {})
                    return
                await self._pause(send, check_at)

    async def _pause(self, send: Send, check_at: float) -> None:
        """Wait for a change, until the next check is due, or until the browser needs a sign of life."""
        now = asyncio.get_running_loop().time()
        pause = max(check_at - now, 0) if self._has_changed else self._timeouts.alive
        try:
            await asyncio.wait_for(self._wake.wait(), pause)
        except asyncio.TimeoutError:
            if not self._has_changed:
                self._has_changed = True  # a session also ends by time
                await send(_body("event: alive\ndata: 1\n\n"))

    async def _push(self, send: Send, event: str, data: dict[str, Any]) -> None:
        """Send an event, at most ten a second."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(self._next_push - loop.time(), 0))
        self._next_push = loop.time() + self._timeouts.push
        number = ",".join(str(each.offset) for each in self._followed)
        await send(_body(f"id: {number}\nevent: {event}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n"))

    async def _push_output(self, send: Send) -> None:
        if not any(each.is_changed for each in self._followed):
            return
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(self._next_push - loop.time(), 0))  # more may arrive meanwhile
        parts = []
        for each in self._followed:
            if not each.is_changed:
                continue
            unfinished = each.lines.open()
            each.offset = each.lines.offset
            parts.append(
                {
                    "record": each.record_id,
                    "offset": each.offset,
                    "lines": each.pending,
                    "open": None if unfinished is None else [unfinished.html, int(unfinished.is_error)],
                    "notice": each.notice,
                }
            )
            each.pending, each.held, each.is_changed = [], 0, False
        await self._push(send, "output", {"parts": parts})

    async def _follow(self, controller: Controller, followed: Followed) -> None:
        """Read the output of a record. A reader that is slower than its script pauses the agent."""
        try:
            async with contextlib.aclosing(
                live.output_from(controller, followed.record_id, followed.lines.offset)
            ) as parts:
                async for part in parts:
                    followed.notice = part.reason
                    if not part.reason:
                        self._add(followed, followed.lines.add(part))
                        followed.held += len(part.data)
                    followed.is_changed = True
                    self._wake.set()
                    while followed.held > HELD_BYTES:
                        await asyncio.sleep(self._timeouts.push)
            self._add(followed, followed.lines.close())
        except Exception as error:
            followed.notice = self._site.reported(error, f"follow the record {followed.record_id}").message
        followed.is_over = followed.is_changed = True
        self._wake.set()

    def _add(self, followed: Followed, lines: Sequence[Any]) -> None:
        followed.pending += [[each.html, 2 if each.is_gap else int(each.is_error)] for each in lines]

    def _change(self) -> None:
        self._has_changed = True
        self._wake.set()

    def _state(self) -> dict[str, Any] | None:
        """Check the user, and return the state if it has changed. Runs in a thread. Raises _Ended."""
        began = time.thread_time()
        with self._site.controllers.one() as controller:
            session = sessions.valid(controller, self._visit.browser)
            if session is None:
                raise _Ended
            visit = replace(self._visit, controller=controller, user=session.user)
            try:
                found = pages.visible(controller, self._invocation_id, visit.rights.seen)
            except NotFound:
                raise _Ended from None
            seen = {each.instance_id: each for each in found.instances}
            if any(each.place.instance_id not in seen for each in self._followed):
                raise _Ended
            values = summary(controller, found)
            self._is_over = values["is_over"]
            html = visit.text("invocations/progress.html", found=found, **values)
            newest = {each.record.id: each for each in found.instances}
            states = {
                each.record_id: visit.text("invocations/state.html", it=words.of_place(newest[each.record_id]))
                for each in self._followed
                if each.record_id in newest
            }
        self._cost = time.thread_time() - began
        shown = html + repr(states)
        if shown == self._shown:
            return None
        self._shown = shown
        return {
            "html": html,
            "ended": values["ended"],
            "mark": values["mark"],
            "over": values["is_over"],
            "records": states,
        }


async def _gone(receive: Receive) -> None:
    """Return when the browser has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancel(works: Sequence[asyncio.Task[None]]) -> None:
    for work in works:
        work.cancel()
    await asyncio.gather(*works, return_exceptions=True)


def _body(text: str) -> dict[str, Any]:
    return {"type": "http.response.body", "body": text.encode(), "more_body": True}
