"""A client of a broker that sends what it is told to, as an attacker with a stolen key would; and the real servers."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from assist_cli.deploy.pki import Credentials

GUARD = 30.0


class BrokerRefusal(Exception):
    """The broker refused the connection, or ended it; the text is its error, empty if it gave none."""


class NatsUser:
    """A connection with a certificate and a token. Raises BrokerRefusal if the broker does not take them."""

    def __init__(self, port: int, pem: Credentials | None, token: str, folder: Path) -> None:
        self._lines = bytearray()
        self._socket = socket.create_connection(("127.0.0.1", port), GUARD)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if pem is not None:
                (folder / "user.pem").write_bytes(pem.certificate + pem.key)
                context.load_cert_chain(folder / "user.pem")
                context.load_verify_locations(cadata=pem.authority.decode())
            else:
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            assert self._line().startswith(b"INFO ")
            self._socket = context.wrap_socket(self._socket, server_hostname="127.0.0.1")
            options = {"jwt": token, "verbose": False, "headers": True, "no_responders": True, "protocol": 1}
            self.send(b"CONNECT " + json.dumps(options).encode())
            if errors := self.errors():
                raise BrokerRefusal(errors[0])
        except OSError as error:
            self.close()
            raise BrokerRefusal(str(error)) from error
        except BrokerRefusal:
            self.close()
            raise

    def send(self, *lines: bytes) -> None:
        self._socket.sendall(b"".join(line + b"\r\n" for line in lines))

    def errors(self) -> list[str]:
        """Return the errors for everything sent so far."""
        return [line.decode() for line in self.received() if line.startswith(b"-ERR")]

    def received(self) -> list[bytes]:
        """Return the lines that have come for everything sent so far. Raises BrokerRefusal at the end."""
        self.send(b"PING")
        found: list[bytes] = []
        while (line := self._line(found)) != b"PONG":
            if line == b"PING":
                self.send(b"PONG")
            elif not line.startswith(b"INFO"):
                found.append(line)
        return found

    def ending(self) -> str:
        """Wait for the broker to end the connection, and return its error."""
        found: list[bytes] = []
        with contextlib.suppress(BrokerRefusal, OSError):
            while True:
                found.append(self._line(found))
        return next((line.decode() for line in found if line.startswith(b"-ERR")), "")

    def _line(self, before: list[bytes] | None = None) -> bytes:
        while b"\r\n" not in self._lines:
            data = self._socket.recv(65536)
            if not data:
                errors = [line.decode() for line in before or () if line.startswith(b"-ERR")]
                raise BrokerRefusal(errors[0] if errors else "")
            self._lines += data
        line, _, self._lines = self._lines.partition(b"\r\n")
        return bytes(line)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> NatsUser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def programs() -> dict[str, Path]:
    """Return the versions of nats-server here by the name of their source: Debian's package, and the wheel."""
    found = {"debian": shutil.which("nats-server", path="/usr/sbin:/usr/bin")}
    found["wheel"] = shutil.which("nats-server", path=str(Path(sys.executable).parent))
    return {name: Path(path) for name, path in found.items() if path}


@contextlib.contextmanager
def served(program: Path, folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run nats-server with the configuration in a folder, until the end of the block."""
    log = (folder / "log").open("wb")
    process = subprocess.Popen([program, "-c", "nats-server.conf"], cwd=folder, stderr=log, stdin=subprocess.DEVNULL)
    try:
        until(lambda: listens(port))
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait(GUARD)
        log.close()


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def until(holds: Any) -> None:
    """Wait until this function returns something true; fail after GUARD seconds."""
    deadline = time.monotonic() + GUARD
    while not holds():
        assert time.monotonic() < deadline, "it has not happened"
        time.sleep(0.02)  # a state of another process, which reports no event
