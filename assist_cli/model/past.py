"""Ages and moments in the past as people write them: ``90d``, ``2h ago``, ``yesterday``, ``2026-11-22 08:00``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from assist_cli.units import HUNDRED_YEARS, seconds_of


def age(text: str) -> float | None:
    """Parse an age into seconds, None for other text. Raises ValueError for one without a unit: 90 may mean days."""
    seconds = seconds_of(text)
    if seconds is not None and re.fullmatch(r"\s*[0-9.]+\s*", text):
        raise ValueError(f"'{text}' has no unit; write 90d for days, 12h for hours")
    return seconds


def moment(text: str, now: datetime) -> datetime:
    """Parse a moment in the past: an age (``2h``, ``2h ago``), ``yesterday``, or a local date or time.

    A time alone, as ``08:00``, is one of today. Raises ValueError.
    """
    words = text.strip().lower()
    seconds = age(words.removesuffix("ago"))
    if seconds is not None:
        return now - timedelta(seconds=min(seconds, HUNDRED_YEARS))
    today = now.astimezone().date()
    days = {"today": today, "yesterday": today - timedelta(days=1)}
    day, _, time = words.partition(" ")
    if day in days:
        words = f"{days[day]} {time}".strip()
    elif re.fullmatch(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?", words):
        words = f"{today} {words:0>5}"
    try:
        return datetime.fromisoformat(words.upper()).astimezone(now.tzinfo)
    except (ValueError, OverflowError):
        raise ValueError(
            f"'{text}' is not a time; write 2h, 30d, yesterday, 08:00, 2026-11-22 or '2026-11-22 08:00'"
        ) from None
