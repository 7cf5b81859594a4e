"""Time zones, and the changes of their clocks.

zoneinfo knows the offset at a moment, but not when it changes. So each stretch of a year is searched for changes one
time, and these are cached. A change is found when its offset lasts for a day; the shortest that a zone has had in this
century is some weeks.
"""

from __future__ import annotations

import difflib
import functools
import re
import zoneinfo
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo

from assist_cli import codes
from assist_cli.errors import InvalidParameter

DAY = 86_400
LONGEST_NAME = 64
_STRETCH = 366 * DAY
_GMT = re.compile(r"GMT([+-])(\d{1,2})(?::(\d{2}))?", re.ASCII | re.IGNORECASE)
_ISO = re.compile(r"([+-]\d{2})(?::?(\d{2}))?", re.ASCII)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+\-]*(?:/[A-Za-z0-9_+\-]+)*", re.ASCII)
_UTC = re.compile(r"UTC([+-])(\d{1,2})(?::?(\d{2}))?", re.ASCII | re.IGNORECASE)
LONGER = 5  # letters that are too many for an abbreviation
_ABBREVIATION_ROWS = {
    "CEST": "Europe/Berlin",
    "BST": "Europe/London",
    "WEST": "Europe/Lisbon",
    "EEST": "Europe/Athens",
    "MSK": "Europe/Moscow",
    "TRT": "Europe/Istanbul",
    "EDT": "America/New_York",
    "CDT": "America/Chicago",
    "MDT": "America/Denver",
    "PST PDT PT": "America/Los_Angeles",
    "AKST AKDT": "America/Anchorage",
    "AST ADT": "America/Halifax",
    "BRT": "America/Sao_Paulo",
    "CST": "America/Chicago Asia/Shanghai",
    "IST": "Asia/Kolkata Europe/Dublin Asia/Jerusalem",
    "JST": "Asia/Tokyo",
    "KST": "Asia/Seoul",
    "HKT": "Asia/Hong_Kong",
    "SGT": "Asia/Singapore",
    "PHT": "Asia/Manila",
    "ICT": "Asia/Bangkok",
    "WIB": "Asia/Jakarta",
    "PKT": "Asia/Karachi",
    "GST": "Asia/Dubai",
    "AWST": "Australia/Perth",
    "ACST ACDT": "Australia/Adelaide",
    "AEST AEDT": "Australia/Sydney",
    "NZST NZDT": "Pacific/Auckland",
    "SAST": "Africa/Johannesburg",
    "EAT": "Africa/Nairobi",
    "WAT": "Africa/Lagos",
    "CAT": "Africa/Maputo",
}
ABBREVIATIONS = {word: zones.split() for words, zones in _ABBREVIATION_ROWS.items() for word in words.split()}
# These are not zones: "right" counts leap seconds, the others are copies, or what a machine was set to.
_NO_ZONES = ("right/", "posix/", "posixrules", "localtime")


@dataclass(frozen=True)
class Change:
    """The moment at which the clocks change from one offset to another, in seconds east of UTC."""

    at: int
    before: int
    after: int

    @property
    def length(self) -> int:
        """Return by how many seconds the clocks change."""
        return abs(self.after - self.before)

    @property
    def is_gap(self) -> bool:
        """Return True if civil times are skipped; else they repeat."""
        return self.after > self.before

    @property
    def span(self) -> tuple[int, int]:
        """Return the skipped or repeated civil times: the first one, and the one after the last."""
        first, second = sorted((self.at + self.before, self.at + self.after))
        return first, second


@dataclass(frozen=True)
class _Stretch:
    offset: int
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Zone:
    """A time zone, under the name that people use."""

    name: str
    rules: tzinfo

    def offset(self, moment: int) -> int:
        """Return how many seconds its clocks are ahead of UTC."""
        offset = _stretch(self.rules, moment // _STRETCH).offset
        for change in self.changes(moment // _STRETCH * _STRETCH - 1, moment):
            offset = change.after
        return offset

    def changes(self, after: int, to: int) -> list[Change]:
        """Return the changes after one moment, up to and including another."""
        return [
            change
            for index in range(after // _STRETCH, to // _STRETCH + 1)
            for change in _stretch(self.rules, index).changes
            if after < change.at <= to
        ]

    def last_change(self, moment: int, margin: int = 0) -> Change | None:
        """Return the last change, if it is no longer ago than its length and ``margin`` seconds more."""
        for change in reversed(self.changes(moment - 2 * DAY, moment)):
            if moment < change.at + change.length + margin:
                return change
        return None

    def quiet_until(self, moment: int) -> int:
        """Return a moment up to which no clock changes after this one: the next change, if it is near."""
        end = (moment // _STRETCH + 1) * _STRETCH
        changes = self.changes(moment, end)
        return changes[0].at if changes else end

    def moment(self, civil: int) -> int:
        """Return the moment of a civil time: the first one if it repeats, the end of the gap if it is skipped."""
        offset = self.offset(civil - DAY)
        for change in self.changes(civil - DAY, civil + DAY):
            if civil < change.at + change.before:
                break
            if civil < change.at + change.after:
                return change.at
            offset = change.after
        return civil - offset


@functools.lru_cache(maxsize=1024)
def _stretch(rules: tzinfo, index: int) -> _Stretch:
    start = index * _STRETCH
    first = offset = _offset(rules, start)
    changes = []
    for end in range(start + DAY, start + _STRETCH + 1, DAY):
        after = _offset(rules, end)
        if after != offset:
            low, high = end - DAY, end  # low has the offset before, high the one after
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(rules, middle) == offset else (low, middle)
            changes.append(Change(high, offset, after))
            offset = after
    if changes and changes[-1].at == start + _STRETCH:  # the next stretch begins with it
        changes.pop()
    before = _offset(rules, start - 1)
    if before != first:
        changes.insert(0, Change(start, before, first))
    return _Stretch(before, tuple(changes))


def _offset(rules: tzinfo, moment: int) -> int:
    offset = datetime.fromtimestamp(moment, rules).utcoffset()
    assert offset is not None
    return int(offset.total_seconds())


@functools.lru_cache(maxsize=1024)
def zone_of(name: str) -> Zone:
    """Return the zone of an IANA name, ``UTC``, ``GMT+8:00``, or of ISO 8601: ``Z``, ``+08:00``.

    Raises InvalidParameter.
    """
    offset_of_iso = _ISO.fullmatch(name)
    if offset_of_iso:
        name = f"GMT{offset_of_iso[1]}:{offset_of_iso[2] or '00'}"
    found = _GMT.fullmatch(name)
    if found:
        hours, minutes = int(found[2]), int(found[3] or 0)
        if minutes < 60 and hours <= (14 if found[1] == "+" else 12):
            offset = timedelta(hours=hours, minutes=minutes) * (1 if found[1] == "+" else -1)
            return Zone(f"GMT{found[1]}{hours}:{minutes:02}", timezone(offset))
        raise InvalidParameter(
            f"cannot use the time zone '{name}': it is not from GMT-12:59 to GMT+14:59",
            code=codes.INVALID_FREQUENCY,
            hint="write it as GMT+8:00, or give a name such as Asia/Shanghai",
        )
    if name.upper() == "UTC" or name == "Z":
        return Zone("UTC", timezone.utc)
    rules = _rules(name)
    if rules is None:
        raise InvalidParameter(f"cannot find the time zone '{name}'", code=codes.INVALID_FREQUENCY, hint=_advice(name))
    return Zone(name, rules)


def is_zone(name: str) -> bool:
    """Return True if there is a zone of this name."""
    return name == "Z" or _ISO.fullmatch(name) is not None or _rules(name) is not None


def _rules(name: str) -> tzinfo | None:
    if _NAME.fullmatch(name) is None or len(name) > LONGEST_NAME or name.startswith(_NO_ZONES):
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _advice(name: str) -> str:
    offset = _UTC.fullmatch(name)
    if offset:
        return f"did you mean GMT{offset[1]}{int(offset[2])}:{offset[3] or '00'}?"
    places = ABBREVIATIONS.get(name.upper())
    if places:
        return f"an abbreviation is not a zone; did you mean {' or '.join(places)}?"
    names = {each.lower(): each for each in sorted(zoneinfo.available_timezones())}
    cities = {each.rpartition("/")[2]: each for each in names}
    wanted = name.lower()
    city = wanted.rpartition("/")[2]
    if "/" not in name and (name.isupper() or len(name) < LONGER):  # maybe an abbreviation: a similar one is wrong
        close = [cities[city]] if city in cities else []
    else:
        close = difflib.get_close_matches(wanted, names, 1, 0.85) or [
            cities[near] for near in difflib.get_close_matches(city, cities, 1, 0.85)
        ]
    if close:
        return f"did you mean {names[close[0]]}?"
    return "give a name such as Europe/Berlin, UTC, or an offset such as GMT+8:00"
