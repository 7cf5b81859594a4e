"""The table of docs/rules.md section 2 over every combination, and the legal moves."""

from __future__ import annotations

import itertools

import pytest

from assist_cli.model.status import InvocationStatus, InvokeStatus, instance_status, invoke_status, may_become

RUNNING, STOPPING, STOPPED, FINISHED, FAILED = InvocationStatus


def said_by_the_table(statuses: tuple[InvocationStatus, ...]) -> InvokeStatus:
    """The table of the page: its rows from the top, literally."""
    rows = (
        (InvokeStatus.RUNNING, any(each is RUNNING for each in statuses)),
        (InvokeStatus.STOPPING, any(each is STOPPING for each in statuses)),
        (InvokeStatus.STOPPED, all(each is STOPPED for each in statuses)),
        (InvokeStatus.FAILED, FAILED in statuses and all(each in (FAILED, STOPPED) for each in statuses)),
        (InvokeStatus.FINISHED, FINISHED in statuses and all(each in (FINISHED, STOPPED) for each in statuses)),
        (InvokeStatus.PARTIAL_FAILED, FAILED in statuses and FINISHED in statuses),
    )
    return next(status for status, applies in rows if applies)


@pytest.mark.parametrize("size", range(1, 7))
def test_every_multiset_of_up_to_six_instances(size: int) -> None:
    for statuses in itertools.combinations_with_replacement(InvocationStatus, size):
        assert invoke_status(statuses) is said_by_the_table(statuses), statuses


def test_the_order_of_the_instances_does_not_matter() -> None:
    for statuses in itertools.product(InvocationStatus, repeat=4):
        assert invoke_status(statuses) is invoke_status(sorted(statuses))


def test_an_invocation_has_at_least_one_instance() -> None:
    with pytest.raises(ValueError, match="at least one"):
        invoke_status([])


def test_an_instance_has_the_status_of_its_newest_record_unless_it_is_periodic() -> None:
    """A periodic one is Running until somebody stops it, and Stopping or Stopped from then on."""
    for before, newest in itertools.product(InvocationStatus, repeat=2):
        assert instance_status(before, newest, periodic=False) is newest
        stopped = before is not RUNNING or newest is STOPPING
        expected = RUNNING if not stopped else STOPPED if newest.is_final else STOPPING
        assert instance_status(before, newest, periodic=True) is expected
    for periodic in (False, True):
        assert instance_status(RUNNING, None, periodic=periodic) is RUNNING
        assert instance_status(STOPPING, None, periodic=periodic) is STOPPED


def test_the_values_are_the_words_of_the_api() -> None:
    assert [str(each) for each in InvocationStatus] == ["Running", "Stopping", "Stopped", "Finished", "Failed"]
    assert {f"{each}" for each in InvokeStatus} == {*map(str, InvocationStatus), "PartialFailed"}


def test_legal_moves() -> None:
    legal = {
        (RUNNING, STOPPING), (RUNNING, STOPPED), (RUNNING, FINISHED), (RUNNING, FAILED),
        (STOPPING, STOPPED), (STOPPING, FINISHED), (STOPPING, FAILED),
    }  # fmt: skip
    for pair in itertools.product(InvocationStatus, repeat=2):
        assert may_become(*pair) == (pair in legal), pair


def test_only_an_unanswered_record_is_corrected() -> None:
    for new in InvocationStatus:
        assert may_become(FAILED, new, error_code="ClientNotResponse") == new.is_final
        for code in ("", "DeliveryTimeout", "ExecutionTimeout", "InstanceRestarted"):
            assert not may_become(FAILED, new, error_code=code)
        assert not may_become(FINISHED, new, error_code="ExitCodeNonzero")
