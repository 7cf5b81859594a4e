"""Secrets in the output of a script: masked wherever the reads split them, and nothing else changes."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from agentd.mask import MASK, Mask

BYTES = st.text(alphabet="abx", max_size=40).map(str.encode)
VALUES = st.lists(st.text(alphabet="ab", min_size=1, max_size=6).map(str.encode), min_size=1, max_size=3)


def masked(values: list[bytes], *pieces: bytes) -> bytes:
    mask = Mask(values)
    return b"".join([*map(mask.feed, pieces), mask.rest()])


def expected(values: list[bytes], data: bytes) -> bytes:
    """The plain definition: mask what the values cover; a value after the end of a mask begins another."""
    places = sorted(
        (at, at + len(value)) for value in values for at in range(len(data)) if data[at : at + len(value)] == value
    )
    shown, position = b"", 0
    for begin, end in places:
        if begin >= position:
            shown += data[position:begin] + MASK
        position = max(position, end)
    return shown + data[position:]


@given(VALUES, st.lists(BYTES, max_size=8))
@example([b"aba"], [b"ab", b"aba", b"b"])
@example([b"ab", b"abc"], [b"ab", b"c"])
def test_the_size_of_the_reads_makes_no_difference(values: list[bytes], pieces: list[bytes]) -> None:
    assert masked(values, *pieces) == expected(values, b"".join(pieces))


@given(st.binary(max_size=300), st.binary(min_size=3, max_size=20))
def test_every_cut_of_a_value(around: bytes, value: bytes) -> None:
    data = around + value + around
    whole = expected([value], data)
    for cut in range(len(around), len(around) + len(value) + 1):
        assert masked([value], data[:cut], data[cut:]) == whole


@given(st.lists(st.binary(max_size=50), max_size=5))
def test_output_without_a_value_passes_unchanged(pieces: list[bytes]) -> None:
    pieces = [piece.replace(b"z", b"y") for piece in pieces]
    assert masked([b"zebra"], *pieces) == b"".join(pieces)


def test_nothing_is_held_back_that_cannot_become_a_value() -> None:
    mask = Mask([b"secret"])
    assert mask.feed(b"progress 10%\r") == b"progress 10%\r"
    assert mask.feed(b"a sec") == b"a "
    assert mask.feed(b"ond\n") == b"second\n"


def test_a_long_run_of_a_short_value() -> None:
    """Overlapping all the way: one mask, and only as much is held back as can be part of a value."""
    mask = Mask([b"aa"])
    shown = [mask.feed(b"a" * 1000) for _ in range(50)]
    assert b"".join([*shown, mask.rest()]) == MASK
