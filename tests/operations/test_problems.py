"""The problems that are known without querying an agent."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from assist_cli.model import frequency
from assist_cli.model.instance import Contact
from assist_cli.model.schedule import Timing
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Controller
from assist_cli.operations.observe import overview
from assist_cli.operations.observe.problems import problems
from assist_cli.operations.runs import recording
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.operations.runs.senders import sender
from assist_cli.operations.server import lease
from assist_cli.store import instances, schedules
from tests.operations.conftest import Clock
from tests.support import past


def found(controller: Controller, among: Collection[str] | None = None) -> list[tuple[str, str]]:
    known = [each for each in instances.registered(controller.database) if among is None or each.id in among]
    seen = overview.recall(controller, known, among)
    return [(each.subject, each.text) for each in problems(controller, seen, among)]


def answered(controller: Controller, *ids: str) -> None:
    with controller.database.transaction() as transaction:
        instances.note_heard(transaction, {each: Contact("linux", controller.now()) for each in ids})


def test_agents_that_do_not_answer(controller: Controller, clock: Clock) -> None:
    one, two, three = past.register(controller.database, ["web1", "web2", "web3"], clock.moment)
    assert found(controller) == [("agents", "never answered: web[1-3] (3)")]
    answered(controller, one.id, two.id, three.id)
    assert found(controller) == []

    clock.forward(60)
    where, outcomes = [one, two], [past.failed("ClientNotOnline", "x", at=clock.moment), past.finished(at=clock.moment)]
    past.write(controller.database, past.invocation_on(where, clock.moment), outcomes)
    assert found(controller) == [("agents", "no answer at the last attempt: web1")]
    assert found(controller, {two.id}) == []

    clock.forward(60)
    answered(controller, one.id)
    assert found(controller) == []
    clock.forward(8 * 86_400)
    answered(controller, one.id)
    assert found(controller) == [("agents", "no contact for more than 7 days: web[2-3] (2)")]


def test_schedules_that_are_overdue_or_cannot_be_fired(controller: Controller, clock: Clock) -> None:
    one, two = past.register(controller.database, ["web1", "web2"], clock.moment)
    answered(controller, one.id, two.id)
    request = RunRequest(b"true", targets=Selection(("web1",)))
    planned, _ = recording.schedule(controller, request, Timing(frequency.every(60)))
    assert found(controller) == [("server", "the server is not running, so no schedule will fire")]
    with sender(controller.home) as token:
        lease.take(controller, token)
        assert found(controller) == []
        clock.forward(60 + 180)
        lease.renew(controller, token)
        assert found(controller) == [("server", "1 schedule overdue, by up to 3 min")]
        assert found(controller, {two.id}) == []
        with controller.database.transaction() as transaction:
            schedules.note_error(transaction, planned.id, "no such zone")
        assert ("schedules", "1 schedule cannot be fired") in found(controller, {one.id})
        assert found(controller, {two.id}) == []


def test_the_running_records_of_a_scope(controller: Controller, clock: Clock) -> None:
    one, two, three = past.register(controller.database, ["web1", "web2", "web3"], clock.moment)
    outcomes = [None, None, past.finished("", 3, at=clock.moment + timedelta(seconds=1))]
    made = past.write(controller.database, past.invocation_on([one, two, three], clock.moment), outcomes)

    def counts(among: Collection[str] | None) -> list[tuple[str, int, int, int]]:
        seen = overview.recall(controller, [], among)
        return [(each.invocation_id, each.total, each.open, each.bad) for each in seen.running]

    assert counts(None) == [(made.id, 3, 2, 1)]
    assert counts({one.id, three.id}) == [(made.id, 2, 1, 1)]
    assert counts({three.id}) == []
    failures = overview.recall(controller, [], {three.id}).failures
    assert [(each.instance_name, each.error) for each in failures] == [("web3", "exit 3")]
    assert overview.recall(controller, [], {one.id}).failures == []
