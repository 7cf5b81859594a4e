"""The fine statuses and the five of Assist: one table, in both directions."""

from __future__ import annotations

import itertools
import re
from datetime import datetime, timezone
from pathlib import Path

import pytest

from assist_cli.model import fine as statuses
from assist_cli.model.fine import PLAIN, Fine
from assist_cli.model.invocation import Record, Wait
from assist_cli.model.status import InvocationStatus, invoke_status

NOW = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
WAIT = Wait(NOW, NOW, "away")
ERRORS = Path(__file__).resolve().parents[2] / "docs" / "errors.md"


def record(status: InvocationStatus, **more: object) -> Record:
    return Record("r-1", "i-1", 1, status, NOW, **more)  # type: ignore[arg-type]


RECORDS = [
    (Fine.PENDING, record(InvocationStatus.RUNNING)),
    (Fine.RUNNING, record(InvocationStatus.RUNNING, sent=NOW)),
    (Fine.PENDING, record(InvocationStatus.RUNNING, wait=WAIT, deliver_by=NOW)),
    (Fine.PENDING, record(InvocationStatus.RUNNING, wait=WAIT, deliver_by=NOW, sent=NOW)),
    (Fine.RUNNING, record(InvocationStatus.RUNNING, wait=WAIT, deliver_by=NOW, sent=NOW, accepted=True)),
    (Fine.SUCCESS, record(InvocationStatus.FINISHED, exit_code=0)),
    (Fine.FAILED, record(InvocationStatus.FINISHED, exit_code=3, error_code="ExitCodeNonzero")),
    (Fine.TIMEOUT, record(InvocationStatus.FAILED, error_code="ExecutionTimeout")),
    (Fine.ERROR, record(InvocationStatus.FAILED, error_code="ExecutionException")),
    (Fine.ERROR, record(InvocationStatus.FAILED, error_code="ClientNotResponse")),
    (Fine.ERROR, record(InvocationStatus.FAILED, error_code="InstanceRestarted")),
    (Fine.INVALID, record(InvocationStatus.FAILED, error_code="CommandNotApplicable")),
    (Fine.ABORTED, record(InvocationStatus.FAILED, error_code="DeliveryTimeout")),
    (Fine.STOPPING, record(InvocationStatus.STOPPING, sent=NOW)),
    (Fine.CANCELLED, record(InvocationStatus.STOPPED)),
    (Fine.TERMINATED, record(InvocationStatus.STOPPED, started=NOW)),
]


@pytest.mark.parametrize(("fine", "record"), RECORDS)
def test_each_record_has_one_fine_status_of_its_own_status(fine: Fine, record: Record):
    assert statuses.of_record(record) is fine
    assert PLAIN[fine] is record.status


def test_every_fine_status_of_a_record_has_one_of_the_five():
    assert set(PLAIN) == set(Fine) - {Fine.STOPPED, Fine.PARTIAL_FAILED}
    assert {fine for fine, _ in RECORDS} == set(PLAIN) - {Fine.SCHEDULED}


def test_every_code_of_a_failed_record_has_a_fine_status_that_is_failed():
    told = ERRORS.read_text().partition("## Codes of a record")[2].partition("## Errors of the program")[0]
    codes = set(re.findall(r"^\| `(\w+)`", told, re.MULTILINE))
    assert len(codes) > 15
    for code in codes:
        fine = statuses.of_record(record(InvocationStatus.FAILED, error_code=code))
        assert PLAIN[fine] is InvocationStatus.FAILED, code


def test_a_whole_invocation_is_the_same_in_both_tables():
    """The two tables agree for every combination of up to three instances."""
    agreeing = {
        "Running": {Fine.RUNNING, Fine.PENDING, Fine.SCHEDULED},
        "Stopping": {Fine.STOPPING},
        "Stopped": {Fine.STOPPED},
        "Failed": {Fine.FAILED},
        "Finished": {Fine.SUCCESS, Fine.FAILED, Fine.PARTIAL_FAILED},  # by the exit codes
        "PartialFailed": {Fine.PARTIAL_FAILED, Fine.FAILED},
    }
    for size in (1, 2, 3):
        for combination in itertools.combinations_with_replacement(PLAIN, size):
            plain = invoke_status(PLAIN[fine] for fine in combination)
            assert statuses.of_all(combination) in agreeing[plain.value], (combination, plain)


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([Fine.SUCCESS, Fine.CANCELLED], Fine.SUCCESS),
        ([Fine.SUCCESS, Fine.FAILED], Fine.PARTIAL_FAILED),
        ([Fine.TIMEOUT, Fine.TERMINATED], Fine.FAILED),
        ([Fine.INVALID, Fine.ABORTED, Fine.ERROR], Fine.FAILED),
        ([Fine.TERMINATED, Fine.CANCELLED], Fine.STOPPED),
        ([Fine.SUCCESS, Fine.PENDING], Fine.PENDING),
        ([Fine.STOPPING, Fine.SUCCESS], Fine.STOPPING),
    ],
)
def test_a_whole_invocation_in_fine_statuses(parts: list[Fine], whole: Fine):
    assert statuses.of_all(parts) is whole
