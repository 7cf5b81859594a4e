"""A real agent on Windows, reached over mutual TLS like by a controller.

``--windows-python`` names the Python of the agent. On other systems these tests are skipped, unless the option has a
command that starts a Python for Windows, such as ``wine C:/python/python.exe``. Paths of this system are then on
drive Z.
"""

from __future__ import annotations

import shlex
import socket
import ssl
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from assist_cli.deploy.pki import Credentials
from tests.support.agent import GUARD, Client, eventually

BAT = "RunBatScript"
POWERSHELL = "RunPowerShellScript"
HERE = sys.platform == "win32"


def python(told: str | None) -> list[str]:
    """The words that start a Python for Windows: from the option, or this one; or skip the test."""
    if told:
        return shlex.split(told, posix=not HERE)
    if not HERE:
        pytest.skip("needs Windows: the agent's calls of it cannot be tried elsewhere")
    return [sys.executable]


def there(path: Path | str) -> str:
    """A path in the form of Windows."""
    return str(path) if HERE else "Z:" + str(path).replace("/", "\\")


class WindowsAgent:
    """An agent for one test, its folder, and its process."""

    def __init__(self, python: list[str], archive: Path, folder: Path) -> None:
        self.python = python
        self.home = folder / "agent"
        self.pki = folder / "pki"
        self.log = folder / "agent.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._archive = archive
        self._clients: list[Client] = []
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]

    def words(self, command: str) -> list[str]:
        """Return the argv of one of the agent's commands that serve."""
        place = ["--home", there(self.home), "--listen", f"127.0.0.1:{self.port}"]
        return [*self.python, "-I", "-S", there(self._archive), command, *place]

    def certify(self) -> None:
        """Write its certificates into the folder that it has created, and those of the controller."""
        authority, key = certificate("authority", "fleet")
        for folder, name, role in ((self.home / "pki", "agent", "agent"), (self.pki, "tests", "controller")):
            found = issue(authority, key, role, name)
            folder.mkdir()
            (folder / "ca.pem").write_bytes(found.authority)
            (folder / f"{name}.pem").write_bytes(found.certificate)
            (folder / f"{name}.key").write_bytes(found.key)

    def start(self, command: str = "serve") -> WindowsAgent:
        """Start it, with its guard if ``command`` says so, and wait until it listens."""
        before = self.log_text().count("serves on")
        words = [*self.words(command), "--log", there(self.log)]
        nothing = subprocess.DEVNULL
        self.process = subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing)
        self.wait_for_start(before)
        return self

    def wait_for_start(self, before: int) -> None:
        """Wait until it has started to serve more than ``before`` times."""
        process = self.process
        assert process is not None
        eventually(lambda: self.log_text().count("serves on") > before or process.poll() is not None, 60.0)
        assert process.poll() is None, f"the agent did not start: {self.log_text()}"

    def connect(self) -> Client:
        """A new connection, closed at the end of the test."""
        client = connect(self.pki, self.port)
        self._clients.append(client)
        return client

    def execute(self, code: str) -> None:
        """Run a line of Python on that system."""
        words = [*self.python, "-I", "-c", code]
        subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=GUARD)

    def end(self, pid: int) -> None:
        """TerminateProcess, like the task manager."""
        self.execute(f"import os; os.kill({pid}, 9)")

    def kill(self) -> None:
        """Kill the started process immediately, and wait for it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(GUARD)

    def close(self) -> None:
        """End the test: stop all tasks, then the agent."""
        if self.process is not None and self.process.poll() is None:
            with self.connect() as client:
                for task in client.call("task.list")["tasks"]:
                    if task["state"] in ("Running", "Stopping"):
                        client.call("task.stop", record=task["record"])
                        client.finish(task["record"])
            self.kill()
        for client in self._clients:
            client.close()

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


Signer = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def issue(authority: x509.Certificate, key: ec.EllipticCurvePrivateKey, role: str, name: str) -> Credentials:
    """Issue a certificate of this authority."""
    made, own = certificate(role, name, (authority, key))
    return Credentials(_pem(made), _pem(own), _pem(authority))


def connect(pki: Path, port: int) -> Client:
    """A new connection to the agent at a port, with the certificate of the tests."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pki / "ca.pem")
    context.load_cert_chain(pki / "tests.pem", pki / "tests.key")
    plain = socket.create_connection(("127.0.0.1", port), GUARD)
    return Client(context.wrap_socket(plain, server_hostname="127.0.0.1"))


def certificate(role: str, name: str, signer: Signer | None = None) -> Signer:
    """A certificate and its key; without a signer a CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    now = datetime.now(timezone.utc)
    issuer, issuer_key = (signer[0].subject, signer[1]) if signer else (subject, key)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return certificate, key


def _pem(thing: x509.Certificate | ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.Encoding.PEM
    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(form)
    return thing.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class Pulse:
    """Processes that a test watches: each connects here, so that the end of its connection is its end."""

    def __init__(self, folder: Path) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(GUARD)
        self.program = folder / "pulse.py"
        port = self._listener.getsockname()[1]
        self.program.write_text(
            f"import socket, sys\nhere = socket.create_connection(('127.0.0.1', {port}))\n"
            "print('beats', flush=True)\nhere.recv(1)\n"
        )
        self._beating: list[socket.socket] = []

    def meet(self, count: int) -> None:
        """Wait until this many more have connected."""
        for _ in range(count):
            beat, _ = self._listener.accept()
            beat.settimeout(GUARD)
            self._beating.append(beat)

    def all_gone(self) -> bool:
        """Wait until all of them have ended."""
        return all(_is_over(beat) for beat in self._beating)

    def all_alive(self) -> bool:
        """Return True if all of them run, and still run after a second."""
        for beat in self._beating:
            beat.settimeout(1.0)
            try:
                _is_over(beat)
                return False
            except TimeoutError:
                beat.settimeout(GUARD)
        return True

    def close(self) -> None:
        """Close all connections, which ends the processes."""
        for beat in self._beating:
            beat.close()
        self._listener.close()

    def __enter__(self) -> Pulse:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _is_over(beat: socket.socket) -> bool:
    try:
        return beat.recv(1) == b""
    except ConnectionResetError:
        return True
