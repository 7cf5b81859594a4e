"""Work on many machines, as it is shown: the end after Ctrl-C."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from assist_cli.cli import bulk
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.operations.fleet.many import THREADS, Many, Progress
from assist_cli.paths import Home
from tests.support.captured import Captured


@pytest.mark.long
def test_hosts_that_were_not_started_are_counted_and_not_listed(home: Path) -> None:
    go_on = threading.Event()

    class Stopping(Many[int, int]):
        def stop_launching(self) -> None:
            super().stop_launching()
            go_on.set()

    def work(_: Controller, item: int, progress: Progress) -> int:
        assert item == 0 or go_on.wait(30)
        return item

    def ended(item: int) -> str:
        if not go_on.is_set():
            raise KeyboardInterrupt
        return f"done {item}"

    captured = Captured(terminal=False)
    with open_controller(Home(home)) as controller:
        many = Stopping(controller, range(100), work, lambda item: f"host{item}")
        many.start()
        outcomes = bulk.watch(captured.printer, many, "installed", ended)
    begun = sum(outcome.is_begun for outcome in outcomes)
    assert THREADS <= begun <= THREADS + 1
    assert captured.out == ""
    assert f": {begun} installed, {100 - begun} not started\n" in captured.err
