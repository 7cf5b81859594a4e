"""One call as it was received, before it is authenticated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

from assist_cli.api.faults import Fault, invalid

FIELDS = 2000  # a call of any action has fewer

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


@dataclass(frozen=True)
class Call:
    """A request: ``query`` as in the URL; ``headers`` in order, their names in lower case.

    ``client`` is the address of the client, for the audit log.
    """

    method: str
    path: str
    query: bytes
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    client: str = ""

    def header(self, name: str) -> str:
        """Return the value of a header, "" when it is absent. Raises Fault for a header that is given twice."""
        found = self._by_name.get(name, "")
        if found is None:
            raise Fault("IncompleteSignature", f"(the header {name} is given more than once)")
        return found

    @cached_property
    def head_bytes(self) -> int:
        """The size of URL and headers."""
        return len(self.path) + len(self.query) + sum(len(name) + len(value) for name, value in self.headers)

    @cached_property
    def _by_name(self) -> Mapping[str, str | None]:
        """The values of the headers; None for one that is given twice."""
        found: dict[str, str | None] = {}
        for name, value in self.headers:
            found[name] = None if name in found else value.strip()
        return found

    @cached_property
    def in_query(self) -> Mapping[str, str]:
        """The parameters in the URL. Raises Fault."""
        return _pairs(self.query)

    @cached_property
    def in_form(self) -> Mapping[str, str]:
        """The parameters of a form in the body; empty for another body. Raises Fault."""
        return _pairs(self.body) if self.body and self._content_type == FORM else {}

    @cached_property
    def in_json(self) -> Mapping[str, str]:
        """The members of a JSON object in the body; empty for another body. Raises Fault."""
        return _members(self.body) if self.body and self._content_type == JSON else {}

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The parameters of URL and body. Raises Fault for one that is given twice."""
        if not self.body:
            return self.in_query
        found: dict[str, str] = {}
        for part in (self.in_query, self.in_form, self.in_json):
            for name, value in part.items():
                if name in found:
                    raise invalid(_shown(name), "(it is given more than once)")
                found[name] = value
        return found

    @property
    def has_unread_body(self) -> bool:
        """Return True if the body is neither a form nor JSON."""
        return bool(self.body) and self._content_type not in (FORM, JSON)

    @property
    def _content_type(self) -> str:
        return self.header("content-type").partition(";")[0].strip().lower()


def unread(error: ValueError | RecursionError) -> str:
    """Return the reason why a query, a form or JSON cannot be parsed."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON: {error.msg.lower()} at line {error.lineno}, column {error.colno}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not ASCII" if error.encoding == "ascii" else "it is not UTF-8"
    if isinstance(error, UnicodeEncodeError):
        return "it has a half of a character (a lone surrogate)"
    return str(error)


def _pairs(text: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS)
    except ValueError as error:
        raise Fault("InvalidParameter.Query", f"({unread(error)})") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise invalid(_shown(name), "(it is given more than once)")
        found[name] = value
    return found


def _members(text: bytes) -> dict[str, str]:
    """Return a JSON object as flat parameters: lists as ``Name.1``, objects in them as ``Name.1.Key``, maps as JSON."""
    try:
        document = json.loads(text, parse_int=str, parse_float=str, parse_constant=_no_number)
        found = {}
        for name, value in _object(document).items():
            if isinstance(value, list):
                for number, each in enumerate(value, 1):
                    if isinstance(each, dict):
                        found.update({f"{name}.{number}.{key}": _text(member) for key, member in each.items()})
                    else:
                        found[f"{name}.{number}"] = _text(each)
            elif value is not None:
                found[name] = _text(value)
        for name, value in found.items():
            (name + value).encode()  # a lone surrogate cannot be encoded
    except (ValueError, RecursionError) as error:
        raise Fault("InvalidParameter.Body", f"({unread(error)})") from None
    if len(found) > FIELDS:
        raise Fault("InvalidParameter.Body", "(it has too many members)")
    return found


def _object(document: Any) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise ValueError("the JSON in it is not an object")
    return document


def _no_number(text: str) -> str:
    raise ValueError(f"it is not JSON: {text} is not a number of it")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _shown(name: str) -> str:
    """Return a name in a form that is safe in an answer."""
    return name if name.isprintable() and len(name) <= 64 else "Query"
