"""Any terminal: every command with output, under the worst conditions.

stdout closed or full, a locale that knows ASCII only, no colour, twenty columns, wide names. Some commands in
every run of the tests, all of them with make soak.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from assist_cli.model.command import CommandVersion
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.instance import Instance
from assist_cli.operations.access import accesskeys
from assist_cli.operations.commands import commands
from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from assist_cli.store import instances
from tests.support.program import Program
from tests.support.terminal import Terminal

# Each with the exit statuses that are right here. Their one instance that is not local is unreachable.
COMMANDS = {
    "--help": 0, "--version": 0, "accesskey list": 0, "audit list": 0, "command diff 备份 1": 0, "command export": 0,
    "command list": 0, "command show 备份": 0, "command versions 备份": 0, "completion show zsh": 0, "doctor": 0,
    "doctor 数据库一": 69, "file list": 0, "file show -": 0, "help": 0, "help targets": 0, "instance list": 0,
    "instance show 数据库一": 0, "instance status": 1, "invocation list": 0, "invocation output -": 0,
    "invocation results -": 0, "invocation search 你好": 0, "invocation show -": 0, "quota": 0, "run --help": 0,
    "run -- echo 你好": 0, "run -i local,数据库一 -- echo 你好": 1, "run -i local,数据库一 --gather -- echo 你好": 1,
    "invoke 备份 -o json": 0, "rerun - --all": 0, "schedule list": 0, "schedule preview 'rate(1m)'": 0,
}  # fmt: skip
QUICK = ("invocation list", "run -i local,数据库一 --gather -- echo 你好")

BAD = re.compile(r"Traceback|Warning|\bbug in Assist\b")


@pytest.fixture
def stocked(home: Path, installed: Program, isolation: Path) -> Home:
    """Names in Chinese, an unreachable instance, a file and a run."""
    rooms = Home(home)
    with open_controller(rooms) as controller:
        with controller.database.transaction() as transaction:
            id = new_id(Kind.INSTANCE, controller.now_ms())
            made = Instance(id, "数据库一", f"unix:{isolation}/nowhere", controller.now(), tags={"角色": "数据库"})
            instances.register(transaction, made)
        for name in ("备份", "backup"):
            commands.create(controller, name, CommandVersion("echo 你好\n".encode()), "一个有中文的说明")
        accesskeys.create(controller, "钥匙", accesskeys.Role.VIEWER)
    (isolation / "文件").write_text("内容")
    sent = installed("send", isolation / "文件", "--to", isolation / "到")
    assert sent.returncode == 0, sent.stderr
    assert installed("run", "--", "echo", "你好").stdout.decode() == "你好\n"
    return rooms


def check(line: str, status: int, said: str) -> None:
    assert not BAD.search(said), f"assist {line}\n{said}"
    assert status == COMMANDS[line], f"assist {line}\n{said}"


def redirected(installed: Program, line: str, redirection: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    words = [str(installed.path), *shlex.split(line)]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *words],
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).decode()


def through(installed: Program, line: str) -> None:
    """Run one command under all conditions."""
    status, said = redirected(installed, line, ">&-")
    check(line, status, said)
    status, said = redirected(installed, line, ">/dev/full")
    assert not BAD.search(said), f"assist {line} >/dev/full\n{said}"
    status, said = redirected(installed, line, "", {"LC_ALL": "C", "LANG": "C"})
    check(line, status, said)
    for columns, env in ((20, {"NO_COLOR": "1"}), (200, {})):
        with Terminal(installed.path, shlex.split(line), Path.cwd(), columns=columns, env=env) as terminal:
            status = terminal.end()
        check(line, status, terminal.text)
        if env:
            assert not re.search(r"\x1b\[(?:\d+;)*(?:[34]\d|9\d|10\d)[;m]", terminal.raw), (
                f"assist {line}: colours\n{terminal.raw!r}"
            )


@pytest.mark.long
def test_some_commands_under_all_conditions(installed: Program, stocked: Home) -> None:
    for line in QUICK:
        through(installed, line)
    check_columns(installed)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_all_commands_under_all_conditions(installed: Program, stocked: Home) -> None:
    wrong = []
    for line in COMMANDS:
        try:
            through(installed, line)
        except AssertionError as error:
            wrong.append(str(error))
    assert not wrong, "\n\n".join(wrong)


def check_columns(installed: Program) -> None:
    """Check that the second column begins at the same column of the terminal in every line."""
    for more in ((), ("--plain",)):
        title, *lines = installed("command", "list", *more).stdout.decode().splitlines()
        column = title.index(title.split()[1])
        assert len({_columns_before(line, column) for line in lines}) == 1, lines


def _columns_before(line: str, column: int) -> str:
    """Return the text from a column of the terminal on."""
    at = 0
    for position, character in enumerate(line):
        if at >= column:
            return line[position:].split()[0]
        at += 2 if ord(character) > 0x2E80 else 1
    return ""
