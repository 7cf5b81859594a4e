"""Full-text search in the history: in outputs, scripts and names.

Each search first updates the index, so that runs never wait for it. The first search of a long history is slow.
``assist serve`` may call ``catch_up`` in between.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable
from datetime import datetime

from assist_cli.model import phrase
from assist_cli.model.invocation import Hit
from assist_cli.model.phrase import Phrase
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Controller
from assist_cli.operations.history import history
from assist_cli.operations.runs import refresh
from assist_cli.store import search as store

MANY = 20_000  # texts; indexing them takes a second or more


def search(
    controller: Controller,
    text: str,
    *,
    where: Selection | None = None,
    since: datetime | None = None,
    limit: int | None = None,
    tell: Callable[[int], None] = lambda _: None,
) -> list[Hit]:
    """Find the words of ``text`` in this order. Returns the newest hits first, at most ``limit`` (None: all).

    Case and the characters between words do not matter; ``*`` at the end matches any ending of the last word. ``where``
    selects instances by their current names. Open records are first reconciled with their agents. ``tell`` gets the
    number of texts to be indexed first, if they are many. Raises InvalidParameter, NotFound.
    """
    wanted = phrase.parse(text)
    instance_ids = None if where is None or where.is_empty else history.known(controller.database, where)
    refresh.refresh(controller, None)
    number = store.behind(controller.database)
    if number > MANY:
        tell(number)
    catch_up(controller)
    return store.search(controller.database, wanted, instance_ids=instance_ids, since=since, limit=limit)


def recall(
    controller: Controller, wanted: Phrase, among: Collection[str] | None, *, limit: int, offset: int = 0
) -> list[Hit]:
    """Find a phrase as ``search``, without reconciling records: at most ``limit`` hits after the first ``offset``.

    Only the instances ``among`` exist for it (None: all): it finds no names of instances then, because an invocation
    may also have had others.
    """
    catch_up(controller)
    return store.search(
        controller.database, wanted, instance_ids=among, limit=limit, offset=offset, names=among is None
    )


def alike(hits: Iterable[Hit]) -> list[list[Hit]]:
    """Group successive hits of one invocation with the same text."""
    groups = itertools.groupby(hits, lambda hit: (hit.invocation_id, hit.record_id is None, hit.snippet))
    return [list(several) for _, several in groups]


def catch_up(controller: Controller) -> None:
    """Index all texts that were written since the last call, in small transactions."""
    count = 1
    while count:
        with controller.database.transaction() as transaction:
            count = store.index_some(transaction)
