"""Passwords, against a server in this process: a real sshd accepts only passwords of users of this machine."""

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

pytestmark = pytest.mark.usefixtures("starts_processes")  # ssh reads the configuration

PASSWORD = "open sesame"


class PasswordServer(paramiko.ServerInterface):
    """Accepts only ann, and only with her password."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        self.heard.append(password)
        right = (username, password) == ("ann", PASSWORD)
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED


@contextlib.contextmanager
def kept(passwords: PasswordServer) -> Iterator[Destination]:
    """A server on 127.0.0.1 that accepts one connection."""
    key = paramiko.ECDSAKey.generate()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        known = Path("~/.ssh/known_hosts").expanduser()
        known.parent.mkdir(exist_ok=True)
        known.write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
        ends: list[paramiko.Transport] = []

        def serve() -> None:
            transport = paramiko.Transport(listener.accept()[0])
            ends.append(transport)
            transport.add_server_key(key)
            with contextlib.suppress(paramiko.SSHException, EOFError):  # the client disconnects immediately
                transport.start_server(server=passwords)

        logging.getLogger("paramiko").setLevel(logging.CRITICAL)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Destination("127.0.0.1", "ann", port)
        finally:
            login.hang_up()
            thread.join()
            ends[0].close()


def test_a_wrong_password_is_asked_for_again_and_sent_to_no_other_host(caplog: pytest.LogCaptureFixture) -> None:
    passwords, prompts, answers = PasswordServer(), [], iter(["wrong", PASSWORD])
    with kept(passwords) as where:

        def ask(prompt: str) -> str:
            prompts.append(prompt)
            return next(answers)

        with caplog.at_level(logging.DEBUG):
            assert login.log_in(where, DEFAULTS.agent, ask=ask).by == "password"
        assert login.log_in(where, DEFAULTS.agent).by == "password"  # the connection is pooled, and asks nobody
    assert prompts == [
        "Password of ann@127.0.0.1: ",
        "Permission denied for ann@127.0.0.1; password: ",
    ]
    assert passwords.heard == ["wrong", PASSWORD]
    assert PASSWORD not in caplog.text


def test_it_stops_after_three_wrong_passwords() -> None:
    passwords = PasswordServer()
    with kept(passwords) as where:
        with pytest.raises(ClientAuthFailed, match="the password is wrong") as caught:
            login.log_in(where, DEFAULTS.agent, ask=lambda prompt: "guess")
        assert "guess" not in caught.value.message + caught.value.hint
    assert passwords.heard == ["guess"] * 3


def test_without_a_person_to_ask_no_password_is_tried() -> None:
    passwords = PasswordServer()
    with kept(passwords) as where, pytest.raises(ClientAuthFailed, match="no key to try; it accepts password"):
        login.log_in(where, DEFAULTS.agent)
    assert passwords.heard == []
