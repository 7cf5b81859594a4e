"""Take-over: of several copies of one home, agents serve the one whose server took over last.

A copy comes from a backup. Two things keep two copies from running a script twice. The id of a record of a schedule
follows from the due time, so an agent knows it from whichever copy it comes. And a server that takes over raises the
epoch of its home; agents keep the highest one and refuse lower ones (``agentd.epochs``).

One agent may be broken or hostile, so its word does not end a server. When an agent refuses this home, all are asked,
and most of those that answer decide.
"""

from __future__ import annotations

import logging
import platform
import random
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

from assist_cli import codes
from assist_cli.errors import AssistError, Conflict, ControllerReplaced, DatabaseFailure
from assist_cli.model.audit import AuditEntry
from assist_cli.model.instance import LOCAL, Instance
from assist_cli.model.names import some_of
from assist_cli.operations import periodic
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import concurrency
from assist_cli.operations.fleet.pool import ConnectionPool
from assist_cli.store import audit, instances
from assist_cli.store.database import CONTROLLER_EPOCH, REPLACED, RESTORED, Reader, Transaction

SAMPLE = 8  # agents that a server greets at its start, and again when it has lost their connections
SHOWN = 5  # names in a line of the log

log = logging.getLogger(__name__)


@dataclass
class _Answers:
    """The names of the instances that were greeted, by answer; ``epochs`` are those of the agents that refused."""

    serving: list[str] = field(default_factory=list)
    old: list[str] = field(default_factory=list)
    away: list[str] = field(default_factory=list)
    refusing: list[str] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)


def raise_epoch(controller: Controller, transaction: Transaction) -> None:
    """Make this home the one that agents serve.

    An epoch is a time in seconds since 1970, so two copies that take over have different ones. It is higher than the
    epoch that agents have refused this home for, even if the clock of this machine is behind.
    """
    known = (int(transaction.setting(name) or 0) + 1 for name in (CONTROLLER_EPOCH, REPLACED))
    epoch = max(*known, int(controller.now().timestamp()))
    transaction.set(CONTROLLER_EPOCH, epoch)
    transaction.set(RESTORED, None)
    transaction.set(REPLACED, None)
    detail = f"epoch {epoch}, on {platform.node()}"
    audit.append(transaction, AuditEntry(controller.now(), controller.actor, "server.take-over", "", detail))


def check(reader: Reader) -> None:
    """Raise Conflict for a home that was restored, or from which another server has taken over."""
    if reader.setting(REPLACED) is not None:
        raise Conflict(
            "cannot serve this home: another server has taken over from it, and the agents refuse it",
            hint="use the home of that server, or make this one the controller again: assist serve --take-over",
            code=codes.CONTROLLER_REPLACED,
        )
    if reader.setting(RESTORED) is not None:
        raise Conflict(
            "cannot serve this home: it was restored from a backup, and the original may still be in use",
            hint="to make it the controller in place of the original, one time: assist serve --once --take-over",
            code=codes.INCORRECT_STATE,
        )


def start_hint(reader: Reader) -> str:
    """Return the way to start the server of this home, which ``check`` may refuse to start."""
    if reader.setting(REPLACED) is not None:
        return "use the home of the server that has taken over from this one"
    if reader.setting(RESTORED) is not None:
        return "make this restored home the controller in place of the original: assist serve --take-over"
    return "start it: assist serve, or assist service install"


async def keep_watch(controller: Controller, pool: ConnectionPool, *, takes_over: bool) -> None:
    """Greet agents, and then check repeatedly if another server has taken over. Raises Conflict if one has."""
    timeouts = controller.timeouts.server
    chosen = _chosen(controller)
    await _attempt(greet(controller, pool, all_of_them=takes_over))
    pause, idle = timeouts.tick, 0.0
    while True:
        await periodic.pause(pause)
        idle += pause
        if controller.refusals:
            await _attempt(_verify(controller, pool))
            pause = min(pause * 2, timeouts.verification)  # it takes another server some time to greet all agents
        elif idle >= timeouts.verification:  # agents that refuse this server have closed its connections
            await _attempt(_ask(pool, chosen))
            idle = 0.0


async def greet(controller: Controller, pool: ConnectionPool, *, all_of_them: bool) -> None:
    """Greet some agents, which shows if another server has taken over; after a take-over all, so that they know.

    An agent that is away learns it on the next contact. Raises Conflict if another server has taken over.
    """
    if not all_of_them:
        await _ask(pool, _chosen(controller))
        if controller.refusals:
            await _verify(controller, pool)
        return
    known = _known(controller)
    found = await _ask(pool, known)
    await _decide(controller, found)
    log.info("took over: %d of %d agents refuse other copies of this home now", len(found.serving), len(known))
    if found.away:
        log.warning("unreachable: %s; they serve other copies until this one reaches them", _names(found.away))
    if found.old:
        log.warning("too old to refuse other copies: %s; assist instance upgrade --all", _names(found.old))


async def _verify(controller: Controller, pool: ConnectionPool) -> None:
    await _decide(controller, await _ask(pool, _known(controller)))


async def _decide(controller: Controller, found: _Answers) -> None:
    """Raise Conflict if more agents refuse this home than serve it, of those that know epochs; note it as replaced."""
    controller.refusals.clear()
    if len(found.refusing) > len(found.serving):
        epoch = sorted(found.epochs)[len(found.epochs) // 2]  # the median: a single agent may name any number
        await controller.change(_note_replaced, epoch)
        check(controller.database)
    if found.refusing:
        log.warning(
            "refused by %s, as another server had taken over; %d other agents serve this home",
            _names(found.refusing),
            len(found.serving),
        )


def _note_replaced(controller: Controller, epoch: int) -> None:
    with controller.database.transaction() as transaction:
        transaction.set(REPLACED, epoch)


async def _ask(pool: ConnectionPool, several: Sequence[Instance]) -> _Answers:
    """Greet these agents over the connections of the pool. Raises DatabaseFailure."""
    found = _Answers()

    async def one(instance: Instance) -> None:
        async with pool.connection(instance.id) as connection:
            try:
                client = await connection.client()
            except ControllerReplaced as error:
                found.refusing.append(instance.name)
                found.epochs.append(error.epoch)
            except DatabaseFailure:
                raise
            except AssistError:
                found.away.append(instance.name)
            else:
                (found.serving if "epochs" in client.greeting.features else found.old).append(instance.name)

    await concurrency.each(several, one)
    return found


async def _attempt(work: Awaitable[object]) -> None:
    try:
        await work
    except Conflict:
        raise
    except AssistError as error:
        log.error("%s", error)


def _known(controller: Controller) -> list[Instance]:
    """Return the registered instances without the local one, which belongs to this home alone."""
    return [each for each in instances.registered(controller.database) if each.name != LOCAL]


def _chosen(controller: Controller) -> list[Instance]:
    """Return some instances at random."""
    known = _known(controller)
    return random.sample(known, min(SAMPLE, len(known)))


def _names(names: list[str]) -> str:
    return some_of(sorted(names), SHOWN)
