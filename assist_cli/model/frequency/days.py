"""On which days a cron expression is due: the one home of croniter.

croniter is asked for days only, in civil time, and for one way to name them at a time. There it is sound; what it does
in other places is not what docs/rules.md section 6 says: the shorter of two ways decides when the day is an ``n``-th
weekday, firings are lost or come twice where clocks change, an expression is read anew each time at 150 µs.
"""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from assist_cli.model.frequency.fields import FIRST_YEAR, LAST_YEAR, Fields
from assist_cli.model.frequency.zone import DAY

if TYPE_CHECKING:
    from croniter import croniter

_EPOCH = date(1970, 1, 1).toordinal()
_LAST = date(LAST_YEAR, 12, 31).toordinal() - _EPOCH


@dataclass(frozen=True)
class Days:
    """Days, counted from 1970-01-01, on which an expression is due. Without ``expressions`` every day is one."""

    expressions: tuple[str, ...]
    last: int

    def first(self, day: int) -> int | None:
        """The first of these days that is not before ``day``."""
        if day > self.last:
            return None
        if not self.expressions:
            return day
        found = [first for each in self.expressions if (first := _first(each, day)) is not None]
        return min(found, default=None)


def days_of(fields: Fields) -> Days:
    """The days that an expression names."""
    last = date(fields.years[-1], 12, 31).toordinal() - _EPOCH
    if not fields.days and len(fields.months) == 12 and fields.every_year:
        return Days((), last)
    months = ",".join(map(str, fields.months)) if len(fields.months) < 12 else "*"
    years = "" if fields.every_year else " 0 " + ",".join(map(str, fields.years))
    ways = fields.days or (("*", "*"),)
    return Days(tuple(f"0 0 {of_month} {months} {of_week}{years}" for of_month, of_week in ways), last)


@functools.lru_cache(maxsize=4096)
def _first(expression: str, day: int) -> int | None:
    from croniter import CroniterBadDateError

    try:
        # One that is asked changes, and these are shared.
        moment = copy.copy(_croniter(expression)).get_next(float, start_time=day * DAY - 1)
    except CroniterBadDateError:
        return None
    found = int(moment) // DAY
    return found if found <= _LAST else None


@functools.lru_cache(maxsize=1024)
def _croniter(expression: str) -> croniter:
    from croniter import croniter

    return croniter(expression, 0, max_years_between_matches=LAST_YEAR - FIRST_YEAR + 1)
