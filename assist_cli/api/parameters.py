"""The parameters of an action: the names and kinds that it takes, and the values of one call.

Every parameter is read or refused; none is ignored. An unknown name is a fault. A parameter that the original has and
Assist has not is a ``RefusedParameter`` or an ``UnusedParameter`` in the same table, which docs/api.md shows. Empty
text means "not given", because clients send it so; it removes the value of a CLEARABLE parameter. Values of custom
parameters may be empty. ``True`` and ``true`` are the same.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from assist_cli.api.call import unread
from assist_cli.api.faults import Fault, invalid, missing
from assist_cli.api.signatures import COMMON


class ValueKind(Enum):
    """The form in which a parameter is written."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    CLEARABLE = "clearable"  # text; an empty one removes the present value
    LIST = "list"  # Name.1, Name.2 …
    TAGS = "tags"  # Name.1.Key, Name.1.Value …
    MAP = "map"  # a JSON object as text
    TEXTS = "texts"  # a JSON list of texts, as text


@dataclass(frozen=True)
class RefusedParameter:
    """A parameter of the original that is not supported: a value is refused with this ``code``.

    A value in ``passes`` is accepted, because it is true here anyway. A value of more than ``longest`` characters
    (0: no limit) is refused with ``too_long``.
    """

    code: str
    reason: str
    kind: ValueKind = ValueKind.TEXT
    passes: tuple[str, ...] = ()
    longest: int = 0
    too_long: str = ""


@dataclass(frozen=True)
class UnusedParameter:
    """A parameter of the original that has no effect, for this ``reason``: its value is checked and ignored.

    With ``words``, any other value is refused with ``code``.
    """

    reason: str
    kind: ValueKind = ValueKind.TEXT
    words: tuple[str, ...] = ()
    code: str = ""


Takes = Mapping[str, ValueKind | RefusedParameter | UnusedParameter]

# Every action takes these. They name accounts and groups, which Assist does not have.
_OTHER_ACCOUNT = "there are no other accounts here"
COMMON_FIELDS: Takes = {
    "RegionId": ValueKind.TEXT,
    "OwnerAccount": RefusedParameter("Operation.Forbidden", _OTHER_ACCOUNT),
    "OwnerId": RefusedParameter("Operation.Forbidden", _OTHER_ACCOUNT, passes=("0",)),
    "ResourceGroupId": RefusedParameter("InvalidResourceGroup.NotFound", "there are no resource groups here"),
    "ResourceOwnerAccount": RefusedParameter("Operation.Forbidden", _OTHER_ACCOUNT),
    "ResourceOwnerId": RefusedParameter("Operation.Forbidden", _OTHER_ACCOUNT, passes=("0",)),
}
_LONGEST_NUMBER = 18
_INDEX = re.compile(r"([1-9][0-9]{0,3})(?:\.(.+))?", re.ASCII | re.DOTALL)


def takes(**kinds: ValueKind | RefusedParameter | UnusedParameter) -> Takes:
    """Return the parameters of an action, with those that every action has."""
    return {**COMMON_FIELDS, **kinds}


@dataclass(frozen=True)
class Given:
    """The parameters of one call by name, without those that are not given."""

    values: Mapping[str, Any]

    def text(self, name: str) -> str | None:
        found: str | None = self.values.get(name)
        return found

    def needed(self, name: str) -> str:
        """Return a required text. Raises Fault."""
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
        """Return the values of a list in their order, without duplicates."""
        return tuple(dict.fromkeys(self.values.get(name, ())))

    def members(self, name: str) -> list[tuple[str, Any]] | None:
        """Return the members of a JSON object in order, with duplicates; None without the parameter."""
        found: list[tuple[str, Any]] | None = self.values.get(name)
        return found

    def tags(self, name: str, most: int = 20) -> dict[str, str]:
        """Return ``Tag`` or ``ResourceTag`` as keys and values; a value that is not given is "". Raises Fault."""
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
        """Raise Fault for a region other than this one."""
        if self.needed("RegionId") != region:
            raise Fault("InvalidRegionId.NotFound", f"(this one is {region})")


def read(takes: Takes, flat: Mapping[str, str]) -> Given:
    """Return the parameters of a call, without those of the signature. Raises Fault, and nothing else."""
    values: dict[str, Any] = {}
    lists: dict[str, dict[int, Any]] = {}
    for name, value in flat.items():
        if name in COMMON:
            continue
        head, dot, rest = name.partition(".")
        taken = takes.get(head)
        kind = taken.kind if isinstance(taken, (RefusedParameter, UnusedParameter)) else taken
        if dot and kind in (ValueKind.MAP, ValueKind.TEXTS):
            raise invalid(head, _written(kind, head))
        if kind is None or bool(dot) != (kind in (ValueKind.LIST, ValueKind.TAGS)):
            shown = head if head.isidentifier() and len(head) <= 64 else "Name"
            raise invalid(shown, _misnamed(head, kind, takes))
        if isinstance(taken, RefusedParameter):
            _refuse(head, taken, value)
        elif dot:
            _add(lists.setdefault(head, {}), head, kind, rest, value)
        elif value or kind is ValueKind.CLEARABLE:
            _check_word(taken, name, value)
            values[name] = _value(name, kind, value)
    for name, by_number in lists.items():
        if 1 not in by_number:
            raise invalid(name, f"(it begins with {name}.1)")
        values[name] = [by_number[number] for number in sorted(by_number)]
    return Given({name: value for name, value in values.items() if not isinstance(takes[name], UnusedParameter)})


def _misnamed(name: str, kind: ValueKind | None, takes: Takes) -> str:
    """Return the reason to refuse this name: it is unknown, or written in another way."""
    if kind is not None:
        return _written(kind, name)
    known = {each.lower(): each for each in takes}
    near = known.get(name.lower()) or known.get(name.lower().removesuffix("s")) or known.get(name.lower() + "s")
    return "(this action takes no such parameter" + (f"; it takes {near})" if near else ")")


def _refuse(name: str, refused: RefusedParameter, value: str) -> None:
    if refused.longest and len(value) > refused.longest:
        raise Fault(refused.too_long, f"({len(value):,} characters of at most {refused.longest:,})")
    if value and value not in refused.passes:
        raise Fault(refused.code, f"({name}: {refused.reason})")


def _check_word(taken: ValueKind | RefusedParameter | UnusedParameter | None, name: str, value: str) -> None:
    if isinstance(taken, UnusedParameter) and taken.words and value not in taken.words:
        raise Fault(taken.code, f"({name} is one of {', '.join(taken.words)})")


def decoded(text: str, encoding: str | None, usual: str, code: str, named: str = "ContentEncoding") -> bytes:
    """Return content, decoded from plain text or base64 by ``encoding``; ``usual`` is its default. Raises Fault.

    ``named`` is the parameter for the encoding; "" if the action has none.
    """
    if chosen_encoding(encoding, usual) == "PlainText":
        return text.encode("utf-8")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        hint = f"for plain text give {named}=PlainText" if named else "encode it as base64"
        raise Fault(code, "(base64 is expected)", hint=hint) from None


def chosen_encoding(given: str | None, usual: str) -> str:
    """Return ``PlainText`` or ``Base64``, in any case. For another word return the usual one, as the original does."""
    known = {"plaintext": "PlainText", "base64": "Base64"}
    return known.get((given or usual).lower(), usual)


def encoded(data: bytes, encoding: str) -> str:
    """Return content for an answer. In plain text, invalid bytes become U+FFFD."""
    if encoding == "Base64":
        return base64.b64encode(data).decode("ascii")
    return data.decode("utf-8", "replace")


def _add(found: dict[int, Any], name: str, kind: ValueKind, rest: str, value: str) -> None:
    matched = _INDEX.fullmatch(rest)
    if matched is None or (matched[2] is not None) != (kind is ValueKind.TAGS):
        raise invalid(name, _written(kind, name))
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
            raise _not_a_number(name, text)
        return int(text)
    if kind is ValueKind.FLAG:
        if text.lower() not in ("true", "false"):
            raise invalid(name, "(it is true or false)")
        return text.lower() == "true"
    if kind is ValueKind.MAP:
        return _members(name, text)
    if kind is ValueKind.TEXTS:
        return _texts(name, text)
    return text


def _not_a_number(name: str, text: str) -> Fault:
    detail = f"({text!r:.40} is not a whole number of at most {_LONGEST_NUMBER} digits)"
    return Fault(f"InvalidParam.{name}", detail) if name in ("PageNumber", "PageSize") else invalid(name, detail)


class _Members(list[tuple[str, Any]]):
    """The members of one JSON object."""


def _members(name: str, text: str) -> list[tuple[str, Any]]:
    found = _json(name, ValueKind.MAP, text, str)
    if not isinstance(found, _Members):
        raise invalid(name, _written(ValueKind.MAP, name))
    return list(found)


def _texts(name: str, text: str) -> list[str]:
    found = _json(name, ValueKind.TEXTS, text, lambda number: None)
    if isinstance(found, _Members) or not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise invalid(name, _written(ValueKind.TEXTS, name))
    return found


def _json(name: str, kind: ValueKind, text: str, number: Callable[[str], Any]) -> Any:
    """Parse JSON; ``number`` converts the text of each number. Raises Fault."""
    try:
        return json.loads(text, object_pairs_hook=_Members, parse_int=number, parse_float=number)
    except (ValueError, RecursionError) as error:
        raise invalid(name, f"{_written(kind, name)[:-1]}; {unread(error)})") from None


def _written(kind: ValueKind, name: str) -> str:
    """Return how a parameter of this kind is written, for a refusal."""
    if kind is ValueKind.MAP:
        return """(it is a JSON object in one text, like {"key": "value"}: an SDK wants json.dumps or JSON.stringify)"""
    if kind is ValueKind.TEXTS:
        return (
            """(it is a JSON list of texts in one text, like ["a", "b"]: an SDK wants json.dumps or JSON.stringify)"""
        )
    if kind is ValueKind.LIST:
        return f"(it is a list, and written {name}.1; in a JSON body as a list)"
    if kind is ValueKind.TAGS:
        return f"(it is a list, and written {name}.1.Key and {name}.1.Value; in a JSON body as a list of objects)"
    return f"(it has one value, and is written {name})"


def _is_odd(text: str) -> bool:
    return "http://" in text.lower() or "https://" in text.lower() or not text.isprintable()
