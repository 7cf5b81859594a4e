"""The janitor: keeps the spool small. It runs in a child of the agent and touches finished records only."""

import os
import time

from agentd import spool


def sweep(order, channel):
    """Remove what the controllers have acknowledged; with ``measure`` also what is too old and, oldest first, what
    is over the limit.

    ``order``: spool, records (acknowledged), measure, limit (bytes), keep_days. Says the bytes that became free and,
    when it measured, those that are still used.
    """
    channel.settle()
    journal = spool.Spool(order["spool"])
    freed = 0
    for record in order["records"]:
        freed += journal.folder(record).size()
        journal.forget(record)
    total = _thin_out(journal, order["limit"], order["keep_days"]) if order["measure"] else None
    channel.say(freed=freed, bytes=total)


def _thin_out(journal, limit, days):
    """Bring the spool under ``limit`` bytes and ``days`` of age, finished records only. Returns its bytes then."""
    journal.forget_for_good(days)
    finished = []
    total = 0
    for record in journal.records():
        folder = journal.folder(record)
        if journal.is_gone(record):
            journal.forget(record)  # a sweep before this one was cut short
            continue
        size = folder.size()
        total += size
        try:
            finished.append((os.stat(folder.name("result.json")).st_mtime, size, record))
        except FileNotFoundError:
            continue  # it is still running
    oldest = time.time() - days * 86400
    for ended, size, record in sorted(finished):
        if total <= limit and ended >= oldest:
            break
        journal.forget(record)
        total -= size
    return total
