"""A real sshd for a test: on an address of its own in 127.0.0.0/8, with its own keys, configuration and users' folder.

Its user is the one who runs the tests, with HOME and the folder of the agent inside the test's own folder.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assist_cli.agents.ssh import login
from tests.support import processes
from tests.support.agent import Agent
from tests.support.programs import need

GUARD = 10.0  # seconds in which sshd must listen

_CONFIG = """\
Port {port}
ListenAddress {address}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
PrintLastLog no
MaxStartups 500:30:1000
SetEnv HOME={home} ASSIST_AGENTD_HOME={agent} {environment}
LogLevel VERBOSE
{more}
"""


@dataclass(frozen=True)
class Sshd:
    """A running sshd. ``home`` is the HOME of its users, ``agent`` the folder for an agent, ``log`` its log."""

    address: str
    port: int
    folder: Path
    home: Path
    agent: Path
    process: subprocess.Popen[bytes]

    @property
    def user(self) -> str:
        return getpass.getuser()

    @property
    def place(self) -> str:
        return f"{self.user}@{self.address}:{self.port}"

    @property
    def host_key(self) -> str:
        """``TYPE KEY`` of the host key."""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    @property
    def known_as(self) -> str:
        return f"[{self.address}]:{self.port}"

    def let_in(self, public: str) -> None:
        """Authorise the owner of another key."""
        with (self.folder / "authorized_keys").open("a") as file:
            file.write(public)

    def log(self) -> str:
        return (self.folder / "sshd.log").read_text()

    def logins(self) -> int:
        """The number of logins."""
        return self.log().count("Accepted publickey for ")

    def end_sessions(self) -> None:
        """End every connection, as a broken network would: kill sshd's own processes for them."""
        for pid in processes.children(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)


def new_key(path: Path, passphrase: str = "", kind: str = "ed25519") -> str:
    """Create a key pair. Return its public line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([need("ssh-keygen"), "-q", "-t", kind, "-N", passphrase, "-C", path.name, "-f", path], check=True)
    return path.with_name(path.name + ".pub").read_text()


@contextlib.contextmanager
def serving(
    folder: Path, *, agent: Path | None = None, trusted: bool = True, more: str = "", environment: str = ""
) -> Iterator[Sshd]:
    """An sshd that accepts the user of this test, with the key ~/.ssh/id_ed25519, which is created if missing.

    ``agent`` is the folder of an agent, which may not exist yet. ``trusted`` writes the host key to ~/.ssh/known_hosts.
    ``more`` are lines of its configuration, ``environment`` variables of those who log in.
    """
    sshd = need("sshd")
    folder.mkdir(parents=True)
    home, agent = folder / "home", agent or folder / "agent"
    home.mkdir()
    user_key = Path("~/.ssh/id_ed25519").expanduser()
    public = user_key.with_name("id_ed25519.pub").read_text() if user_key.exists() else new_key(user_key)
    (folder / "authorized_keys").write_text(public)
    new_key(folder / "host_key")
    address, port = free_place()
    (folder / "sshd_config").write_text(
        _CONFIG.format(
            folder=folder, address=address, port=port, home=home, agent=agent, more=more, environment=environment
        )
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # the chroot of Debian's sshd, when root runs it
    with subprocess.Popen(
        [sshd, "-D", "-f", folder / "sshd_config", "-E", folder / "sshd.log"], stdin=subprocess.DEVNULL
    ) as process:
        server = Sshd(address, port, folder, home, agent, process)
        try:
            wait_for(server)
            if trusted:
                with Path("~/.ssh/known_hosts").expanduser().open("a") as file:
                    file.write(f"{server.known_as} {server.host_key}\n")
            yield server
        finally:
            login.hang_up()
            process.terminate()


@contextlib.contextmanager
def beside(agent: Agent, folder: Path, environment: str = "") -> Iterator[Sshd]:
    """An sshd on the machine of an agent, whose folder gets the launcher of an installation."""
    with serving(folder, agent=agent.home, environment=environment) as server:
        launcher(agent.home / "agentd", *agent.words("bridge"))
        yield server


def launcher(path: Path, *words: str) -> None:
    """Write a program that runs these words."""
    path.write_text(f"#!/bin/sh\nexec {shlex.join(words)}\n")
    path.chmod(0o755)


def wait_for(server: Sshd) -> None:
    """Return when it listens."""
    end = time.monotonic() + GUARD
    while server.process.poll() is None and time.monotonic() < end:
        with socket.socket() as sock:
            if sock.connect_ex((server.address, server.port)) == 0:
                return
        time.sleep(0.01)  # sshd does not report that it listens
    raise AssertionError(f"sshd does not listen: {server.log()}")


def free_place() -> tuple[str, int]:
    """An address and a port that are free now."""
    chance = secrets.token_bytes(3)
    address = f"127.{chance[0] % 250 + 2}.{chance[1]}.{chance[2] % 250 + 2}"
    with socket.socket() as sock:
        sock.bind((address, 0))
        port: int = sock.getsockname()[1]
        return address, port
