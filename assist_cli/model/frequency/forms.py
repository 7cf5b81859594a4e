"""The forms of a frequency: rate, cron and at (docs/rules.md section 6)."""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal

from assist_cli import codes
from assist_cli.errors import InvalidParameter
from assist_cli.model import quotas
from assist_cli.model.frequency import fields
from assist_cli.model.frequency.cron import Cron, Gap, cron_of
from assist_cli.model.frequency.shorthand import NAMED, completed, hint, is_of_twelve_hours
from assist_cli.model.frequency.zone import DAY, Zone, is_zone, zone_of

LONGEST_TEXT = 1000
LONGEST_DAYS = 1000  # between two firings of a rate, as in the original's agent

_RATE = re.compile(r"rate\(\s*(\d{1,9}(?:\.\d{1,9})?)\s*([smhd])\s*\)", re.ASCII | re.IGNORECASE)
_AT = re.compile(r"at\((?P<inside>[^()]*)\)(?P<outside>[^()]*)", re.ASCII | re.IGNORECASE)
_MOMENT = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:(?:T|\s+)(\d{1,2}):(\d{2})(?::(\d{2}))?)?(?:\s*(Z|[+-]\d{2}:?\d{2})|\s+(\S+))?",
    re.ASCII,
)
_FORM = re.compile(r"\s*(?:(?:CRON_)?TZ=\S*\s+)?(rate|at)\b", re.IGNORECASE)

_ZONE_FIRST = re.compile(r"(?:CRON_)?TZ=(.*)", re.IGNORECASE)
_LATEST = datetime(fields.LAST_YEAR + 1, 1, 1, tzinfo=timezone.utc)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": DAY}
_HELP = "assist help frequency has all forms"


@dataclass(frozen=True)
class Rate:
    """A fixed interval from each firing to the next."""

    interval: timedelta

    def next(self, after: datetime, anchor: datetime) -> datetime | None:
        passed = max((after - anchor) // self.interval, 0)
        try:
            following = anchor + (passed + 1) * self.interval
        except OverflowError:
            return None
        return following if following < _LATEST else None


@dataclass(frozen=True)
class Once:
    """One moment."""

    moment: int

    def first(self, start: int) -> int | None:
        return self.moment if self.moment >= start else None


@dataclass(frozen=True)
class Firing:
    """A firing: its time, the local time in its zone, and a note if the clocks change on that day.

    ``note`` is ``gap`` when times near it are skipped, and ``overlap`` when they repeat. These are the civil times from
    ``span[0]`` until before ``span[1]``.
    """

    time: datetime
    local: datetime
    note: str | None = None
    span: tuple[datetime, datetime] | None = None

    @property
    def hours(self) -> str | None:
        """Return the span as ``02:00-03:00``."""
        return None if self.span is None else f"{self.span[0]:%H:%M}-{self.span[1]:%H:%M}"


@dataclass(frozen=True)
class Frequency:
    """The frequency of a schedule. It has no clock: each moment is passed in, and results are in UTC.

    ``text`` is its form in the database and for people: ``rate(30s)``, ``0 */5 * * * *``, ``at(2026-12-01 02:00:00)``.
    ``timezone`` is the zone of its civil times (``Asia/Shanghai``, ``UTC``, ``GMT+8:00``), and None for a rate.
    ``restore`` creates it from these two again. ``is_elapsed``: it counts elapsed time, which no clock setting changes.
    """

    text: str
    timezone: str | None
    rule: Rate | Cron | Once = field(repr=False, compare=False)
    is_elapsed: bool = field(default=False, compare=False)

    @property
    def is_once(self) -> bool:
        """Return True if it fires only one time: ``at(…)``."""
        return isinstance(self.rule, Once)

    @property
    def instant(self) -> datetime | None:
        """Return the moment of a one-time frequency; None for a periodic one."""
        return datetime.fromtimestamp(self.rule.moment, timezone.utc) if isinstance(self.rule, Once) else None

    @property
    def remarks(self) -> list[str]:
        """Return remarks on an expression that often means something else than its author expects."""
        if not isinstance(self.rule, Cron):
            return []
        found = []
        if self.rule.fields.has_both_days:
            found.append("Both day fields are given: a day on which either of them matches is due.")
        if self.rule.fields.has_weekday_numbers:
            found.append("Weekday numbers are 0-7 from Sunday: 1 is Monday, and not Sunday as in Quartz (1-7).")
        return found

    @property
    def expression(self) -> str:
        """Return it with its zone, as a person would write it and ``parse`` reads it."""
        return expression(self.text, self.timezone)

    def next(self, after: datetime, anchor: datetime) -> datetime | None:
        """Return the first firing later than ``after``; None after the last one.

        ``anchor`` is the moment of creation. A rate counts its intervals from it, and first fires one interval
        later. The other forms ignore it.
        """
        if isinstance(self.rule, Rate):
            return self.rule.next(after, anchor)
        found = self.rule.first(math.floor(after.timestamp()) + 1)
        return None if found is None else datetime.fromtimestamp(found, timezone.utc)

    def upcoming(self, after: datetime, anchor: datetime, count: int, *, zone: str = "UTC") -> list[Firing]:
        """Return at most ``count`` firings later than ``after``, in order. Local times of a rate are in ``zone``."""
        clock = zone_of(self.timezone or zone)
        firings: list[Firing] = []
        while len(firings) < count and (following := self.next(after, anchor)) is not None:
            firings.append(_firing(following, clock, marked=self.timezone is not None))
            after = following
        return firings

    def smallest_gap(self, after: datetime) -> timedelta:
        """Return the minimum time between successive firings, from the day of ``after`` on.

        For a rate it is the interval, else at most a day, computed from the civil fields without changes of the clocks.
        """
        if isinstance(self.rule, Rate):
            return self.rule.interval
        gap = _smallest_gap(self.rule, after, below=DAY) if isinstance(self.rule, Cron) else None
        return timedelta(seconds=gap.seconds if gap else DAY)


def parse(text: str, *, zone: str, now: datetime) -> Frequency:
    """Parse a frequency as people write it: ``rate(5m)``, a cron expression, ``at(2026-12-01 02:00:00)``.

    ``zone`` is the time zone of an expression that names none. Raises InvalidParameter (InvalidFrequency) for a text
    that is invalid, never fires or is in the past at ``now``, and QuotaExceeded (IntervalExceedLimit) for firings less
    than 10 s apart.
    """
    frequency = restore(text, zone)
    _check(frequency, now)
    return frequency


def restore(text: str, timezone: str | None) -> Frequency:
    """Create a frequency from its stored ``text`` and ``timezone``. Its form is checked, its firings are not.

    So a frequency in the past is accepted. Raises InvalidParameter.
    """
    if len(text) > LONGEST_TEXT:
        raise _unreadable(text[:40] + "…", f"it is longer than {LONGEST_TEXT} characters")
    _check_characters(text)
    form = _FORM.match(text)
    if form and form[1].lower() == "rate":
        return _rate(text.strip())
    if form:
        found = _AT.fullmatch(text.strip())
        if found is None:
            raise _unreadable(text, "its form is at(2026-12-01 02:00:00), with or without a time zone at the end")
        return _at(" ".join((found["inside"] + " " + found["outside"]).split()), timezone, text)
    return _cron(text, timezone)


def every(seconds: float) -> Frequency:
    """Return a rate of this number of seconds. Raises InvalidParameter, and QuotaExceeded for less than 10."""
    if not float(seconds).is_integer():
        raise _unreadable(f"{seconds:,.15g} s", "it is not a whole number of seconds")
    if seconds > LONGEST_DAYS * DAY:
        raise _unreadable(f"{seconds:,.15g} s", f"at most {LONGEST_DAYS} days can lie between two firings")
    unit, length = next((unit, length) for unit, length in reversed(_UNITS.items()) if seconds % length == 0)
    return _rate(f"rate({int(seconds) // length}{unit})")


def cron(expression: str, *, zone: str, now: datetime) -> Frequency:
    """Parse a cron expression; a zone may follow it. Raises as ``parse`` does."""
    _check_characters(expression)
    frequency = _cron(expression, zone)
    _check(frequency, now)
    return frequency


def at(moment: str, *, zone: str, now: datetime) -> Frequency:
    """Parse a civil time such as ``2026-12-01 02:00``; a zone may follow it. Raises as ``parse`` does.

    A time without a date, as ``02:00``, is the next such time.
    """
    _check_characters(moment)
    frequency = _at(completed(moment, zone, now), zone, moment)
    _check(frequency, now)
    return frequency


def after(seconds: float, *, zone: str, now: datetime) -> Frequency:
    """Return a one-time frequency, ``seconds`` after ``now``, rounded up to a second. Raises InvalidParameter."""
    if seconds >= (_LATEST - now).total_seconds():
        raise _unreadable(f"in {seconds:,.15g} s", f"that is after the year {fields.LAST_YEAR}")
    return replace(once(now + timedelta(seconds=seconds), zone=zone), is_elapsed=True)


def once(moment: datetime, *, zone: str) -> Frequency:
    """Return a one-time frequency for a known moment, rounded up to a second. Raises InvalidParameter.

    In the second pass of a repeated span its zone is the offset, since the civil time alone would mean the first pass.
    """
    clock = zone_of(zone)
    second = math.ceil(moment.timestamp())
    civil = second + clock.offset(second)
    if clock.moment(civil) != second:
        clock = zone_of(_offset_name(civil - second))
    text = f"{_civil(civil):%Y-%m-%d %H:%M:%S}"
    _check_year(_civil(civil), text)
    return Frequency(f"at({text})", clock.name, Once(second))


def expression(text: str, timezone: str | None) -> str:
    """Return a frequency with its zone, as a person would write it: inside the brackets of ``at(…)``."""
    if timezone is None:
        return text
    return f"{text[:-1]} {timezone})" if text.endswith(")") else f"{text} {timezone}"


@functools.lru_cache(maxsize=1024)
def stored(text: str, timezone: str | None, instant: datetime | None, is_elapsed: bool) -> Frequency:
    """Return a stored frequency. A one-time one has its ``instant`` and needs no zone. Raises InvalidParameter."""
    if instant is None:
        return restore(text, timezone)
    return Frequency(text, timezone, Once(math.ceil(instant.timestamp())), is_elapsed)


def _rate(text: str) -> Frequency:
    found = _RATE.fullmatch(text)
    if found is None:
        raise _unreadable(text, "a rate is a number with s, m, h or d, as in rate(5m), and has no time zone")
    exact = Decimal(found[1]) * _UNITS[found[2].lower()]
    if exact % 1:
        raise _unreadable(text, "it is not a whole number of seconds")
    seconds = int(exact)
    quotas.check_interval(seconds)
    if seconds > LONGEST_DAYS * DAY:
        raise _unreadable(text, f"at most {LONGEST_DAYS} days can lie between two firings")
    if "." in found[1]:
        return every(seconds)
    text = f"rate({int(found[1])}{found[2].lower()})"
    return Frequency(text, None, Rate(timedelta(seconds=seconds)), is_elapsed=True)


def _at(text: str, zone: str | None, said: str) -> Frequency:
    found = _MOMENT.fullmatch(text.strip())
    if found is None or is_of_twelve_hours(text):
        raise _unreadable(said, "a moment is written as 2026-12-01 02:00:00, with or without a time zone at the end")
    clock = _clock(found[7] or found[8], zone)
    try:
        civil = datetime(*(int(found[group] or 0) for group in range(1, 7)))  # type: ignore[arg-type]
    except ValueError:
        raise _unreadable(said, "there is no such date or time") from None
    _check_year(civil, said)
    moment = clock.moment(int(civil.replace(tzinfo=timezone.utc).timestamp()))
    return Frequency(f"at({civil:%Y-%m-%d %H:%M:%S})", clock.name, Once(moment))


def _check_year(civil: datetime, text: str) -> None:
    if not fields.FIRST_YEAR <= civil.year <= fields.LAST_YEAR:
        raise _unreadable(text, f"the year is not from {fields.FIRST_YEAR} to {fields.LAST_YEAR}")


def _cron(text: str, zone: str | None) -> Frequency:
    if "(" in text:
        raise _unreadable(text, "a cron expression has no parentheses")
    words = text.split()
    zones = [found[1] for word in words[:1] if (found := _ZONE_FIRST.fullmatch(word))]
    words = words[len(zones) :]
    while words and _is_zone(words[-1]):
        zones.append(words.pop())
    if len(zones) > 1:
        raise _unreadable(text, f"it names more than one time zone: {', '.join(zones)}")
    if len(words) == 1 and words[0].startswith("@"):
        if words[0].lower() not in NAMED:
            raise _unreadable(text, f"the names are {', '.join(NAMED)}")
        words = NAMED[words[0].lower()].split()
    if len(words) == 8 and not zones:
        zones.append(words.pop())
    if not 5 <= len(words) <= 7:
        raise _unreadable(
            text,
            f"a cron expression has 6 fields (second minute hour day-of-month month day-of-week), 7 with the year or 5 "
            f"without the second, and this has {len(words)}",
        )
    clock = _clock(zones[0] if zones else None, zone)
    words = [word.upper() if word.isascii() else word for word in words]  # else a dotless i would become an I
    rule = cron_of(fields.read(words), clock)
    return Frequency(" ".join(words if len(words) > 5 else ["0", *words]), clock.name, rule)


def _is_zone(word: str) -> bool:
    """Return True if a word is a zone and not a field: it looks like a zone, or a zone has this name."""
    letters = re.match("[A-Za-z]*", word)
    assert letters is not None
    if letters[0].upper() in fields.DAY_NAMES:
        return False
    return (len(letters[0]) > 1 and "/" in word) or letters[0].upper() in ("GMT", "UTC") or is_zone(word)


def _clock(named: str | None, zone: str | None) -> Zone:
    return zone_of(zone or "UTC" if named is None else named)


def _offset_name(offset: int) -> str:
    """Return the name of the zone that is always this number of seconds ahead of UTC."""
    hours, minutes = divmod(abs(offset) // 60, 60)
    return f"GMT{'-' if offset < 0 else '+'}{hours}:{minutes:02}"


def _check_characters(text: str) -> None:
    """Raise InvalidParameter for a character that looks like a space or is invisible."""
    for character in text:
        if character not in " \t\r\n" and (character.isspace() or not character.isprintable()):
            raise _unreadable(text, f"the character U+{ord(character):04X} has no meaning in it")


def _check(frequency: Frequency, now: datetime) -> None:
    """Raise Refused for a frequency that never fires, fires too often, or is in the past."""
    rule = frequency.rule
    if isinstance(rule, Cron):
        _check_days(rule, frequency)
        gap = _smallest_gap(rule, now, below=quotas.INTERVAL.limit)
        if gap is not None:
            quotas.check_interval(
                gap.seconds,
                f"the second field '{rule.fields.texts['second']}' fires at {_civil(gap.first)} and at "
                f"{_civil(gap.second)}",
            )
    if not isinstance(rule, Rate) and frequency.next(now, now) is None:
        raise InvalidParameter(
            f"cannot use the frequency '{frequency.expression}': it is in the past",
            code=codes.INVALID_FREQUENCY,
            hint=f"give a time in the future: it is {now:%Y-%m-%d %H:%M:%S} UTC now",
        )


def _smallest_gap(rule: Cron, after: datetime, below: int) -> Gap | None:
    start = math.floor(after.timestamp())
    return rule.smallest_gap(start + rule.zone.offset(start), below)


def _check_days(rule: Cron, frequency: Frequency) -> None:
    if rule.days.first(0) is None:
        texts = rule.fields.texts
        raise InvalidParameter(
            f"cannot use the frequency '{frequency.text}': it never fires, since no day up to {fields.LAST_YEAR} is "
            + " and ".join(f"{name} {text}" for name, text in texts.items() if name != "second" and text not in "*?"),
            code=codes.INVALID_FREQUENCY,
            hint="change one of these fields; L is the last day of each month",
        )


def _firing(moment: datetime, zone: Zone, *, marked: bool) -> Firing:
    second = math.floor(moment.timestamp())
    offset = timedelta(seconds=zone.offset(second))
    local = moment.astimezone(timezone(offset))
    if marked:
        for change in zone.changes(second - 2 * DAY, second + 2 * DAY):
            start, end = map(_civil, change.span)
            is_end = change.is_gap and change.at == second  # the end of a gap may be another day
            if is_end or start.date() <= local.date() <= (end - timedelta(seconds=1)).date():
                return Firing(moment, local, "gap" if change.is_gap else "overlap", (start, end))
    return Firing(moment, local)


def _civil(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)


def _unreadable(text: str, reason: str) -> InvalidParameter:
    return InvalidParameter(
        f"cannot use the frequency '{text}': {reason}", code=codes.INVALID_FREQUENCY, hint=f"{hint(text)}{_HELP}"
    )
