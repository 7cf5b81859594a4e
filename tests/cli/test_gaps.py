"""Missing bytes in output: lines stay whole, none is joined to another, and every byte is shown or counted."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assist_cli.cli import documents
from assist_cli.cli.output import Encoding, Printer
from assist_cli.cli.pass_through import PassThrough
from assist_cli.cli.prefixed_lines import PrefixedLines
from assist_cli.cli.streams import Streams
from assist_cli.model.gaps import marked
from assist_cli.model.output import Output, Stream

OUT, ERR = Stream
GAP = re.compile(rb"n: \xe2\x80\xa6 ([\d,]+) bytes? (?:is|are) missing here \xe2\x80\xa6\n")


class Shown:
    """A Printer that writes into memory."""

    def __init__(self) -> None:
        self._files = [io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2)]
        self.printer = Printer(streams=Streams(io.TextIOWrapper(io.BytesIO()), *self._files, terminal=False))

    def of(self, stream: Stream) -> bytes:
        file = self._files[stream is ERR]
        file.flush()
        assert isinstance(file.buffer, io.BytesIO)
        return file.buffer.getvalue()


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=20).map(
        lambda widths: b"".join(b"%0*d\n" % (width, number) for number, width in enumerate(widths))
    ),
    st.lists(st.tuples(st.integers(1, 25), st.booleans()), max_size=30),
    st.integers(20, 200),
)
def test_lines_are_whole_and_each_byte_is_shown_or_counted(
    data: bytes, steps: list[tuple[int, bool]], held: int
) -> None:
    """For any pieces and any gaps. The agent drops whole lines, or the rest of a line that has begun."""
    shown = Shown()
    lines = PrefixedLines(shown.printer, held)
    position = 0
    for size, is_missing in steps:
        part = data[position : position + size]
        if is_missing and data[:position][-1:] in (b"", b"\n"):
            part = data[position : data.find(b"\n", position + size) + 1 or len(data)]
        position += len(part)
        if is_missing:
            lines.skip("n", len(part))
        else:
            lines.add("n", OUT, part)
    lines.add("n", OUT, data[position:])
    lines.flush("n")
    found = shown.of(OUT)
    missing = sum(int(number.replace(b",", b"")) for number in GAP.findall(found))
    left = GAP.sub(b"", found).splitlines(keepends=True)
    printed = {b"n: " + line for line in data.splitlines(keepends=True)}
    assert set(left) <= printed
    assert len(left) == len(set(left))
    assert sum(len(line) - 3 for line in left) + missing == len(data)


def test_a_whole_stream_is_not_affected_by_gaps_of_the_other() -> None:
    shown = Shown()
    lines = PrefixedLines(shown.printer)
    lines.add("n", OUT, b"8")
    lines.add("n", ERR, b"warning\n")
    lines.skip("n", 1000)
    lines.add("n", ERR, b"error\n")
    lines.add("n", OUT, b"92\n93\n")
    lines.flush("n")
    assert shown.of(ERR) == b"n: warning\nn: error\n"
    assert shown.of(OUT) == "n: … 1,001 bytes are missing here …\nn: … 3 bytes are missing here …\nn: 93\n".encode()


@pytest.mark.parametrize(
    ("before", "after", "printed"),
    [
        (b"88\n", b"92\n", b"88\n92\n"),
        (b"88\n89", b"2\n", b"88\n89\n2\n"),
        (b"88\n89", b"", b"88\n89"),
        (b"\0\xff", b"\xfe", b"\0\xff\xfe"),
    ],
)
def test_raw_output_is_not_joined_over_a_gap(before: bytes, after: bytes, printed: bytes) -> None:
    shown = Shown()
    passed = PassThrough(shown.printer)
    passed.output("n", OUT, before)
    passed.missing("n", 7)
    if after:
        passed.output("n", OUT, after)
    passed.close([])
    assert shown.of(OUT) == printed
    assert shown.of(ERR) == b"warning: 7 bytes of output missing in the middle\n"


def test_a_gap_is_shown_with_the_kept_and_the_largest_kept_size() -> None:
    shown = Shown()
    passed = PassThrough(shown.printer, hint="ask again")
    passed.missing("n", 64 << 20)
    passed.close([])
    passed.output("n", OUT, b"a\n")
    passed.close([])
    assert shown.of(ERR).decode().splitlines() == [
        "warning: 67,108,864 bytes of output missing: none of it was kept",
        "hint: ask again",
        "warning: 67,108,864 bytes of output missing in the middle: an instance keeps 64 MiB",
        "hint: ask again",
    ]


def test_a_gap_in_text_has_its_own_line() -> None:
    assert marked(Output(b"a\nb\n", (4,), cut=2, dropped=1)) == "a\n… 1 byte is missing here …\nb\n"
    assert marked(Output(b"ab", (2,), cut=1, dropped=2)) == "a\n… 2 bytes are missing here …\nb"
    assert marked(Output(b"", (), cut=0, dropped=1234)) == "… 1,234 bytes are missing here …\n"
    assert marked(Output(b"a\n", (2,))) == "a\n"


@pytest.mark.parametrize("encoding", Encoding)
def test_json_gives_the_offset_of_missing_bytes(encoding: Encoding) -> None:
    """In bytes of the text there: an invalid byte is one in base64, and three as text."""
    output = Output("é\xff\n".encode("latin-1") + b"err\n" + b"z\n", (3, 4, 2), cut=7, dropped=5)
    invalid = 6 if encoding is Encoding.TEXT else 2
    assert documents.dropped_at(output, encoding) == {"Output": invalid + 1 + 4, "Stdout": invalid + 1, "Stderr": 4}
    assert documents.dropped_at(Output(b"a\n", (2,)), encoding) is None
