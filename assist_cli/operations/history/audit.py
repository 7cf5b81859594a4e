"""Reading the audit log."""

from __future__ import annotations

from datetime import datetime

from assist_cli.model.audit import AuditEntry
from assist_cli.operations.controller import Controller
from assist_cli.store import audit


def entries(controller: Controller, *, since: datetime | None, limit: int | None) -> list[AuditEntry]:
    """The entries since a time, newest first, at most ``limit`` (None: all)."""
    return audit.entries(controller.database, since, limit)
