"""Thousands of histories of records in virtual time, each from a seed, with checks after every one of them.

A record starts at most once, and ends at the latest when it is reconciled after its deadline. Final states change only
as docs/rules.md section 2 allows. A stop reaches its agent, outcomes are true, and no process disturbs the worker of
another.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from assist_cli.model import frequency
from assist_cli.model.invocation import Record
from assist_cli.model.outcomes import stopped_unsent
from assist_cli.model.schedule import Timing
from assist_cli.model.status import UNANSWERED, InvocationStatus, may_become
from assist_cli.model.target import Selection
from assist_cli.operations.fleet.pool import ConnectionPool
from assist_cli.operations.runs import dispatch, recording, stop
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.operations.runs.reconcile import reconcile_all
from assist_cli.operations.runs.senders import sender
from assist_cli.operations.server import lease
from assist_cli.operations.server.clock import Clock
from assist_cli.operations.server.server import Server
from assist_cli.paths import Home
from assist_cli.store import records
from tests.support import variants
from tests.support.simulation import Process, Simulation

TIMEOUTS = (5, 15, 40)
WAITS = (1.0, 30.0, 150.0, 400.0)
SHORT = 8  # histories of each kind in make test
LONG = 2000


@dataclass
class History:
    """One history in progress: its invocation, and its processes."""

    world: Simulation
    random: Random
    timeout: int
    wait: float | None = None  # seconds in the queue

    def started(self) -> Process:
        """A process that is a sender, with its token in ``token``."""
        process = Process(self.world)
        hold = contextlib.ExitStack()
        self.token = hold.enter_context(sender(self.world.home))
        process.leaves.append(hold.close)
        return process

    def run(self) -> tuple[Process, str]:
        """Run something on all instances, and follow it, as a person does."""
        process = self.started()
        names = tuple(f"n{number}" for number in range(1, len(self.world.agents) + 1))
        request = RunRequest(b"true", timeout=self.timeout, targets=Selection(names))
        wait = None if self.wait is None else timedelta(seconds=self.wait)
        with recording.recorded(process.controller, request, token=self.token, wait=wait) as invocation:
            writer, pool = BatchWriter(process.controller), ConnectionPool(process.controller, keeps_idle=False)
            process.begin(dispatch.carry(process.controller, invocation, writer, connect=pool.connection))
        return process, invocation.id

    def schedule(self) -> str:
        """Create a schedule, as a person does."""
        names = tuple(f"n{number}" for number in range(1, len(self.world.agents) + 1))
        request = RunRequest(b"true", timeout=self.timeout, targets=Selection(names))
        timing = Timing(frequency.every(10), timedelta(seconds=self.random.choice((0, 4))))
        invocation, _ = recording.schedule(self.world.controller, request, timing)
        return invocation.id

    def serve(self) -> Process:
        """Start a server, in place of one that has died."""
        process = self.started()
        token = self.token
        lease.take(process.controller, token)
        server = Server(process.controller, token, Clock(process.controller.now, process.controller.elapsed))

        async def life() -> None:
            await server.begin()
            while process.alive and server.failure is None:
                await asyncio.sleep(min(max(await server.turn(), 0.01), process.controller.timeouts.server.tick))

        async def ends() -> None:
            try:
                await life()
            finally:
                await server.cancel()

        process.begin(ends())
        process.begin(server.queue.keep_delivering())
        return process

    async def look(self, found: list[Record]) -> None:
        """Reconcile; this also sends pending stops where the agent answers."""
        process = Process(self.world)
        process.begin(reconcile_all(process.controller, found))
        await process.end()
        if self.world.trouble:
            return
        for record in found:
            agent = self.world.agents[record.instance_id]
            task = agent.tasks.get(record.id)
            if record.status is InvocationStatus.STOPPING and task is not None and agent.is_well():
                assert task.stopped is not None or task.end() <= self.world.loop.now, "it was not told to stop"

    async def stop(self, invocation_id: str, *, killed: bool = False) -> None:
        """Stop it. Records whose agents answer have ended then, unless the program is killed meanwhile."""
        process = Process(self.world)
        stop.begin(process.controller, invocation_id)
        open_records = [each for each in self.unsettled(invocation_id) if not each.status.is_final]
        process.begin(stop.finish(process.controller, invocation_id, list(self.world.agents)))
        if killed:
            await asyncio.sleep(self.random.uniform(0, 1))
            process.kill()
        well = [each for each in open_records if self.world.agents[each.instance_id].is_well(within=3.0)]
        await process.end()
        if killed or self.world.trouble:
            return
        for record in well:
            known = records.get(self.world.database, record.id)
            if known is not None and self.world.agents[record.instance_id].is_well():
                assert known.status.is_final, f"it was to be stopped: {known}"

    async def detach(self, invocation_id: str, runner: Process) -> None:
        """The sender leaves, and the server sends the rest."""
        holder = lease.holder(self.world.controller)
        assert holder is not None
        with runner.controller.database.transaction() as transaction:
            records.take_over(transaction, invocation_id, holder.owner)
        runner.kill()

    def unsettled(self, invocation_id: str) -> list[Record]:
        """Return the open records, and those that were closed unanswered and may be corrected."""
        return records.unsettled(self.world.database, invocation_id=invocation_id).get(invocation_id, [])

    def all(self, invocation_id: str) -> list[Record]:
        rows = self.world.database.query("SELECT id FROM records WHERE invocation_id = ?", [invocation_id])
        found = [records.get(self.world.database, row["id"]) for row in rows]
        return [each for each in found if each is not None]


def check(history: History, invocation_id: str, *, faulty: bool) -> None:
    """Check what must hold after the end."""
    world = history.world
    for row in world.database.query("SELECT * FROM moves ORDER BY number"):
        old, new = InvocationStatus(row["old"]), InvocationStatus(row["new"])
        assert may_become(old, new, error_code=row["code"] or ""), tuple(row)
        assert faulty or row["new_code"] not in (UNANSWERED, "DeliveryTimeout"), (
            "nothing was wrong, and it was given up"
        )
    for record in history.all(invocation_id):
        agent = world.agents[record.instance_id]
        starts = agent.starts[record.id]
        assert starts <= 1 or record.id in agent.unheard, "it ran twice"
        assert record.status.is_final, f"{record} is open after its deadline"
        if record.error_code == UNANSWERED:
            continue
        if record.error_code in ("DeliveryTimeout", "ClientNotRunning", "ClientNotOnline"):
            assert not starts or record.id in agent.unheard, f"it has run: {record}"
        if record.status is InvocationStatus.FINISHED:
            assert starts
        if record.error_info == stopped_unsent(world.wall()).error_info:
            assert not starts, "it ran, though it was stopped before it was sent"


GAPS = (0.0, 0.02, 0.1, 0.4, 1.0, 3.0, 6.0)  # seconds between two events
HEALTHY = ("look", "look", "look", "step", "step", "stop")
FAULTY = (*HEALTHY, "stop", "kill", "kill", "kill", "serve", "serve", "crash", "silent", "wipe", "interrupt", "detach")


async def events(history: History, invocation_id: str, runner: Process | None, *, faulty: bool) -> None:
    """Cause random events during a run or a schedule."""
    world, random = history.world, history.random
    server: Process | None = history.serve() if runner is None or random.random() < 0.5 else None
    begin = random.choice((FAULTY if faulty else HEALTHY, ("stop",), ("kill",) if faulty else ("look",)))
    for number in range(random.randint(3, 25)):
        await asyncio.sleep(random.choice(GAPS) * random.uniform(0.5, 1.5))
        kind = random.choice(FAULTY if faulty else HEALTHY) if number else random.choice(begin)
        agent = random.choice(list(world.agents.values()))
        if kind == "look":
            await history.look(history.unsettled(invocation_id))
        elif kind == "stop" and (number == 0 or random.random() < 0.3):
            await history.stop(invocation_id, killed=faulty and random.random() < 0.3)
        elif kind == "step":
            world.step += timedelta(seconds=random.choice((-3600, -30, 30, 3600)))
        elif kind == "kill":
            victim = random.choice((runner, server))
            if victim is not None and victim.alive:
                victim.kill()
                await asyncio.sleep(random.choice(GAPS))
                await history.look(history.unsettled(invocation_id))
        elif kind == "serve" and (server is None or not server.alive):
            server = history.serve()
        elif kind == "detach" and runner is not None and runner.alive and server is not None and server.alive:
            await history.detach(invocation_id, runner)
        elif kind == "crash":
            agent.crash(random.choice((0.5, 5.0, 60.0, *([200.0] if history.wait else []))))
        elif kind == "silent":
            agent.silent_until = world.loop.now + random.uniform(1, 40)
        elif kind == "wipe" and random.random() < 0.3:
            agent.wipe()
        elif kind == "interrupt":
            agent.interrupt()
    if runner is None:
        await history.stop(invocation_id)
    if history.wait is not None:
        world.step = timedelta(0)  # the time in the queue follows the time of day
    await asyncio.sleep(history.timeout + 70 + (history.wait or 0))
    world.trouble = 0.0
    await asyncio.sleep(history.timeout + 70)
    for process in (runner, server):
        if process is not None:
            if process.alive and (process is server or not process.tasks[0].done()):
                process.kill()
            await process.end()
    await history.look(history.unsettled(invocation_id))


def live(home: Path, seed: int, *, faulty: bool, periodic: bool, queued: bool = False) -> tuple[History, str]:
    """Run one history, and check it."""
    random = Random(seed)
    trouble = random.choice((0.0, 0.02, 0.1)) if faulty else 0.0
    world = Simulation(Home(home), seed, trouble=trouble, size=random.randint(1, 4))
    history = History(world, random, random.choice(TIMEOUTS), random.choice(WAITS) if queued else None)
    made: list[str] = []

    async def story() -> None:
        runner = None
        if periodic:
            made.append(history.schedule())
        else:
            runner, invocation_id = history.run()
            made.append(invocation_id)
        await events(history, made[0], runner, faulty=faulty)
        check(history, made[0], faulty=faulty)

    world.run(story())
    return history, made[0]


def kinds(count: int) -> list[tuple[str, int]]:
    return [(kind, count) for kind in ("healthy", "faulty", "periodic", "periodic faulty", "queued faulty")]


@pytest.mark.parametrize(("kind", "count"), variants.every(2, kinds(SHORT)), ids=lambda each: str(each))
def test_histories(kind: str, count: int, tmp_path: Path) -> None:
    histories(kind, range(count), tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("kind", "count"), kinds(LONG), ids=lambda each: str(each))
def test_thousands_of_histories(kind: str, count: int, tmp_path: Path) -> None:
    histories(kind, range(SHORT, SHORT + count), tmp_path)


def histories(kind: str, seeds: range, folder: Path) -> None:
    for seed in seeds:
        try:
            live(
                folder / str(seed), seed, faulty="faulty" in kind, periodic="periodic" in kind, queued="queued" in kind
            )
        except BaseException as error:
            raise AssertionError(f"{kind}, seed {seed}") from error
