"""The window checker: due times become windows, and what really ran is matched with them (Jepsen's test of Chronos).

Each due time must have its line in the ledger and no other may have one; what the ledger says ran must have come to its
agent within the window, once, and nothing else may have come.
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
    """Hold the ledger of one schedule on one instance against what came; how often there was which outcome.

    ``arrivals`` are the records of the schedule that came, ``served`` when there was a server. ``slack`` is what the
    clocks of the test may differ.
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
