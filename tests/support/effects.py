"""The effects of scripts, compared with the history: nothing runs twice, and every outcome is true.

Each script appends the id of its record to a file of effects. Every record has at most one line there, a Finished one
has exactly one, and one that was reported as not delivered has none.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Collection
from pathlib import Path

from assist_cli.model.invocation import Record
from assist_cli.model.status import InvocationStatus
from assist_cli.operations.controller import open_controller
from assist_cli.operations.history import history
from assist_cli.paths import Home
from assist_cli.store import checkup, invocations, records

GUARD = 120.0


def script(effects: Path, body: str = "echo done") -> str:
    return f'echo "$ASSIST_RECORD_ID" >> {effects}; {body}'


def assert_consistent(home: Path) -> None:
    with open_controller(Home(home)) as controller:
        assert checkup.faults(controller.database) == []
        assert checkup.disagreements(controller.database) == []


def settled(home: Path) -> list[Record]:
    """Return all records with their output, after reconciling until every one has ended."""
    end = time.monotonic() + GUARD
    with open_controller(Home(home)) as controller:
        while True:
            listed = history.summaries(controller, limit=None)
            if not records.unsettled(controller.database):
                break
            assert time.monotonic() < end, listed
            time.sleep(0.3)  # a record that was cut off while it was sent counts as lost after 5 s
        return [
            record
            for one in listed
            for place in history.show(controller, one.invocation.id, output=False).instances
            for record in invocations.records(controller.database, one.invocation.id, place.instance_id)
        ]


def assert_true(
    found: list[Record],
    effects: Path,
    output: bytes = b"done\n",
    *,
    undelivered: Collection[str] = ("DeliveryTimeout",),
) -> None:
    """Check the outcomes of all records; ``undelivered`` are the codes of those that may not have run."""
    ran = collections.Counter(effects.read_text().split())
    assert set(ran.values()) <= {1}, "a record ran twice"
    for record in found:
        if record.status is InvocationStatus.FINISHED:
            assert record.id in ran
            assert record.output is not None
            assert record.output.data == output
        else:
            assert record.status is InvocationStatus.FAILED
            assert record.error_code in undelivered, (record.error_code, record.error_info)
            assert record.id not in ran
    assert ran.keys() <= {record.id for record in found}
