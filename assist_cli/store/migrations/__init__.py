"""Migrations: the schema as numbered steps, one file each. A step that was released is never edited.

The next change of the schema is a new file with the next number and a function ``apply``; nothing else has to know it.
The version of the schema is the number of files (``database.STEPS``). The table ``_sqlite_migrations`` has the name of
each step that a database has taken. This package is imported only when a step is due.

The three levels of status are stored side by side (records, invocation_instances, invocations) and changed in one
transaction. An invocation carries what ran and how, so that the history stays whole whatever becomes of the command.
"""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Sequence

from sqlite_utils import Database, Migrations


def apply(connection: sqlite3.Connection, steps: Sequence[str]) -> None:
    """Take those of these steps that the database has not taken, inside the transaction that the caller has open."""
    migrations = Migrations("assist")
    for name in steps:
        migrations(name=name)(importlib.import_module(f"{__name__}.{name}").apply)
    migrations.apply(Database(connection, execute_plugins=False))
