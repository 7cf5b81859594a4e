"""Work on many machines in threads."""

from __future__ import annotations

import threading

from assist_cli.errors import ExitStatus, Refused
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.many import THREADS, Many, Progress


def test_a_machine_that_hangs_delays_no_other(controller: Controller) -> None:
    others_ended = threading.Event()

    def work(_: Controller, item: int, progress: Progress) -> int:
        progress(f"begin {item}")
        if item == 0:
            assert others_ended.wait(30)
        if item == 1:
            raise Refused("cannot do 1: it is odd", hint="none")
        return item

    many = Many(controller, range(3 * THREADS), work, str)
    many.start()
    for event in many.events():
        if sum(outcome is not None for outcome in many.outcomes) == 3 * THREADS - 1:
            assert many.in_progress == ["0"]
            others_ended.set()
        assert event is None or event.step == f"begin {event.index}"
    outcomes = many.close()
    assert [outcome.value for outcome in outcomes] == [None if item == 1 else item for item in range(3 * THREADS)]
    assert isinstance(outcomes[1].error, Refused)


def test_after_an_interrupt_what_has_begun_ends_and_no_more_starts(controller: Controller) -> None:
    go_on = threading.Event()
    all_began = threading.Barrier(THREADS + 1)

    def work(_: Controller, item: int, progress: Progress) -> int:
        progress("wait")
        all_began.wait(30)
        assert go_on.wait(30)
        return item

    many = Many(controller, range(3 * THREADS), work, str)
    many.start()
    all_began.wait(30)
    many.stop_launching()
    go_on.set()
    assert list(many.events())
    outcomes = many.close()
    assert [outcome.value for outcome in outcomes[:THREADS]] == list(range(THREADS))
    unstarted = [outcome.error for outcome in outcomes[THREADS:]]
    assert {error.exit_status for error in unstarted if error} == {ExitStatus.INTERRUPTED}
    assert len(unstarted) == 2 * THREADS
    assert [outcome.is_begun for outcome in outcomes] == [True] * THREADS + [False] * 2 * THREADS
