"""One server for one home.

A server is a sender, and the lease names it: on this machine anybody can see whether it lives, so one that died is
replaced at once. Of one on another machine, which shares the home, only the lease tells; it is renewed while that one
lives, and is over half a minute after its last word. Each firing looks at the lease in its own transaction.
"""

from __future__ import annotations

import os
import platform
from datetime import timedelta

from assist_cli import codes
from assist_cli.errors import Conflict
from assist_cli.operations.controller import Controller
from assist_cli.operations.runs.senders import is_alive
from assist_cli.operations.server import takeover
from assist_cli.store import lease as store
from assist_cli.store.database import Reader
from assist_cli.store.lease import Lease

TERM = timedelta(seconds=30)


def holder(controller: Controller) -> Lease | None:
    """Who serves now; None when nobody does."""
    return _holder(controller, controller.database)


def take(controller: Controller, token: str, *, take_over: bool = False) -> None:
    """Be the server, under this token of a sender. Raises Conflict while another one serves.

    With ``take_over`` this home takes the place of every other copy of it, whatever these are doing: the epoch is
    raised, which agents go by, and a server that serves this home ends. Without it, Conflict is also raised for a home
    that was restored, or that another one has taken over from.
    """
    with controller.database.transaction() as transaction:
        if take_over:
            takeover.raise_epoch(controller, transaction)
        else:
            takeover.check(transaction)
        other = None if take_over else _holder(controller, transaction)
        if other is not None:
            where = "on this machine" if other.host == platform.node() else f"on {other.host}"
            raise Conflict(
                f"cannot serve '{controller.home.root}': another server does, process {other.pid} {where}",
                hint="one is enough; assist doctor looks whether it is well",
                code=codes.SERVER_RUNNING,
            )
        store.take(transaction, Lease(token, platform.node(), os.getpid(), controller.now() + TERM))


def renew(controller: Controller, token: str) -> None:
    """Go on being the server. Raises Conflict when another one has taken over."""
    with controller.database.transaction() as transaction:
        takeover.check(transaction)
        if not store.renew(transaction, token, controller.now() + TERM):
            raise lost()


def check(reader: Reader, token: str) -> None:
    """Raise Conflict when another one has taken over."""
    takeover.check(reader)
    found = store.get(reader)
    if found is None or found.owner != token:
        raise lost()


def give_up(controller: Controller, token: str) -> None:
    """Be the server no more."""
    with controller.database.transaction() as transaction:
        store.give_up(transaction, token)


def lost() -> Conflict:
    return Conflict(
        "cannot go on serving: another server has taken over",
        hint="this one was not heard of for half a minute, or its home was copied",
        code=codes.SERVER_RUNNING,
    )


def _holder(controller: Controller, reader: Reader) -> Lease | None:
    found = store.get(reader)
    if found is None:
        return None
    if found.host == platform.node():
        return found if is_alive(controller.home, found.owner) else None
    return found if controller.now() < found.until else None
