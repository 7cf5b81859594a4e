"""Values by kind: names from the database, time zones, and the parameters of a command.

Each function takes the beginning of the word at the cursor, and yields words with their descriptions. The caller
removes words with another beginning. ``KINDS`` has the kinds that ``words.json`` may name.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

from assist_cli.folder import home_folder, refusal
from assist_cli.units import ago, one_line

TYPE_CHECKING = False  # not from typing, whose import takes 4 ms
if TYPE_CHECKING:
    from assist_cli.store.completion import CompletionQueries

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-")

Offer = tuple[str, str]  # a word and its description


def offers(kind: str, text: str, arguments: list[str]) -> Iterator[Offer]:
    """Yield the values of a kind. ``arguments`` are the earlier arguments of the command.

    Yields nothing if other users may write to the home or the database.
    """
    from assist_cli.store.completion import CompletionQueries

    home = home_folder()
    database = os.path.join(home, "assist.db")
    if refusal(os.stat(home)) or refusal(os.stat(database)):
        return
    with contextlib.closing(CompletionQueries(database)) as queries:
        yield from KINDS[kind](queries, text, arguments)


def _commands(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    for name, description, _ in queries.commands():
        yield name, description


def _references(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    """Yield NAME, and after an ``@`` its versions."""
    name, at, _ = text.partition("@")
    if at:
        for number, about in _versions(queries, "", [name]):
            yield f"{name}@{number}", about
        return
    for known, description, latest in queries.commands():
        yield known, description or f"version {latest}"


def _versions(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    """Yield the versions of the command in the first argument."""
    for number, created in queries.versions(arguments[0]):
        yield str(number), f"of {_when(created)}"


def _parameters(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    """Yield KEY= of each parameter of the command in the first argument, and after the ``=`` the choices."""
    name, _, version = arguments[0].partition("@")
    key, equals, _ = text.partition("=")
    for known, description, choices in queries.definitions(name, int(version) if version else None):
        if not equals:
            yield f"{known}=", description
        elif known == key:
            for choice in (choices or "").split("\n"):
                yield f"{known}={choice}", ""


def _instances(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    yield from queries.instances()


def _targets(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    """Complete the last target of a comma list or after ``&``; ``!`` may precede.

    It is a name, a group, or after ``@`` a tag or a fact.
    """
    before = text[: max(text.rfind(","), text.rfind("&")) + 1]
    if text[len(before) :].startswith("!"):
        before += "!"
    if not text.startswith("@", len(before)):
        known = list(queries.instances())
        if "local" not in dict(known):
            known.append(("local", "the agent of this machine"))
        for name, address in known:
            yield before + name, address
        for name, target in queries.groups():
            yield f"{before}group:{name}", target
    for key, value, number in queries.tags():
        yield f"{before}@{key}={value}" if value else f"{before}@{key}", f"on {number}"
    if text.startswith("@", len(before)):
        for fact, reported, number in queries.facts():
            if _PLAIN.issuperset(reported):  # it comes from an agent, and goes to a shell
                yield f"{before}@{fact}={reported}", f"fact, on {number}"


def _groups(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    yield from queries.groups()


def _invocations(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    yield from _ids(queries, text.lower() or "t-")


def _files(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    yield from _ids(queries, text.lower() or "f-")


def _ids(queries: CompletionQueries, prefix: str) -> Iterator[Offer]:
    for id, status, created, name, version, content, file in queries.invocations(prefix):
        what = f"{name}@{version}" if name else file or one_line(content.decode("utf-8", "replace"))
        yield id, f"{_when(created)}, {status}: {what}"


def _queued(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    """Yield the ids of queued records, and those of their invocations."""
    for id, name, since in queries.queued():
        yield id, f"for {name}, {_when(since)}"
    for invocation, number in queries.queued_invocations():
        yield invocation, f"{number} queued"


def _places(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    """Yield the instances of the invocation in the first argument."""
    yield from queries.instances_of(arguments[0])


def _access_keys(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    yield from queries.access_keys()


def _enrolments(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    for id, created, uses in queries.enrolments():
        yield id, f"{_when(created)}, for {uses}"


def _users(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    yield from queries.users()


def zones() -> Iterator[Offer]:
    """Yield the IANA time zones of this machine."""
    from zoneinfo import available_timezones

    yield from ((zone, "") for zone in sorted(available_timezones()))


KINDS: dict[str, Callable[[CompletionQueries, str, list[str]], Iterator[Offer]]] = {
    "command": _commands,
    "reference": _references,
    "version": _versions,
    "parameter": _parameters,
    "instance": _instances,
    "targets": _targets,
    "group": _groups,
    "invocation": _invocations,
    "file": _files,
    "place": _places,
    "queued": _queued,
    "accesskey": _access_keys,
    "enrolment": _enrolments,
    "user": _users,
}


def _when(stored: int) -> str:
    return ago(datetime.fromtimestamp(stored / 1000, timezone.utc), datetime.now(timezone.utc))
