"""What can stand at a place, by the kind of the place: names of the database, zones, and what a command defines.

Each function takes the beginning of the word at the cursor and gives whole words with what is said beside them; those
that do not begin so are left out later. ``KINDS`` has the kinds that ``words.json`` may name.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timezone

from assist_cli.cli.formatting import ago, one_line
from assist_cli.folder import home_folder, refusal

TYPE_CHECKING = False  # typing has it too, and takes 4 ms to import
if TYPE_CHECKING:
    from assist_cli.store.completion import CompletionQueries

Offer = tuple[str, str]  # a word, and what is said beside it


def offers(kind: str, text: str, arguments: list[str]) -> Iterator[Offer]:
    """What a place of this kind takes. ``arguments`` are those of the command that stand before it.

    Of a home or a database that is not this user's alone nothing is read.
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
    """NAME, and behind an ``@`` its versions."""
    name, at, _ = text.partition("@")
    if at:
        for number, about in _versions(queries, "", [name]):
            yield f"{name}@{number}", about
        return
    for known, description, latest in queries.commands():
        yield known, description or f"version {latest}"


def _versions(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    """The versions of the command that is the first argument."""
    for number, created in queries.versions(arguments[0]):
        yield str(number), f"of {_when(created)}"


def _parameters(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    """KEY=, and behind it the choices, of the command that is the first argument."""
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
    """The last one of a comma list or behind ``&``: a name, or a tag behind ``@``; ``!`` before it takes it away."""
    before = text[: max(text.rfind(","), text.rfind("&")) + 1]
    if text[len(before) :].startswith("!"):
        before += "!"
    if not text.startswith("@", len(before)):
        known = list(queries.instances())
        if "local" not in dict(known):
            known.append(("local", "the agent of this machine"))
        for name, address in known:
            yield before + name, address
    for key, value, number in queries.tags():
        yield f"{before}@{key}={value}" if value else f"{before}@{key}", f"on {number}"


def _invocations(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    yield from _ids(queries, text.lower() or "t-")


def _files(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    yield from _ids(queries, text.lower() or "f-")


def _ids(queries: CompletionQueries, prefix: str) -> Iterator[Offer]:
    for id, status, created, name, version, content, file in queries.invocations(prefix):
        what = f"{name}@{version}" if name else file or one_line(content.decode("utf-8", "replace"))
        yield id, f"{_when(created)}, {status}: {what}"


def _places(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    """The instances of the invocation that is the first argument."""
    yield from queries.instances_of(arguments[0])


def _access_keys(queries: CompletionQueries, text: str, arguments: list[str]) -> Iterator[Offer]:
    yield from queries.access_keys()


def zones() -> Iterator[Offer]:
    """The names of the IANA time zones that this machine knows."""
    from zoneinfo import available_timezones

    yield from ((zone, "") for zone in sorted(available_timezones()))


KINDS: dict[str, Callable[[CompletionQueries, str, list[str]], Iterator[Offer]]] = {
    "command": _commands,
    "reference": _references,
    "version": _versions,
    "parameter": _parameters,
    "instance": _instances,
    "targets": _targets,
    "invocation": _invocations,
    "file": _files,
    "place": _places,
    "accesskey": _access_keys,
}


def _when(stored: int) -> str:
    return ago(datetime.fromtimestamp(stored / 1000, timezone.utc), datetime.now(timezone.utc))
