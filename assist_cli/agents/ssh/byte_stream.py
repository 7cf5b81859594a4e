"""The byte stream under a login: a connection, a ProxyCommand, or a channel of another login."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from dataclasses import dataclass
from typing import Any

from assist_cli.agents.ssh.config import Settings
from assist_cli.errors import ClientNotOnline


@dataclass(frozen=True)
class ByteStream:
    """A socket, or a channel of another login. ``proxy`` is the process behind it."""

    sock: Any
    proxy: subprocess.Popen[bytes] | None = None

    def status(self, seconds: float) -> int | None:
        """Return the exit status of a ProxyCommand that has ended, or ends within ``seconds``."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.proxy.wait(seconds) if self.proxy is not None else None
        return None

    def end(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        if self.proxy is not None:
            self.proxy.terminate()
            self.proxy.wait()


def direct(settings: Settings, name: str, seconds: float) -> ByteStream:
    """Connect. ``name`` is the user's name for the host. Raises ClientNotOnline and TimeoutError."""
    where = f"cannot reach '{name}'"
    try:
        connection = socket.create_connection((settings.host, settings.port), seconds)
    except (socket.gaierror, UnicodeError) as error:  # UnicodeError for an impossible name, like a..b
        raise ClientNotOnline(
            f"{where}: the name '{settings.host}' cannot be resolved",
            hint="correct it, or give it a HostName in ~/.ssh/config",
        ) from error
    except ConnectionRefusedError as error:
        raise ClientNotOnline(
            f"{where}: nothing listens on port {settings.port}", hint="start sshd there, or name another port"
        ) from error
    except TimeoutError:
        raise
    except OSError as error:
        raise ClientNotOnline(f"{where}: {words(error)}", hint="check whether the machine is on") from error
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return ByteStream(connection)


def proxied(command: str, name: str) -> ByteStream:
    """Start a ProxyCommand with the user's shell, as ssh does. Raises ClientNotOnline.

    The line is the user's own. The values put into it have no characters with a meaning to a shell (see
    ``destination``).
    """
    shell = os.environ.get("SHELL") or "/bin/sh"
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            proxy = subprocess.Popen(
                [shell, "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            ours.close()
            raise ClientNotOnline(
                f"cannot reach '{name}': cannot start '{shell}' for its ProxyCommand: {words(error)}",
                hint="set SHELL to a shell that exists",
            ) from error
    return ByteStream(ours, proxy)


def words(error: BaseException) -> str:
    """Return the text of an error, as a part of a line."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(said.split()).rstrip(".")
