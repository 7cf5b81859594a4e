"""Forgetting old history, and giving back the room that it took.

It goes a little at a time: each step is a transaction of its own, between which others write; and the file is made
shorter from its end, never copied as a whole (``VACUUM`` would stop everybody meanwhile). A kill in between leaves
less to do the next time.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import timedelta

from assist_cli.model.audit import AuditEntry
from assist_cli.operations.controller import Controller
from assist_cli.store import audit, prune, search
from assist_cli.store.prune import Limit

KEPT = timedelta(days=180)  # what a server keeps of the history by itself
TIDY_SHARE = 10


@dataclass(frozen=True)
class Pruned:
    """How many invocations are gone, how many records in all, and by how many bytes the database became smaller."""

    invocations: int
    records: int
    freed: int


def limit(controller: Controller, *, older_than: timedelta | None = None, keep: int | None = None) -> Limit:
    """What is to go: what ended so long ago, or all but the newest ``keep`` invocations."""
    return Limit(None if older_than is None else controller.now() - older_than, keep)


def count(controller: Controller, what: Limit) -> tuple[int, int]:
    """How many invocations would go, and how many records in all."""
    return prune.count(controller.database, what)


def prune_history(controller: Controller, what: Limit) -> Pruned:
    """Forget it, and make the database smaller. What is open stays, whatever its age."""
    going = steps(controller, what)
    while True:
        try:
            next(going)
        except StopIteration as end:
            pruned: Pruned = end.value
            return pruned


def steps(controller: Controller, what: Limit) -> Generator[None, None, Pruned]:
    """The same a step at a time, so that a server may do what is due between two of them."""
    database = controller.database
    before = prune.size(database)
    invocations, records = prune.count(database, what)
    if not records and not invocations:
        return Pruned(0, 0, 0)
    told = False
    while True:
        with database.transaction() as transaction:
            batch = prune.batch(transaction, what)
            if batch.is_empty:
                break
            if not told:
                detail = f"{invocations:,} invocations, {records:,} records: {_in_words(what)}"
                audit.append(
                    transaction, AuditEntry(controller.now(), controller.actor, "invocation.prune", "history", detail)
                )
                told = True
            prune.delete(transaction, batch)
        yield
    yield from _tidy(controller, records)
    while prune.free_some(database):
        yield
    prune.shorten(database)
    return Pruned(invocations, records, max(before - prune.size(database), 0))


def _tidy(controller: Controller, gone: int) -> Iterator[None]:
    """Rewrite the index of words when much of it is gone; a little is rewritten in passing, by what comes later."""
    if gone * TIDY_SHARE < prune.outputs(controller.database):
        return
    going_on = begin = True
    while going_on:
        with controller.database.transaction() as transaction:
            going_on = search.tidy_some(transaction, begin=begin)
        begin = False
        yield


def _in_words(what: Limit) -> str:
    if what.before is not None:
        return f"ended before {what.before:%Y-%m-%d %H:%M:%S} UTC"
    return f"all but the newest {what.keep:,}"
