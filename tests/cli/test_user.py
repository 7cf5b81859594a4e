"""``assist user`` and ``assist console``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.application import Application

PASSWORD = b"correct horse battery\n"


def test_from_add_to_remove(assist: Application, home: Path):
    made = assist("user", "add", "ana", "--role", "viewer", "--password-file", "-", input=PASSWORD)
    assert made.returncode == 0, made.stderr
    assert made.stderr == b"ana is viewer on all instances.\n"
    (listed,) = json.loads(assist("user", "list", "-o", "json").stdout)
    assert listed.pop("CreationTime")
    assert listed == {"Name": "ana", "Role": "viewer", "Scope": None, "Enabled": True, "LastLoginTime": None}
    assert assist("user", "disable", "ana").returncode == 0
    assert b"disabled" in assist("user", "show", "ana").stdout
    assert assist("user", "enable", "ana").returncode == 0
    assert assist("user", "password", "ana", "--password-file", "-", input=b"another long one\n").returncode == 0
    assert assist("user", "remove", "ana").returncode == 0
    assert json.loads(assist("user", "list", "-o", "json").stdout) == []
    actions = [entry["Action"] for entry in json.loads(assist("audit", "list", "-o", "json").stdout)]
    assert actions == ["user.remove", "user.password", "user.enable", "user.disable", "user.add"]
    stored = b"".join(each.read_bytes() for each in home.glob("assist.db*"))
    assert PASSWORD.strip() not in stored


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        (["add", "bo"], 2, "this is not a terminal"),
        (["add", "bo", "--role", "root", "--password-file", "-"], 65, "there is no such role"),
        (["add", "bo", "--on", "nothing", "--password-file", "-"], 66, "cannot find an instance"),
        (["add", "a/b", "--password-file", "-"], 65, "cannot use the name"),
        (["add", "bo", "--password-file", "missing"], 74, "cannot read"),
        (["disable", "nobody"], 66, "cannot find a user"),
        (["password", "nobody"], 66, "cannot find a user"),
    ],
)
def test_a_refused_user(assist: Application, words: list[str], status: int, reason: str):
    done = assist("user", *words, input=PASSWORD)
    assert done.returncode == status
    assert reason.encode() in done.stderr
    assert b"hint: " in done.stderr


def test_a_short_password(assist: Application):
    done = assist("user", "add", "bo", "--password-file", "-", input=b"short\n")
    assert done.returncode == 65
    assert b"it has 5 characters" in done.stderr
    assert b"short" not in done.stderr


def test_a_name_is_used_one_time(assist: Application):
    assert assist("user", "add", "bo", "--password-file", "-", input=PASSWORD).returncode == 0
    done = assist("user", "add", "bo", "--password-file", "-", input=PASSWORD)
    assert done.returncode == 65
    assert b"there is one" in done.stderr


def test_a_link_needs_a_server(assist: Application):
    done = assist("console", "open")
    assert done.returncode == 65
    assert done.stderr.startswith(
        b"error: cannot open the console: no server with a console is running\nhint: start one"
    )


def test_the_audit_log_by_actor_and_action(assist: Application):
    for name in ("ana", "bo"):
        assist("user", "add", name, "--password-file", "-", input=PASSWORD)
    assist("user", "disable", "ana")

    def actions(*words: str) -> list[str]:
        return [each["Action"] for each in json.loads(assist("audit", "list", "-o", "json", *words).stdout)]

    assert actions("--action", "user") == ["user.disable", "user.add", "user.add"]
    assert actions("--action", "user.add") == ["user.add"] * 2
    assert actions("--action", "us") == actions("--actor", "nobody at all") == []
    assert actions("--action", "user.disable", "--since", "1h", "-n", "1") == ["user.disable"]
