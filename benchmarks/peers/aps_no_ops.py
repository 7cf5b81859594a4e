"""APScheduler with jobs that do nothing, all due in the same seconds: aps_no_ops.py JOBS SECONDS.

Prints the milliseconds by which each job was late, one a line.
"""

import asyncio
import sys
import time

from apscheduler.schedulers.asyncio import AsyncIOScheduler

PERIOD = 10

late = []


async def job() -> None:
    now = time.time()
    late.append((now % PERIOD) * 1000)


async def main(jobs: int, seconds: float) -> None:
    scheduler = AsyncIOScheduler()
    for _ in range(jobs):
        scheduler.add_job(job, "cron", second=f"*/{PERIOD}", misfire_grace_time=PERIOD)
    scheduler.start()
    await asyncio.sleep(seconds)
    scheduler.shutdown(wait=False)
    print("\n".join(f"{each:.3f}" for each in late))


asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
