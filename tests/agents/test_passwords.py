"""Passwords, against a server in this process: a real sshd would take only those of this machine's users."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from assist_cli.agents.destination import Destination
from assist_cli.agents.ssh import login
from assist_cli.errors import ClientAuthFailed
from assist_cli.model.timeouts import DEFAULTS

pytestmark = pytest.mark.usefixtures("starts_processes")  # ssh is asked for the configuration

PASSWORD = "open sesame"


class Doorkeeper(paramiko.ServerInterface):
    """Lets ann in, by her password only."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        self.heard.append(password)
        right = (username, password) == ("ann", PASSWORD)
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED


@contextlib.contextmanager
def kept(doorkeeper: Doorkeeper) -> Iterator[Destination]:
    """A server on 127.0.0.1 that takes one connection."""
    key = paramiko.ECDSAKey.generate()
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        known = Path("~/.ssh/known_hosts").expanduser()
        known.parent.mkdir(exist_ok=True)
        known.write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
        ends: list[paramiko.Transport] = []

        def serve() -> None:
            transport = paramiko.Transport(door.accept()[0])
            ends.append(transport)
            transport.add_server_key(key)
            with contextlib.suppress(paramiko.SSHException, EOFError):  # whoever leaves at once
                transport.start_server(server=doorkeeper)

        logging.getLogger("paramiko").setLevel(logging.CRITICAL)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Destination("127.0.0.1", "ann", port)
        finally:
            login.hang_up()
            thread.join()
            ends[0].close()


def test_a_password_is_asked_for_again_and_passed_to_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    doorkeeper, prompts, answers = Doorkeeper(), [], iter(["wrong", PASSWORD])
    with kept(doorkeeper) as where:

        def ask(prompt: str) -> str:
            prompts.append(prompt)
            return next(answers)

        with caplog.at_level(logging.DEBUG):
            assert login.log_in(where, DEFAULTS.agent, ask=ask).by == "password"
        assert login.log_in(where, DEFAULTS.agent).by == "password"  # it is kept, and asks nobody
    assert prompts == [
        "Password of ann@127.0.0.1: ",
        "Permission denied for ann@127.0.0.1; password: ",
    ]
    assert doorkeeper.heard == ["wrong", PASSWORD]
    assert PASSWORD not in caplog.text


def test_three_wrong_passwords_are_enough() -> None:
    doorkeeper = Doorkeeper()
    with kept(doorkeeper) as where:
        with pytest.raises(ClientAuthFailed, match="the password is wrong") as caught:
            login.log_in(where, DEFAULTS.agent, ask=lambda prompt: "guess")
        assert "guess" not in caught.value.message + caught.value.hint
    assert doorkeeper.heard == ["guess"] * 3


def test_without_anybody_to_ask_none_is_tried() -> None:
    doorkeeper = Doorkeeper()
    with kept(doorkeeper) as where, pytest.raises(ClientAuthFailed, match="no key to try; it accepts password"):
        login.log_in(where, DEFAULTS.agent)
    assert doorkeeper.heard == []
