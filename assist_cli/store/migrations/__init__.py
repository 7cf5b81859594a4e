"""Migrations: the schema as numbered steps, one file each. A released step is never edited.

The next change of the schema is a new file with the next number and a function ``apply``; no other file changes. The
version of the schema is the number of files (``database.STEPS``). The table ``_sqlite_migrations`` has the names of the
steps that a database has applied. This package is imported only when a migration is due.

The three levels of status are stored side by side (records, invocation_instances, invocations) and changed in one
transaction. An invocation has its own copy of the script and its settings, so that the history does not depend on the
command.
"""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Sequence

from sqlite_utils import Database, Migrations


def apply(connection: sqlite3.Connection, steps: Sequence[str]) -> None:
    """Apply those of these steps that are not applied yet, in the open transaction of the caller."""
    migrations = Migrations("assist")
    for name in steps:
        migrations(name=name)(importlib.import_module(f"{__name__}.{name}").apply)
    migrations.apply(Database(connection, execute_plugins=False))
