"""``assist query``: the questions of docs/history.md, the formats, and the end of a query."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from assist_cli.model.schedule import Slot, SlotOutcome
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.paths import Home
from assist_cli.store import slots
from assist_cli.store.views import VIEWS
from tests.support import past
from tests.support.application import Application
from tests.support.program import Program
from tests.support.terminal import Terminal

PAGE = (Path(__file__).parents[2] / "docs/history.md").read_text("utf-8")
QUESTIONS = re.findall(r"^([A-Z][^\n]*\?)\n\n```sql\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
UTILS = [sys.executable, "-W", "ignore", "-m", "sqlite_utils"]
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT {} FROM n"


@pytest.fixture
def controller(home: Path) -> Iterator[Controller]:
    with open_controller(Home(home)) as opened:
        yield opened


@pytest.fixture
def history(assist: Application, controller: Controller) -> Controller:
    now = controller.now()
    web = past.register(controller.database, ["web1", "web2", "web3"], now)
    patch = {"command_id": "c-01kbdk5g8w3m9v6yx2r4hq7cne", "command_name": "patch", "command_version": 2}
    outcomes = [past.finished("well\n", at=now), past.finished("no\n", 3, at=now)]
    outcomes.append(past.failed("ClientNotOnline", "cannot reach it", at=now))
    past.write(controller.database, past.invocation_on(web, now, **patch), outcomes)
    started = assist("run", "-i", "web1", "--every", "1h", "--detach", "-o", "json", "--", "true")
    id = json.loads(started.stdout)["InvokeId"]
    with controller.database.transaction() as transaction:
        slots.add(transaction, id, [Slot(web[0].id, now - timedelta(hours=1), SlotOutcome.MISSED_DOWN)])
    return controller


def test_each_question_of_the_page_has_an_answer(assist: Application, history: Controller) -> None:
    assert len(QUESTIONS) == 10
    for question, sql in QUESTIONS:
        done = assist("query", sql, "-o", "json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout), question


def test_the_page_has_every_view_and_column() -> None:
    for name, (columns, _) in VIEWS.items():
        (row,) = re.findall(rf"^\| `{name}` \|.*\| (.*) \|$", PAGE, re.MULTILINE)
        assert re.findall(r"`(\w+)`", row) == list(columns)


def test_the_export_of_the_page_is_a_database(assist: Application, history: Controller, starts_processes: None) -> None:
    folder = history.home.root.parent
    for query, name in re.findall(r"^\$ (assist query .*) > (\w+\.jsonl)$", PAGE, re.MULTILINE):
        (folder / name).write_bytes(assist(*shlex.split(query)[1:]).stdout)
    insertions = re.findall(r"^\$ sqlite-utils (.*)$", PAGE, re.MULTILINE)
    assert len(insertions) == 2
    for line in insertions:
        subprocess.run([*UTILS, *shlex.split(line)], cwd=folder, check=True)
    words = [*UTILS, "history.db", "SELECT count(*) AS n FROM records"]
    counted = subprocess.run(words, cwd=folder, capture_output=True, check=True)
    assert json.loads(counted.stdout) == [{"n": 3}]


HOSTILE = "SELECT 1 AS id, 'a,\"b\n\x1b[31m' AS text, x'00ff' AS bytes, NULL AS none, 9e999 AS number, 2 AS id"


def test_the_formats(assist: Application) -> None:
    document = {"id": 1, "text": 'a,"b\n\x1b[31m', "bytes": "\0\ufffd", "none": None, "number": None, "id_2": 2}
    assert json.loads(assist("query", HOSTILE, "-o", "json").stdout) == [document]
    assert json.loads(assist("query", HOSTILE, "-o", "jsonl").stdout) == document
    rows = list(csv.reader(io.StringIO(assist("query", HOSTILE.replace("00ff", "ff"), "-o", "csv").stdout.decode())))
    assert rows == [list(document), ["1", 'a,"b\n\x1b[31m', "\ufffd", "", "inf", "2"]]
    lines = "SELECT char(13) AS cr, char(10) AS lf, 'a' || char(10) AS text"
    assert assist("query", lines, "-o", "csv").stdout == b'cr,lf,text\n"\r","\n","a\n"\n'
    title, row = assist("query", HOSTILE).stdout.decode().splitlines()
    assert title.split() == ["ID", "TEXT", "BYTES", "NONE", "NUMBER", "ID_2"]
    assert row.split() == ["1", 'a,"b\\n\\x1b[31m', "\\x00\ufffd", "-", "inf", "2"]


@pytest.mark.parametrize(
    ("form", "text"), [("table", "ID  NAME\n"), ("csv", "id,name\n"), ("json", "[]\n"), ("jsonl", "")]
)
def test_no_rows(assist: Application, form: str, text: str) -> None:
    done = assist("query", "SELECT id, name FROM instances WHERE 0", "-o", form)
    assert (done.returncode, done.stdout.decode(), done.stderr) == (0, text, b"")


@pytest.mark.parametrize("form", ["table", "json", "jsonl", "csv"])
def test_many_rows_are_all_printed(assist: Application, form: str) -> None:
    done = assist("query", ENDLESS.format("x, x * 2 AS y") + " LIMIT 1200", "-o", form)
    assert done.returncode == 0
    if form == "json":
        assert json.loads(done.stdout)[-1] == {"x": 1200, "y": 2400}
    else:
        lines = done.stdout.decode().splitlines()
        assert len(lines) == 1200 + (form != "jsonl")
        assert re.findall(r"\d+", lines[-1]) == ["1200", "2400"]


@pytest.mark.long
def test_a_query_from_a_file_and_from_stdin(assist: Application, tmp_path: Path) -> None:
    sql = "SELECT tags ->> '$.role' AS role\nFROM instances WHERE 0; -- none\n"
    file = tmp_path / "roles.sql"
    file.write_bytes(b"\xef\xbb\xbf" + sql.encode())
    for done in (assist("query", "-f", str(file), "-o", "csv"), assist("query", "-f", "-", input=sql.encode())):
        assert (done.returncode, done.stdout.lower()) == (0, b"role\n")
    assert assist("query", "SELECT 1", "-f", str(file)).returncode == 2
    assert assist("query", "-f", str(tmp_path / "absent")).returncode == 74
    assert assist("query", "-f", "-", input=b"\xff").returncode == 65


@pytest.mark.long
@pytest.mark.parametrize("text", ["show tables", ".schema", "\\d", "EXPLAIN SELECT 1", "describe records"])
def test_what_is_no_select_gets_the_names_of_the_views(assist: Application, text: str) -> None:
    assert b"hint: the views are invocations" in assist("query", text).stderr


def test_an_error_is_one_line(assist: Application) -> None:
    done = assist("query", "SELECT secret FROM access_keys")
    assert (done.returncode, done.stdout) == (65, b"")
    assert done.stderr.decode().splitlines() == [
        "error: cannot run the query: no such table: access_keys",
        "hint: the views are invocations, records, instances, schedules, slots, audit",
    ]
    done = assist("query", "SELECT", "-o", "json")
    assert (done.returncode, done.stdout) == (65, b"")
    assert json.loads(done.stderr)["Code"] == "InvalidParameter"
    assert assist("query").returncode == 2
    assert assist("audit", "list", "-o", "csv").returncode == 2


def test_csv_on_a_terminal_has_no_control_characters(installed: Program, isolation: Path) -> None:
    with Terminal(installed.path, ["query", "SELECT char(27) || '[31m' AS x", "-o", "csv"], isolation) as terminal:
        assert terminal.end() == 0
    assert "\\x1b[31m" in terminal.text
    assert "\x1b" not in terminal.text


def test_ctrl_c_ends_a_query(installed: Program, isolation: Path) -> None:
    with Terminal(installed.path, ["query", ENDLESS.format("x"), "-o", "csv"], isolation) as terminal:
        terminal.wait_for("100")
        terminal.interrupt()
        assert terminal.end() == 130
    assert "Traceback" not in terminal.text


def test_head_ends_a_query(installed: Program) -> None:
    with installed.start("query", ENDLESS.format("x"), "-o", "jsonl") as running:
        assert running.stdout.readline() == b'{"x": 1}\n'
        running.stdout.close()
        assert running.wait() == 130
