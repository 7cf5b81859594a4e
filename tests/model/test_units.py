"""Numbers with units: one thing and two things, and sizes in the unit that fits."""

from __future__ import annotations

import pytest

from assist_cli.units import count, size


def test_one_and_many() -> None:
    assert [count(number, "restart") for number in (0, 1, 2, 1234)] == [
        "0 restarts", "1 restart", "2 restarts", "1,234 restarts",
    ]  # fmt: skip
    assert count(2, "more entry", "more entries") == "2 more entries"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1000, "1,000 bytes"),
        (1023, "1,023 bytes"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (300 * 1024, "300 KiB"),
        (2**20 - 1, "1 MiB"),
        (256 * 2**20, "256 MiB"),
        (3 * 2**29, "1.5 GiB"),
        (20 * 2**30, "20 GiB"),
        (5 * 2**40, "5 TiB"),
    ],
)
def test_sizes(number: int, text: str) -> None:
    assert size(number) == text
