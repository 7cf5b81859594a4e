"""A throw-away sshd to measure against: its own keys, its own configuration, a port of its own.

It accepts only clients from 127.0.0.0/8 with its key. On 0.0.0.0 it answers on every address of
that network, so that one of it stands for as many hosts as needed: sshd takes no more than 16 addresses by name.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GUARD = 10.0  # seconds in which sshd must answer

_SERVER = """
Port {port}
ListenAddress {address}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/user_key.pub
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowUsers {user}@127.0.0.0/8
MaxStartups 2000
PrintMotd no
PrintLastLog no
SetEnv HOME={folder}
Subsystem sftp internal-sftp
LogLevel ERROR
"""

_CLIENT = """
Host *
  Port {port}
  User {user}
  IdentityFile {folder}/user_key
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  ControlMaster no
  ControlPath none
  LogLevel ERROR
"""


@dataclass(frozen=True)
class Server:
    """The sshd: its port, and the files for a login. ``config`` is for ssh itself and has all settings."""

    folder: Path
    port: int
    user: str

    @property
    def config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def key(self) -> Path:
        return self.folder / "user_key"

    @property
    def words(self) -> list[str]:
        """The words of an ssh to 127.0.0.1, without its command."""
        return ["ssh", "-F", str(self.config), "127.0.0.1"]


@contextlib.contextmanager
def throw_away(address: str = "127.0.0.1", client: str = "", more: str = "") -> Iterator[Server | None]:
    """A running sshd; None if there is none or its login fails.

    ``address`` is where it listens, ``client`` what is added to the configuration of ssh, and
    ``more`` to its own.
    """
    program = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not program or not shutil.which("ssh"):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="assist-sshd-") as name, contextlib.ExitStack() as stack:
        server = Server(Path(name), _free_port(), pwd.getpwuid(os.geteuid()).pw_name)
        folder, values = server.folder, vars(server)
        for key in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        kind, public = (folder / "host_key.pub").read_text().split()[:2]
        (folder / "known_hosts").write_text(f"[127.*]:{server.port} {kind} {public}\n")
        (folder / "sshd_config").write_text(_SERVER.format(**values, address=address) + more)
        server.config.write_text(_CLIENT.format(**values) + client)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # the chroot of Debian's sshd, when root runs it
        process = stack.enter_context(
            subprocess.Popen(
                [program, "-D", "-f", folder / "sshd_config", "-E", folder / "sshd.log"], stdin=subprocess.DEVNULL
            )
        )
        stack.callback(process.terminate)
        yield server if _answers(process, [*server.words, "true"]) else None


def _answers(process: subprocess.Popen[bytes], words: list[str]) -> bool:
    end = time.monotonic() + GUARD
    while process.poll() is None and time.monotonic() < end:
        if subprocess.run(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return True
        time.sleep(0.1)  # sshd does not report that it is ready
    return False


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
