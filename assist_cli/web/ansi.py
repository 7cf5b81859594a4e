"""Colours in output: the control sequences of a terminal as CSS classes. Everything else of a terminal is removed.

Colours and weights (SGR) become classes; other sequences, such as cursor movements and titles, have no meaning in a
page. A carriage return starts a line again, as a progress bar does. Other control characters are shown as symbols, and
characters that change the direction of text as U+FFFD.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

Piece = tuple[str, str]  # classes, text

NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_WEIGHTS = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike"}
_ENDS = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",), 27: ("inverse",), 29: ("strike",)}
KNOWN = 32  # characters of parameters that are kept
_LONGEST = 512  # characters of a sequence that continues in the next text

_SEQUENCE = re.compile(
    r"\x1b\[([0-9;:]*)m"  # SGR
    r"|[\x1b][\[][0-?]*[ -/]*[@-~]|\x9b[0-?]*[ -/]*[@-~]"  # any other CSI
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\)"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]",  # all others
    re.DOTALL,
)
_BEGUN = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*|[ -/]*)?\Z")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_OVERWRITTEN = re.compile(r"[^\n]*\r(?!\n|\Z)")


class TextStyle(NamedTuple):
    """The appearance of a text."""

    foreground: str = ""
    background: str = ""
    weights: frozenset[str] = frozenset()
    classes: str = ""  # all of it


PLAIN = TextStyle()


@dataclass
class AnsiText:
    """The colours of one stream of output, which continue from one text to the next."""

    _style: TextStyle = PLAIN
    _begun: str = ""  # the beginning of a sequence

    @property
    def is_plain(self) -> bool:
        """Return True if the next text has no colour, and continues no sequence."""
        return not (self._style.classes or self._begun)

    def pieces(self, text: str) -> Iterator[Piece]:
        """Yield the next text in pieces of one appearance. An unfinished sequence is kept for the next text."""
        text = self._begun + text
        last = text.rfind("\x1b", -_LONGEST)
        begun = _BEGUN.match(text, last) if last >= 0 else None
        self._begun = begun[0] if begun else ""
        text = text[: len(text) - len(self._begun)]
        start = 0
        for found in _SEQUENCE.finditer(text):
            if found.start() > start:
                yield self._style.classes, printable(text[start : found.start()])
            start = found.end()
            if found[1] is not None:
                is_short = len(found[1]) <= KNOWN
                self._style = _known(self._style, found[1]) if is_short else _changed(self._style, found[1])
        if start < len(text):
            yield self._style.classes, printable(text[start:])


def _changed(style: TextStyle, parameters: str) -> TextStyle:
    """Return the style after a sequence with these parameters."""
    foreground, background, kept, _ = style
    weights = set(kept)
    codes = iter([int(code) if code.isdecimal() and len(code) < 5 else 0 for code in re.split("[;:]", parameters)])
    for code in codes:
        if code == 0:
            foreground = background = ""
            weights.clear()
        elif code in _WEIGHTS:
            weights.add(_WEIGHTS[code])
        elif code in _ENDS:
            weights.difference_update(_ENDS[code])
        elif code in (38, 48, 39, 49) or (code % 10 < 8 and code // 10 in (3, 4, 9, 10)):
            if code in (38, 48):
                name = _extended(codes)
            else:
                name = "" if code in (39, 49) else ("bright-" if code >= 90 else "") + NAMES[code % 10]
            if code // 10 in (3, 9):
                foreground = name and f"fg-{name}"
            else:
                background = name and f"bg-{name}"
    classes = " ".join(filter(None, (foreground, background, *sorted(weights))))
    return TextStyle(foreground, background, frozenset(weights), classes)


_known = functools.lru_cache(maxsize=1000)(_changed)  # an output repeats few sequences many times


def printable(text: str) -> str:
    """Return a text as a page shows it, without the parts of lines that a carriage return overwrites."""
    if text.isprintable():  # much quicker, and frequent
        return text
    text = _OVERWRITTEN.sub("", text.replace("\r\n", "\n"))
    return _CONTROL.sub(_symbol, text)


def _symbol(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code == 0x0D:
        return ""
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"


def _extended(codes: Iterator[int]) -> str:
    """Return the nearest of the 16 colours to one of 256, or of all (``38;5;N``, ``38;2;R;G;B``)."""
    mode = next(codes, 0)
    if mode == 5:
        number = next(codes, 0)
        if number < 16:
            return ("bright-" if number >= 8 else "") + NAMES[number % 8]
        if number > 231:
            return "black" if number < 238 else "bright-black" if number < 246 else "white"
        levels = [(number - 16) // step % 6 * 51 for step in (36, 6, 1)]
    elif mode == 2:
        levels = [next(codes, 0) for _ in range(3)]
    else:
        return ""
    top = max(levels)
    if top < 50:
        return "black"
    index = sum(1 << position for position, level in enumerate(levels) if level > top * 0.6)
    return ("bright-" if top > 200 and index not in (0, 7) else "") + NAMES[index]
