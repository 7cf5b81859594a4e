"""Queries of a person over the views of the history."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from assist_cli.operations.controller import Controller

if TYPE_CHECKING:
    from assist_cli.store.query import Query

SECONDS = 10  # of work in the database; the time in which the output is read does not count


def run(controller: Controller, sql: str, seconds: float = SECONDS) -> AbstractContextManager[Query]:
    """Run a SELECT over the views. Raises InvalidParameter, QuotaExceeded, DatabaseFailure, KeyboardInterrupt."""
    from assist_cli.store import query

    return query.run(controller.home.database, sql, seconds)
