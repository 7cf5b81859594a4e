"""Running a broker in the foreground, from the files of this home.

nats-server is a child process that ends with this one, however that ends: Linux kills it when its parent has died.
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from assist_cli import codes
from assist_cli.agents import broker_folder
from assist_cli.agents.broker_folder import BrokerAddress
from assist_cli.deploy.broker import admission, configuration
from assist_cli.errors import InvalidParameter, LocalFailure
from assist_cli.operations.controller import Controller

PROGRAM = "nats-server"
OLDEST = (2, 9)
LEAVE = 5  # seconds for nats-server to end

_PR_SET_PDEATHSIG = 1
_INSTALL = "apt-get install nats-server, or pip install 'assist-cli[broker]'; https://nats.io/download has others"
_VERSION = re.compile(r"v?(\d+)\.(\d+)\.")
_FATAL = re.compile(r"\[FTL\] (.*)|nats-server: (.*)")


def run(controller: Controller, place: str | None, log: Callable[[str], None]) -> None:
    """Run the broker at an address until SIGTERM or SIGINT; without an address, the only one. ``log`` gets its lines.

    Raises Conflict if there is no broker or it runs already, InvalidParameter for the address, LocalFailure if
    nats-server is missing or ends by itself.
    """
    home = controller.home
    address = _chosen(admission.owned(home).addresses, place)
    program = find(controller.timeouts.agent.health)
    admission.write_servers(home, controller.now())
    with admission.running(home, address):
        _supervise([program, "--config", configuration.CONFIGURATION], admission.server_folder(home, address), log)


def find(seconds: float) -> str:
    """Return the path of nats-server: of PATH, of the extra beside this Python, or of Debian's package.

    It has ``seconds`` to report its version. Raises LocalFailure if there is none, or an older one than OLDEST.
    """
    folders = [os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent), "/usr/sbin", "/usr/local/sbin"]
    program = shutil.which(PROGRAM, path=os.pathsep.join(folders))
    if program is None:
        raise LocalFailure(
            f"cannot run a broker: there is no {PROGRAM} here", hint=_INSTALL, code=codes.EXTRA_NOT_INSTALLED
        )
    try:
        done = subprocess.run([program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds)
        text = (done.stdout + done.stderr).decode("utf-8", "replace").strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LocalFailure(f"cannot run '{program}': {error}", hint=_INSTALL) from error
    found = _VERSION.search(text)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise LocalFailure(
            f"cannot use '{program}': a broker needs version {oldest}, and this is {text[:80]!r}", hint=_INSTALL
        )
    return program


def _chosen(addresses: tuple[BrokerAddress, ...], place: str | None) -> BrokerAddress:
    if place is None:
        if len(addresses) > 1:
            raise InvalidParameter(
                "cannot choose a broker: this home has several", hint=f"assist broker up {addresses[0]}"
            )
        return addresses[0]
    wanted = broker_folder.parse(place)
    if wanted not in addresses:
        raise InvalidParameter(
            f"cannot run a broker at '{wanted}': this home has one at {', '.join(map(str, addresses))}",
            hint="give one of these addresses",
        )
    return wanted


def _supervise(words: list[str], folder: Path, log: Callable[[str], None]) -> None:
    """Run nats-server until it ends. Raises LocalFailure if this process was not told to end."""
    process: subprocess.Popen[bytes] | None = None
    told = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal told
        told = True
        if process is not None:
            process.terminate()
            signal.alarm(LEAVE)

    def kill(number: int, frame: FrameType | None) -> None:
        assert process is not None, "the alarm is set after its start"
        process.kill()

    handlers = {signal.SIGINT: end, signal.SIGTERM: end, signal.SIGALRM: kill}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    reason = ""
    try:
        with subprocess.Popen(
            words,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches this process alone, which ends the other
            preexec_fn=_dies_with_parent(),
        ) as process:
            try:
                if told:
                    process.terminate()
                assert process.stderr is not None
                for line in process.stderr:
                    text = line.decode("utf-8", "replace").rstrip()
                    fatal = _FATAL.search(text)
                    reason = (fatal[1] or fatal[2]) if fatal else reason
                    log(text)
                process.wait()
            finally:
                process.kill()
    finally:
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)
    if not told:
        raise LocalFailure(
            f"cannot run the broker: {reason or f'{PROGRAM} ended with {process.returncode}'}",
            hint=f"if another program has the port, end that one; the files of the broker are in '{folder}'",
        )


def _dies_with_parent() -> Callable[[], None] | None:
    """Return what a child runs before its program, so that it is killed when this process has died; Linux has that."""
    if not sys.platform.startswith("linux"):
        return None
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return prepare
