"""The window checker: it turns due times into windows, and matches real runs with them (as Jepsen tests Chronos).

Each due time must have its slot and no other may have one. A run in a slot must have reached its
agent within the window, one time, and nothing else may have arrived.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from assist_cli.model import schedule as rules
from assist_cli.model.frequency import Frequency
from assist_cli.model.schedule import Slot, SlotOutcome

ACCEPTED = {SlotOutcome.RAN, SlotOutcome.LATE, SlotOutcome.MADE_UP}


def check(
    slots: Iterable[Slot],
    arrivals: Mapping[str, datetime],
    frequency: Frequency,
    made: datetime,
    end: datetime,
    served: Iterable[tuple[datetime, datetime]],
    slack: timedelta = timedelta(seconds=1),
) -> Counter[SlotOutcome]:
    """Compare the slots of one schedule on one instance with the arrivals. Return the number of each outcome.

    ``arrivals`` are the records that arrived, ``served`` the times with a server. ``slack`` is the tolerance for the
    clocks of the test.
    """
    found = sorted(slots, key=lambda slot: slot.due)
    expected = []
    due = frequency.next(made, made)
    while due is not None and due <= end:
        expected.append(due)
        due = frequency.next(due, made)
    assert [slot.due for slot in found] == expected, "a due time is missing, or there is one too many"
    for slot in found:
        following = frequency.next(slot.due, made)
        limit = slot.due + rules.patience(slot.due, following)
        came = arrivals.get(slot.record_id or "")
        if slot.outcome in ACCEPTED:
            assert came is not None, f"{slot} did not run"
            assert slot.due <= came + slack, f"{slot} ran too early"
            assert slot.outcome is SlotOutcome.MADE_UP or came <= limit + slack, f"{slot} ran too late"
        else:
            assert came is None, f"{slot} ran"
        if slot.outcome is SlotOutcome.MISSED_DOWN:
            there = any(begin + slack <= slot.due <= until - slack for begin, until in served)
            assert not there, f"{slot} was missed while somebody served"
    run = {slot.record_id for slot in found if slot.outcome in ACCEPTED}
    assert arrivals.keys() == run, "something ran that no due time asked for"
    return Counter(slot.outcome for slot in found)
