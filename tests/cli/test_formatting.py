"""The format of times, durations and foreign text."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from assist_cli.cli.formatting import so_far
from assist_cli.cli.options import moment
from assist_cli.units import ago, count, escape, one_line, seconds_of, took

NOW = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.4, "just now"), (1, "1 s ago"), (59.9, "59 s ago"), (60, "1 min ago"), (3599, "59 min ago"),
        (3600, "1 h ago"), (86_399, "23 h ago"), (86_400, "1 d ago"), (30 * 86_400, "30 d ago"), (-0.5, "just now"),
        (-90, "in 1 min"), (31 * 86_400, "2026-10-22"),
    ],
)  # fmt: skip
def test_a_time_relative_to_now(seconds: float, said: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0.00 s"), (0.124, "0.12 s"), (1, "1.0 s"), (59.94, "59.9 s"), (60, "1 min"), (125, "2 min 5 s"),
        (3600, "1 h"), (12_000, "3 h 20 min"), (90_000, "1 d 1 h"),
    ],
)  # fmt: skip
def test_elapsed_time(seconds: float, said: str) -> None:
    assert took(timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0), ("90", 90), ("30s", 30), ("10m", 600), ("2h", 7200), ("30d", 2_592_000), ("1.5h", 5400),
        (" 5M ", 300), ("", None), ("s", None), ("-1", None), ("1w", 604_800), ("1 m", 60), ("10m5s", 605),
        ("5min", 300), ("5 minutes", 300), ("1h30m", 5400), ("2 hours 1 sec", 7201), ("5 5m", None), ("10ms", None),
        ("1hm", None), ("1h30", None), ("nan", None), ("١٢", None), ("1e3", None),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.long
@given(st.text())
def test_no_cursor_movement_remains(text: str) -> None:
    for shown in (escape(text), one_line(text)):
        assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown)
        assert not set(shown) & set("\u2028\u2029\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


@given(st.text(st.characters(exclude_categories=["C", "Z"])))
def test_plain_text_is_not_changed(text: str) -> None:
    assert escape(text) == text
    assert one_line(text) == text


def test_escaped_text_is_readable() -> None:
    assert escape("a\x1b[31mb\x07\x7f\x9b\u202e") == "a\\x1b[31mb\\x07\\x7f\\x9b\\u202e"
    assert escape("a\tb\n", keep="\t") == "a\tb\\n"


def test_a_script_in_one_line() -> None:
    assert one_line("\ufeffecho hi\n") == "echo hi"
    assert one_line("#!/bin/sh\n\n  set   -e\n\techo\ta\r\n") == "#!/bin/sh ↵ set -e ↵ echo a"


def test_counts() -> None:
    assert [count(number, "byte") for number in (0, 1, 1234)] == ["0 bytes", "1 byte", "1,234 bytes"]
    assert count(2, "entry", "entries") == "2 entries"


def test_records_that_did_not_start_are_not_failures() -> None:
    assert so_far(6, 6, 0, 0) == "█" * 24 + " 6/6"
    assert so_far(6, 12, 2, 3) == "█" * 12 + "░" * 12 + " 6/12, 2 failed, 3 not started"


@pytest.mark.parametrize("text", ["2h", "2h ago", "2 hours ago", "120 minutes ago"])
def test_a_time_since_is_an_age(text: str) -> None:
    age = datetime.now(timezone.utc) - moment(text)
    assert abs(age - timedelta(hours=2)) < timedelta(seconds=30)


def test_a_time_since_is_a_day_or_a_local_time() -> None:
    midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    yesterday = midnight.date() - timedelta(days=1)
    assert moment("today") == midnight
    assert moment("yesterday").astimezone().date() == yesterday
    assert moment("yesterday 08:30") == moment(f"{yesterday} 08:30")
    assert moment("8:30") == moment(f"{midnight:%Y-%m-%d} 08:30")


@pytest.mark.parametrize("text", ["90", "90 ago", "soon", "25:00", "ago", "yesterday 5"])
def test_an_unclear_time_since_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        moment(text)
