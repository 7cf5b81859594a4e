"""Installation on a hostile machine: for any answer of any length it ends soon, with a reason."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from assist_cli.agents.ssh import login
from assist_cli.errors import AssistError, ClientNotOnline, InstallFailed, InvalidAnswer, Refused
from assist_cli.model.timeouts import DEFAULTS
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.operations.fleet import deployment
from assist_cli.operations.fleet.deployment import InstallRequest
from assist_cli.paths import Home
from tests.support import sshd
from tests.support.place import free_port

MARK = "assist: from here on"
PROBED = f"echo '{MARK}'; echo Linux; echo apt-get; echo '/usr/bin/python3 3.11.2 '"
MEMORY = 60 * 1024 * 1024
GUARD = 8.0  # seconds for each

Cases = list[tuple[str, type[AssistError], str]]

# The answers to the search for a Python, by the reason that is shown.
AT_FIRST: Cases = [
    ("exec yes", InvalidAnswer, "printed more than"),
    ("yes | tr -d '\\n'", InvalidAnswer, "printed more than"),
    ("true", InstallFailed, "its shell runs no commands"),
    (f"echo '{MARK}'", InstallFailed, "its shell runs no commands"),
    (f"echo '{MARK}'; echo Linux; echo; echo python; echo '/a b c'; echo \"/p 3.x. ';\"", Refused, "none is installed"),
    (f"echo '{MARK}'; echo Linux; echo; echo /usr/bin/python3 99999.9.9 ", Refused, "none is installed"),
]
# The answers to the question what is installed.
THEN: Cases = [
    ("""echo '{"result": {}}'""", InvalidAnswer, "'result.home' is missing"),
    ("""echo '{"result": []}'""", InvalidAnswer, "'result' is not an object"),
    ("""echo '{"result": {"home": [1]}}'""", InvalidAnswer, "'result.home' is not a path"),
    ("""echo '{"error": [1]}'""", InvalidAnswer, "'error' is not text"),
    ("""echo '{"error": "x", "left": 5}'""", InvalidAnswer, "'left' is not a list"),
    ("""echo '{"step": 5}'""", InvalidAnswer, "'step' is not text"),
    ("""exec yes '{"step": "again"}'""", InvalidAnswer, "too many steps"),
    ("""head -c 500000 /dev/zero | tr '\\0' '['""", InstallFailed, "the connection ended"),
]
# The same, endlessly.
WITHOUT_END: tuple[Cases, Cases] = (
    [
        ("exec sleep 2", ClientNotOnline, "no output in 0.7 s"),
        ("while :; do printf x; sleep 0.1; done", InvalidAnswer, "did not end in 1 s"),
        ("while :; do echo x >&2; sleep 0.1; done", ClientNotOnline, "no output in 0.7 s"),
        ("exec yes >&2", ClientNotOnline, "no output in 0.7 s"),
    ],
    [("while :; do echo '{}'; sleep 0.1; done", InvalidAnswer, "did not end in 1 s")],
)


IMPATIENT = DEFAULTS.replace(
    agent=DEFAULTS.agent.replace(command=1, silence=0.7), install=DEFAULTS.install.replace(order=1, silence=0.7)
)


@pytest.fixture
def controller(isolation: Path, no_leaks: None) -> Iterator[Controller]:
    with open_controller(Home(isolation / "assist")) as made:
        yield made


def install(controller: Controller, place: str) -> list[str]:
    steps: list[str] = []
    deployment.install(controller, InstallRequest(place, name="web1"), progress=steps.append, ask=None)
    return steps


def memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.usefixtures("starts_processes")
def test_a_machine_with_nonsense_or_too_long_answers(controller: Controller, isolation: Path) -> None:
    refuse(controller, isolation, AT_FIRST, THEN)


@pytest.mark.long
@pytest.mark.usefixtures("starts_processes")
def test_a_machine_whose_answers_never_end(controller: Controller, isolation: Path) -> None:
    refuse(controller.replace(timeouts=IMPATIENT), isolation, *WITHOUT_END)


def refuse(controller: Controller, isolation: Path, first: Cases, then: Cases) -> None:
    """Try to install there, with each of these behaviours, at the first step and at the next."""
    program = isolation / "program"
    with sshd.serving(isolation / "sshd", more=f"ForceCommand /bin/sh {program}") as server:
        program.write_text("exit 0")
        with pytest.raises(InstallFailed):
            install(controller, server.place)
        before = memory()
        at_first = f'case "$SSH_ORIGINAL_COMMAND" in *-s*) {PROBED}; exit;; esac'
        later = [(f"{at_first}; echo '{MARK}'; {each[0]}", *each[1:]) for each in then]
        for said, kind, words in [*first, *later]:
            program.write_text(said)
            began = time.monotonic()
            with pytest.raises(AssistError, match=words) as caught:
                install(controller, server.place)
            assert type(caught.value) is kind, said
            assert caught.value.hint, said
            assert time.monotonic() - began < GUARD, said
        assert memory() - before < MEMORY


class Mute(paramiko.ServerInterface):
    """An SSH server that accepts everybody, and does not answer a request to run a command."""

    def __init__(self) -> None:
        self.done = threading.Event()

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return int(paramiko.AUTH_SUCCESSFUL)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.done.wait()
        return False


@pytest.mark.usefixtures("starts_processes")
def test_a_machine_that_does_not_answer_a_request_to_run(controller: Controller, isolation: Path) -> None:
    sshd.new_key(Path("~/.ssh/id_ed25519").expanduser())
    key, port = paramiko.ECDSAKey.generate(), free_port()
    Path("~/.ssh/known_hosts").expanduser().write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
    impatient = controller.replace(timeouts=DEFAULTS.replace(agent=DEFAULTS.agent.replace(connect=2)))
    with socket.create_server(("127.0.0.1", port)) as listener:
        mute, transports = Mute(), []

        def serve() -> None:
            transports.append(paramiko.Transport(listener.accept()[0]))
            transports[0].add_server_key(key)
            transports[0].start_server(server=mute)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            began = time.monotonic()
            with pytest.raises(ClientNotOnline, match="cannot run anything"):
                install(impatient, f"127.0.0.1:{port}")
            assert time.monotonic() - began < GUARD
        finally:
            mute.done.set()
            thread.join()
            transports[0].close()
            transports[0].join()
            login.hang_up()
