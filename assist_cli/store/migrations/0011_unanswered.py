"""What may be corrected yet is found without a look at all the rest."""

from __future__ import annotations

from sqlite_utils import Database


def apply(database: Database) -> None:
    database.execute("CREATE INDEX records_unanswered ON records (finished_at) WHERE error_code = 'ClientNotResponse'")
