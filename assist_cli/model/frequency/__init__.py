"""When something runs again: frequencies as people write them, and the firings that follow (docs/rules.md section 6).

``forms`` has the three forms: rate, cron and at. A cron expression is read by ``fields``; ``days`` says on which days
it is due, ``cron`` adds the times of the day and what changed clocks do to them, and ``zone`` knows the clocks. All of
it is arithmetic on whole seconds: moments are seconds since the epoch, and a civil time is what a clock in the zone
shows, counted as if it stood in UTC.
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
