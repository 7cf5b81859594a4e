"""An index of the records that failed."""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    database.execute(
        """
        CREATE INDEX records_failed ON records (finished_at)
        WHERE status = 'Failed' OR (status = 'Finished' AND exit_code <> 0)
        """
    )
