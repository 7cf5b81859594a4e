"""Firings agree with independent implementations, cronsim and croniter, wherever both define the answer.

Both are asked in UTC and start at the same moment; changes of clocks have tests of their own. Intended differences
are in a test here, and in docs/frequency.md.
"""

from __future__ import annotations

import itertools
import random
from datetime import datetime, timezone

import pytest
from croniter import CroniterBadDateError, croniter
from cronsim import CronSim, CronSimError

from assist_cli.model.frequency import restore
from tests.support.expressions import expression

FIRINGS = 2


def ours(text: str, start: datetime, count: int = FIRINGS) -> list[datetime]:
    return [each.time for each in restore(text, "UTC").upcoming(start, start, count)]


def theirs(text: str, start: datetime, count: int = FIRINGS) -> list[datetime]:
    """Their firings up to 2099. For one that never fires they raise, or return nothing within 50 years."""
    try:
        found = list(itertools.islice(CronSim(text, start), count))
    except CronSimError:
        return []
    return [each for each in found if each.year <= 2099]


def differs_on_purpose(text: str) -> bool:
    """A day field that starts with a star and restricts: there both must match, here either may."""
    *_, day_of_month, _, day_of_week = text.split()
    given = day_of_month != "*" and day_of_week != "*"
    return given and (day_of_month.startswith("*") or day_of_week.startswith("*"))


def agree(seed: int, number: int) -> int:
    chance = random.Random(seed)
    compared = 0
    while compared < number:
        text = expression(chance)
        if differs_on_purpose(text):
            continue
        start = datetime.fromtimestamp(chance.randrange(1_770_000_000, 2_500_000_000), timezone.utc)
        assert ours(text, start) == theirs(text, start), f"{text} from {start}"
        compared += 1
    return compared


def test_some_expressions_agree() -> None:
    assert agree(seed=6_999, number=300) == 300


@pytest.mark.parametrize(
    "number", [pytest.param(100, id="some"), pytest.param(3000, id="many", marks=pytest.mark.long)]
)
def test_days_agree_with_croniter(number: int) -> None:
    """One way to name a day, in plain values: the only one where croniter is right."""
    chance = random.Random(6_998)
    for _ in range(number):
        months = ",".join(map(str, sorted(chance.sample(range(1, 13), chance.randint(1, 4)))))
        of_month = ",".join(map(str, sorted(chance.sample(range(1, 32), chance.randint(1, 4)))))
        weekday = chance.randint(0, 6)
        of_week = chance.choice([f"{weekday}", f"L{weekday}", f"{weekday}#{chance.randint(1, 5)}"])
        text = chance.choice([f"0 0 {of_month} {months} *", f"0 0 L {months} *", f"0 0 * {months} {of_week}"])
        start = datetime.fromtimestamp(chance.randrange(1_770_000_000, 2_500_000_000), timezone.utc)
        try:
            wanted = [croniter(text, start, max_years_between_matches=60).get_next(datetime)]
        except CroniterBadDateError:
            wanted = []
        assert ours(f"0 {text}", start, 1) == wanted, f"{text} from {start}"


@pytest.mark.long
@pytest.mark.parametrize("part", range(4))
def test_ten_thousand_expressions_agree(part: int) -> None:
    assert agree(seed=7_000 + part, number=2_500) == 2_500


@pytest.mark.parametrize(
    ("text", "here", "there"),
    [
        # "Both day fields given: either may fit." A step is given; for cronsim, as for Debian, a star is not.
        ("0 0 0 */2 * MON", [3, 5, 7], [5, 19, 9]),
        # A step from a value goes to the end of the week, which has seven days; for cronsim it has eight.
        ("0 0 0 * * 1/2", [2, 5, 7], [2, 4, 5]),
        # A range of one value is that value; for cronsim it is the start of a range that goes to the end.
        ("0 0 0 10-10/7 * *", [10, 10, 10], [10, 17, 24]),
    ],
)
def test_intended_differences(text: str, here: list[int], there: list[int]) -> None:
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    assert [each.day for each in ours(text, start, 3)] == here
    assert [each.day for each in theirs(text, start, 3)] == there
