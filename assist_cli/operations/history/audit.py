"""Reading the audit log."""

from __future__ import annotations

from datetime import datetime

from assist_cli.model.audit import AuditEntry, AuditFilter
from assist_cli.operations.controller import Controller
from assist_cli.store import audit


def entries(
    controller: Controller, *, since: datetime | None = None, limit: int | None, wanted: AuditFilter = audit.EVERY
) -> list[AuditEntry]:
    """The entries since a time that match ``wanted``, newest first, at most ``limit`` (None: all)."""
    return audit.entries(controller.database, wanted if since is None else wanted.replace(since=since), limit)
