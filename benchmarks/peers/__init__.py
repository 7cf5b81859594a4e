"""Peers, run as their makers intend: SSH tools, Ansible, and a floor that none can pass.

Each peer runs ``echo hello`` on every host of a list, or sends a file there, over connections that it makes for this
one run. All SSH is spoken to one throw-away sshd. Except for one ``ssh`` all tools use curve25519 as the key exchange,
which is quicker than Debian's default. They are installed into an environment of their own, next to the one that runs
this.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import sshd

SSH = "ssh"  # to one host, as Debian configures it
QUICK_SSH = "ssh, curve25519"  # to one host
ANSIBLE = "ansible -m shell -f 50"
FLOOR = "the floor: bare TLS"
FLOOR_PORT = 7434

PACKAGES = ("ansible-core", "asyncssh", "ClusterShell", "paramiko", "parallel-ssh")
ENVIRONMENT = Path(sys.prefix, "peers")
KEY_EXCHANGE = "  KexAlgorithms curve25519-sha256\n"
DEFAULT_KEY_EXCHANGE = "KexAlgorithms=+curve25519-sha256"  # the whole default list, as it has this one already
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Peer:
    """A program to compare with. ``words`` has ``{hosts}`` in the place of the file with the list of hosts.

    One that runs on one host has ``{host}`` instead. One that sends has ``{file}`` and ``{to}`` too: the file, and its
    destination.
    """

    name: str
    words: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, **values: Path | str) -> list[str]:
        words = list(self.words)
        for name, value in values.items():
            words = [word.replace(f"{{{name}}}", str(value)) for word in words]
        return words


def install() -> dict[str, str]:
    """Install the tools that can be had. Return the missing ones and why, by name."""
    missing = {package: "pip could not install it" for package in PACKAGES if with_package(package) is None}
    if not shutil.which("parallel-ssh"):
        words = ["apt-get", "install", "--yes", "--no-install-recommends", "pssh"]
        if os.geteuid() or not shutil.which("apt-get"):
            missing["pssh"] = "it is a package of Debian, and this is no root on a Debian"
        elif subprocess.run(words, capture_output=True, check=False).returncode:
            missing["pssh"] = "apt-get could not install it"
    return missing


def with_package(package: str) -> Path | None:
    """The Python of the environment of the peers, which has this package; None if it cannot be installed."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    words = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
    return None if subprocess.run(words, capture_output=True, check=False).returncode else python


@contextlib.contextmanager
def at_hand() -> Iterator[tuple[list[Peer], list[Peer]]]:
    """All peers that run here, and all that send, with an sshd for them; print a line for each that does not."""
    missing = install()
    with sshd.throw_away("0.0.0.0", KEY_EXCHANGE) as server:
        if server is None:
            missing["sshd"] = "no sshd here lets us in (on Debian: apt-get install openssh-server)"
        for name, why in missing.items():
            print(f"  not compared with {name}: {why}")
        if server is None:
            yield [], []
            return
        runners, senders = (
            [peer for name, peer in found if name not in missing] for found in (_runners(server), _senders(server))
        )
        yield runners, senders


def _runners(server: sshd.Server) -> Iterator[tuple[str, Peer]]:
    """Every peer by the name of the package that it needs."""
    tools, config = ENVIRONMENT / "bin", str(server.config)

    def script(name: str) -> list[str]:
        return [str(tools / "python"), str(HERE / name), "{hosts}", str(server.port), server.user, str(server.key)]

    ssh = ["ssh", "-F", config]
    yield "ssh", Peer(SSH, [*ssh, "-o", DEFAULT_KEY_EXCHANGE, "{host}", "echo", "hello"])
    yield "ssh", Peer(QUICK_SSH, [*ssh, "{host}", "echo", "hello"])
    yield "paramiko", Peer("paramiko, 32 threads", script("paramiko_pool.py"))
    yield "asyncssh", Peer("asyncssh", script("asyncssh_many.py"))
    yield "parallel-ssh", Peer("parallel-ssh", script("parallel_ssh.py"))
    xargs = ["xargs", "-a", "{hosts}", "-P", "32", "-I", "{}"]
    yield "ssh", Peer("xargs -P 32 ssh", [*xargs, *ssh, "{}", "echo", "hello"])
    clush = [str(tools / "clush"), "--hostfile", "{hosts}", "-f", "64", "-o", f"-F {config}"]
    yield "ClusterShell", Peer("clush -f 64", [*clush, "echo", "hello"])
    pssh = ["parallel-ssh", "-h", "{hosts}", "-p", "64", "-t", "0", "-i", "-x", f"-F {config}"]
    yield "pssh", Peer("pssh -p 64", [*pssh, "echo", "hello"])
    ansible = [str(tools / "ansible"), "all", "-i", "{hosts}", "-f", "50"]
    yield (
        "ansible-core",
        Peer(
            ANSIBLE,
            [*ansible, "-m", "shell", "-a", "echo hello"],
            environment={
                "ANSIBLE_SSH_ARGS": f"-F {config} -C -o ControlMaster=auto -o ControlPersist=1s",
                "ANSIBLE_SSH_CONTROL_PATH_DIR": str(server.folder / "control"),
                "ANSIBLE_LOCAL_TEMP": str(server.folder / "ansible"),
                "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
            },
        ),
    )


def _senders(server: sshd.Server) -> Iterator[tuple[str, Peer]]:
    """The same for the peers that send a file."""
    tools, config = ENVIRONMENT / "bin", str(server.config)
    script = [str(tools / "python"), str(HERE / "asyncssh_send.py"), "{hosts}", "{file}", "{to}"]
    yield "asyncssh", Peer("asyncssh, sftp", [*script, str(server.port), server.user, str(server.key)])
    xargs = ["xargs", "-a", "{hosts}", "-P", "32", "-I", "[]"]
    yield "ssh", Peer("xargs -P 32 scp", [*xargs, "scp", "-q", "-F", config, "{file}", "[]:{to}"])
    clush = [str(tools / "clush"), "--hostfile", "{hosts}", "-f", "64", "-S", "-o", f"-F {config}"]
    yield "ClusterShell", Peer("clush -f 64 --copy", [*clush, "--copy", "{file}", "--dest", "{to}"])
    pssh = ["parallel-scp", "-h", "{hosts}", "-p", "64", "-t", "0", "-x", f"-F {config}"]
    yield "pssh", Peer("pscp -p 64", [*pssh, "{file}", "{to}"])


@contextlib.contextmanager
def floor(pki: Path, addresses: Sequence[str]) -> Iterator[Peer]:
    """A lower bound, not a tool: little more than the connections and the shells (see floor_server.py).

    ``pki`` holds the certificates of a controller and of some agent of its.
    """
    server = [sys.executable, str(HERE / "floor_server.py"), str(pki), str(FLOOR_PORT), *addresses]
    with subprocess.Popen(server, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in addresses:
            process.stdout.readline()
        yield Peer(FLOOR, [sys.executable, str(HERE / "floor.py"), "{hosts}", str(FLOOR_PORT), str(pki)])
        process.communicate()
