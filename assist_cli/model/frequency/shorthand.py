"""Short forms: names of expressions, times without a date, and hints for the forms of other tools."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from assist_cli.model.frequency.zone import zone_of

NAMED = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * SUN",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_TIME = re.compile(
    r"(?:(?P<day>today|tomorrow)(?:\s+|$))?(?:(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?(?P<zone>\s+\S+)?)?",
    re.ASCII | re.IGNORECASE,
)
_TWELVE_HOURS = re.compile(r"\b(\d{1,2})(?::(\d{2}))?(?::\d{2})?\s*([ap])m\b", re.ASCII | re.IGNORECASE)
_INTERVAL = re.compile(r"(?:@every\s+|every\s+|\+)?(\d+(?:\.\d+)?)\s*([smhd])[a-z]*", re.ASCII | re.IGNORECASE)
_RATE = re.compile(r"rate\(\s*(\d+)\s*(second|minute|hour|day)s?\s*\)", re.ASCII | re.IGNORECASE)
_CRON = re.compile(r"cron\(([^()]*)\)", re.IGNORECASE)


def completed(text: str, zone: str, now: datetime) -> str:
    """Return a time with its date: the next ``02:00`` after ``now``, or that of ``today`` or ``tomorrow``.

    Other text is returned as it is. Raises InvalidParameter for an unknown zone.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None or not found[0] or is_of_twelve_hours(text):
        return text
    clock = zone_of(found["zone"].strip() if found["zone"] else zone)
    moment = int(now.timestamp())
    today = datetime.fromtimestamp(moment + clock.offset(moment), timezone.utc).date()
    hour, minute, second = (int(found[each] or 0) for each in ("hour", "minute", "second"))
    if hour > 23 or minute > 59 or second > 59:
        return text
    day = today + timedelta(days=(found["day"] or "").lower() == "tomorrow")
    if found["day"] is None:
        civil = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=timezone.utc)
        day += timedelta(days=clock.moment(int(civil.timestamp())) <= moment)
    return f"{day} {hour:02}:{minute:02}:{second:02}{found['zone'] or ''}"


def is_of_twelve_hours(text: str) -> bool:
    """Return True if a time in it has AM or PM."""
    return _TWELVE_HOURS.search(text) is not None


def hint(text: str) -> str:
    """Return the beginning of a hint for a frequency that cannot be read, in our form of it; empty if it is unknown."""
    text = text.strip()
    if half := _TWELVE_HOURS.search(text):
        hour = int(half[1]) % 12 + 12 * (half[3].lower() == "p")
        return f"write {hour:02}:{half[2] or '00'} for '{half[0]}'; "
    if f"@{text.lower().removeprefix('@')}" in NAMED:
        return f"did you mean @{text.lower().removeprefix('@')}? "
    if found := _RATE.fullmatch(text) or _INTERVAL.fullmatch(text):
        return f"did you mean rate({found[1]}{found[2][0].lower()})? "
    if found := _CRON.fullmatch(text):
        fields = found[1].split()
        own = " ".join(["0", *fields] if len(fields) == 6 else fields)
        weekday = ", weekday 1 is Monday" if len(fields) == 6 and re.search(r"\d", fields[4]) else ""
        return f"did you mean '{own}'? the first field is the second{weekday}; "
    return ""
