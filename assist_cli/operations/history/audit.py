"""Looking at the audit log."""

from __future__ import annotations

from datetime import datetime

from assist_cli.model.audit import AuditEntry
from assist_cli.operations.controller import Controller
from assist_cli.store import audit


def entries(controller: Controller, *, since: datetime | None, limit: int | None) -> list[AuditEntry]:
    """The newest lines first: those since a moment, at most ``limit`` of them (None: all)."""
    return audit.entries(controller.database, since, limit)
