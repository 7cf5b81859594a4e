"""``assist query`` reads the views of the history, and nothing else of the database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assist_cli.errors import InvalidParameter, QuotaExceeded
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.paths import Home
from assist_cli.store import query, views
from tests.support import past

SECRET = "4Wj6W4KBGxbzacpeFvwQmkQ5dhPcz0zOtiBSNsRi"
BASE = [
    "access_keys",
    "client_tokens",
    "settings",
    "queue_inputs",
    "notify",
    "lease",
    "invocation_instances",
    "outputs",
]


@pytest.fixture
def controller(home: Path) -> Iterator[Controller]:
    with open_controller(Home(home)) as opened:
        web = past.register(opened.database, ["web1", "web2"], opened.now())
        invocation = past.invocation_on(web, opened.now(), content=b"true")
        past.write(opened.database, invocation, [past.finished("well\n"), past.finished("\xff", 3)])
        with opened.database.transaction() as transaction:
            transaction.execute("INSERT INTO access_keys VALUES ('AK', 'ci', ?, 'admin', '[]', 1, 1, NULL)", [SECRET])
        yield opened


def ask(controller: Controller, sql: str, seconds: float = 10) -> list[tuple[Any, ...]]:
    with query.run(controller.home.database, sql, seconds) as found:
        return list(found.rows())


def test_the_views_are_read(controller: Controller) -> None:
    assert ask(controller, "SELECT instance_name, exit_code, output FROM records ORDER BY 1") == [
        ("web1", 0, "well\n"),
        ("web2", 3, "\xff"),
    ]
    for name, (columns, _) in views.VIEWS.items():
        with query.run(controller.home.database, f"SELECT * FROM {name.upper()}", 10) as found:
            assert found.columns == list(columns)
            assert SECRET not in repr(list(found.rows()))
        ((number,),) = ask(controller, f"SELECT count(*) FROM temp.{name}")
        assert ask(controller, f"SELECT 1 FROM {name}") == [(1,)] * number


ALLOWED = [
    "WITH records AS (SELECT 1 AS one) SELECT one, count(*) FROM records",
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 9) SELECT sum(x) FROM n",
    "SELECT count(*) FROM instances JOIN records ON instance_id = instances.id, json_each(tags)",
    "SELECT id, rank() OVER (ORDER BY id) FROM (SELECT * FROM records) WHERE id IN (SELECT id FROM records)",
    "SELECT tags ->> 'role', json_extract(tags, '$.role'), strftime('%Y', created) FROM instances",
    "VALUES (1), (2)",
    "/* all */ SELECT 1; -- no more",
]


def test_a_select_may_be_of_any_form(controller: Controller) -> None:
    for sql in ALLOWED:
        assert ask(controller, sql) is not None


REFUSED = [
    *(f"SELECT * FROM {name}" for name in BASE),
    *(f"SELECT count(*) FROM {name}" for name in BASE),
    *(f"SELECT {column} FROM main.{name}" for name in views.VIEWS for column in ("1", "*", "count(*)")),
    # a name of a view, defined by the statement: the authorizer of SQLite cannot tell it from the view
    *(f"WITH {name} AS (SELECT * FROM main.access_keys) SELECT * FROM {name}" for name in views.VIEWS),
    "WITH records AS (SELECT secret FROM access_keys) SELECT * FROM records",
    "SELECT * FROM (SELECT secret FROM access_keys) AS records",
    "SELECT (SELECT secret FROM access_keys)",
    "SELECT 1 FROM records ORDER BY (SELECT max(secret) FROM access_keys)",
    "SELECT id FROM records WHERE id IN access_keys",
    "SELECT id FROM records UNION SELECT secret FROM access_keys",
    "WITH RECURSIVE r AS (SELECT 1 UNION SELECT secret FROM access_keys, r) SELECT * FROM r",
    "WITH r AS MATERIALIZED (SELECT * FROM settings) SELECT count(*) FROM r",
    # the schema
    *(f"SELECT {column} FROM {table}" for column in ("sql", "1", "count(*)", "rowid") for table in (
        "sqlite_master", "SQLITE_MASTER", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema",
        "main.sqlite_master", "temp.sqlite_master", "sqlite_sequence",
    )),
    *(f"SELECT {column} FROM {table}" for column in ("*", "1") for table in (
        "pragma_table_info('access_keys')", "pragma_table_list", "pragma_database_list", "PRAGMA_user_version",
        "dbstat", "sqlite_dbpage", "bytecode('SELECT 1')", "tables_used('SELECT 1')", "sqlite_stmt",
    )),
    # the indexes of the search
    "SELECT * FROM output_words WHERE output_words MATCH 'a'",
    "SELECT * FROM output_words_data",
    "SELECT * FROM records WHERE records MATCH 'a'",
    "SELECT snippet(records, 1, '', '', '', 9) FROM records",
    # functions
    *(f"SELECT {name}('x')" for name in (
        "load_extension", "readfile", "edit", "fts5", "fts3_tokenizer", "zeroblob", "randomblob", "eval",
        "sqlite_compileoption_get",
    )),
    "SELECT writefile('/tmp/x', output) FROM records",
    # no SELECT
    "PRAGMA table_info(access_keys)", "PRAGMA query_only = 0", "ATTACH ':memory:' AS other", "DETACH main",
    "VACUUM", "VACUUM INTO 'copy.db'", "ANALYZE", "REINDEX", "BEGIN", "COMMIT", "SAVEPOINT x", "RELEASE x",
    "DELETE FROM records", "DELETE FROM main.records", "DELETE FROM main.records RETURNING id",
    "UPDATE main.access_keys SET secret = 'x'", "INSERT INTO main.settings VALUES ('x', 'y')",
    "WITH x AS (SELECT 1) DELETE FROM main.records", "CREATE TABLE x (y)", "CREATE TEMP TABLE x AS SELECT 1",
    "CREATE TEMP VIEW x AS SELECT * FROM access_keys", "DROP VIEW records", "ALTER TABLE main.records RENAME TO x",
    "CREATE VIRTUAL TABLE temp.x USING fts5vocab(main, output_words, row)", "EXPLAIN SELECT 1", "QUERY PLAN SELECT 1",
    # no statement, or more than one
    "", " ", "--", ";", "SELECT", "SELCT 1", "SELECT 1; DROP TABLE records", "SELECT ?", "SELECT :name",
    "SELECT '\udcff'",
    "SELECT nothing FROM records", "SELECT rowid FROM records", "SELECT no_function(1)",
    "SELECT sum(9223372036854775807) FROM (SELECT 1 UNION ALL SELECT 2)", "SELECT json('{')",
]  # fmt: skip


def test_nothing_else_is_reached(controller: Controller) -> None:
    before = controller.home.database.read_bytes()
    for sql in REFUSED:
        with pytest.raises(InvalidParameter) as refused:
            assert ask(controller, sql) is None, f"answered: {sql}"
        assert refused.value.message.startswith("cannot run the query: ")
        assert refused.value.hint
        assert "\n" not in refused.value.message
        assert SECRET not in refused.value.message
    assert controller.home.database.read_bytes() == before


def test_the_authorizer_on_the_database_keeps_the_secrets_alone(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "_check", lambda path, sql: None)
    for sql in (*(f"SELECT * FROM {name}" for name in BASE[:5]), "SELECT sql FROM sqlite_master"):
        for each in (sql, f"WITH records AS ({sql}) SELECT * FROM records"):
            with pytest.raises(InvalidParameter):
                ask(controller, each)


def test_the_hint_names_the_columns_of_the_view(controller: Controller) -> None:
    with pytest.raises(InvalidParameter) as refused:
        ask(controller, "SELECT until FROM slots")
    assert "slots has invocation_id" in refused.value.hint


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT {} FROM n"


def test_a_query_that_does_not_end_is_ended(controller: Controller) -> None:
    with pytest.raises(QuotaExceeded, match=r"longer than 0\.05 s"):
        ask(controller, ENDLESS.format("count(*)"), 0.05)
    with pytest.raises(QuotaExceeded), query.run(controller.home.database, ENDLESS.format("x"), 0.05) as found:
        assert found.columns == ["x"]
        for position, row in enumerate(found.rows(), 1):
            assert row == (position,)


def test_memory_is_limited(controller: Controller) -> None:
    with pytest.raises(QuotaExceeded, match="256 MiB"):
        ask(controller, "SELECT replace(hex(printf('%.*c', 1000000, 'x')), '7', printf('%.*c', 1000, 'y'))")


def test_a_key_that_python_drops_in_sqlite_ends_the_query(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(self: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(query.Query, "_must_stop", press)
    with pytest.raises(KeyboardInterrupt):
        ask(controller, ENDLESS.format("count(*)"))
