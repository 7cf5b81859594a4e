"""Colours of output as CSS classes, and nothing else of a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assist_cli.web.ansi import AnsiText, Piece


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("plain", [("", "plain")]),
        ("\x1b[31mred\x1b[0m no", [("fg-red", "red"), ("", " no")]),
        ("\x1b[1;32;41mx", [("fg-green bg-red bold", "x")]),
        ("\x1b[1mb\x1b[22mn", [("bold", "b"), ("", "n")]),
        ("\x1b[92mx\x1b[39my", [("fg-bright-green", "x"), ("", "y")]),
        ("\x1b[38;5;9mx", [("fg-bright-red", "x")]),
        ("\x1b[38;5;21mx", [("fg-bright-blue", "x")]),
        ("\x1b[38;2;0;180;0mx", [("fg-green", "x")]),
        ("\x1b[48;2;0;0;0mx", [("bg-black", "x")]),
        ("a\x1b[2Kb\x1b]0;title\x07c\x1b(Bd", [("", "a"), ("", "b"), ("", "c"), ("", "d")]),
        ("10%\r50%\r100%\nend", [("", "100%\nend")]),
        ("a\r\nb", [("", "a\nb")]),
        ("bell\x07", [("", "bell␇")]),
        ("\u202eevil", [("", "\ufffdevil")]),
        ("\x1b[999999999999999999mx", [("", "x")]),
    ],
)
def test_the_pieces_of_a_text(text: str, pieces: list[Piece]):
    assert list(AnsiText().pieces(text)) == pieces


def test_a_sequence_continues_in_the_next_text():
    ansi = AnsiText()
    assert list(ansi.pieces("a\x1b[3")) == [("", "a")]
    assert list(ansi.pieces("1mb")) == [("fg-red", "b")]
    assert list(ansi.pieces("c")) == [("fg-red", "c")]


@given(st.lists(st.text(st.sampled_from("\x1b[]0;139mK\r\n\x07\x9bab\\PX("), max_size=30), max_size=5))
def test_no_control_character_is_left(texts: list[str]):
    ansi = AnsiText()
    for text in texts:
        for classes, piece in ansi.pieces(text):
            assert not set(map(ord, piece)) & {*range(9), *range(11, 32), 127}
            assert set(classes) <= set("abcdefghijklmnopqrstuvwxyz- ")
