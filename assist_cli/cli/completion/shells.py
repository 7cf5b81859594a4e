"""The completions in the format of each shell, one a line.

fish shows the description of a word itself. zsh gets the text to list for each word, after a tab. bash only inserts
words: they are quoted here and begin at the part that bash replaces (see ``Line.kept``), and a description is added
only when several words are listed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from assist_cli.cli.completion.line import Line
from assist_cli.cli.completion.values import Offer
from assist_cli.cli.formatting import pad, width
from assist_cli.cli.streams import Streams
from assist_cli.units import escape

# Values of COMP_TYPE with which bash lists words; with others it inserts one after the other.
_LISTING = ("9", "33", "63", "64")
_PLAIN = "_./:=@%+,^-"
_SPECIAL_IN_QUOTES = '"$`\\'
_LEAST_ROOM = 10


def for_bash(line: Line, offers: list[Offer]) -> Iterator[str]:
    words = [_quoted(line.quote, word[line.kept :]) for word, _ in offers]
    if len(words) == 1 or os.environ.get("COMP_TYPE", "9") not in _LISTING:
        yield from words
    else:
        yield from _with_descriptions(words, offers, "  (", ")")


def for_zsh(line: Line, offers: list[Offer]) -> Iterator[str]:
    words = [escape(word) for word, _ in offers]
    for (word, _), shown in zip(offers, _with_descriptions(words, offers, "  ", ""), strict=True):
        yield f"{word}\t{shown}"


def for_fish(line: Line, offers: list[Offer]) -> Iterator[str]:
    for word, about in offers:
        yield f"{word}\t{escape(about)}" if about else word


FORMS: dict[str, Callable[[Line, list[Offer]], Iterator[str]]] = {
    "bash": for_bash,
    "zsh": for_zsh,
    "fish": for_fish,
}


def _with_descriptions(words: list[str], offers: list[Offer], before: str, after: str) -> Iterator[str]:
    """Yield each word with its description, in columns, cut at the width of the terminal."""
    longest = max(map(width, words), default=0)
    room = Streams().stdout.columns - longest - len(before + after) - 2
    for word, (_, about) in zip(words, offers, strict=True):
        told = about and room >= _LEAST_ROOM
        yield pad(word, longest) + before + _cut(escape(about), room) + after if told else word


def _quoted(quote: str, text: str) -> str:
    if quote == "'":
        return text.replace("'", "'\\''")
    return "".join(f"\\{each}" if _needs_quoting(each, quote) else each for each in text)


def _needs_quoting(character: str, quote: str) -> bool:
    if quote:
        return character in _SPECIAL_IN_QUOTES
    return character.isascii() and not character.isalnum() and character not in _PLAIN


def _cut(text: str, room: int) -> str:
    if width(text) <= room:
        return text
    while width(text) >= room:
        text = text[:-1]
    return text + "…"
