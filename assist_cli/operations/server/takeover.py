"""Taking over: of several copies of one home, agents serve the one whose server took over last.

A copy comes from a backup. What keeps two copies from running anything twice: records of schedules have ids that follow
from the due time, so that agents know them from whichever copy they come; and a server that takes over raises the
epoch of its home, which agents keep and go by (``agentd.epochs``).
"""

from __future__ import annotations

import logging
import platform

from assist_cli import codes
from assist_cli.errors import AgentError, Conflict
from assist_cli.model.audit import AuditEntry
from assist_cli.model.instance import LOCAL, Instance
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import concurrency
from assist_cli.operations.fleet.pool import ConnectionPool
from assist_cli.store import audit, instances
from assist_cli.store.database import CONTROLLER_EPOCH, REPLACED, RESTORED, Reader, Transaction

SHOWN = 5  # names in a line of the log

log = logging.getLogger(__name__)


def raise_epoch(controller: Controller, transaction: Transaction) -> None:
    """Make this home the one that agents serve.

    An epoch is a moment in seconds since 1970, so that two copies that take over have two of them.
    """
    epoch = max(int(transaction.setting(CONTROLLER_EPOCH) or 0) + 1, int(controller.now().timestamp()))
    transaction.set(CONTROLLER_EPOCH, epoch)
    transaction.set(RESTORED, None)
    transaction.set(REPLACED, None)
    detail = f"epoch {epoch}, on {platform.node()}"
    audit.append(transaction, AuditEntry(controller.now(), controller.actor, "server.take-over", "", detail))


def check(reader: Reader) -> None:
    """Raise Conflict for a home that was restored, or that a copy of it has taken over from."""
    if reader.setting(REPLACED) is not None:
        raise Conflict(
            "cannot serve this home: a server on a copy of it has taken over, and agents refuse this one",
            hint="use that one; assist serve --take-over makes this home the leader again",
            code=codes.CONTROLLER_REPLACED,
        )
    if reader.setting(RESTORED) is not None:
        raise Conflict(
            "cannot serve this home: it was restored from a backup, and the server that was backed up may still run",
            hint="assist serve --take-over, which agents then serve in place of that one",
            code=codes.INCORRECT_STATE,
        )


async def announce(controller: Controller, pool: ConnectionPool) -> None:
    """Greet every agent once, so that none serves another copy any more; what does not answer hears it later."""
    known = [each for each in instances.registered(controller.database) if each.name != LOCAL]
    old: list[str] = []
    away: list[str] = []

    async def greet(instance: Instance) -> None:
        async with pool.connection(instance.id) as connection:
            try:
                client = await connection.client()
            except AgentError:
                away.append(instance.name)
            else:
                if "epochs" not in client.greeting.features:
                    old.append(instance.name)

    await concurrency.each(known, greet)
    log.info("took over: %d of %d agents serve this home alone", len(known) - len(away) - len(old), len(known))
    if away:
        log.warning("not reached: %s; they serve another copy until this one reaches them", _names(away))
    if old:
        log.warning("too old to refuse another copy: %s; assist instance upgrade --all", _names(old))


def _names(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:SHOWN])
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown
