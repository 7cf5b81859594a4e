"""Files that list machines: a line for each, with its options and tags.

::

    [USER@]HOST[:PORT][?FLAGS] [name=NAME] [KEY=VALUE]…      to install; to tag, uninstall and remove instances
    NAME ADDRESS [KEY=VALUE]…                                to add

Words are split as a shell splits them, so a value with a space is quoted. ``#`` begins a comment. FLAGS are those of an
SSH address: sudo, identity=FILE, jump=HOSTS.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from assist_cli import codes
from assist_cli.agents import destination, route
from assist_cli.errors import AssistError, InvalidParameter, NotFound, QuotaExceeded, Refused
from assist_cli.model.instance import Instance
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import instances
from assist_cli.operations.fleet.deployment import InstallRequest

# A reason to skip a host; the one in brackets counts.
SAME_MACHINE = "it is the same machine as the one in brackets"


@dataclass(frozen=True)
class AddRequest:
    """A request to add an instance that has an agent."""

    name: str
    address: str
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NamedInstance:
    """A registered instance that a line names, with the tags of the line."""

    instance: Instance
    tags: dict[str, str]
    origin: str


def to_install(data: bytes, file: str) -> tuple[list[InstallRequest], list[str]]:
    """Return the requests of a file, and the origin of each (``line 3 of 'hosts'``). Raises InvalidParameter."""
    requests, origins = [], []
    for origin, words in _lines(data, file):
        try:
            requests.append(request_of(words[0], _pairs(words[1:])))
        except (InvalidParameter, QuotaExceeded) as error:
            raise located(error, origin) from None
        origins.append(origin)
    return requests, origins


def to_add(data: bytes, file: str) -> list[AddRequest]:
    """Return the requests of a file. Raises InvalidParameter."""
    requests: dict[str, AddRequest] = {}
    for origin, words in _lines(data, file):
        try:
            if len(words) < 2 or "=" in words[1].partition("?")[0]:
                raise InvalidParameter(
                    f"cannot use '{words[0]}': it has no address", hint="write NAME ADDRESS [K=V]..."
                )
            name, address = instances.checked_name(words[0]), words[1]
            if name in requests:
                raise InvalidParameter(f"cannot use the name '{name}': it stands twice", hint="remove one")
            way = route.parse(address)
            requests[name] = AddRequest(name, str(way), instances.checked_tags(_pairs(words[2:])))
        except Refused as error:
            raise located(error, origin) from None
    return list(requests.values())


def registered(controller: Controller, data: bytes, file: str) -> list[NamedInstance]:
    """Return the instances of a file, in its order. Their name is NAME, or HOST. Raises InvalidParameter."""
    found: dict[str, NamedInstance] = {}
    for origin, words in _lines(data, file):
        try:
            tags = _pairs(words[1:])
            name = tags.pop("name", words[0])
            known = instances.by_name(controller, name)
            if known is None and name == words[0]:
                name = destination.parse(name).host
                known = instances.by_name(controller, name)
            if known is None:
                raise InvalidParameter(
                    f"cannot find an instance '{name}'",
                    hint="assist instance list shows the names; correct the line, add name=NAME to it, or delete it",
                )
            if known.id in found:
                raise InvalidParameter(
                    f"cannot use '{known.name}': it also stands in {found[known.id].origin}", hint="remove one"
                )
            instances.checked_tags(tags)
        except Refused as error:
            raise located(error, origin) from None
        found[known.id] = NamedInstance(known, tags, origin)
    return list(found.values())


def tag(controller: Controller, named: Sequence[NamedInstance], given: Mapping[str, str | None]) -> list[Instance]:
    """Set the tags of each line, and ``given`` ones where a line has none of that key; an empty value removes one.

    All are changed, or none. Raises InvalidParameter.
    """
    changed = []
    with controller.database.transaction() as transaction:
        for each in named:
            changes = {**given, **{key: value or None for key, value in each.tags.items()}}
            if not changes:
                raise InvalidParameter(f"cannot use {each.origin}: no tag given", hint="add K=V to it, or for all")
            try:
                changed += instances.tag_in(controller, transaction, [each.instance], changes)
            except (NotFound, Refused) as error:
                raise located(error, each.origin) from None
    return changed


def request_of(place: str, pairs: dict[str, str]) -> InstallRequest:
    """Return the request of a place and its tags; the tag ``name`` is the name. Raises InvalidParameter."""
    tags = dict(pairs)
    name = tags.pop("name", None)
    found = destination.parse(place)
    instances.checked_name(found.host if name is None else name)
    return InstallRequest(
        place, name, instances.checked_tags(tags), sudo=found.sudo, identity=found.identity, jump=found.jump
    )


def located(error: AssistError, origin: str) -> InvalidParameter:
    """Return an error that begins with the place of the value: ``cannot use line 3 of 'hosts': …``."""
    why = error.message.removeprefix("cannot ")
    return InvalidParameter(f"cannot use {origin}: cannot {why}", hint=error.hint, code=error.code)


def _lines(data: bytes, file: str) -> Iterator[tuple[str, list[str]]]:
    what = "stdin" if file == "-" else f"'{file}'"
    found = False
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        origin = f"line {number} of {what}"
        try:
            words = shlex.split(line.decode("utf-8").removesuffix("\r"), comments=True)
        except UnicodeDecodeError:
            raise _refusal(origin, "it is not UTF-8 text") from None
        except ValueError as error:
            raise _refusal(origin, str(error).lower()) from None
        if words:
            found = True
            yield origin, words
    if not found:
        raise _refusal(what, "it names no machine")


def _pairs(words: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key or not equals or key in pairs:
            why = "its key stands twice" if key in pairs else "it is not K=V"
            raise InvalidParameter(f"cannot use the tag '{word}': {why}", hint="write role=web")
        pairs[key] = value
    return pairs


def _refusal(origin: str, why: str) -> InvalidParameter:
    return InvalidParameter(
        f"cannot use {origin}: {why}",
        hint="a line is [USER@]HOST[:PORT] [name=NAME] [K=V]..., and # begins a comment",
        code=codes.INVALID_DOCUMENT,
    )
