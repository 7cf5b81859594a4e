"""Throughput and latency of the HTTP API: python -m benchmarks.api (Linux).

``assist serve --api`` runs 100 schedules beside it, spread over their period. Clients in processes of their own sign
each call, as the SDKs do, and keep their connections; they take turns with KEYS keys, since each has a limit.
DescribeInvocations asks for one invocation; RunCommand runs ``true`` on one instance, whose agent is a real one, and is
timed to its answer.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from assist_cli.model import frequency
from assist_cli.model.access import Role
from assist_cli.model.schedule import Timing
from assist_cli.model.target import Selection
from assist_cli.operations.access import accesskeys
from assist_cli.operations.controller import elapsed_seconds, open_controller, utc_now
from assist_cli.operations.fleet import instances
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.operations.runs.recording import schedule
from assist_cli.paths import Home
from benchmarks.report import UNKNOWN, Report, Table, arguments
from tests.support import api, processes
from tests.support.api import Signer

SCHEDULES = 100
INTERVAL = 10  # seconds between two runs of each
CLIENTS = 50
KEYS = 20
PROCESSES = 2  # that the clients are shared among
PROMISED = {"DescribeInvocations": 1500.0, "RunCommand": 250.0}  # signed calls a second of all clients
PER_SECOND = 300.0  # the fixed rate of calls at which …
SLOWEST = 100.0  # ms, … the 99th percentile is measured


class Client:
    """One connection, and a signature for each call. It does little else: it takes its time from the server."""

    def __init__(self, signers: Sequence[Signer]) -> None:
        url = urlsplit(signers[0].url)
        self._signers = itertools.cycle(signers)
        self._socket = socket.create_connection((url.hostname, url.port), 60)

    def call(self, action: str, given: dict[str, str]) -> tuple[float, bytes]:
        """Return the seconds from before the signature until the answer is there, and the answer."""
        begin = time.perf_counter()
        target, headers = next(self._signers).modern(action, **given)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._socket.sendall(f"POST {target} HTTP/1.1\r\n{lines}content-length: 0\r\n\r\n".encode())
        head, body = self._answer()
        if b" 200 " not in head:
            raise RuntimeError(body)
        return time.perf_counter() - begin, body

    def _answer(self) -> tuple[bytes, bytes]:
        """Return the head and the body of the next answer."""
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, _, body = received.partition(b"\r\n\r\n")
        size = re.search(rb"content-length: (\d+)", head)
        assert size is not None
        while len(body) < int(size[1]):
            body += self._receive()
        return head, body

    def _receive(self) -> bytes:
        received = self._socket.recv(1 << 16)
        if not received:
            raise RuntimeError("the server has closed the connection")
        return received

    def close(self) -> None:
        self._socket.close()


def call_repeatedly(order: dict[str, object]) -> list[float]:
    """The life of a client process: each client calls again when it has its answer, until the time is over.

    With a ``pause`` (seconds) each call is due that long after the previous one was due, and is timed from then:
    a late call does not hide the wait of the next one.
    """
    import threading

    signers = [Signer(*each) for each in order["signers"]]  # type: ignore[attr-defined]
    end = time.monotonic() + float(order["seconds"])  # type: ignore[arg-type]
    pause, clients = float(order["pause"]), int(order["clients"])  # type: ignore[arg-type, call-overload]
    taken: list[float] = []

    def one(number: int) -> None:
        client = Client(signers)
        due = time.monotonic() + pause * number / clients
        with contextlib.closing(client):
            while time.monotonic() < end:
                time.sleep(max(due - time.monotonic(), 0))
                late = max(time.monotonic() - due, 0) if pause else 0
                taken.append(late + client.call(order["action"], order["given"])[0])  # type: ignore[arg-type]
                due += pause

    threads = [threading.Thread(target=one, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def measured(
    signers: Sequence[Signer], action: str, given: dict[str, str], clients: int, seconds: float, pause: float = 0
) -> list[float]:
    """The seconds of each call of this many clients that call concurrently for a while."""
    shares = [clients] if clients < PROCESSES else [clients // PROCESSES] * PROCESSES
    running = []
    for share in shares:
        order = {
            "signers": [[each.url, each.key, each.secret] for each in signers],
            "action": action,
            "given": given,
            "clients": share,
            "seconds": seconds,
            "pause": pause,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.api", "--clients"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(order).encode())
        process.stdin.close()
        running.append(process)
    taken: list[float] = []
    for process in running:
        assert process.stdout is not None
        with process, process.stdout:
            taken += json.loads(process.stdout.read())
    return taken


@contextlib.contextmanager
def site() -> Iterator[tuple[list[Signer], str, int]]:
    """A server with its schedules: the signer, the instance that it runs on, and its process."""
    with tempfile.TemporaryDirectory(prefix="assist-benchmark-", ignore_cleanup_errors=True) as folder:
        home = Path(folder, "assist")
        os.environ["ASSIST_HOME"] = str(home)
        with open_controller(Home(home)) as controller:
            keys = [accesskeys.create(controller, f"bench{number}", Role.ADMIN) for number in range(KEYS)]
            (local,) = instances.resolve(controller, Selection())
            timing = Timing(frequency.parse(f"rate({INTERVAL}s)", zone="UTC", now=utc_now()))
            for number in range(SCHEDULES):
                ago = INTERVAL * (1 - number / SCHEDULES)
                made_then = controller.replace(
                    now=lambda ago=ago: utc_now() - timedelta(seconds=ago),
                    elapsed=lambda ago=ago: elapsed_seconds() - ago,  # or it looks like a clock that was set since
                )
                schedule(made_then, RunRequest(b"true", targets=Selection((local.id,))), timing)
        try:
            with api.started(home) as (process, url):
                yield [Signer.of(url, key) for key in keys], local.id, process.pid
                process.terminate()
                process.wait()
        finally:
            processes.stop_agent(home / "agent")


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has used."""
    fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def summary(taken: list[float], seconds: float) -> list[str]:
    """Calls a second, median and 99th percentile."""
    cuts = statistics.quantiles(taken, n=100)
    return [f"{len(taken) / seconds:,.0f}", f"{cuts[49] * 1000:.1f} ms", f"{cuts[98] * 1000:.1f} ms"]


def main() -> None:
    parser = arguments(__file__, __doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--clients", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.clients:
        json.dump(call_repeatedly(json.load(sys.stdin)), sys.stdout)
        return

    seconds = options.seconds
    report = Report(f"The HTTP API, {seconds:.0f} s for each row", options)
    with site() as (signers, instance_id, pid):
        run = {"Type": "RunShellScript", "CommandContent": "true", "InstanceId__1": instance_id}
        client = Client(signers)
        with contextlib.closing(client):
            invoke_id = json.loads(client.call("RunCommand", run)[1])["InvokeId"]
        describe = {"InvokeId": invoke_id}
        rows: list[list[str]] = []
        for action, given in (("DescribeInvocations", describe), ("RunCommand", run)):
            for clients in (1, CLIENTS):
                before = cpu_seconds(pid)
                taken = measured(signers, action, given, clients, seconds)
                cost = (cpu_seconds(pid) - before) / len(taken) * 1000
                rows.append(
                    [
                        f"`{action}`, {clients} client{'s' if clients > 1 else ''}",
                        *summary(taken, seconds),
                        f"{cost:.2f} ms",
                    ]
                )
                if clients == CLIENTS:
                    name = f"signed `{action}` of {clients} clients, a second"
                    report.budget(name, len(taken) / seconds, PROMISED[action], at_least=True)
        taken = measured(signers, "DescribeInvocations", describe, CLIENTS, seconds, pause=CLIENTS / PER_SECOND)
        rows.append([f"`DescribeInvocations`, {CLIENTS} clients with pauses", *summary(taken, seconds), UNKNOWN])
        report.table(Table(("calls", "a second", "median", "99th percentile", "server's processor time"), rows))
        slowest = statistics.quantiles(taken, n=100)[98] * 1000
        report.budget(f"99 of 100 of {PER_SECOND:.0f} `DescribeInvocations` a second", slowest, SLOWEST, " ms")
    report.end()


if __name__ == "__main__":
    main()
