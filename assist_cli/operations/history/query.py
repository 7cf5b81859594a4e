"""Queries of a person over the views of the history."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from assist_cli.operations.controller import Controller

if TYPE_CHECKING:
    from assist_cli.store.query import Query


def run(controller: Controller, sql: str) -> AbstractContextManager[Query]:
    """Run a SELECT over the views. Raises InvalidParameter, QuotaExceeded, DatabaseFailure, KeyboardInterrupt."""
    from assist_cli.store import query

    return query.run(controller.home.database, sql, controller.timeouts.query)
