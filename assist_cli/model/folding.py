"""Many names as few words: ``web[01-20]``.

Folding writes ranges. It goes through the numbers of the names from the last to the first and puts together what
differs in that number only; it never reads a name as anything but text, and takes about the same time for any names.
A name from before such names were refused, which would mean something else in a range, is left as it is.
(ClusterShell's NodeSet reads ``&``, ``^`` and ``!`` in names as operators, and takes seconds for some thousand names
with four numbers, as addresses have.)
"""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from assist_cli.model import names

_NUMBER = r"([0-9]+)"  # compiled on use, as every run loads this module
_UNFOLDABLE = rf"[][*?&]|[0-9]{{{names.DIGITS + 1}}}"


def fold(texts: Iterable[str]) -> str:
    """The names as one comma list with ranges, in natural order: ``db1,web[01-20]``."""
    return ",".join(folded(texts))


def fold_some(texts: Iterable[str], columns: int = 60, most: int = 5) -> str:
    """Return the names as one comma list if it is short or has few names, else the first ones and a number."""
    names = sorted(texts, key=natural_key)
    text = fold(names)
    others = len(names) - most
    return text if len(text) <= columns or others <= 0 else f"{fold(names[:most])} and {others:,} more"


def folded(texts: Iterable[str]) -> list[str]:
    """Return the parts of that comma list."""
    known = {tuple(re.split(_NUMBER, name)) for name in texts}  # text, number, text, number, …, text
    by_length: dict[int, set[tuple[str, ...]]] = defaultdict(set)
    for pieces in known:
        plain = not re.search(_UNFOLDABLE, "".join(pieces))
        by_length[len(pieces) if plain else 0].add(pieces if plain else ("".join(pieces),))
    parts = [part for length, group in by_length.items() for part in _merged(group, length)]
    return sorted(("".join(part) for part in parts), key=natural_key)


def _merged(group: set[tuple[str, ...]], length: int) -> set[tuple[str, ...]]:
    for position in range(length - 2, 0, -2):
        by_rest: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for pieces in group:
            by_rest[pieces[:position] + pieces[position + 1 :]].append(pieces[position])
        group = {
            (*rest[:position], numbers[0] if len(numbers) == 1 else f"[{_ranges(numbers)}]", *rest[position:])
            for rest, numbers in by_rest.items()
        }
    return group


def _ranges(numbers: Iterable[str]) -> str:
    """``1 2 08 09 10`` as ``1-2,08-10``: numbers that are written in one way stand together."""
    by_width: dict[int, list[int]] = defaultdict(list)
    for text in numbers:
        by_width[len(text) if is_padded(text) else 0].append(int(text))
    # One without a leading zero joins those with leading zeros that have as many digits.
    for width in by_width.keys() - {0}:
        joining = {number for number in by_width.get(0, ()) if len(str(number)) == width}
        by_width[width] += joining
        by_width[0] = [number for number in by_width.get(0, ()) if number not in joining]
    runs = [run for width, values in by_width.items() for run in _runs(sorted(values), width)]
    return ",".join(text for *_, text in sorted(runs))


def _runs(numbers: list[int], width: int) -> Iterator[tuple[int, int, str]]:
    """The runs of whole numbers in a sorted list: the first number, the width, and the text of each."""
    for _, group in itertools.groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        run = [number for _, number in group]
        ends = run if len(run) == 1 else (run[0], run[-1])
        yield run[0], width, "-".join(f"{number:0{width or 1}}" for number in ends)


def likeness(name: str) -> str:
    """Return a key that is equal for names that differ in case and leading zeros only."""
    return re.sub(_NUMBER, lambda found: found[0].lstrip("0") or "0", name.casefold())


def natural_key(name: str) -> tuple[Any, ...]:
    """Return a key that sorts names as people do: web2 before web10. Numbers sort by value, text as it is."""
    pieces: list[Any] = re.split(_NUMBER, name)  # text, number, text, number, …, text
    pieces[1::2] = [(int(number), number) for number in pieces[1::2]]
    return tuple(pieces)


def is_padded(number: str) -> bool:
    return number.startswith("0") and number != "0"
