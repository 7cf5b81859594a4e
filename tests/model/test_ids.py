"""Identifiers: their form, their order, and their prefixes."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from assist_cli.model.ids import ALPHABET, SHORT_LENGTH, Kind, derived, is_prefix, new_id

LAST_MS = 2**48 - 1
times = st.integers(0, LAST_MS)
kinds = st.sampled_from(Kind)


@given(kinds, times)
def test_an_id_is_its_kind_and_26_characters(kind: Kind, now_ms: int) -> None:
    assert re.fullmatch(rf"{kind.value}[{ALPHABET}]{{26}}", new_id(kind, now_ms))


@given(times, times)
def test_ids_sort_by_time(one: int, other: int) -> None:
    ids = new_id(Kind.RECORD, one), new_id(Kind.RECORD, other)
    if one != other:
        assert (ids[0] < ids[1]) == (one < other)


@given(times)
def test_the_short_form_is_the_time_part(now_ms: int) -> None:
    assert new_id(Kind.RECORD, now_ms)[:SHORT_LENGTH] == new_id(Kind.RECORD, now_ms)[:SHORT_LENGTH]


def test_ids_of_the_same_millisecond_differ() -> None:
    assert len({new_id(Kind.RECORD, 0) for _ in range(1000)}) == 1000


@given(kinds, times, st.integers(2, 28))
def test_every_prefix_of_an_id_is_valid(kind: Kind, now_ms: int, length: int) -> None:
    assert is_prefix(new_id(kind, now_ms)[:length], kind)


def test_text_that_cannot_be_the_prefix_of_an_id() -> None:
    for text in ("", "t", "backup", "r-01", "t-0l", "t-01K3", "t-" + "0" * 27, "t-01 "):
        assert not is_prefix(text, Kind.INVOCATION), text


@given(kinds, times, st.lists(st.text(max_size=30), min_size=1, max_size=3))
def test_a_derived_id_follows_from_its_parts(kind: Kind, moment: int, parts: list[str]) -> None:
    found = derived(kind, moment, *parts)
    assert found == derived(kind, moment, *parts)
    assert found[:SHORT_LENGTH] == new_id(kind, moment)[:SHORT_LENGTH]
    assert re.fullmatch(rf"{kind.value}[{ALPHABET}]{{26}}", found)
    assert found not in {derived(kind, moment, *parts, ""), derived(kind, moment, *parts[:-1], parts[-1] + "x")}


def test_a_derived_id_is_the_same_in_every_version() -> None:
    """Two copies of a home may be of two versions."""
    found = derived(Kind.RECORD, 1_800_000_000_000, "t-01m8jgsk7jbxrwrp5vy6pg3atb", "i-01m8jgsjn9n3c8d5havb2kt5m4")
    assert found == "r-01mcc5rm0070nr8f7t6zfa7195"
    assert found != derived(
        Kind.RECORD, 1_800_000_000_000, "t-01m8jgsk7jbxrwrp5vy6pg3atbi-", "01m8jgsjn9n3c8d5havb2kt5m4"
    )
