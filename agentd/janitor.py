"""The clean-up of the spool. It runs in a child of the agent and changes finished records only."""

import os
import time

from agentd import spool


def clean_up(order, channel):
    """Delete acknowledged records; with ``measure`` also those too old and, oldest first, those over the limit.

    ``order``: spool, records (acknowledged), measure, limit (bytes), keep_days. Return the freed bytes and, after
    measuring, the bytes still used.
    """
    channel.settle()
    journal = spool.Spool(order["spool"])
    freed = 0
    for record in order["records"]:
        freed += journal.discard(record)
    total = _thin_out(journal, order["limit"], order["keep_days"]) if order["measure"] else None
    return {"freed": freed, "bytes": total}


def _thin_out(journal, limit, days):
    """Reduce the spool to ``limit`` bytes and ``days`` of age; finished records only. Return its bytes afterwards."""
    journal.drop_ids(days)
    finished = []
    total = 0
    for record in journal.records():
        folder = journal.folder(record)
        if journal.is_gone(record):
            journal.discard(record)  # an earlier clean-up was interrupted
            continue
        size = folder.size()
        total += size
        try:
            finished.append((os.stat(folder.name("result.json")).st_mtime, size, record))
        except FileNotFoundError:
            continue  # still running
    oldest = time.time() - days * 86400
    for ended, size, record in sorted(finished):
        if total <= limit and ended >= oldest:
            break
        journal.discard(record)
        total -= size
    return total
