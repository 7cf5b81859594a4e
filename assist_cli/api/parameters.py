"""What an action takes: the names of its parameters and of which kind each is, and the values that a call gives.

Whatever comes in is read or refused, and nothing is passed over: a name that the action does not have is a fault too.
Text that is empty stands for text that is not given, as clients send it; only values of custom parameters may be
empty. ``True`` and ``true`` are the same.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from assist_cli.api.faults import Fault, invalid, missing
from assist_cli.api.signatures import COMMON


class ValueKind(Enum):
    """How a parameter is written."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    LIST = "list"  # Name.1, Name.2 …
    TAGS = "tags"  # Name.1.Key, Name.1.Value …
    MAP = "map"  # a JSON object


Takes = Mapping[str, ValueKind]

# Every action takes these. They name accounts and groups, which are not known here: see ``Given.refuse_foreign``.
_FOREIGN = ("OwnerId", "OwnerAccount", "ResourceOwnerId", "ResourceOwnerAccount", "ResourceGroupId")
_LONGEST_NUMBER = 18
_INDEX = re.compile(r"([1-9][0-9]{0,3})(?:\.(.+))?", re.ASCII | re.DOTALL)


def takes(**kinds: ValueKind) -> Takes:
    """The parameters of an action, with those that every action has."""
    return {**kinds, "RegionId": ValueKind.TEXT, **dict.fromkeys(_FOREIGN, ValueKind.TEXT)}


@dataclass(frozen=True)
class Given:
    """The parameters of one call, by name; those that are not given are not there."""

    values: Mapping[str, Any]

    def text(self, name: str) -> str | None:
        found: str | None = self.values.get(name)
        return found

    def needed(self, name: str) -> str:
        """A text that must be there. Raises Fault."""
        found = self.text(name)
        if found is None:
            raise missing(name)
        return found

    def number(self, name: str) -> int | None:
        found: int | None = self.values.get(name)
        return found

    def flag(self, name: str) -> bool:
        return bool(self.values.get(name, False))

    def listed(self, name: str) -> tuple[str, ...]:
        """The values of a list, each once, in their order."""
        return tuple(dict.fromkeys(self.values.get(name, ())))

    def members(self, name: str) -> list[tuple[str, Any]] | None:
        """The members of a JSON object in order, those too that stand twice; None when there is none."""
        found: list[tuple[str, Any]] | None = self.values.get(name)
        return found

    def tags(self, name: str, most: int = 20) -> dict[str, str]:
        """``Tag`` or ``ResourceTag`` as keys and values; a value that is not given is "". Raises Fault."""
        pairs: list[dict[str, str]] = self.values.get(name, [])
        if len(pairs) > most:
            raise Fault(f"NumberExceed.{name}s")
        found: dict[str, str] = {}
        for pair in pairs:
            key, value = pair.get("Key", ""), pair.get("Value", "")
            if not key:
                raise Fault(f"MissingParameter.{name}Key")
            if len(key) > 64 or key.lower().startswith(("aliyun", "acs:")) or _is_odd(key):
                raise Fault(f"Invalid{name}Key.Malformed")
            if len(value) > 128 or _is_odd(value):
                raise Fault(f"Invalid{name}Value.Malformed")
            if key in found:
                raise Fault(f"Duplicate.{name}Key")
            found[key] = value
        return found

    def refuse_foreign(self, region: str) -> None:
        """Raise Fault for another region, and for accounts and resource groups, which there are none of here."""
        if self.needed("RegionId") != region:
            raise Fault("InvalidRegionId.NotFound", f"(this one is {region})")
        if self.text("ResourceGroupId"):
            raise Fault("InvalidResourceGroup.NotFound")
        for name in _FOREIGN:
            if self.text(name):
                raise Fault("Operation.Forbidden", f"({name}: there are no other accounts here)")


def read(takes: Takes, flat: Mapping[str, str]) -> Given:
    """The parameters of a call, of which those of the signature are left out. Raises Fault, and nothing else."""
    values: dict[str, Any] = {}
    lists: dict[str, dict[int, Any]] = {}
    for name, value in flat.items():
        if name in COMMON:
            continue
        head, dot, rest = name.partition(".")
        kind = takes.get(head)
        if kind is None or bool(dot) != (kind in (ValueKind.LIST, ValueKind.TAGS)):
            shown = head if head.isidentifier() and len(head) <= 64 else "Name"
            raise invalid(shown, "(this action takes no such parameter)")
        if dot:
            _add(lists.setdefault(head, {}), head, kind, rest, value)
        elif value:
            values[name] = _value(name, kind, value)
    for name, by_number in lists.items():
        values[name] = [by_number[number] for number in sorted(by_number)]
    return Given(values)


def decoded(text: str, encoding: str | None, usual: str, code: str) -> bytes:
    """Content that is plain text or base64, as ``encoding`` says; what says neither is the ``usual``. Raises Fault."""
    if chosen_encoding(encoding, usual) == "PlainText":
        return text.encode("utf-8")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Fault(code) from None


def chosen_encoding(given: str | None, usual: str) -> str:
    """``PlainText`` or ``Base64``, whatever the case; another word is the usual one, as the original has it."""
    known = {"plaintext": "PlainText", "base64": "Base64"}
    return known.get((given or usual).lower(), usual)


def encoded(data: bytes, encoding: str) -> str:
    """Content as an answer has it: invalid bytes of plain text are U+FFFD."""
    if encoding == "Base64":
        return base64.b64encode(data).decode("ascii")
    return data.decode("utf-8", "replace")


def _add(found: dict[int, Any], name: str, kind: ValueKind, rest: str, value: str) -> None:
    matched = _INDEX.fullmatch(rest)
    if matched is None or (matched[2] is not None) != (kind is ValueKind.TAGS):
        raise invalid(name, f"(it is written {name}.1{'.Key' if kind is ValueKind.TAGS else ''})")
    number, key = int(matched[1]), matched[2]
    if kind is ValueKind.LIST:
        found[number] = value
        return
    if key not in ("Key", "Value"):
        raise invalid(name, f"(it has {name}.{number}.Key and {name}.{number}.Value)")
    found.setdefault(number, {})[key] = value


def _value(name: str, kind: ValueKind, text: str) -> Any:
    if kind is ValueKind.NUMBER:
        if not re.fullmatch(rf"[+-]?[0-9]{{1,{_LONGEST_NUMBER}}}", text, re.ASCII):
            raise _no_number(name)
        return int(text)
    if kind is ValueKind.FLAG:
        if text.lower() not in ("true", "false"):
            raise invalid(name, "(it is true or false)")
        return text.lower() == "true"
    if kind is ValueKind.MAP:
        return _members(name, text)
    return text


def _no_number(name: str) -> Fault:
    if name in ("PageNumber", "PageSize"):
        return Fault(f"InvalidParam.{name}")
    return invalid(name, "(it is a number)")


class _Members(list[tuple[str, Any]]):
    """The members of one JSON object."""


def _members(name: str, text: str) -> list[tuple[str, Any]]:
    try:
        found = json.loads(text, object_pairs_hook=_Members, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise invalid(name, f"(it is no JSON: {error})") from None
    if not isinstance(found, _Members):
        raise invalid(name, '(it is a JSON object, like {"key": "value"})')
    return list(found)


def _is_odd(text: str) -> bool:
    return "http://" in text.lower() or "https://" in text.lower() or not text.isprintable()
