"""Pages of a list: by PageNumber and PageSize, or by MaxResults and NextToken."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from assist_cli.api.faults import Fault
from assist_cli.api.forms import Document
from assist_cli.api.parameters import Given, Takes, ValueKind
from assist_cli.model.page import Slice

MOST = 50
USUAL = 10
FAR = 1_000_000  # no list is so long, and numbers stay small

PAGED: Takes = {
    "PageNumber": ValueKind.NUMBER,
    "PageSize": ValueKind.NUMBER,
    "MaxResults": ValueKind.NUMBER,
    "NextToken": ValueKind.TEXT,
}

Item = TypeVar("Item")


@dataclass(frozen=True)
class Page:
    """Which part of a list is asked for. ``after`` is the key of the last one of the page before."""

    number: int
    size: int
    after: str | None
    by_token: bool

    @property
    def slice(self) -> Slice:
        """The rows of it, and one more, which tells whether there is a next page."""
        return Slice(self.size + 1, self.after, 0 if self.by_token else (self.number - 1) * self.size)

    def of(self, items: Sequence[Item], key: Callable[[Item], str]) -> list[Item]:
        """The items of it, and one more where there is one, of a list that is at hand in descending order of key."""
        left = [each for each in items if self.after is None or key(each) < self.after]
        part = self.slice
        return left[part.offset : part.offset + part.limit]

    def told(self, keys: Sequence[str], total: int) -> Document:
        """The fields of an answer, of the keys that were found with one more than fit."""
        more = self.by_token and len(keys) > self.size
        return {
            "NextToken": _packed(keys[self.size - 1]) if more else "",
            "PageNumber": self.number,
            "PageSize": self.size,
            "TotalCount": total,
        }


def asked(given: Given) -> Page:
    """The page that a call asks for. Raises Fault."""
    number, size = given.number("PageNumber"), given.number("PageSize")
    token, most = given.text("NextToken"), given.number("MaxResults")
    if number is not None and not 1 <= number <= FAR:
        raise Fault("InvalidParam.PageNumber")
    if size is not None and not 1 <= size <= MOST:
        raise Fault("InvalidParam.PageSize")
    if most is not None and not 1 <= most <= MOST:
        raise Fault("InvalidParameter.MaxResults")
    by_token = token is not None or most is not None
    return Page(number or 1, most or size or USUAL, None if token is None else _unpacked(token), by_token)


def _packed(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode("ascii")


def _unpacked(token: str) -> str:
    try:
        return base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise Fault("InvalidParameter.NextToken") from None
