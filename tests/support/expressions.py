"""Cron expressions for tests: random ones, of everything that is allowed in each field, and one that fires soon."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from assist_cli.model.frequency.fields import DAY_OF_MONTH, DAY_OF_WEEK, HOUR, MINUTE, MONTH, SECOND, Field


def item(chance: random.Random, field: Field) -> str:
    """A value, a range or a step; for weekdays no step from a value, since its end has no agreed meaning."""
    low = chance.randint(field.low, field.high)
    kind = chance.random()
    if kind < 0.45:
        name = {number: name for name, number in field.names.items()}.get(low)
        return name if name and chance.random() < 0.5 else str(low)
    if kind < 0.75:
        return f"{low}-{chance.randint(low, field.high)}"
    if kind < 0.85 and low < field.high:
        high = chance.randint(low + 1, field.high)
        return f"{low}-{high}/{chance.randint(1, 6)}"
    if kind < 0.95 or field is DAY_OF_WEEK:
        return f"*/{chance.randint(1, 7)}"
    return f"{low}/{chance.randint(1, 12)}"


def field_text(chance: random.Random, field: Field, special: Sequence[str] = (), wildcard: float = 0.4) -> str:
    """``*``, or one to three items, some of which may be ``special``."""
    if chance.random() < wildcard:
        return "*"
    return ",".join(
        chance.choice(special) if special and chance.random() < 0.3 else item(chance, field)
        for _ in range(chance.choice((1, 1, 1, 2, 3)))
    )


def expression(chance: random.Random, *, workdays: bool = False) -> str:
    """Six fields. It may fire as often as each second, or never; with ``workdays`` also on the nearest workday."""
    weekdays = [f"{chance.randint(0, 7)}L", f"{chance.randint(0, 7)}#{chance.randint(1, 5)}"]
    return " ".join(
        [
            field_text(chance, SECOND, wildcard=0.1),
            field_text(chance, MINUTE, wildcard=0.2),
            field_text(chance, HOUR),
            f"{chance.randint(1, 31)}W"
            if workdays and chance.random() < 0.2
            else field_text(
                chance, DAY_OF_MONTH, ["L", "29", "30", "31", *(("LW", "L-3", "L-29") if workdays else ())]
            ),
            field_text(chance, MONTH, ["2"], wildcard=0.6),
            field_text(chance, DAY_OF_WEEK, weekdays, wildcard=0.5),
        ]
    )


def soon(seconds: int) -> str:
    """Every 20 s, with the first firing at most this many seconds from now, and at least one less."""
    first = (datetime.now(timezone.utc) + timedelta(seconds=seconds)).second % 20
    return f"{first}/20 * * * * *"
