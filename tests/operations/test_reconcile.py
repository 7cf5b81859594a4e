"""Every record reaches a final state after any kill, and that state is true (docs/rules.md sections 2 and 8)."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest

from assist_cli.model.invocation import Invocation, Outcome, Record
from assist_cli.model.lifecycle import GRACE
from assist_cli.model.output import BUDGET, Output, Stream
from assist_cli.model.status import InvocationStatus, InvokeStatus
from assist_cli.model.timeouts import AgentTimeouts, Timeouts
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.connection import connection_to
from assist_cli.operations.history import audit, history
from assist_cli.operations.runs import dispatch, recording, stop
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.listener import Listener
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.operations.runs.worker import RecordWorker
from assist_cli.operations.server import recovery
from assist_cli.store import records
from assist_cli.store.database import open_database
from tests.operations.conftest import Clock
from tests.support import processes
from tests.support.open_records import look, mark_sent, record_of, unreachable

pytestmark = pytest.mark.usefixtures("starts_processes")

TIMEOUT = 60
GUARD = 30.0

RUNNING, STOPPING, STOPPED, FINISHED, FAILED = InvocationStatus


class Recovery(Listener):
    """A listener that keeps all output."""

    def __init__(self) -> None:
        self.streams = dict.fromkeys(Stream, b"")
        self.gone = 0

    def output(self, instance: str, stream: Stream, data: bytes) -> None:
        self.streams[stream] += data

    def missing(self, instance: str, size: int) -> None:
        self.gone += size


@pytest.fixture
def fifo(isolation: Path) -> Path:
    path = isolation / "fifo"
    os.mkfifo(path)
    return path


def start(controller: Controller, script: str) -> Invocation:
    """An invocation that its agent has, whose sender has ended."""
    with recording.recorded(controller, RunRequest(script.encode(), timeout=TIMEOUT)) as invocation:
        dispatch.send(controller, invocation)
    return invocation


def look_until_it_ended(controller: Controller, invocation: Invocation) -> Record:
    end = time.monotonic() + GUARD
    while not (record := look(controller, invocation)).status.is_final:
        assert time.monotonic() < end, "it did not end"
        time.sleep(0.02)  # reconciling is the subject; no event tells when to repeat it
    return record


def watch(controller: Controller, invocation: Invocation) -> Recovery:
    recovery = Recovery()
    dispatch.watch(controller, recording.recall(controller, invocation.id), listener=recovery)
    return recovery


def kill_agent(controller: Controller) -> None:
    pid = processes.listener(controller.home.agent / "agentd.sock")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def test_an_unwatched_record_is_reconciled(controller: Controller, now: Clock) -> None:
    record = look_until_it_ended(controller, start(controller, "echo out; echo err >&2; exit 3"))
    assert (record.status, record.exit_code, record.error_code) == (FINISHED, 3, "ExitCodeNonzero")
    assert record.output is not None
    assert record.output.bytes_of(Stream.STDOUT) == b"out\n"
    assert record.output.bytes_of(Stream.STDERR) == b"err\n"
    assert record.started is not None
    assert record.finished is not None


def test_a_record_whose_result_another_copy_has_fetched_takes_it_without_output(controller: Controller) -> None:
    invocation = start(controller, "echo out; exit 3")
    assert look_until_it_ended(controller, invocation).exit_code == 3
    (place,) = recording.recall(controller, invocation.id).instances
    with controller.database.transaction() as transaction:  # a copy of the home from before its end
        transaction.execute("UPDATE records SET status = 'Running', accepted = 0 WHERE id = ?", [place.record.id])
        transaction.execute("UPDATE invocation_instances SET status = 'Running'")
        transaction.execute("UPDATE invocations SET status = 'Running'")
        transaction.execute("DELETE FROM outputs")
    record = look_until_it_ended(controller, invocation)
    assert (record.status, record.exit_code, record.accepted) == (FINISHED, 3, False)
    assert record.output is not None
    assert (record.output.data, record.output.dropped) == (b"", 4)


def test_the_list_reconciles_it_too(controller: Controller, now: Clock, fifo: Path) -> None:
    start(controller, f"cat {fifo}")
    now.forward(1)
    ended = start(controller, "true")
    look_until_it_ended(controller, ended)
    statuses = [each.invocation.status for each in history.summaries(controller, limit=None)]
    assert statuses == [InvokeStatus.FINISHED, InvokeStatus.RUNNING]
    fifo.write_bytes(b"go\n")
    end = time.monotonic() + GUARD
    while not history.summaries(controller, limit=None)[1].invocation.status.is_final:
        assert time.monotonic() < end
        time.sleep(0.02)  # as above


def test_the_successor_of_a_killed_agent_is_asked(controller: Controller, now: Clock, fifo: Path) -> None:
    invocation = start(controller, f"echo before; cat {fifo}; exit 5")
    kill_agent(controller)
    assert look(controller, invocation).status is RUNNING
    fifo.write_bytes(b"after\n")
    record = look_until_it_ended(controller, invocation)
    assert (record.exit_code, record.output and record.output.data) == (5, b"before\nafter\n")


def test_a_second_watcher_gets_the_whole_output(controller: Controller, now: Clock, fifo: Path) -> None:
    invocation = start(controller, f"echo a; cat {fifo}; echo c")
    fifo.write_bytes(b"b\n")
    assert watch(controller, invocation).streams[Stream.STDOUT] == b"a\nb\nc\n"
    assert record_of(recording.recall(controller, invocation.id)).status is FINISHED


def test_long_output_is_stored_folded_and_is_whole_at_the_agent(controller: Controller, now: Clock) -> None:
    size = 3 * BUDGET
    invocation = start(controller, f"head -c {size} /dev/zero | tr '\\0' x")
    kept = look_until_it_ended(controller, invocation).output
    assert kept == Output(data=b"x" * BUDGET, runs=(BUDGET,), cut=BUDGET // 2, dropped=size - BUDGET)
    assert watch(controller, invocation).streams[Stream.STDOUT] == b"x" * size


def test_a_record_whose_sender_died_before_sending_is_closed_and_never_sent(
    controller: Controller, now: Clock, isolation: Path
) -> None:
    sign = isolation / "ran"
    with recording.recorded(controller, RunRequest(f"touch {sign}".encode())) as invocation:
        assert look(controller, invocation).status is RUNNING  # its sender lives
    record = look(controller, invocation)
    assert (record.status, record.error_code) == (FAILED, "DeliveryTimeout")
    dispatch.send_and_watch(controller, invocation, listener=None)
    assert look(controller, invocation) == record
    assert not sign.exists()


def test_the_deadline_of_a_record_in_a_later_wave_counts_from_its_delivery(controller: Controller, now: Clock) -> None:
    with recording.recorded(controller, RunRequest(b"echo sent", timeout=1)) as invocation:
        now.forward(1000)
        assert look(controller, invocation).status is RUNNING, "its sender is at work"
        dispatch.send(controller, invocation)
    record = look_until_it_ended(controller, invocation)
    assert (record.status, record.exit_code) == (FINISHED, 0)


def test_a_follower_of_a_later_wave_continues_when_it_is_sent(controller: Controller, now: Clock) -> None:
    with recording.recorded(controller, RunRequest(b"sleep 1; echo sent", timeout=5)) as invocation:
        waiting = recording.recall(controller, invocation.id)
        now.forward(1000)

        async def both() -> Outcome | None:
            with connection_to(controller, record_of(waiting).instance_id) as connection:
                worker = RecordWorker(controller, BatchWriter(controller), connection, record_of(waiting))
                following = asyncio.ensure_future(worker.watch())
                await asyncio.sleep(1)  # it polls meanwhile, as no event tells it when the record is sent
                assert not following.done()
                await asyncio.to_thread(send_elsewhere, controller, invocation)
                return await following

        outcome = asyncio.run(both())
    assert outcome is not None
    assert (outcome.status, outcome.output.data) == (FINISHED, b"sent\n")


def send_elsewhere(controller: Controller, invocation: Invocation) -> None:
    """Send as another program does, over a connection of its own."""
    with open_database(controller.home.database) as database:
        dispatch.send(controller.replace(database=database), invocation)


def test_a_record_that_was_lost_on_its_way(controller: Controller, now: Clock) -> None:
    with recording.recorded(controller, RunRequest(b"true")) as invocation:
        mark_sent(controller, invocation)
    assert look(controller, invocation).status is RUNNING  # its bytes may be under way
    now.forward(6)
    record = look(controller, invocation)
    assert (record.status, record.error_code) == (FAILED, "DeliveryTimeout")


def test_an_unreachable_record_is_open_until_its_deadline_and_corrected_when_the_agent_answers(
    controller: Controller, now: Clock, fifo: Path
) -> None:
    invocation = start(controller, f"cat {fifo}")
    with unreachable(controller):
        now.forward(TIMEOUT + GRACE.total_seconds() - 1)
        assert look(controller, invocation).status is RUNNING
        now.forward(2)
        record = look(controller, invocation)
        assert (record.status, record.error_code) == (FAILED, "ClientNotResponse")
        assert history.show(controller, invocation.id, output=False).status is InvokeStatus.FAILED
        fifo.write_bytes(b"true all along\n")
    end = time.monotonic() + GUARD
    while (record := look(controller, invocation)).error_code == "ClientNotResponse":
        assert time.monotonic() < end
        time.sleep(0.02)  # as above
    assert (record.status, record.exit_code) == (FINISHED, 0)
    assert record.output == Output(data=b"true all along\n", runs=(15,), cut=15)
    (told,) = [each for each in audit.entries(controller, since=None, limit=None) if each.action == "record.correct"]
    assert (told.subject, told.detail) == (record.id, "Failed (ClientNotResponse) to Finished")


def test_the_server_corrects_unwatched_records(controller: Controller, now: Clock) -> None:
    invocation = start(controller, "exit 3")
    with unreachable(controller):
        now.forward(TIMEOUT + GRACE.total_seconds() + 1)
        assert look(controller, invocation).error_code == "ClientNotResponse"
        asyncio.run(recovery.correct(controller))
        assert record_of(recording.recall(controller, invocation.id)).error_code == "ClientNotResponse"
    end = time.monotonic() + GUARD
    while (record := record_of(recording.recall(controller, invocation.id))).status is not FINISHED:
        assert time.monotonic() < end
        asyncio.run(recovery.correct(controller))
    assert (record.exit_code, record.error_code) == (3, "ExitCodeNonzero")
    assert records.unanswered(controller.database, now.moment - timedelta(days=1)) == []


def test_a_record_that_runs_past_its_deadline_is_closed(controller: Controller, now: Clock, fifo: Path) -> None:
    invocation = start(controller, f"cat {fifo}")
    now.forward(TIMEOUT + GRACE.total_seconds() + 1)
    assert look(controller, invocation).error_code == "ClientNotResponse"
    fifo.write_bytes(b"")


def test_reading_ended_records_starts_no_agent(controller: Controller, now: Clock) -> None:
    invocation = start(controller, "true")
    look_until_it_ended(controller, invocation)
    processes.stop_agent(controller.home.agent)
    look(controller, invocation)
    history.summaries(controller, limit=None)
    assert processes.listener(controller.home.agent / "agentd.sock") is None


def test_stop_kills_the_tree_and_is_the_outcome(controller: Controller, now: Clock) -> None:
    invocation = start(controller, "sleep 61 & sleep 62")
    stopped = stop.stop(controller, invocation.id)
    record = record_of(stopped)
    assert (stopped.status, record.status) == (InvokeStatus.STOPPED, STOPPED)
    assert record.stopped == now.moment
    assert stop.stop(controller, invocation.id) == stopped


def test_a_stop_after_the_end(controller: Controller, now: Clock) -> None:
    invocation = start(controller, "exit 4")
    look_until_it_ended(controller, invocation)
    assert record_of(stop.stop(controller, invocation.id)).exit_code == 4


def test_a_record_stopped_before_sending_is_never_sent(controller: Controller, now: Clock, isolation: Path) -> None:
    sign = isolation / "ran"
    with recording.recorded(controller, RunRequest(f"touch {sign}".encode())) as invocation:
        assert stop.stop(controller, invocation.id).status is InvokeStatus.STOPPED
        dispatch.send_and_watch(controller, invocation, listener=None)
    assert look(controller, invocation).status is STOPPED
    assert not sign.exists()


def test_an_unreachable_record_is_stopped_when_its_agent_answers(
    controller: Controller, now: Clock, fifo: Path
) -> None:
    controller = controller.replace(timeouts=Timeouts(agent=AgentTimeouts(stop=0.2)))
    invocation = start(controller, f"cat {fifo}")
    with unreachable(controller):
        for _ in range(2):  # a second stop changes nothing
            stopped = stop.stop(controller, invocation.id)
            assert (stopped.status, record_of(stopped).status) == (InvokeStatus.STOPPING, STOPPING)
            now.forward(1)
        assert look(controller, invocation).status is STOPPING
    record = look_until_it_ended(controller, invocation)
    assert (record.status, record.error_code) == (STOPPED, "ExecutionInterrupted")
    assert record.stopped == now.moment - timedelta(seconds=2)


def test_an_unreachable_record_with_a_stop_is_closed_at_its_deadline(
    controller: Controller, now: Clock, fifo: Path
) -> None:
    controller = controller.replace(timeouts=Timeouts(agent=AgentTimeouts(stop=0.2)))
    invocation = start(controller, f"cat {fifo}")
    with unreachable(controller):
        stop.stop(controller, invocation.id)
        now.forward(TIMEOUT + GRACE.total_seconds() + 1)
        record = look(controller, invocation)
        assert (record.status, record.error_code, record.stopped) == (FAILED, "ClientNotResponse", None)
    fifo.write_bytes(b"")


def test_a_stop_just_after_the_end_keeps_the_outcome(controller: Controller, now: Clock) -> None:
    invocation = start(controller, "exit 4")

    async def ended() -> bool:
        with connection_to(controller, invocation.instances[0].instance_id) as line:
            client = await line.client()
            return (await client.call("task.get", {"record": record_of(invocation).id}))["result"] is not None

    end = time.monotonic() + GUARD
    while not asyncio.run(ended()):
        assert time.monotonic() < end
        time.sleep(0.02)  # ask the agent directly, since reading the history would reconcile it
    assert record_of(recording.recall(controller, invocation.id)).status is RUNNING
    record = record_of(stop.stop(controller, invocation.id))
    assert (record.status, record.exit_code, record.stopped) == (FINISHED, 4, None)


def test_a_stop_of_a_killed_program_is_completed_by_reconciling(controller: Controller, now: Clock, fifo: Path) -> None:
    """Both for a record that its agent has, and for one that was not sent yet."""
    running = start(controller, f"cat {fifo}")
    stop.begin(controller, running.id)
    assert look_until_it_ended(controller, running).status is STOPPED
    with recording.recorded(controller, RunRequest(b"true")) as unsent:
        stop.begin(controller, unsent.id)
        assert look(controller, unsent).status is STOPPED  # its sender lives, but it sends only Running records


def test_a_watched_record_gets_a_second_stop_and_is_left_to_its_watcher(
    controller: Controller, now: Clock, fifo: Path
) -> None:
    with recording.recorded(controller, RunRequest(f"cat {fifo}".encode(), timeout=TIMEOUT)) as invocation:
        dispatch.send(controller, invocation)
        stop.begin(controller, invocation.id)
        assert look(controller, invocation).status is STOPPING
        watch(controller, invocation)
        assert look(controller, invocation).status is STOPPED


def test_a_stopped_agent_is_an_outcome(controller: Controller, now: Clock) -> None:
    look_until_it_ended(controller, start(controller, "true"))
    with unreachable(controller), recording.recorded(controller, RunRequest(b"true")) as invocation:
        dispatch.send_and_watch(controller, invocation, listener=None)
        record = look(controller, invocation)
    assert (record.status, record.error_code, record.sent) == (FAILED, "ClientNotRunning", None)
    assert record.error_info.startswith(f"cannot reach an agent at '{controller.home.root}/missing.sock'")
