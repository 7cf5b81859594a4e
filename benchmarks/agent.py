"""Throughput and costs of one agent: python -m benchmarks.agent (Linux).

A real ``agentd.pyz``, reached over mutual TLS by a plain client, with all its guarantees: each script is in
the journal, on disk, before it starts. In turns with it, a server that only executes.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from assist_cli.deploy import bundle
from benchmarks.measure import in_turns
from benchmarks.report import Report, arguments
from tests.support.agent import Agent, Client, eventually, is_alive, new_record, private_bytes, resident_bytes
from tests.support.certificates import Authority, Pair, free_port

MIB = 1 << 20
SCRIPTS_PER_SECOND = 150.0
AGAINST_BARE = 1.6  # the time of a script, against the server that only executes
RESIDENT = 22.0  # MiB, idle
CONCURRENT = 50
EACH = 4.0  # MiB of private memory for each of them
FINISHED = 10_000  # records in the spool
START = 1.0  # seconds to start with this many
NOT_SLOWER = 1.15  # a run with this many records, against one without; above 1 for the noise
IN_FLIGHT = 16
SERVER = Path(__file__).with_name("peers") / "exec_server.py"


class Site:
    """A CA, an agent that listens with TLS, and the server that only executes, on two ports of 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        certificates = folder / "pki"
        certificates.mkdir(parents=True)
        self.authority = Authority(certificates)
        self.controller = self.authority.issue("bench")
        self._server = self.authority.issue("server", "agent")
        archive = folder / "agentd.pyz"
        bundle.write(archive)
        self.agent = Agent(archive, Path(sys.executable), folder)
        self.authority.equip(self.agent.home / "pki")
        self.port, self.bare_port = free_port(), free_port()

    def start(self) -> None:
        self.agent.start("--listen", f"127.0.0.1:{self.port}")

    def sock(self, port: int) -> ssl.SSLSocket:
        return self.authority.context(self.controller).wrap_socket(socket.create_connection(("127.0.0.1", port)))

    def client(self) -> Client:
        return Client(self.sock(self.port), "bench")

    @contextlib.contextmanager
    def bare(self) -> Iterator[ssl.SSLSocket]:
        """A connection to the server that only executes."""
        pair: Pair = self._server
        words = [
            sys.executable,
            SERVER,
            str(self.bare_port),
            self.authority.own.certificate,
            pair.certificate,
            pair.key,
        ]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdout.readline()
            with self.sock(self.bare_port) as sock:
                yield sock
            server.stdin.close()


def through_agent(client: Client, scripts: int) -> None:
    """Run and watch this many scripts to their end, some of them together, and delete their records."""
    waiting: list[str] = []
    records = [new_record() for _ in range(scripts)]
    for record in records:
        client.expect(record)
        client.send("task.run", **client.order("true", record, watch={}))  # one request, like a controller's
        waiting.append(record)
        while len(waiting) >= IN_FLIGHT:
            client.listen()
            waiting = [one for one in waiting if client.outputs[one].result is None]
    client.listen_until(lambda: all(client.outputs[record].result is not None for record in waiting))
    for record in records:
        result = client.outputs.pop(record).result
        assert result is not None
        assert result["exit_code"] == 0, result
    client.drop_answers()


def through_bare(sock: ssl.SSLSocket, scripts: int) -> None:
    sent = received = 0
    rest = b""
    while received < scripts:
        while sent < scripts and sent - received < IN_FLIGHT:
            sock.sendall(json.dumps({"id": sent, "script": "true"}).encode() + b"\n")
            sent += 1
        *lines, rest = (rest + sock.recv(1 << 16)).split(b"\n")
        for line in lines:
            assert json.loads(line)[1] == 0
        received += len(lines)


def throughput(report: Report, site: Site, turns: int, scripts: int) -> None:
    with site.client() as client, site.bare() as sock:
        times = in_turns(
            turns,
            {
                "agentd": lambda: through_agent(client, scripts),
                "a server that only executes": lambda: through_bare(sock, scripts),
            },
        )
    for taken in times.values():
        each = [seconds / scripts * 1000 for seconds in taken.seconds]
        report.figure(
            taken.name, f"{statistics.median(each):.2f} ms for each script, {min(each):.2f} in the fastest turn"
        )
    ratio = times["agentd"].against(times["a server that only executes"])
    report.budget("a script, against a server that only executes", ratio, AGAINST_BARE, " ×")
    report.budget("scripts a second", scripts / times["agentd"].median, SCRIPTS_PER_SECOND, at_least=True)


def memory(report: Report, site: Site) -> None:
    """The cost of concurrent tasks: private pages of their shims, and growth of the agent; without the scripts."""
    agent = site.agent
    with site.client() as client:
        client.complete("true")
        before = private_bytes(agent.pid)
        records = [client.run("exec sleep 600") for _ in range(CONCURRENT)]
        for record in records:
            agent.main(record)
        shims = [agent.shim(record) for record in records]
        added = sum(map(private_bytes, shims)) + private_bytes(agent.pid) - before
        for record in records:
            client.call("task.stop", record=record)
        for record in records:
            client.finish(record)
        eventually(lambda: sum(map(is_alive, shims)) <= 1)  # one child may wait for the next task
    report.budget(f"private memory of each of {CONCURRENT} tasks", added / CONCURRENT / MIB, EACH, " MiB")


def history(report: Report, site: Site, full: Site, turns: int, scripts: int) -> None:
    """The cost of retention: two agents in turns, one of them with very many finished records in its spool."""
    with site.client() as client:
        source = site.agent.folder(client.run("true"))
        client.finish(source.name)
    full.agent.spool.mkdir(mode=0o700)
    for number in range(FINISHED):
        folder = full.agent.folder(f"r-old-{number:06}")
        folder.mkdir(mode=0o700)
        for name in ("request.json", "result.json"):
            (folder / name).write_bytes((source / name).read_bytes())
        os.mkfifo(folder / "alive")

    begin = time.perf_counter()
    full.start()
    report.budget(f"a start with {FINISHED:,} records", time.perf_counter() - begin, START, " s")
    with site.client() as client, full.client() as other:
        # its first pass over all of it must have ended
        eventually(lambda: other.call("agent.status")["spool"] > FINISHED * 1000)
        usual, many = f"{scripts} scripts", f"{scripts} scripts with {FINISHED:,} records"
        times = in_turns(
            turns, {usual: lambda: through_agent(client, scripts), many: lambda: through_agent(other, scripts)}
        )
    report.times(times.values())
    ratio = times[many].against(times[usual])
    report.budget(f"a run with {FINISHED:,} records, against one without", ratio, NOT_SLOWER, " ×")
    report.figure(f"resident memory with {FINISHED:,} records", f"{resident_bytes(full.agent.pid) / MIB:.1f} MiB")


def main() -> None:
    parser = arguments(__file__, __doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--scripts", type=int, default=300, help="of each turn")
    options = parser.parse_args()

    report = Report(
        f"One agent, {options.turns} turns of {options.scripts} scripts, {IN_FLIGHT} of them concurrent", options
    )
    with tempfile.TemporaryDirectory(prefix="assist-benchmark-") as name:
        site, full = Site(Path(name, "usual")), Site(Path(name, "full"))
        site.start()
        try:
            with site.client() as client:
                client.complete("true")
            report.budget("resident memory, idle", resident_bytes(site.agent.pid) / MIB, RESIDENT, " MiB")
            throughput(report, site, options.turns, options.scripts)
            memory(report, site)
            report.figure("resident memory after all of these", f"{resident_bytes(site.agent.pid) / MIB:.1f} MiB")
            history(report, site, full, options.turns, options.scripts)
        finally:
            site.agent.close()
            full.agent.close()
    report.end()


if __name__ == "__main__":
    main()
