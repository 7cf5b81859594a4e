"""A file reaches a final state, which is true, and is written at most once (docs/rules.md)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from assist_cli.errors import GaveUpWaiting
from assist_cli.model.invocation import Invocation
from assist_cli.model.lifecycle import lifetime
from assist_cli.model.status import InvocationStatus, InvokeStatus
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.connection import connection_to
from assist_cli.operations.history import history
from assist_cli.operations.runs import dispatch, files, payload, recording, stop
from assist_cli.operations.runs.files import SendRequest
from tests.operations.conftest import Clock
from tests.support.open_records import look, mark_sent, record_of, unreachable

pytestmark = pytest.mark.usefixtures("starts_processes")

CONTENT = b"key = value\n"
TIMEOUT = 60
TRIES = 50

RUNNING, STOPPING, STOPPED, FINISHED, FAILED = InvocationStatus


@pytest.fixture
def path(isolation: Path) -> Path:
    """The destination of the file."""
    return isolation / "target" / "app.conf"


def request(path: Path, **settings: object) -> SendRequest:
    return SendRequest(CONTENT, path.name, str(path.parent), timeout=TIMEOUT).replace(**settings)


def deliver(controller: Controller, invocation: Invocation) -> None:
    """Act as a sender that is killed before it can store the answer of the agent."""

    async def ask() -> None:
        (place,) = invocation.instances
        with connection_to(controller, place.instance_id) as line:
            await (await line.client()).call(*payload.request(invocation, place, controller.id))

    mark_sent(controller, invocation)
    asyncio.run(ask())


def test_it_is_finished_when_the_file_is_there(controller: Controller, now: Clock, path: Path) -> None:
    with files.recorded(controller, request(path)) as invocation:
        dispatch.send_and_watch(controller, invocation, listener=None)
    found = recording.recall(controller, invocation.id)
    assert path.read_bytes() == CONTENT
    assert found.status is InvokeStatus.FINISHED
    assert (record_of(found).exit_code, record_of(found).is_success) == (None, True)
    assert found == invocation._replace(
        content=b"", status=found.status, finished=found.finished, instances=found.instances
    )
    assert files.listing(controller, limit=None) == [recording.recall(controller, invocation.id, output=False)]
    assert history.summaries(controller, limit=None) == []


def test_a_second_delivery_writes_nothing(controller: Controller, now: Clock, path: Path) -> None:
    """It gets the outcome of the first, even if the file has changed since."""
    with files.recorded(controller, request(path, overwrite=True)) as invocation:
        deliver(controller, invocation)
        path.write_bytes(b"changed since")
        dispatch.send_and_watch(controller, invocation, listener=None)
    assert look(controller, invocation).status is FINISHED
    assert path.read_bytes() == b"changed since"


def test_a_delivery_of_a_killed_sender_is_reconciled(controller: Controller, now: Clock, path: Path) -> None:
    with files.recorded(controller, request(path)) as invocation:
        deliver(controller, invocation)
        assert look(controller, invocation).status is RUNNING  # its sender lives
    record = look(controller, invocation)
    assert (record.status, record.error_code) == (FINISHED, "")


def test_a_refusal_is_reconciled_too(controller: Controller, now: Clock, path: Path) -> None:
    with files.recorded(controller, request(path, owner="nobody-of-that-name")) as invocation:
        deliver(controller, invocation)
    assert files.listing(controller, limit=1)[0].status is InvokeStatus.FAILED
    record = look(controller, invocation)
    assert (record.status, record.error_code) == (FAILED, "UserNotExists")
    assert record.error_info == "there is no user 'nobody-of-that-name' on this instance"
    assert not path.parent.exists()


def test_a_file_whose_sender_died_before_sending_is_closed_and_never_sent(
    controller: Controller, now: Clock, path: Path
) -> None:
    with files.recorded(controller, request(path)) as invocation:
        assert look(controller, invocation).status is RUNNING
    record = look(controller, invocation)
    assert (record.status, record.error_code) == (FAILED, "DeliveryTimeout")
    dispatch.send_and_watch(controller, invocation, listener=None)
    assert look(controller, invocation) == record
    assert not path.exists()


def test_a_file_that_was_lost_on_its_way(controller: Controller, now: Clock, path: Path) -> None:
    with files.recorded(controller, request(path)) as invocation:
        mark_sent(controller, invocation)
    assert look(controller, invocation).status is RUNNING  # its bytes may be under way
    now.forward(6)
    assert look(controller, invocation).error_code == "DeliveryTimeout"


def test_an_unreachable_file_is_open_until_its_deadline_and_corrected_when_the_agent_answers(
    controller: Controller, now: Clock, path: Path
) -> None:
    with files.recorded(controller, request(path)) as invocation:
        deliver(controller, invocation)
    with unreachable(controller):
        now.forward(lifetime(TIMEOUT).total_seconds() - 1)
        assert look(controller, invocation).status is RUNNING
        now.forward(2)
        record = look(controller, invocation)
        assert (record.status, record.error_code) == (FAILED, "ClientNotResponse")
    record = look(controller, invocation)
    assert (record.status, record.error_code) == (FINISHED, "")


def test_an_unreachable_agent_is_an_outcome(controller: Controller, now: Clock, path: Path) -> None:
    with files.recorded(controller, request(path)) as first:
        dispatch.send(controller, first)
    with unreachable(controller), files.recorded(controller, request(path)) as invocation:
        dispatch.send_and_watch(controller, invocation, listener=None)
        record = look(controller, invocation)
    assert (record.status, record.error_code, record.sent) == (FAILED, "ClientNotRunning", None)


def test_a_file_stopped_before_sending_is_never_sent(controller: Controller, now: Clock, path: Path) -> None:
    with files.recorded(controller, request(path)) as invocation:
        assert stop.stop(controller, invocation.id).status is InvokeStatus.STOPPED
        dispatch.send_and_watch(controller, invocation, listener=None)
    assert look(controller, invocation).status is STOPPED
    assert not path.exists()


def test_a_stop_after_the_write_reports_the_file(controller: Controller, now: Clock, path: Path) -> None:
    with files.recorded(controller, request(path)) as invocation:
        deliver(controller, invocation)
    stopped = stop.stop(controller, invocation.id)
    assert (stopped.status, record_of(stopped).error_code) == (InvokeStatus.FINISHED, "")
    assert path.read_bytes() == CONTENT


def test_a_file_arrives_after_the_caller_stopped_waiting(controller: Controller, now: Clock, path: Path) -> None:
    for number in itertools.count():
        assert number < TRIES, "it was never caught in time"
        with files.recorded(controller, request(path, name=str(number))) as invocation, frozen(controller, invocation):
            try:
                dispatch.send_and_watch(controller, invocation, listener=None, patience=1.0)
            except GaveUpWaiting:
                break
    dispatch.watch(controller, recording.recall(controller, invocation.id), listener=None)
    assert look(controller, invocation).status is FINISHED
    assert (path.parent / str(number)).read_bytes() == CONTENT


@contextlib.contextmanager
def frozen(controller: Controller, invocation: Invocation) -> Iterator[None]:
    """Suspend the process that writes a file as soon as it is seen, if it is seen in time, until the end."""
    noted = controller.home.agent / "spool" / record_of(invocation).id / "request.json"
    over, stopped = threading.Event(), []

    def watch() -> None:
        while not over.is_set() and not stopped:
            with contextlib.suppress(OSError, ValueError):  # it has not started, or has ended
                pid = json.loads(noted.read_text())["shim"][0]
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
