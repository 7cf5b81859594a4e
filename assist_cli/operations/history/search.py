"""Looking for a text in the history: in what was printed, in scripts, and in names.

The words of what was written since are put into the index first; so a run never waits for it, and the first search of a
long history takes its time. ``assist serve`` may call ``catch_up`` in between.
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

MANY = 20_000  # texts; that takes a second or more


def search(
    controller: Controller,
    text: str,
    *,
    where: Selection | None = None,
    since: datetime | None = None,
    limit: int | None = None,
    tell: Callable[[int], None] = lambda _: None,
) -> list[Hit]:
    """The newest places first where the words of ``text`` stand in this order, at most ``limit`` (None: all).

    The case of letters and what stands between the words count for nothing; ``*`` at the end stands for any rest of the
    last word. ``where`` means instances by their names of today. Agents are asked for what they have not told yet.
    ``tell`` is given the number of texts that must be indexed first, when they are many. Raises InvalidParameter,
    NotFound.
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
    """Put the words of all that was written since the last time into the index, a little in each transaction."""
    count = 1
    while count:
        with controller.database.transaction() as transaction:
            count = store.index_some(transaction)
