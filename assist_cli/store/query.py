"""One SELECT of a person over the views of the history, which reaches nothing else.

Three barriers, each enough to keep the secrets of the database:

1. The connection is opened read-only.
2. The statement is compiled first where only empty views exist (``views.create_empty``). What it names is a view, a
   name that it defines itself, or an error; so no base table, no ``main.…``, no schema. The authorizer of SQLite alone
   could not tell: it names the view that a read comes from, and a statement may define a name like that of a view.
3. On the database an authorizer allows only the columns that the views read themselves, and a list of functions.

Memory is limited (HEAP), rows are read as they are used, and the time in SQLite is limited. The time in which the
reader of the rows works does not count.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlite_utils import Database
from sqlite_utils.utils import dedupe_keys

from assist_cli.errors import InvalidParameter, QuotaExceeded
from assist_cli.store import views
from assist_cli.store.database import FailureContext

HEAP = 256 * 1024 * 1024  # bytes that SQLite may use, from now on in this process; large sorts are on disk
STEPS = 1_000  # instructions of SQLite between two looks at the clock
ONLY = "only a SELECT of the views is allowed"
HINT = "docs/history.md has the views with their columns, and examples"
_BEGIN = re.compile(r"\s*(?:(?:select|with|values)\b|--|/\*)", re.IGNORECASE)
VIEWS = f"the views are {', '.join(views.VIEWS)}"

_FUNCTIONS = frozenset(
    """
    abs acos acosh asin asinh atan atan2 atanh avg ceil ceiling char coalesce concat concat_ws cos cosh count
    cume_dist current_date current_time current_timestamp date datetime degrees dense_rank exp first_value floor format
    glob group_concat hex ifnull iif if instr julianday lag last_value lead length like likelihood likely ln log log10
    log2 lower ltrim max median min mod nth_value ntile nullif octet_length percent_rank percentile percentile_cont
    percentile_disc pi pow power printf quote radians random rank replace round row_number rtrim sign sin sinh soundex
    sqlite_version sqrt strftime string_agg substr substring subtype sum tan tanh time timediff total trim trunc typeof
    unhex unicode unistr unistr_quote unixepoch unlikely upper
    """.split()  # noqa: SIM905 - shorter
)
_TABLES = ("json_each", "json_tree")  # functions that return rows
_Read = tuple[str | None, str | None, str | None]  # database, table and column
_OF_THE_STATEMENT = (1, 18, 20, 23, 25)  # SQLITE_ERROR, TOOBIG, MISMATCH, AUTH, RANGE: not of the disk


class Query:
    """A statement that is run: its ``columns``, each with a name of its own, and its ``rows``."""

    def __init__(self, path: Path, connection: sqlite3.Connection, sql: str, seconds: float) -> None:
        self._path = path
        self._limit = seconds
        self._left = seconds
        self._began = time.monotonic()
        self._is_over = False
        connection.set_progress_handler(self._must_stop, STEPS)
        with self._in_sqlite():
            self._cursor = Database(connection, recursive_triggers=False, execute_plugins=False).execute(sql)
        self.columns = dedupe_keys(column[0] for column in self._cursor.description or ())

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows: numbers, texts, bytes and None. Raises as ``run`` does."""
        while True:
            with self._in_sqlite():
                row = self._cursor.fetchone()
            if row is None:
                return
            yield row

    @contextlib.contextmanager
    def _in_sqlite(self) -> Iterator[None]:
        """Count the time of the block, and raise its errors as errors for the user."""
        self._began = time.monotonic()
        try:
            with _errors(self._path):
                yield
        except sqlite3.OperationalError as error:
            if not self._is_over:  # a key: Python drops its exception in a handler of SQLite
                raise KeyboardInterrupt from error
            raise QuotaExceeded(
                f"cannot finish the query: its work in the database took longer than {self._limit:g} s",
                hint="select fewer rows, as with: WHERE created > datetime('now', '-7 days')",
            ) from None
        finally:
            self._left -= time.monotonic() - self._began

    def _must_stop(self) -> bool:
        self._is_over = time.monotonic() - self._began > self._left
        return self._is_over


@contextlib.contextmanager
def run(path: Path, sql: str, seconds: float) -> Iterator[Query]:
    """Run a statement on the database at ``path``, for at most ``seconds`` in SQLite.

    Raises InvalidParameter for a statement that is wrong or not allowed, QuotaExceeded for one that takes too long or
    too much memory, DatabaseFailure, and KeyboardInterrupt.
    """
    try:
        _check(path, sql)
    except InvalidParameter as error:
        error.hint = _hint(error.message, sql)
        raise
    where = f"file:{quote(str(path))}?mode=ro"
    with FailureContext(path), contextlib.closing(sqlite3.connect(where, uri=True, isolation_level=None)) as connection:
        views.create(connection)
        _load_tables(connection)
        allowed = _read_by_views(connection)
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        connection.execute(f"PRAGMA hard_heap_limit = {HEAP:d}")
        try:
            connection.set_authorizer(_authorizer(allowed))
            yield Query(path, connection, sql, seconds)
        finally:
            connection.set_progress_handler(None, 0)
            connection.set_authorizer(None)


def _check(path: Path, sql: str) -> None:
    """Compile a statement where there are only the names of the views. Raises InvalidParameter."""
    actions: list[int] = []
    readable = _authorizer({("temp", name, column) for name, (columns, _) in views.VIEWS.items() for column in columns})

    def allow(action: int, *names: str | None) -> int:
        actions.append(action)
        return readable(action, *names)

    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        views.create_empty(connection)
        _load_tables(connection)
        connection.set_authorizer(allow)
        with _errors(path):
            connection.execute(f"EXPLAIN {sql}")
        connection.set_authorizer(None)
    if sqlite3.SQLITE_SELECT not in actions:  # VACUUM asks for nothing
        raise _wrong(ONLY)


def _load_tables(connection: sqlite3.Connection) -> None:
    """Load the functions that return rows. An authorizer refuses to load any other."""
    for name in _TABLES:
        connection.execute(f"SELECT * FROM {name}('{{}}')")  # noqa: S608 - constants


def _read_by_views(connection: sqlite3.Connection) -> set[_Read]:
    """Return what the views read."""
    found: set[_Read] = set()

    def note(action: int, table: str | None, column: str | None, database: str | None, _: str | None) -> int:
        if action == sqlite3.SQLITE_READ:
            found.add((database, table, column))
        return sqlite3.SQLITE_OK

    connection.set_authorizer(note)
    for name in views.VIEWS:
        connection.execute(f'EXPLAIN SELECT * FROM temp."{name}"')  # noqa: S608 - constants
    return found


def _authorizer(readable: set[_Read]) -> Callable[..., int]:
    """Return what allows a SELECT of these columns, with the functions of the list."""

    def allow(action: int, first: str | None, second: str | None, database: str | None, _: str | None) -> int:
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ:
            table = (first or "").lower()
            if (database, first, second) in readable or table in _TABLES:
                return sqlite3.SQLITE_OK
            if second == "" and not table.startswith("sqlite_"):  # no column, as for count(*)
                return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION:
            name = (second or "").lower()
            if name in _FUNCTIONS or name.startswith(("json", "->")):
                return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    return allow


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    """Raise errors of the statement as InvalidParameter, and those of the disk as DatabaseFailure.

    A statement that was interrupted raises sqlite3.OperationalError.
    """
    try:
        yield
    except MemoryError:
        raise QuotaExceeded(
            f"cannot finish the query: it needs more than {HEAP // 1024**2} MiB of memory",
            hint="select fewer rows, or shorter texts, as with: substr(output, 1, 100)",
        ) from None
    except (sqlite3.Warning, sqlite3.ProgrammingError, ValueError) as error:  # several statements, ?, not UTF-8
        raise _wrong("it is not UTF-8" if isinstance(error, UnicodeError) else str(error).rstrip(".")) from None
    except sqlite3.Error as error:
        if str(error) == "interrupted":
            raise
        if getattr(error, "sqlite_errorcode", 1) & 0xFF not in _OF_THE_STATEMENT:
            with FailureContext(path):
                raise
        raise _wrong(str(error)) from None


def _wrong(reason: str) -> InvalidParameter:
    if reason.startswith("not ") and " " not in reason[4:]:  # the answer to what the authorizer refuses
        reason = ONLY
    return InvalidParameter(f"cannot run the query: {reason}", hint=HINT)


def _hint(message: str, sql: str) -> str:
    """Return the names that a wrong statement may have meant."""
    if not _BEGIN.match(sql) or ONLY in message or "no such table" in message or "prohibited" in message:
        return VIEWS
    words = set(re.findall(r"\w+", sql.lower()))
    named = [f"{name} has {', '.join(columns)}" for name, (columns, _) in views.VIEWS.items() if name in words]
    return "; ".join(named[:2]) if named and "no such column" in message else HINT
