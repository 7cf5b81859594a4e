"""Groups of instances with equal answers, to keep the output of a thousand instances readable."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from assist_cli.model.invocation import InvocationInstance, Outcome, Record
from assist_cli.model.output import Output, Stream
from assist_cli.model.status import NOT_STARTED, InvocationStatus, is_success

SUCCEEDED = "succeeded"
STILL_RUNNING = "still running"


class GroupKey(NamedTuple):
    """The compared part of a record: its outcome and its output, without the record's own id.

    ``why`` is the reason that the instance gave. It is empty for a record that was not sent, so that all unreachable
    agents form one group.
    """

    status: InvocationStatus
    exit_code: int | None
    error_code: str
    why: str
    stdout: bytes
    stderr: bytes
    dropped: int
    is_unstarted: bool

    @property
    def ending(self) -> tuple[InvocationStatus, int | None, str]:
        """Return the outcome without the output."""
        return self.status, self.exit_code, self.error_code


class AnswerGroup(NamedTuple):
    """Instances (their names, in order) with the same answer. ``error_info`` and ``output`` are the first one's."""

    answer: GroupKey
    names: tuple[str, ...]
    error_info: str
    output: Output

    @property
    def is_success(self) -> bool:
        return is_success(self.answer.status, self.answer.exit_code)


class AlikeGroup(NamedTuple):
    """Instances with the same answer, in order and without their output; ``size`` is that of the first one, in bytes.

    For a page that shows few of many outputs.
    """

    places: tuple[InvocationInstance, ...]
    size: int

    @property
    def first(self) -> InvocationInstance:
        return self.places[0]

    @property
    def names(self) -> list[str]:
        return [each.instance_name for each in self.places]

    @property
    def is_success(self) -> bool:
        return self.first.record.is_success


class EndingGroup(NamedTuple):
    """Instances (their names, in order) with the same outcome.

    ``error_info`` is the first one's; of queued records, the reason why they are not delivered yet.
    """

    status: InvocationStatus
    exit_code: int | None
    error_code: str
    is_unstarted: bool
    is_scheduled: bool
    is_queued: bool
    names: tuple[str, ...]
    error_info: str
    is_same_info: bool

    @property
    def is_success(self) -> bool:
        return is_success(self.status, self.exit_code)


def endings(places: Iterable[InvocationInstance]) -> list[EndingGroup]:
    """Group the instances by outcome, without their output: failures last, else the largest group first."""
    found: dict[tuple[InvocationStatus, int | None, str, bool, bool, bool], list[InvocationInstance]] = {}
    for place in places:
        record = place.record
        kind = record.is_unstarted, place.is_scheduled, record.is_queued
        found.setdefault((place.status, record.exit_code, record.error_code, *kind), []).append(place)
    groups = [
        EndingGroup(
            *alike,
            names=tuple(member.instance_name for member in members),
            error_info=_info(members[0].record),
            is_same_info=len({_info(member.record) for member in members}) == 1,
        )
        for alike, members in found.items()
    ]
    return sorted(groups, key=lambda group: (severity(group.status, group.exit_code), -len(group.names)))


def _info(record: Record) -> str:
    return record.wait.why if record.wait is not None and record.is_queued else record.error_info


def gather(places: Iterable[InvocationInstance]) -> list[AnswerGroup]:
    """Group the instances by answer: failures last, else the largest group first. Open records are skipped.

    An instance with missing output bytes stays alone, since these bytes are unknown.
    """
    found: dict[tuple[GroupKey, str], list[InvocationInstance]] = {}
    for place in places:
        if place.record.status.is_final:
            answer = answer_of(place)
            found.setdefault((answer, place.instance_id if answer.dropped else ""), []).append(place)
    groups = [
        AnswerGroup(
            answer=answer,
            names=tuple(member.instance_name for member in members),
            error_info=members[0].record.error_info,
            output=members[0].record.output or Output(),
        )
        for (answer, _), members in found.items()
    ]
    return sorted(groups, key=lambda group: (not group.is_success, -len(group.names)))


def alike(places: Iterable[InvocationInstance]) -> list[AlikeGroup]:
    """Group the instances as ``gather`` does, but the odd ones first: failures, then the smallest groups.

    At most one output is held at a time, so ``places`` may read them one by one.
    """
    found: dict[tuple[bytes, str], list[InvocationInstance]] = {}
    sizes: dict[tuple[bytes, str], int] = {}
    for place in places:
        if place.record.status.is_final:
            answer = answer_of(place)
            key = _digest(answer), place.instance_id if answer.dropped else ""
            found.setdefault(key, []).append(place._replace(record=place.record._replace(output=None)))
            sizes.setdefault(key, len(answer.stdout) + len(answer.stderr))
    groups = [AlikeGroup(tuple(members), sizes[key]) for key, members in found.items()]
    return sorted(groups, key=lambda group: (group.is_success, len(group.places)))


def _digest(answer: GroupKey) -> bytes:
    import hashlib  # a run does not need it

    summary = hashlib.sha256(answer.stdout)
    rest = (len(answer.stdout), answer.ending, answer.why, answer.dropped, answer.is_unstarted)
    summary.update(repr(rest).encode("utf-8", "surrogateescape"))
    summary.update(answer.stderr)
    return summary.digest()


def severity(status: InvocationStatus, exit_code: int | None) -> int:
    """Return the key that sorts failures last: 0 for a success, 1 while it is open, 2 for anything else."""
    return 0 if is_success(status, exit_code) else 2 if status.is_final else 1


def answer_of(place: InvocationInstance) -> GroupKey:
    """Return the answer of an instance.

    Shells name the script's file in their messages, and that name contains the record's id: this is not a difference.
    Equal answers with ``dropped`` bytes are equal in the kept bytes only.
    """
    record = place.record
    output = record.output or Output()
    own = record.id.encode()
    return GroupKey(
        status=record.status,
        exit_code=record.exit_code,
        error_code=record.error_code,
        why=record.error_info.replace(record.id, "") if record.sent else "",
        stdout=output.bytes_of(Stream.STDOUT).replace(own, b""),
        stderr=output.bytes_of(Stream.STDERR).replace(own, b""),
        dropped=output.dropped,
        is_unstarted=record.is_unstarted,
    )


def tally(outcomes: Iterable[Outcome | Record | None]) -> dict[str, int]:
    """Count the outcomes in words, failures last. None counts as "still running"."""
    counts: Counter[str] = Counter()
    severities: dict[str, int] = {}
    for outcome in outcomes:
        how = STILL_RUNNING if outcome is None else in_words(outcome)
        counts[how] += 1
        severities[how] = 1 if outcome is None else severity(outcome.status, outcome.exit_code)
    return dict(sorted(counts.items(), key=lambda each: (severities[each[0]], -each[1])))


def in_words(ended: Outcome | Record | GroupKey) -> str:
    """Return ``succeeded``, ``exit 3``, ``Failed (ExecutionTimeout)``, ``Stopped`` or ``not started``."""
    if ended.status is InvocationStatus.FINISHED:
        return f"exit {ended.exit_code}" if ended.exit_code else SUCCEEDED
    if ended.is_unstarted:
        return NOT_STARTED
    failed = ended.status is InvocationStatus.FAILED and ended.error_code
    return f"{ended.status} ({ended.error_code})" if failed else ended.status.value
