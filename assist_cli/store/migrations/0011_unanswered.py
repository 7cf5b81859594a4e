"""An index of the records that were closed as unanswered and may still be corrected."""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    database.execute("CREATE INDEX records_unanswered ON records (finished_at) WHERE error_code = 'ClientNotResponse'")
