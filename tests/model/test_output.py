"""Folded output: nothing is lost within the budget, and beyond it every byte is kept or counted."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from assist_cli.model.output import BUDGET, Fold, Output, Stream

OUT, ERR = Stream

pieces_of_bytes = st.lists(st.tuples(st.sampled_from(Stream), st.binary(max_size=40)), max_size=30)
budgets = st.integers(2, 60)


@st.composite
def interleaved_texts(draw: st.DrawFn) -> list[tuple[Stream, bytes]]:
    """Two streams of valid UTF-8, cut anywhere and mixed in any order."""
    rest = {stream: draw(st.text(max_size=40)).encode() for stream in Stream}
    pieces = []
    while any(rest.values()):
        stream = draw(st.sampled_from([stream for stream, data in rest.items() if data]))
        length = draw(st.integers(1, len(rest[stream])))
        pieces.append((stream, rest[stream][:length]))
        rest[stream] = rest[stream][length:]
    return pieces


def fold(pieces: list[tuple[Stream, bytes]], budget: int = BUDGET) -> Output:
    folded = Fold(budget)
    for stream, data in pieces:
        folded.add(stream, data)
    assert folded.offset == sum(len(data) for _, data in pieces)
    return folded.output()


def written(pieces: list[tuple[Stream, bytes]], *streams: Stream) -> bytes:
    return b"".join(data for stream, data in pieces if stream in streams)


def halves(output: Output, stream: Stream) -> tuple[bytes, bytes]:
    """The kept parts of a stream before the cut and after it."""
    before, after = b"", b""
    position = 0
    for each, data in output.pieces():
        if each is stream and position < output.cut:
            before += data
        elif each is stream:
            after += data
        position += len(data)
    return before, after


@given(pieces_of_bytes)
def test_within_the_budget_all_three_views_are_exact(pieces: list[tuple[Stream, bytes]]) -> None:
    output = fold(pieces)
    assert output.dropped == 0
    assert output.bytes_of(*Stream) == output.data == written(pieces, *Stream)
    assert output.bytes_of(OUT) == written(pieces, OUT)
    assert output.bytes_of(ERR) == written(pieces, ERR)


@given(pieces_of_bytes, budgets)
def test_every_byte_is_kept_or_counted(pieces: list[tuple[Stream, bytes]], budget: int) -> None:
    output = fold(pieces, budget)
    assert len(output.data) + output.dropped == len(written(pieces, *Stream))
    assert len(output.data) <= budget
    assert sum(output.runs) == len(output.data)
    if len(written(pieces, *Stream)) <= budget // 2 * 2:
        assert output.dropped == 0
    for stream in Stream:
        before, after = halves(output, stream)
        assert written(pieces, stream).startswith(before)
        assert written(pieces, stream).endswith(after)


@given(interleaved_texts(), budgets)
def test_a_cut_never_lands_inside_a_character(pieces: list[tuple[Stream, bytes]], budget: int) -> None:
    output = fold(pieces, budget)
    for stream in Stream:
        before, after = halves(output, stream)
        if before + after != written(pieces, stream):
            before.decode()
            after.decode()
        assert output.text_of(stream) == (before + after).decode()
    # Without lines at most three bytes of a character are dropped on each side of the cut, for each stream.
    if b"\n" not in written(pieces, *Stream):
        assert len(output.data) >= min(len(written(pieces, *Stream)), budget // 2 * 2) - 12


@st.composite
def interleaved_lines(draw: st.DrawFn) -> list[tuple[Stream, bytes]]:
    """Two streams of numbered lines, cut anywhere and mixed in any order."""
    rest = {}
    for stream in Stream:
        widths = draw(st.lists(st.integers(1, 12), max_size=12))
        rest[stream] = b"".join(b"%s%0*d\n" % (stream.value[3:4].encode(), width, n) for n, width in enumerate(widths))
    pieces = []
    while any(rest.values()):
        stream = draw(st.sampled_from([stream for stream, data in rest.items() if data]))
        length = draw(st.integers(1, min(len(rest[stream]), 9)))
        pieces.append((stream, rest[stream][:length]))
        rest[stream] = rest[stream][length:]
    return pieces


@given(interleaved_lines(), budgets)
def test_a_cut_is_at_the_ends_of_lines(pieces: list[tuple[Stream, bytes]], budget: int) -> None:
    output = fold(pieces, budget)
    assert len(output.data) + output.dropped == len(written(pieces, *Stream))
    for stream in Stream:
        lines = written(pieces, stream).splitlines(keepends=True)
        before, after = (part.splitlines(keepends=True) for part in halves(output, stream))
        if b"".join(before + after) != b"".join(lines):
            assert before == lines[: len(before)]
            assert after == lines[len(lines) - len(after) :]
    head, tail = output.texts_of(*Stream)
    assert head.encode() == output.data[: output.cut] or not output.dropped
    assert head + tail == output.data.decode() == output.text_of(*Stream)


@given(interleaved_lines(), st.integers(0, 10), st.integers(0, 10), budgets)
def test_nothing_is_joined_over_a_gap_from_the_agent(
    pieces: list[tuple[Stream, bytes]], head: int, tail: int, budget: int
) -> None:
    """The agent drops pieces between, which begin and end anywhere."""
    after = max(len(pieces) - tail, head)
    gap = pieces[head:after]
    folded = Fold(budget)
    for stream, data in pieces[:head]:
        folded.add(stream, data)
    folded.skip(sum(len(data) for _, data in gap))
    for stream, data in pieces[after:]:
        folded.add(stream, data)
    output = folded.output()
    assert len(output.data) + output.dropped == len(written(pieces, *Stream))
    for stream in {stream for stream, _ in gap}:
        lines = written(pieces, stream).splitlines(keepends=True)
        before, _ = halves(output, stream)
        if b"\n" in before:
            assert before.splitlines(keepends=True) == lines[: before.count(b"\n")]


def test_a_line_longer_than_the_budget_is_missing_as_a_whole() -> None:
    lines = [b"1\n", b"7" * 5_000_000 + b"\n", b"2\n"]
    data = b"".join(lines)
    folded = Fold()
    for start in range(0, len(data), 65_536):
        folded.add(OUT, data[start : start + 65_536])
    assert folded.output() == Output(data=b"1\n2\n", runs=(4,), cut=2, dropped=5_000_001)


@given(interleaved_texts())
def test_text_is_whole_although_the_streams_split_characters(pieces: list[tuple[Stream, bytes]]) -> None:
    output = fold(pieces)
    assert "\ufffd" not in output.text_of(*Stream) or "\ufffd" in written(pieces, *Stream).decode("utf-8", "replace")
    assert sorted(output.text_of(*Stream)) == sorted(output.text_of(OUT) + output.text_of(ERR))


def test_invalid_bytes_are_replaced_in_text_and_kept_as_bytes() -> None:
    output = fold([(OUT, b"a\xff\xfeb")])
    assert output.text_of(OUT) == "a\ufffd\ufffdb"
    assert output.bytes_of(OUT) == b"a\xff\xfeb"


def test_ten_million_bytes_are_stored_as_two_halves() -> None:
    data = os.urandom(10_000_000).replace(b"\xc3", b"c")
    folded = Fold()
    for start in range(0, len(data), 65_537):
        folded.add(OUT, data[start : start + 65_537])
    output = folded.output()
    assert len(output.data) + output.dropped == len(data)
    assert BUDGET - 6 <= len(output.data) <= BUDGET
    assert data.startswith(output.data[: output.cut])
    assert data.endswith(output.data[output.cut :])


def test_a_gap_from_the_agent_is_the_only_gap() -> None:
    folded = Fold(8)
    folded.add(OUT, b"abcdef")
    folded.skip(100)
    folded.add(ERR, b"xy")
    output = folded.output()
    assert (output.data, output.cut, output.dropped) == (b"abcdxy", 4, 102)
    assert list(output.pieces()) == [(OUT, b"abcd"), (ERR, b"xy")]


def test_a_gap_before_the_first_half_is_full_ends_it() -> None:
    folded = Fold(20)
    folded.add(OUT, "aé".encode()[:2])
    folded.skip(5)
    folded.add(OUT, "é".encode()[1:] + b"z")
    assert folded.output() == Output(data=b"az", runs=(2,), cut=1, dropped=7)


def test_memory_is_bounded() -> None:
    folded = Fold(10)
    for _ in range(10_000):
        folded.add(OUT, b"0123456789")
        folded.add(ERR, b"x")
    assert sum(len(piece.data) for piece in folded._tail) < 30


def test_no_output_is_kept_as_none() -> None:
    assert fold([]) == Output()
    assert Output().text_of(*Stream) == ""
