"""A search phrase: words that follow each other, with any signs between them."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from assist_cli.errors import InvalidParameter
from assist_cli.model import names

BEFORE = 40  # characters shown around the words
AFTER = 100

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Phrase:
    """A text with at least one word; with ``open_end`` its last word is a prefix."""

    text: str
    open_end: bool

    def snippet(self, texts: Iterable[str]) -> str:
        """Return the text around the words in the first text that has them, or the beginning of the first one."""
        known = [each for each in texts if each]
        plain = map(_without_accents, known)
        for text in (*known, *plain):
            found = self._pattern.search(text)
            if found:
                return _around(text, found.start(), found.end())
        return _around(known[0], 0, 0) if known else ""

    def parts(self, snippet: str) -> list[tuple[str, bool]]:
        """Return a snippet in parts, in order; True for those that are the words."""
        found, end = [], 0
        for match in self._pattern.finditer(snippet):
            found += [(snippet[end : match.start()], False), (match[0], True)]
            end = match.end()
        return [*found, (snippet[end:], False)]

    @functools.cached_property
    def _pattern(self) -> re.Pattern[str]:
        between = r"[\W_]+".join(map(re.escape, _WORD.findall(self.text)))
        return re.compile(rf"(?<![^\W_]){between}" + ("" if self.open_end else r"(?![^\W_])"), re.IGNORECASE)


def parse(text: str) -> Phrase:
    """Parse a phrase. A star at its end makes the last word a prefix.

    Raises InvalidParameter for a text without words.
    """
    words = text.rstrip("*")
    if not _WORD.search(words):
        raise InvalidParameter(
            f"cannot search for '{text}': it has no word",
            hint="give letters or digits, as in: assist invocation search 'No space left'",
        )
    return Phrase(words, text.endswith("*"))


def _around(text: str, start: int, end: int) -> str:
    left, right = max(start - BEFORE, 0), min(end + AFTER, len(text))
    return ("…" if left else "") + text[left:right] + ("…" if right < len(text) else "")


def _without_accents(text: str) -> str:
    return "".join(each for each in names.normal(text, "NFD") if not unicodedata.combining(each))
