"""The normal form of names: composed, in limited time."""

from __future__ import annotations

import pytest

from assist_cli.model import names, phrase


@pytest.mark.parametrize(
    ("text", "composed"),
    [("web1", "web1"), ("cafe\u0301", "caf\u00e9"), ("a" + "\u0301" * 30, "\u00e1" + "\u0301" * 29)],
    ids=["plain", "accent", "many accents"],
)
def test_a_name_is_composed(text: str, composed: str):
    assert names.normal(text) == composed


@pytest.mark.parametrize("marks", ["\u0315\u0300" * 400_000, "\u0f73" * 400_000], ids=["mark", "sign"])
def test_a_long_row_of_combining_marks_stays(marks: str):
    """Sorting it would take an hour."""
    assert names.normal(f"e\u0301{marks}") == f"e\u0301{marks}"
    assert phrase.parse("cafe").snippet([f"caf\u00e9 a{marks}"]).startswith("caf\u00e9")
