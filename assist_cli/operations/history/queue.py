"""The queue as a user sees it: records that wait for an instance that is away (docs/queue.md)."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence

from assist_cli.errors import NotFound
from assist_cli.model import ids, names
from assist_cli.model.audit import AuditEntry
from assist_cli.model.folding import fold
from assist_cli.model.invocation import QueuedRecord, Record
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Also, Controller, nothing_more
from assist_cli.operations.history import history
from assist_cli.operations.runs import refresh
from assist_cli.store import audit, queue, records
from assist_cli.store.database import Reader

_LIST = "assist queue list"


def listing(controller: Controller, where: Selection | None = None) -> list[QueuedRecord]:
    """Return the queued records in the order in which they were queued, with ``where`` only those of some instances.

    Expired records are closed first. Raises NotFound for a target that matches nothing.
    """
    refresh.refresh(controller, None)
    return _on(controller.database, queue.listing(controller.database), where)


def recall(controller: Controller, among: Collection[str] | None) -> list[QueuedRecord]:
    """Read the queued records for the instances ``among`` (None: all) in their order, without reconciling any."""
    found = queue.listing(controller.database)
    return found if among is None else [each for each in found if each.record.instance_id in among]


def find(controller: Controller, text: str) -> list[QueuedRecord]:
    """Return what an id stands for in the queue: one record, or those of an invocation.

    ``text`` is the id of a record, of an invocation or of a file, the beginning of one, or ``-`` for the invocation
    that was queued last. Raises NotFound.
    """
    found = listing(controller)
    if text == "-":
        if not found:
            raise NotFound("cannot find the newest record in the queue: it is empty", hint=_LIST)
        return [each for each in found if each.invocation_id == found[-1].invocation_id]
    prefix = text.lower()
    if prefix not in set(ids.Kind) and ids.is_prefix(prefix, ids.Kind.RECORD):
        matching = {each.record.id: [each] for each in found if each.record.id.startswith(prefix)}
    else:
        matching = {}
        for each in found:
            if prefix not in set(ids.Kind) and each.invocation_id.startswith(prefix):
                matching.setdefault(each.invocation_id, []).append(each)
    if not matching:
        raise NotFound(f"cannot find '{text}' in the queue: no queued record has this id", hint=_LIST)
    if len(matching) > 1:
        raise NotFound(
            f"cannot tell what '{text}' means in the queue: more than one id begins so",
            hint=f"give more of it: {names.some_of(sorted(matching))}",
        )
    return next(iter(matching.values()))


def drop(controller: Controller, chosen: Sequence[QueuedRecord]) -> list[Record]:
    """Stop records that are still queued, and return them as they are then; what was delivered meanwhile continues.

    A record that was never sent is Stopped. One that may have been sent is Stopping until its agent answers, or its
    deadline has passed. Raises DatabaseFailure.
    """
    import asyncio

    from assist_cli.operations.notify import wishes
    from assist_cli.operations.runs import stop

    dropped = begin_drop(controller, chosen)

    async def finish() -> None:
        await asyncio.gather(
            *(
                stop.finish(controller, invocation_id, [each.record.instance_id for each in several])
                for invocation_id, several in dropped.items()
            )
        )

    if dropped:
        asyncio.run(finish())
        wishes.hurry(controller)
    known = [records.get(controller.database, each.record.id) for several in dropped.values() for each in several]
    return [each for each in known if each is not None]


def begin_drop(
    controller: Controller, chosen: Sequence[QueuedRecord], *, also: Also = nothing_more
) -> dict[str, list[QueuedRecord]]:
    """Mark those records that are still queued as Stopping or Stopped, and return them by invocation.

    Their agents must be told, as after ``stop.begin``: one that was sent may run.
    """
    wanted = {each.record.id for each in chosen}
    dropped: dict[str, list[QueuedRecord]] = {}
    with controller.database.transaction() as transaction:
        for each in queue.listing(transaction):
            if each.record.id in wanted:
                dropped.setdefault(each.invocation_id, []).append(each)
        for invocation_id, several in dropped.items():
            places = [each.record.instance_id for each in several]
            also(transaction, invocation_id, places)
            records.mark_stopping(transaction, invocation_id, places, controller.now())
            detail = f"{len(several)} queued for {fold(each.instance_name for each in several)}"
            audit.append(
                transaction, AuditEntry(controller.now(), controller.actor, "queue.drop", invocation_id, detail)
            )
    return dropped


def short_ids(found: Sequence[QueuedRecord]) -> dict[str, str]:
    """Return for each record id its shortest beginning that no other of these has, of at least 12 characters."""
    every = sorted(each.record.id for each in found)
    shared = [0, *(_common(*pair) for pair in itertools.pairwise(every)), 0]  # with the id before, and the one after
    lengths = [max(ids.SHORT_LENGTH, 1 + max(pair)) for pair in itertools.pairwise(shared)]
    return {each: each[:length] for each, length in zip(every, lengths, strict=False)}


def _common(one: str, other: str) -> int:
    """Return the number of characters that two ids share at their beginning."""
    return next(position for position, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])


def _on(reader: Reader, found: list[QueuedRecord], where: Selection | None) -> list[QueuedRecord]:
    if where is None or where.is_empty:
        return found
    wanted = set(history.known(reader, where))
    return [each for each in found if each.record.instance_id in wanted]
