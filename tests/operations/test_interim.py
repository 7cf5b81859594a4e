"""Interim output of a running record, for any reader in any process."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from assist_cli.model import phrase
from assist_cli.model.invocation import Invocation, Record
from assist_cli.model.output import BUDGET, Stream
from assist_cli.model.secret import Secret
from assist_cli.model.timeouts import Timeouts, ViewTimeouts
from assist_cli.operations.controller import Controller
from assist_cli.operations.history import history, search
from assist_cli.operations.runs import dispatch, recording
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.store import search as words
from tests.operations.conftest import Clock
from tests.support import processes
from tests.support.open_records import record_of

pytestmark = pytest.mark.usefixtures("starts_processes")

GUARD = 30.0


@pytest.fixture
def gate(isolation: Path) -> Path:
    """A FIFO that scripts wait for."""
    path = isolation / "gate"
    os.mkfifo(path)
    return path


def start(controller: Controller, script: str, **parameters: Secret) -> Invocation:
    """An invocation that its agent has, whose sender has ended."""
    with recording.recorded(controller, RunRequest(script.encode(), parameters=parameters or None)) as invocation:
        dispatch.send(controller, invocation)
    return invocation


def look_until(
    controller: Controller, now: Clock, invocation: Invocation, text: bytes, *, final: bool = False
) -> Record:
    """Query until an output contains ``text``, and with ``final`` until it has ended too."""
    end = time.monotonic() + GUARD
    while True:
        now.forward(controller.timeouts.view.interim_pause)
        record = record_of(history.show(controller, invocation.id, output=True))
        if record.output is not None and text in record.output.data and record.status.is_final >= final:
            return record
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)  # the query itself is the subject; no event tells when to repeat it


def test_it_is_shown_while_the_script_runs_masked_and_not_indexed(
    controller: Controller, now: Clock, gate: Path
) -> None:
    script = f"echo begun $ASSIST_PARAM_KEY >&2; cat {gate}; echo end"
    invocation = start(controller, script, key=Secret("hunter2"))
    record = look_until(controller, now, invocation, b"begun")
    assert not record.status.is_final
    assert record.output is not None
    assert record.output.data == b"begun ********\n"
    search.catch_up(controller)
    assert words.search(controller.database, phrase.parse("hunter2")) == []
    assert not [hit for hit in words.search(controller.database, phrase.parse("begun")) if hit.record_id]
    gate.write_bytes(b"")
    ended = look_until(controller, now, invocation, b"end", final=True)
    assert ended.started == record.started is not None
    assert controller.database.query("SELECT * FROM interim") == []


def test_an_agent_is_asked_at_most_every_three_seconds(controller: Controller, now: Clock, gate: Path) -> None:
    invocation = start(controller, f"echo one; cat {gate}; echo two; cat {gate}")
    look_until(controller, now, invocation, b"one")
    gate.write_bytes(b"passed\n")
    for _ in range(3):
        now.forward(0.9)
        found = record_of(history.show(controller, invocation.id, output=True))
        assert found.output is not None
        assert found.output.data == b"one\n"
    look_until(controller, now, invocation, b"two")
    gate.write_bytes(b"")


def test_a_silent_agent_delays_nobody(controller: Controller, now: Clock, gate: Path) -> None:
    invocation = start(controller, f"echo one; cat {gate}")
    record = look_until(controller, now, invocation, b"one")
    agent = processes.listener(controller.home.agent / "agentd.sock")
    assert agent is not None
    hasty = Controller(
        controller.home,
        controller.database,
        now,
        controller.actor,
        now.elapsed,
        timeouts=Timeouts(
            agent=controller.timeouts.agent.replace(answer=0.1, greeting=0.1), view=ViewTimeouts(interim=0.1)
        ),
    )
    os.kill(agent, signal.SIGSTOP)
    try:
        now.forward(10)
        began = time.monotonic()
        again = record_of(history.show(hasty, invocation.id, output=True))
        assert time.monotonic() - began < 5
    finally:
        os.kill(agent, signal.SIGCONT)
    assert (again.output, again.started) == (record.output, record.started)
    gate.write_bytes(b"")


def test_both_ends_of_a_long_output_are_shown(controller: Controller, now: Clock, gate: Path) -> None:
    invocation = start(controller, f"seq 1 400000; cat {gate}")
    record = look_until(controller, now, invocation, b"\n400000\n")
    assert record.output is not None
    size = sum(len(f"{number}\n") for number in range(1, 400_001))
    assert len(record.output.data) + record.output.dropped == size
    assert BUDGET - 20 < len(record.output.data) <= BUDGET
    head, tail = (text.split() for text in record.output.texts_of(Stream.STDOUT))
    assert head == [str(number) for number in range(1, len(head) + 1)]
    assert tail == [str(number) for number in range(400_001 - len(tail), 400_001)]
    gate.write_bytes(b"")


def test_only_the_start_is_asked_for_without_output(controller: Controller, now: Clock, gate: Path) -> None:
    invocation = start(controller, f"echo one; cat {gate}")
    end = time.monotonic() + GUARD
    while (record := record_of(history.show(controller, invocation.id, output=False))).started is None:
        assert time.monotonic() < end, "it did not start"
        now.forward(3)
    assert record.output is None
    assert controller.database.query("SELECT data FROM interim")[0]["data"] is None
    gate.write_bytes(b"")
    look_until(controller, now, invocation, b"one")
