"""A bug with one instance: its record ends with the reason, the report is written, and the others continue."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from agentd.wire import protocol
from assist_cli.agents import unix
from assist_cli.agents.client import Client
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Record
from assist_cli.model.output import Portion
from assist_cli.model.target import Selection
from assist_cli.model.timeouts import DEFAULTS
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import health
from assist_cli.operations.fleet.deployment import upgrade
from assist_cli.operations.runs import dispatch, reconcile, recording
from assist_cli.operations.runs.listener import Listener
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.store import instances, records
from tests.operations.conftest import Clock
from tests.support import hostile

NAMES = ("bad", "good1", "good2")


class Broken(Client):
    """A client with a bug that appears after the record was sent."""

    async def run(self, params: Mapping[str, Any], portion: Portion = Portion.WHOLE) -> dict[str, Any]:
        raise ZeroDivisionError("in run")


@pytest.fixture
def fleet(controller: Controller, now: Clock, isolation: Path) -> Iterator[Controller]:
    """Three instances with honest agents."""
    with controller.database.transaction() as transaction:
        for name in NAMES:
            instances.register(transaction, Instance(f"i-{name}", name, f"unix:{isolation}/a.sock", controller.now()))
    with hostile.listening(isolation / "a.sock", lambda request: None):
        yield controller


def reaching(controller: Controller, isolation: Path, *, broken: bool) -> Controller:
    """The same controller, which cannot even connect to the bad instance, or has a broken client for it."""

    async def connect(instance: str) -> Client:
        path = isolation / "a.sock"
        client = await unix.connect(path)
        if instance == "i-bad":
            if not broken:
                client.close()
                raise ZeroDivisionError("in connect")
            client.close()
            _, client = await asyncio.get_running_loop().create_unix_connection(lambda: Broken("bad"), str(path))
        await client.greet(controller.id, "1", 10)
        return client

    return controller.replace(connect=connect)


def run(controller: Controller, listener: Listener | None = None) -> dict[str, Record]:
    """Return the records of a run on all of them."""
    with recording.recorded(controller, RunRequest(b"true", targets=Selection(NAMES))) as invocation:
        dispatch.send_and_watch(controller, invocation, listener=listener)
    return {place.instance_name: place.record for place in recording.recall(controller, invocation.id).instances}


def reports(controller: Controller) -> list[Path]:
    return list(controller.home.logs.glob("bug-*"))


@pytest.mark.parametrize(("broken", "code"), [(False, "ExecutionException"), (True, "ClientNotResponse")])
def test_a_bug_is_the_outcome_of_its_record(fleet: Controller, isolation: Path, broken: bool, code: str) -> None:
    found = run(reaching(fleet, isolation, broken=broken))
    assert {found[name].status.value for name in NAMES[1:]} == {"Finished"}
    bad = found["bad"]
    (report,) = reports(fleet)
    assert (bad.status.value, bad.error_code) == ("Failed", code)
    assert "there is a bug in Assist (ZeroDivisionError)" in bad.error_info
    assert str(report) in bad.error_info
    assert ("it may have run" in bad.error_info) is broken
    assert "ZeroDivisionError: in" in report.read_text()


def test_the_same_bug_is_reported_once(fleet: Controller, isolation: Path) -> None:
    controller = reaching(fleet, isolation, broken=False)
    first, second = run(controller)["bad"], run(controller)["bad"]
    assert len(reports(fleet)) == 1
    assert str(reports(fleet)[0]) in second.error_info
    assert first.id != second.id


def test_an_exception_of_a_listener_belongs_to_no_instance(fleet: Controller) -> None:
    """A closed pipe, for example: it ends the watch, and is raised to its caller."""

    class Closed(Listener):
        def output(self, instance: str, stream: object, data: bytes) -> None:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run(fleet.replace(connect=lambda instance: honest(fleet)), Closed())
    assert not reports(fleet)


async def honest(controller: Controller) -> Client:
    client = await unix.connect(controller.home.root.parent / "a.sock")
    await client.greet(controller.id, "1", 10)
    return client


def test_an_agent_that_does_not_answer_for_one_record_is_not_asked_for_the_others(
    controller: Controller, now: Clock
) -> None:
    asked: list[str] = []

    def say(request: dict[str, Any]) -> list[bytes] | None:
        asked.append(request["method"])
        if request["method"] == "task.run":
            return [protocol.encode(protocol.response(request["id"], {"state": "Running"}))]
        return None if request["method"] == "agent.hello" else []

    path = controller.home.root.parent / "a.sock"
    with controller.database.transaction() as transaction:
        instances.register(transaction, Instance(hostile.INSTANCE, "mute", f"unix:{path}", controller.now()))
    impatient = DEFAULTS.replace(agent=DEFAULTS.agent.replace(answer=0.1))
    mute = controller.replace(timeouts=impatient)
    with hostile.listening(path, say):
        for _ in range(3):
            with recording.recorded(mute, RunRequest(b"true", targets=Selection(("mute",)))) as invocation:
                dispatch.send(mute, invocation)
        now.forward(10)
        found = records.unsettled(mute.database)
        reconcile.reconcile(mute, [record for several in found.values() for record in several])
    assert asked.count("task.run") == 3
    assert asked.count("task.get") == 1
    assert len(records.unsettled(mute.database)) == 3, "they are open until their deadline"


def test_a_bug_while_reconciling_is_reported_for_its_instance(fleet: Controller, isolation: Path) -> None:
    """Here it is an invalid address, which an older version or an editor may have written."""
    with fleet.database.transaction() as transaction:
        transaction.execute("UPDATE instances SET address = 'nowhere' WHERE id = 'i-bad'")
        transaction.execute("UPDATE instances SET id = ? WHERE id = 'i-good1'", [hostile.INSTANCE])
    asked = health.states(fleet, list(instances.registered(fleet.database)))
    found = {each.instance.name: each.health for each in asked}
    assert (found["bad"].is_online, found["bad"].error_code) == (False, "InvalidAddress")
    assert found["good1"].is_online
    outcomes = upgrade(fleet, Selection(("bad",)), rotate=False, heard=lambda outcome: None)
    assert [outcome.error is not None for outcome in outcomes] == [True]
