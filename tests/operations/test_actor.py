"""The actor of a command and its origin: the system names the actor, the environment only the origin."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator

import pytest

from assist_cli.operations.actor import local_actor


@pytest.fixture(autouse=True)
def nobody_in_between(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("SSH_CONNECTION", "SUDO_UID", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    yield
    local_actor.cache_clear()


def seen() -> str:
    local_actor.cache_clear()
    return str(local_actor())


def test_the_system_names_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert seen().startswith(f"{pwd.getpwuid(os.getuid()).pw_name} (uid {os.getuid()}) from ")
    assert seen().endswith(os.uname().nodename)


def test_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.5 50000 10.0.0.1 22")
    assert " from 10.0.0.5, " in seen()


@pytest.mark.parametrize("connection", ["", "\x1b[2J 1 2 3", "$(id) 1 2 3", "10.0.0.5;x 1 2 3"])
def test_an_invalid_address_is_not_recorded(monkeypatch: pytest.MonkeyPatch, connection: str) -> None:
    plain = seen()
    monkeypatch.setenv("SSH_CONNECTION", connection)
    assert seen() == plain


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is told of sudo")
def test_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "1")
    assert f" from {pwd.getpwuid(1).pw_name} by sudo, " in seen()
