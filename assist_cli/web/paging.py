"""One page of a long list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import urlencode

Item = TypeVar("Item")


@dataclass(frozen=True)
class ListPage(Generic[Item]):
    """The ``items`` of a page. ``older`` and ``newer`` are the query strings of its neighbours; None without one.

    ``first`` is the number of the first item, from 1; ``total`` is None where counting would be slow.
    """

    items: Sequence[Item]
    first: int
    total: int | None
    newer: str | None
    older: str | None

    @property
    def last(self) -> int:
        return self.first + len(self.items) - 1


def numbered(items: Sequence[Item], number: str, size: int, kept: dict[str, str]) -> ListPage[Item]:
    """Return a page of a whole list by its ``number``, from 1; ``kept`` are the other fields of the query."""
    pages = max(-(-len(items) // size), 1)
    page = page_number(number, pages)
    start = (page - 1) * size

    def query(other: int) -> str | None:
        return urlencode({**kept, "page": other}) if 1 <= other <= pages else None

    return ListPage(items[start : start + size], start + 1, len(items), query(page - 1), query(page + 1))


def page_number(text: str, most: int) -> int:
    """Return the number of a page from the query: from 1 to ``most``."""
    return min(max(int(text), 1), most) if text.isdecimal() and len(text) < 9 else 1


def uncounted(items: Sequence[Item], number: int, size: int, most: int, kept: dict[str, str]) -> ListPage[Item]:
    """Return page ``number`` of ``most`` of a list without a total; ``items`` has one more if there are more."""

    def query(other: int) -> str:
        return urlencode({**kept, "page": other})

    older = query(number + 1) if len(items) > size and number < most else None
    return ListPage(items[:size], (number - 1) * size + 1, None, query(number - 1) if number > 1 else None, older)


def following(items: Sequence[Item], size: int, last: str, kept: dict[str, str], *, begins: bool) -> ListPage[Item]:
    """Return a page of a list that continues after an id; ``items`` has one more than a page if there are more.

    ``last`` is the id of its last item. The way back is to the beginning, unless it ``begins`` the list.
    """
    more = len(items) > size
    older = urlencode({**kept, "after": last}) if more else None
    return ListPage(items[:size], 1, None, None if begins else urlencode(kept), older)
