"""``assist accesskey`` for people and programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.application import Application


def test_from_create_to_delete(assist: Application, home: Path):
    made = assist("accesskey", "create", "ci")
    assert made.returncode == 0
    key, secret = (line.split()[1] for line in made.stdout.decode().splitlines())
    assert b"not shown again" in made.stderr

    (listed,) = json.loads(assist("accesskey", "list", "-o", "json").stdout)
    assert {name: listed[name] for name in ("AccessKeyId", "Name", "Role", "Scope", "Enabled", "LastUsedTime")} == {
        "AccessKeyId": key,
        "Name": "ci",
        "Role": "operator",
        "Scope": None,
        "Enabled": True,
        "LastUsedTime": None,
    }
    assert assist("accesskey", "disable", "ci").returncode == 0
    table = assist("accesskey", "list").stdout
    assert b"disabled" in table
    assert key.encode() in table
    assert secret.encode() not in table
    assert assist("accesskey", "enable", key).returncode == 0
    assert assist("accesskey", "delete", "ci").returncode == 0
    assert json.loads(assist("accesskey", "list", "-o", "json").stdout) == []
    assert secret.encode() not in assist("audit", "list", "-o", "json").stdout
    assert (home / "assist.db").stat().st_mode & 0o777 == 0o600


def test_json_has_the_secret_once(assist: Application):
    made = json.loads(assist("accesskey", "create", "wall", "--role", "viewer", "-o", "json").stdout)
    assert set(made) == {"AccessKeyId", "AccessKeySecret"}
    assert len(made["AccessKeySecret"]) == 40


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (["create", "ci", "--role", "root"], 65, "InvalidRole"),
        (["create", "ci", "--on", "nothing"], 66, "InstanceNotExists"),
        (["create", "ci", "--on", "i-01"], 65, "InvalidScope"),
        (["create", "a@b"], 65, "InvalidName"),
        (["disable", "nobody"], 66, "NotFound"),
        (["delete", "nobody"], 66, "NotFound"),
    ],
)
def test_a_refused_key(assist: Application, words: list[str], status: int, code: str):
    done = assist("accesskey", *words, "-o", "json") if words[0] == "create" else assist("accesskey", *words)
    assert done.returncode == status
    if words[0] == "create":
        assert json.loads(done.stderr)["Code"] == code
    assert done.stdout == b""
