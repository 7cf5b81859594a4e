"""What carries the bytes of a login: a connection, a ProxyCommand, or a channel of another login."""

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
class Road:
    """A socket, or a channel of another login; ``proxy`` is who is behind it."""

    stream: Any
    proxy: subprocess.Popen[bytes] | None = None

    def status(self, seconds: float) -> int | None:
        """The exit status of a ProxyCommand that has ended, or ends within ``seconds``."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.proxy.wait(seconds) if self.proxy is not None else None
        return None

    def end(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            self.stream.shutdown(socket.SHUT_RDWR)
        self.stream.close()
        if self.proxy is not None:
            self.proxy.terminate()
            self.proxy.wait()


def direct(settings: Settings, name: str, seconds: float) -> Road:
    """A connection. ``name`` is what the user calls the host. Raises ClientNotOnline and TimeoutError."""
    where = f"cannot reach '{name}'"
    try:
        road = socket.create_connection((settings.host, settings.port), seconds)
    except (socket.gaierror, UnicodeError) as error:  # the latter for what cannot be a name, like a..b
        raise ClientNotOnline(
            f"{where}: the name '{settings.host}' is not known",
            hint="correct it, or give it a HostName in ~/.ssh/config",
        ) from error
    except ConnectionRefusedError as error:
        raise ClientNotOnline(
            f"{where}: nothing listens on port {settings.port}", hint="start sshd there, or name another port"
        ) from error
    except TimeoutError:
        raise
    except OSError as error:
        raise ClientNotOnline(f"{where}: {words(error)}", hint="see whether the machine is on") from error
    road.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    road.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return Road(road)


def proxied(command: str, name: str) -> Road:
    """A ProxyCommand, given to the shell that ssh would give it to. Raises ClientNotOnline.

    The line is the user's own; what was put into it holds nothing that a shell would heed (see ``destination``).
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
    return Road(ours, proxy)


def words(error: BaseException) -> str:
    """What an error says, as part of a line."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(said.split()).rstrip(".")
