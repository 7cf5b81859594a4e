"""The records of an invocation: each with its whole output, as a page or as text, and the stream of live output."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import IO
from urllib.parse import quote

from starlette.responses import PlainTextResponse, Response, StreamingResponse

from assist_cli.errors import InvalidParameter
from assist_cli.model.gaps import gap, marked_bytes
from assist_cli.model.invocation import Invocation, InvocationInstance
from assist_cli.model.names import quoted
from assist_cli.model.output import Output, Stream
from assist_cli.operations.history import pages
from assist_cli.operations.runs import dispatch
from assist_cli.operations.runs.listener import Listener, replay
from assist_cli.web import live, words
from assist_cli.web.lines import blocks, lines_of
from assist_cli.web.visit import Visit


def record(visit: Visit) -> Response:
    """The whole output of one record."""
    found = visit.invocation()
    (place,) = visit.current([pages.of_record(visit.controller, found, visit.part("record"))])
    kept = place.record.output or Output()
    is_over = place.record.status.is_final
    return visit.page(
        "invocations/record.html",
        found=found,
        place=place,
        state=words.of_record(place.record),
        output=blocks(lines_of(kept), place.record.id) if is_over else "",
        panel=None if is_over else live.panel(place, is_open=True),
        dropped=kept.dropped,
        command=_output_command(found, place),
    )


def _output_command(found: Invocation, place: InvocationInstance) -> str:
    there = f" -i {quoted(place.instance_name)}" if len(found.instances) > 1 else ""
    return f"assist invocation output {found.id}{there}"


def raw(visit: Visit) -> Response:
    """The output of a record as text, or of one stream; with ``download`` as a file.

    With ``full``, bytes that the history lacks are fetched from the agent. Browsers show it as text only, by the
    headers of every answer.
    """
    found = visit.invocation()
    (place,) = visit.current([pages.of_record(visit.controller, found, visit.part("record"))])
    streams = [each for each in Stream if visit.query("stream") in ("", each.value)]
    if not streams:
        raise InvalidParameter("cannot show this stream", hint="it is stdout or stderr")
    kept = place.record.output or Output()
    response: Response
    if visit.query("full") and kept.dropped:
        with visit.asking():
            file = TextFile(tempfile.TemporaryFile(), streams)  # noqa: SIM115 - the answer closes it
            dispatch.fetch_output(visit.controller, place, file)
        replay(file, place.instance_name, kept, file.seen)
        response = StreamingResponse(file.content(), media_type="text/plain")
    else:
        response = PlainTextResponse(marked_bytes(kept, *streams))
    if visit.query("download"):
        only = f"-{visit.query('stream')}" if visit.query("stream") else ""
        name = quote(f"{place.instance_name}-{place.record.id}{only}.txt", safe="")
        response.headers["content-disposition"] = f"attachment; filename*=UTF-8''{name}"
    return response


class TextFile(Listener):
    """Writes output of one instance into a file on disk, since it may be large. ``seen`` is its size in bytes."""

    def __init__(self, file: IO[bytes], streams: Sequence[Stream]) -> None:
        self.seen = 0
        self._file = file
        self._streams = streams

    def output(self, instance: str, stream: Stream, data: bytes) -> None:
        self.seen += len(data)
        if stream in self._streams:
            self._file.write(data)

    def missing(self, instance: str, size: int) -> None:
        self.seen += size
        self._file.write(f"\n{gap(size)}\n".encode())

    def content(self) -> Iterator[bytes]:
        """Yield the file in parts, and close it."""
        with self._file:
            self._file.seek(0)
            while part := self._file.read(1 << 16):
                yield part


def stream(visit: Visit) -> Response:
    """The event stream of an invocation: its state, and the output of some of its records (docs/console.md)."""
    found = visit.invocation()
    followed = []
    for text in visit.request.query_params.getlist("record")[: live.FOLLOWED]:
        record_id, _, offset = text.partition(":")
        place = pages.of_record(visit.controller, found, record_id)
        followed.append(live.Followed(place, live.offset_of(offset)))
    if not followed and len(found.instances) == 1 and found.instances[0].record.id:
        followed = [live.Followed(found.instances[0], 0)]
    return live.EventStream(visit, found.id, followed)
