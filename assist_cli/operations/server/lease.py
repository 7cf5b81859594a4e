"""The lease: it allows one server per home, the leader.

A server is a sender, and the lease names it. On this machine every process can check if a sender is alive, so a dead
server is replaced immediately. For a server on another machine that shares the home, only the lease counts. Its holder
renews it; otherwise it expires after half a minute. Each firing checks the lease in its own transaction.
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
    """The lease of the running server; None if no server is running."""
    return _holder(controller, controller.database)


def take(controller: Controller, token: str, *, take_over: bool = False) -> None:
    """Take the lease, for the sender with this token. Raises Conflict while another server runs.

    With ``take_over`` this home replaces every other copy of it: its epoch is raised, and another server of this home
    ends. Without it, Conflict is also raised for a home that was restored, or from which another server has taken over.
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
                f"cannot serve '{controller.home.root}': another server is running, process {other.pid} {where}",
                hint="one server is enough; check it: assist doctor",
                code=codes.SERVER_RUNNING,
            )
        store.take(transaction, Lease(token, platform.node(), os.getpid(), controller.now() + TERM))


def renew(controller: Controller, token: str) -> None:
    """Renew the lease. Raises Conflict if another server has taken it."""
    with controller.database.transaction() as transaction:
        takeover.check(transaction)
        if not store.renew(transaction, token, controller.now() + TERM):
            raise lost()


def check(reader: Reader, token: str) -> None:
    """Raise Conflict if another server has taken the lease, or has taken over from this home."""
    takeover.check(reader)
    found = store.get(reader)
    if found is None or found.owner != token:
        raise lost()


def release(controller: Controller, token: str) -> None:
    """Release the lease."""
    with controller.database.transaction() as transaction:
        store.give_up(transaction, token)


def lost() -> Conflict:
    return Conflict(
        "cannot continue as the server: another one has taken over this home",
        hint="it was started with --take-over, or this one did not renew its lease for half a minute",
        code=codes.SERVER_RUNNING,
    )


def _holder(controller: Controller, reader: Reader) -> Lease | None:
    found = store.get(reader)
    if found is None:
        return None
    if found.host == platform.node():
        return found if is_alive(controller.home, found.owner) else None
    return found if controller.now() < found.until else None
