"""The cost of any cron expression: python -m benchmarks.frequency."""

from __future__ import annotations

import contextlib
import random
import time
from datetime import datetime, timezone

from assist_cli.errors import Refused
from assist_cli.model.frequency import days, parse
from benchmarks.report import Report, arguments
from tests.support.expressions import expression

FIRINGS = 20
LONGEST = 100.0  # ms
YEARS = ("", "2026-2099", "2098-2099", "2090/3")
ZONES = ("Europe/Berlin", "America/Santiago", "Asia/Tokyo")
HEAVY = "0,55 0,59 0,23 ? * MON#1,TUE#1,WED#2,THU#3,FRI#5,1L,3L,5L 2026-2099"


def main() -> None:
    parser = arguments(__file__, __doc__)
    parser.add_argument("--expressions", type=int, default=4000)
    options = parser.parse_args()

    chance = random.Random(1)
    texts = [
        HEAVY,
        *(f"{expression(chance, workdays=True)} {chance.choice(YEARS)}" for _ in range(options.expressions)),
    ]
    report = Report(
        f"Processor time of {len(texts):,} cron expressions, each read, checked and followed for {FIRINGS} firings",
        options,
    )
    now = datetime.now(timezone.utc)
    took = []
    for text in texts:
        zone = chance.choice(ZONES)
        days.due_days.cache_clear()
        began = time.process_time()
        with contextlib.suppress(Refused):
            parse(text, zone=zone, now=now).upcoming(now, now, FIRINGS)
        took.append((time.process_time() - began) * 1000)
    report.figure("mean", f"{sum(took) / len(took):.2f} ms")
    report.budget("the longest", max(took), LONGEST, " ms")
    report.end()


if __name__ == "__main__":
    main()
