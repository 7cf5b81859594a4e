"""Full-text search in the history: in outputs, scripts and names.

Each search first updates the index, so that runs never wait for it. The first search of a long history is slow.
``assist serve`` may call ``catch_up`` in between.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from assist_cli.model import phrase
from assist_cli.model.invocation import Hit
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


def catch_up(controller: Controller) -> None:
    """Index all texts that were written since the last call, in small transactions."""
    count = 1
    while count:
        with controller.database.transaction() as transaction:
            count = store.index_some(transaction)
