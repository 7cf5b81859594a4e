"""States of the domain in words, with their meaning, and a shape for each meaning.

A state never depends on its colour alone. A screen reader reads the words, and not the shape.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from assist_cli.model.enrolment import OPEN, USED_UP
from assist_cli.model.gathering import SUCCEEDED, EndingGroup, in_words
from assist_cli.model.instance import Health, Instance
from assist_cli.model.invocation import Invocation, InvocationInstance, Record, RepeatMode
from assist_cli.model.schedule import Schedule
from assist_cli.model.status import QUEUED, SCHEDULED, WAITING, InvocationStatus
from assist_cli.model.summary import InstanceCounts, State, Summary, Verdict, instance_counts, state_of
from assist_cli.units import due

SHAPES = {
    Verdict.GOOD: "✓",
    Verdict.BAD: "✗",
    Verdict.ODD: "▲",
    Verdict.BUSY: "◐",
    Verdict.PLAIN: "○",
}


def of_summary(summary: Summary) -> State:
    """Return the state of an invocation in a list."""
    return state_of(summary.invocation.status, summary.kinds, summary.exit_code)


def of_invocation(found: Invocation, schedule: Schedule | None, now: datetime) -> State:
    """Return the state of an invocation, with its next due time if it has a schedule."""
    if schedule is not None:
        if schedule.paused is not None:
            return State("Paused", Verdict.ODD)
        if schedule.upcoming is None:
            return State("Error", Verdict.BAD)
        return State(f"{SCHEDULED}, next {due(schedule.upcoming, now)}", Verdict.BUSY)
    codes = [each.record.exit_code for each in found.instances if each.record.exit_code is not None]
    kinds = InstanceCounts() if found.repeat_mode is RepeatMode.PERIOD else instance_counts(found.instances)
    return state_of(found.status, kinds, max(codes, default=None))


def of_health(health: Health | None) -> State:
    """Return the state of an agent; None if it was not queried."""
    if health is None:
        return State("not checked", Verdict.PLAIN)
    return State("online", Verdict.GOOD) if health.is_online else State("offline", Verdict.BAD)


def of_record(record: Record) -> State:
    """Return the state of a record."""
    if not record.status.is_final:
        waits = QUEUED if record.is_queued else WAITING if record.is_unsent else record.status.value
        return State(waits, Verdict.BUSY)
    if record.is_success:
        return State("exit 0", Verdict.GOOD)
    verdict = Verdict.BAD if record.status is InvocationStatus.FAILED else Verdict.ODD
    return State(in_words(record), verdict)


def of_place(place: InvocationInstance) -> State:
    """Return the state of an invocation on one instance."""
    return State(SCHEDULED, Verdict.BUSY) if place.is_scheduled else of_record(place.record)


def of_enrolment(state: str) -> State:
    """Return the state of an enrolment."""
    return State(state, Verdict.GOOD if state == OPEN else Verdict.PLAIN if state == USED_UP else Verdict.ODD)


def of_ending(group: EndingGroup) -> State:
    """Return the state of instances with the same outcome of a file."""
    if group.is_queued or not group.status.is_final:
        return State(QUEUED if group.is_queued else group.status.value, Verdict.BUSY)
    if group.is_success:
        return State(SUCCEEDED, Verdict.GOOD)
    verdict = Verdict.BAD if group.status is InvocationStatus.FAILED else Verdict.ODD
    return State(f"{group.status.value} ({group.error_code})" if group.error_code else group.status.value, verdict)


def frequent_tags(instances: Iterable[Instance], others: Iterable[str] = ()) -> list[str]:
    """Return the tags of the instances as targets, the most frequent ones first, then ``others``."""
    numbers = Counter(itertools.chain.from_iterable(each.tags.items() for each in instances))
    words = {f"@{key}={value}" if value else f"@{key}": number for (key, value), number in numbers.items()}
    words = {**dict.fromkeys(others, 0), **words}
    return sorted(words, key=lambda word: (-words[word], word))
