"""Pruning of old history, and return of its disk space.

Pruning has small steps. Each is a transaction, so others can write in between. The file is truncated step by step:
``VACUUM`` would copy it and block all writers. After a kill, the next pruning continues.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import timedelta

from assist_cli import units
from assist_cli.model.audit import AuditEntry
from assist_cli.operations.controller import Controller
from assist_cli.store import audit, prune, search
from assist_cli.store.prune import Limit
from assist_cli.structs import Struct

KEPT = timedelta(days=180)  # the retention of the history under a server
REBUILD_SHARE = 10  # rebuild the search index after deleting more than 1/10 of the outputs


class Pruned(Struct):
    """The numbers of deleted invocations and records, and of bytes freed in the database file."""

    invocations: int
    records: int
    freed: int


def limit(controller: Controller, *, older_than: timedelta | None = None, keep: int | None = None) -> Limit:
    """The limit for pruning: invocations that ended before an age, or all but the newest ``keep``."""
    return Limit(None if older_than is None else controller.now() - older_than, keep)


def count(controller: Controller, what: Limit) -> tuple[int, int]:
    """The numbers of invocations and records that would be deleted."""
    return prune.count(controller.database, what)


def prune_history(controller: Controller, what: Limit) -> Pruned:
    """Delete the invocations beyond a limit, and shrink the database. Open invocations stay, whatever their age."""
    progress = steps(controller, what)
    while True:
        try:
            next(progress)
        except StopIteration as end:
            pruned: Pruned = end.value
            return pruned


def steps(controller: Controller, what: Limit) -> Generator[None, None, Pruned]:
    """Prune step by step, so that a server can fire schedules in between."""
    database = controller.database
    before = prune.size(database)
    invocations, records = prune.count(database, what)
    if not records and not invocations:
        return Pruned(0, 0, 0)
    is_audited = False
    while True:
        with database.transaction() as transaction:
            batch = prune.batch(transaction, what)
            if batch.is_empty:
                break
            if not is_audited:
                detail = (
                    f"{units.count(invocations, 'invocation')}, {units.count(records, 'record')}: {_in_words(what)}"
                )
                audit.append(
                    transaction, AuditEntry(controller.now(), controller.actor, "invocation.prune", "history", detail)
                )
                is_audited = True
            prune.delete(transaction, batch)
        yield
    yield from _rebuild_index(controller, records)
    while prune.free_some(database):
        yield
    prune.shorten(database)
    return Pruned(invocations, records, max(before - prune.size(database), 0))


def _rebuild_index(controller: Controller, deleted: int) -> Iterator[None]:
    """Rebuild the search index if many of its entries were deleted. Later writes clean up a few by themselves."""
    if deleted * REBUILD_SHARE < prune.outputs(controller.database):
        return
    has_more = begin = True
    while has_more:
        with controller.database.transaction() as transaction:
            has_more = search.tidy_some(transaction, begin=begin)
        begin = False
        yield


def _in_words(what: Limit) -> str:
    if what.before is not None:
        return f"ended before {what.before:%Y-%m-%d %H:%M:%S} UTC"
    return f"all but the newest {what.keep:,}"
