"""A comparison of two invocations of the same command: the instances whose answer has changed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from assist_cli.model.gathering import GroupKey, answer_of
from assist_cli.model.invocation import InvocationInstance
from assist_cli.units import count

_Pair = tuple[GroupKey, GroupKey, str]  # before, after, and the instance where bytes are missing: a group of its own

COMPARED_LINES = 20_000  # of both outputs; a diff of more takes too long


class Difference(NamedTuple):
    """Instances (their names, in order) whose answers have changed in the same way.

    ``before`` and ``after`` are the answers of the first instance. ``stdout`` and ``stderr`` are unified diffs as
    lines, empty where the stream is the same.
    """

    names: tuple[str, ...]
    before: GroupKey
    after: GroupKey
    stdout: tuple[str, ...]
    stderr: tuple[str, ...]


class Comparison(NamedTuple):
    """Names of instances: with the same answer, with another answer, and in one of the invocations only.

    ``not_known`` has instances with the same kept output and the same number of missing bytes, by that number.
    ``not_over`` has instances on which a record has not ended.
    """

    same: tuple[str, ...]
    differences: tuple[Difference, ...]
    not_known: Mapping[int, tuple[str, ...]]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    not_over: tuple[str, ...]

    @property
    def is_different(self) -> bool:
        """Return True if an answer has changed, may have changed, or is in one invocation only."""
        return bool(self.differences or self.not_known or self.only_before or self.only_after)


def compare(
    old: Iterable[InvocationInstance],
    new: Iterable[InvocationInstance],
    whole: Callable[[InvocationInstance], InvocationInstance] = lambda place: place,
) -> Comparison:
    """Compare the newest records of two invocations by instance; the largest group of changes first.

    ``whole`` returns an instance with its output.
    """
    before = {place.instance_id: place for place in old}
    after = {place.instance_id: place for place in new}
    same, not_over = [], []
    not_known: dict[int, list[str]] = defaultdict(list)
    pairs: dict[_Pair, list[str]] = defaultdict(list)
    for instance_id in before.keys() & after.keys():
        left, right = before[instance_id], after[instance_id]
        if not (left.record.status.is_final and right.record.status.is_final):
            not_over.append(right.instance_name)
            continue
        then, now = answer_of(whole(left)), answer_of(whole(right))
        if then != now:
            pairs[then, now, instance_id if then.dropped or now.dropped else ""].append(right.instance_name)
        elif now.dropped:
            not_known[now.dropped].append(right.instance_name)
        else:
            same.append(right.instance_name)
    return Comparison(
        same=tuple(sorted(same)),
        differences=_grouped(pairs),
        not_known={dropped: tuple(sorted(names)) for dropped, names in sorted(not_known.items())},
        only_before=tuple(sorted(before[each].instance_name for each in before.keys() - after.keys())),
        only_after=tuple(sorted(after[each].instance_name for each in after.keys() - before.keys())),
        not_over=tuple(sorted(not_over)),
    )


def _grouped(pairs: Mapping[_Pair, list[str]]) -> tuple[Difference, ...]:
    """Group instances with equal diffs, whatever else they printed. One with missing bytes stays alone."""
    groups: dict[object, list[Difference]] = defaultdict(list)
    for (before, after, alone), names in pairs.items():
        stdout = changed_lines(before.stdout, after.stdout, "stdout")
        stderr = changed_lines(before.stderr, after.stderr, "stderr")
        how = before.ending, after.ending, stdout, stderr, alone
        groups[how].append(Difference(tuple(names), before, after, stdout, stderr))
    found = [
        Difference(
            tuple(sorted(name for each in alike for name in each.names)),
            *(alike[0].before, alike[0].after, alike[0].stdout, alike[0].stderr),
        )
        for alike in groups.values()
    ]
    return tuple(sorted(found, key=lambda each: (-len(each.names), each.names)))


def changed_lines(
    before: bytes, after: bytes, stream: str, sides: tuple[str, str] = ("before", "after")
) -> tuple[str, ...]:
    """Return the unified diff of two outputs."""
    if before == after:
        return ()
    left, right = (data.decode("utf-8", "replace").splitlines() for data in (before, after))
    names = f"{stream} {sides[0]}", f"{stream} {sides[1]}"
    if left == right:
        return (f"--- {names[0]}", f"+++ {names[1]}", "the lines are the same and the bytes are not")
    if len(left) + len(right) > COMPARED_LINES:
        return (f"--- {names[0]}: {count(len(left), 'line')}", f"+++ {names[1]}: {count(len(right), 'line')}")
    return tuple(unified(left, right, *names))


def unified(before: Sequence[str], after: Sequence[str], name_before: str, name_after: str) -> list[str]:
    """Return a unified diff as lines."""
    import difflib

    return list(difflib.unified_diff(before, after, name_before, name_after, lineterm=""))
