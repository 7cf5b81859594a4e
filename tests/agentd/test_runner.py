"""The states of a Runner and the moves between them, the same on every system."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from agentd.base_runner import DRAIN, GRACE, MOVES, STOP, SURVIVAL, BaseRunner, RunnerState
from agentd.result import RecordResult
from agentd.spool import Folder

TIMEOUT = 60


class Scripted(BaseRunner):  # type: ignore[misc]
    """A Runner with a system that is controlled by the test."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Folder(str(folder)), {"secrets": [], "timeout": TIMEOUT}, "", RecordResult())
        self.members = {7}
        self.pipes_open = True
        self.can_hear = True
        self.terminated: set[int] = set()
        self.killed: set[int] = set()

    def _pipes_open(self) -> bool:
        return self.pipes_open

    def _members(self) -> set[int]:
        return set(self.members)

    def _terminate(self, members: set[int]) -> bool:
        self.terminated |= members
        return self.can_hear

    def _kill(self, members: set[int]) -> None:
        self.killed |= members

    def _exit_code(self) -> int | None:
        return self._status  # type: ignore[no-any-return]

    def result(self) -> dict[str, object]:
        self._conclude()
        found: dict[str, object] = self._result.document()
        return found


@pytest.fixture
def runner(tmp_path: Path) -> Scripted:
    """A Runner whose main process started at 0."""
    runner = Scripted(tmp_path)
    assert runner.state is RunnerState.STARTING
    runner._started(0)
    return runner


@pytest.mark.parametrize(("before", "after"), list(itertools.product(RunnerState, RunnerState)))
def test_every_move_is_made_or_refused(tmp_path: Path, before: RunnerState, after: RunnerState) -> None:
    runner = Scripted(tmp_path)
    runner.state = before
    if after in MOVES[before]:
        runner._become(after)
        assert runner.state is after
    else:
        with pytest.raises(ValueError, match=f"cannot go from {before.value} to {after.value}"):
            runner._become(after)
        assert runner.state is before


def test_every_state_can_be_reached_and_leads_to_the_end() -> None:
    def from_here(state: RunnerState) -> set[RunnerState]:
        return {state}.union(*(from_here(after) for after in MOVES[state]))

    assert from_here(RunnerState.STARTING) == set(RunnerState)
    assert all(RunnerState.OVER in from_here(state) for state in RunnerState)
    assert MOVES[RunnerState.OVER] == ()


def test_a_script_that_ends_is_over_with_its_pipes(runner: Scripted) -> None:
    assert not runner._advance(1)
    assert runner.state is RunnerState.RUNNING
    runner._exited(3, 2)
    assert runner.state is RunnerState.DRAINING
    assert not runner._advance(2)
    runner.pipes_open = False
    assert runner._advance(2.1)
    assert runner.state is RunnerState.OVER
    assert not runner.terminated
    result = runner.result()
    assert (result["state"], result["exit_code"], result["error_code"]) == ("Finished", 3, "")


def test_pipes_that_others_hold_are_read_for_a_moment(runner: Scripted) -> None:
    """A script left a process behind. Its timeout may pass meanwhile, which kills nothing."""
    runner._exited(0, TIMEOUT)
    assert not runner._advance(TIMEOUT + DRAIN - 0.1)
    assert runner._advance(TIMEOUT + DRAIN)
    assert not runner.terminated
    assert runner.result()["state"] == "Finished"


def test_a_timeout_tells_first_and_kills_after_the_grace(runner: Scripted) -> None:
    assert not runner._advance(TIMEOUT - 0.1)
    assert not runner.terminated
    assert not runner._advance(TIMEOUT)
    assert runner.state is RunnerState.ENDING
    assert runner.terminated == {7}
    assert not runner._advance(TIMEOUT + GRACE - 0.1)
    assert not runner.killed
    assert not runner._advance(TIMEOUT + GRACE)
    assert runner.state is RunnerState.KILLING
    assert runner.killed == {7}
    runner._exited(137, TIMEOUT + GRACE)
    runner.members, runner.pipes_open = set(), False
    assert runner._advance(TIMEOUT + GRACE + 0.1)
    assert runner.state is RunnerState.OVER
    result = runner.result()
    assert (result["state"], result["exit_code"], result["error_code"]) == ("Failed", 137, "ExecutionTimeout")


def test_a_stop_waits_for_the_whole_tree_and_for_what_it_has_printed(runner: Scripted) -> None:
    runner._end(STOP, 1)
    runner.members = {7, 8}  # started by the first, to clean up for it
    assert not runner._advance(1.1)
    assert runner.terminated == {7}
    runner._exited(0, 2)
    assert runner.state is RunnerState.ENDING
    runner.members = {8}
    assert not runner._advance(2)
    assert runner.terminated == {7, 8}
    runner.members = set()
    assert not runner._advance(2.1)
    runner.pipes_open = False
    assert runner._advance(2.2)
    assert not runner.killed
    result = runner.result()
    assert (result["state"], result["error_code"]) == ("Stopped", "ExecutionInterrupted")


def test_a_tree_that_cannot_receive_term_is_killed_immediately(runner: Scripted) -> None:
    runner.can_hear = False
    runner._end(STOP, 1)
    assert not runner._advance(1)
    assert runner.killed == {7}


def test_processes_that_survive_the_kill_are_reported(runner: Scripted) -> None:
    runner._end(STOP, 0)
    assert not runner._advance(GRACE + SURVIVAL - 0.1)
    assert runner._advance(GRACE + SURVIVAL)
    assert "still alive after KILL: pid 7" in str(runner.result()["error_info"])


def test_an_ended_script_is_not_ended_again(runner: Scripted) -> None:
    runner._exited(0, 1)
    with pytest.raises(ValueError, match="cannot go from draining to ending"):
        runner._end(STOP, 1)
