"""An index of the records that were closed unanswered, which may be corrected yet."""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    database.execute("CREATE INDEX records_unanswered ON records (finished_at) WHERE error_code = 'ClientNotResponse'")
