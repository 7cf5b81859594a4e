"""Pages of a list: by PageNumber and PageSize, or by MaxResults and NextToken.

A token belongs to one action with its filters. For another list it is refused, as is a changed token. An answer has a
token whenever there are more items, with page numbers too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from assist_cli.api.faults import Fault
from assist_cli.api.forms import Document
from assist_cli.api.parameters import Given, Takes, ValueKind
from assist_cli.model.page import Slice

MOST = 50
USUAL = 10
FAR = 1_000_000  # longer than any list

NUMBERED: Takes = {"PageNumber": ValueKind.NUMBER, "PageSize": ValueKind.NUMBER}
PAGED: Takes = {**NUMBERED, "MaxResults": ValueKind.NUMBER, "NextToken": ValueKind.TEXT}
# These change the fields of an item, but not the list.
SHAPE = frozenset({"ContentEncoding", "IncludeOutput"})

_DIGEST_BYTES = 12

Item = TypeVar("Item")


class Page(NamedTuple):
    """One page of a list.

    ``number`` is the number of the page. ``after`` is the key of the last item of the previous page, from a token.
    ``action`` and ``given`` identify the list.
    """

    number: int
    size: int
    after: str | None
    action: str
    given: Given

    @property
    def slice(self) -> Slice:
        """The rows of the page, and one more, which shows whether there is a next page."""
        return Slice(self.size + 1, self.after, 0 if self.after is not None else (self.number - 1) * self.size)

    def of(self, items: Sequence[Item], key: Callable[[Item], str]) -> list[Item]:
        """Return the items of the page, and one more if it exists, of a list in descending order of key."""
        left = [each for each in items if self.after is None or key(each) < self.after]
        part = self.slice
        return left[part.offset : part.offset + part.limit]

    def told(self, keys: Sequence[str], total: int) -> Document:
        """Return the paging fields of an answer. ``keys`` are those of the rows of ``slice``."""
        token = ""
        if len(keys) > self.size:
            token = _packed(_subject(self.action, self.given), self.number + 1, keys[self.size - 1])
        return {"NextToken": token, **self.numbered(total)}

    def numbered(self, total: int) -> Document:
        """Return the paging fields of an answer without tokens."""
        return {"PageNumber": self.number, "PageSize": self.size, "TotalCount": total}


def asked(action: str, given: Given, most: int = MOST) -> Page:
    """Return the page of ``action`` that a call asks for, of at most ``most`` items. Raises Fault."""
    number, size = given.number("PageNumber"), given.number("PageSize")
    token, results = given.text("NextToken"), given.number("MaxResults")
    if number is not None and not 1 <= number <= FAR:
        raise Fault("InvalidParam.PageNumber", f"(it is 1 to {FAR:,})")
    if size is not None and not 1 <= size <= most:
        raise Fault("InvalidParam.PageSize", f"(it is 1 to {most})")
    if results is not None and not 1 <= results <= most:
        raise Fault("InvalidParameter.MaxResults", f"(it is 1 to {most})")
    by_token, after = (1, None) if token is None else _unpacked(_subject(action, given), token)
    if (token is not None or results is not None) and number not in (None, 1, by_token):
        raise Fault(
            "InvalidParam.PageNumber", "(it goes with PageSize; behind MaxResults or NextToken comes NextToken)"
        )
    return Page(by_token if token is not None else number or 1, results or size or USUAL, after, action, given)


def _subject(action: str, given: Given) -> bytes:
    """Return what identifies a list: the action with its filters."""
    filters = {name: value for name, value in given.values.items() if name not in PAGED and name not in SHAPE}
    return json.dumps([action, filters], sort_keys=True).encode()


def _packed(subject: bytes, number: int, after: str) -> str:
    text = f"{number} {after}".encode()
    return base64.urlsafe_b64encode(_digest(subject, text) + text).decode("ascii")


def _unpacked(subject: bytes, token: str) -> tuple[int, str]:
    try:
        found = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        digest, text = found[:_DIGEST_BYTES], found[_DIGEST_BYTES:]
        if not hmac.compare_digest(digest, _digest(subject, text)):
            raise ValueError("it belongs to another list")
        number, _, after = text.decode().partition(" ")
        return int(number), after
    except (binascii.Error, ValueError):
        raise Fault(
            "InvalidParameter.NextToken", "(it is of an answer to the same action with the same filters)"
        ) from None


def _digest(subject: bytes, text: bytes) -> bytes:
    return hashlib.blake2b(subject + b"\0" + text, digest_size=_DIGEST_BYTES).digest()
