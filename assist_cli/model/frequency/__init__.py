"""Frequencies as people write them, and the firings that follow from them (docs/rules.md section 6).

``forms`` has the three forms: rate, cron and at. ``fields`` parses a cron expression, ``days`` finds the days on which
it is due, ``cron`` adds the times of day and the rules for changed clocks, and ``zone`` has the time zones.

All of it is arithmetic on whole seconds: moments are seconds since the epoch. A civil time is what a clock in the zone
shows, counted as if it were UTC.
"""

from assist_cli.model.frequency.forms import (
    Firing,
    Frequency,
    after,
    at,
    cron,
    every,
    expression,
    once,
    parse,
    restore,
    stored,
)

__all__ = ["Firing", "Frequency", "after", "at", "cron", "every", "expression", "once", "parse", "restore", "stored"]
