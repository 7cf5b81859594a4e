"""A throw-away sshd on 127.0.0.1, to measure against: its own keys, its own configuration, a port of its own."""

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
from pathlib import Path

GUARD = 10.0  # seconds in which sshd must answer

_SERVER = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/user_key.pub
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
PrintLastLog no
SetEnv HOME={folder}
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


@contextlib.contextmanager
def throw_away() -> Iterator[list[str] | None]:
    """The words of an ssh to it, to be followed by a command; None where there is no sshd or it lets nobody in."""
    server, client = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin"), shutil.which("ssh")
    if not server or not client:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="assist-sshd-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        values = {"folder": folder, "port": _free_port(), "user": pwd.getpwuid(os.geteuid()).pw_name}
        for key in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        kind, public = (folder / "host_key.pub").read_text().split()[:2]
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{values['port']} {kind} {public}\n")
        (folder / "sshd_config").write_text(_SERVER.format(**values))
        (folder / "ssh_config").write_text(_CLIENT.format(**values))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where Debian's sshd, run by root, wants to be alone
        process = stack.enter_context(
            subprocess.Popen(
                [server, "-D", "-f", folder / "sshd_config", "-E", folder / "sshd.log"], stdin=subprocess.DEVNULL
            )
        )
        stack.callback(process.terminate)
        words = [client, "-F", str(folder / "ssh_config"), "127.0.0.1"]
        yield words if _answers(process, [*words, "true"]) else None


def _answers(process: subprocess.Popen[bytes], words: list[str]) -> bool:
    end = time.monotonic() + GUARD
    while process.poll() is None and time.monotonic() < end:
        if subprocess.run(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return True
        time.sleep(0.1)  # sshd says nothing when it is ready
    return False


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port: int = door.getsockname()[1]
        return port
