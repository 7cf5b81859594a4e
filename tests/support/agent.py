"""A real agent, started from a real ``agentd.pyz``, and a client that speaks to it over a plain socket.

The client is written against docs/protocol.md, with nothing of the controller's code but the codec, so that a mistake
of the controller cannot hide one of the agent. It is synchronous, so the lines of a test run in order.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from agentd.wire import protocol
from tests.support.processes import children

GUARD = 60.0  # seconds after which a missing event is an error of the test

SHELL = "RunShellScript"

_numbers = itertools.count(1)


class Refused(Exception):
    """The agent answered with an error."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(f"{error['code']} {error.get('data', {}).get('code', '')}: {error['message']}")
        self.number: int = error["code"]
        self.data: Mapping[str, Any] = error.get("data", {})
        self.code: str | None = self.data.get("code")
        self.message: str = error["message"]


class Closed(Exception):
    """The agent closed the connection."""


class Output:
    """The output from a watch: the bytes of each stream, the gaps (offset, bytes), and the result once there is one."""

    def __init__(self, begin: int = 0) -> None:
        self.offset = begin  # the offset of the next byte: nothing is read twice or skipped silently
        self.chunks: list[tuple[str, int, int]] = []  # stream, offset, length
        self.gaps: list[tuple[int, int]] = []
        self.result: dict[str, Any] | None = None
        self._streams = {"stdout": bytearray(), "stderr": bytearray()}

    @property
    def stdout(self) -> bytes:
        return bytes(self._streams["stdout"])

    @property
    def stderr(self) -> bytes:
        return bytes(self._streams["stderr"])

    def add(self, method: str, params: Mapping[str, Any]) -> None:
        """Take one notification; its offset must be where the last one ended."""
        if method == "task.finished":
            self.result = params["result"]
            return
        offset = params["offset"]
        assert offset == self.offset, f"{method} at {offset}, expected {self.offset}"
        if method == "task.gap":
            self.gaps.append((offset, params["bytes"]))
            self.offset += params["bytes"]
            return
        data = protocol.unpack(params["data"])
        assert data
        self.chunks.append((params["stream"], offset, len(data)))
        self._streams[params["stream"]] += data
        self.offset += len(data)


class Client:
    """One connection. ``call`` sends a request and waits for its answer; ``send`` and ``answer`` do one each."""

    def __init__(self, sock: socket.socket, controller: str = "tests", *, hello: bool = True) -> None:
        self.sock = sock
        self.controller = controller
        self.outputs: dict[str, Output] = {}
        self.agent: dict[str, Any] = {}
        self.started: list[str] = []
        self._decoder = protocol.Decoder()
        self._answers: dict[int | None, dict[str, Any]] = {}
        sock.settimeout(GUARD)
        if hello:
            self.agent = self.hello()

    def hello(self) -> dict[str, Any]:
        return self.call("agent.hello", protocol=list(protocol.VERSION), client="tests", controller=self.controller)

    def call(self, method: str, **params: Any) -> Any:
        """Return the result. Raises Refused, Closed."""
        return self.answer(self.send(method, **params))

    def send(self, method: str, **params: Any) -> int:
        number = next(_numbers)
        self.write(protocol.encode(protocol.request(number, method, params)))
        return number

    def write(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed(str(error)) from None

    def answer(self, number: int | None) -> Any:
        """Return the result for a request that was sent. Raises Refused, Closed."""
        self.listen_until(lambda: number in self._answers)
        message = self._answers.pop(number)
        if "error" in message:
            raise Refused(message["error"])
        return message["result"]

    def answers(self) -> set[int | None]:
        """The numbers of the answers that have arrived and were not read yet."""
        return set(self._answers)

    def refusal(self, number: int) -> Refused | None:
        """Return the error for a request that was sent; None if it succeeded. Raises Closed."""
        try:
            self.answer(number)
        except Refused as refused:
            return refused
        return None

    def listen_until(self, enough: Callable[[], bool]) -> None:
        """Read until ``enough()``. Raises Closed."""
        end = time.monotonic() + GUARD
        while not enough():
            assert time.monotonic() < end, "what was waited for did not come"
            self.listen()

    def listen(self) -> None:
        """Read one piece of what the agent sends. Raises Closed."""
        try:
            data = self.sock.recv(1 << 18)
        except TimeoutError:
            raise AssertionError(f"nothing came in {GUARD:.0f} s") from None
        except (ConnectionResetError, ssl.SSLError) as error:
            raise Closed(str(error)) from None
        if not data:
            raise Closed("end of file")
        for message in self._decoder.feed(data):
            if "method" in message:
                params = message["params"]
                self.outputs[params["record"]].add(message["method"], params)
            else:
                self._answers[message["id"]] = message

    def run(self, script: str | bytes, record: str | None = None, **params: Any) -> str:
        """Send a script and wait until it is accepted. Return its record id."""
        record = record or new_record()
        self.call("task.run", **self.order(script, record, **params))
        self.started.append(record)
        return record

    def end_all(self) -> None:
        """End the records that were started with ``run`` here and still run."""
        for record in self.started:
            if self.call("task.stop", record=record)["state"] == "Stopping":
                self.finish(record, budget=0)

    def order(self, script: str | bytes, record: str, **params: Any) -> dict[str, Any]:
        """Return the params of task.run."""
        content = script.encode() if isinstance(script, str) else script
        return {
            "record": record,
            "invocation": "t-1",
            "command": "c-1",
            "type": SHELL,
            "content": protocol.pack(content),
            "timeout": 60,
            **params,
        }

    def expect(self, record: str, offset: int = 0) -> Output:
        """The output that a watch of this record fills."""
        output = self.outputs[record] = Output(offset)
        return output

    def drop_answers(self) -> None:
        """Drop answers that have arrived and that nobody will read."""
        self._answers.clear()

    def watch(self, record: str, offset: int = 0, budget: int | None = None) -> Output:
        """Start a watch; the Output grows while this client reads."""
        output = self.expect(record, offset)
        self.call("task.watch", record=record, offset=offset, budget=budget)
        return output

    def finish(self, record: str, offset: int = 0, budget: int | None = None) -> Output:
        """Watch a record to its end."""
        return self.completed(self.watch(record, offset, budget))

    def completed(self, output: Output) -> Output:
        """The same, after the whole output has arrived."""
        self.listen_until(lambda: output.result is not None)
        return output

    def complete(self, script: str | bytes, **params: Any) -> Output:
        """Run a script and watch it to its end."""
        return self.finish(self.run(script, **params))

    def result(self, script: str | bytes, **params: Any) -> dict[str, Any]:
        """Run a script; return only its result."""
        found = self.complete(script, **params).result
        assert found is not None
        return found

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def new_record() -> str:
    return "r-" + os.urandom(10).hex()


class Agent:
    """An agent for one test: its folder, its settings, and its process, which may be replaced."""

    def __init__(self, archive: Path, python: Path, folder: Path, settings: Mapping[str, object] | None = None) -> None:
        self.archive = archive
        self.python = python
        self.home = folder / "agent"
        self.scripts = folder / "scripts"
        self.log = folder / "agent.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._clients: list[Client] = []
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.scripts.mkdir(mode=0o755, exist_ok=True)
        self.configure(**(settings or {}))

    # its life cycle

    def words(self, command: str, *more: str | Path) -> list[str]:
        """Return the argv of one of the agent's commands."""
        return [str(self.python), "-I", "-S", str(self.archive), command, "--home", str(self.home), *map(str, more)]

    def configure(self, **settings: object) -> None:
        """Write agentd.conf; read at the next start."""
        settings.setdefault("script_dir", self.scripts)
        lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (self.home / "agentd.conf").write_text(lines)

    def start(self, *words: str | Path, **options: Any) -> Agent:
        """Start it and wait until it listens. ``options`` go to Popen."""
        ready, told = os.pipe()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.words("serve", "--ready-fd", str(told), *words),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[told, *options.pop("pass_fds", ())],
                **options,
            )
        os.close(told)
        try:
            assert select.select([ready], [], [], GUARD)[0], "the agent did not start in time"
            assert os.read(ready, 16) == b"ready\n", f"the agent did not start: {self.log_text()}"
        finally:
            os.close(ready)
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(GUARD)

    def stop(self) -> int:
        """SIGTERM, and wait for its exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(GUARD)

    def close(self) -> None:
        """End the test: stop all tasks, then the agent."""
        for client in self._clients:
            client.close()
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(Closed, OSError, AssertionError), self.connect() as client:
                for record in self.living(client):
                    client.call("task.stop", record=record)
                    client.finish(record)
            self.stop()

    def living(self, client: Client) -> list[str]:
        """The records without a final state."""
        tasks = client.call("task.list")["tasks"]
        return [task["record"] for task in tasks if task["state"] in ("Running", "Stopping")]

    # its listeners

    def connect(self, controller: str = "tests", *, hello: bool = True) -> Client:
        """Return a new connection over the unix socket, closed at the end of the test."""
        sock = socket.socket(socket.AF_UNIX)
        try:
            with protocol.reachable(str(self.home / "agentd.sock")) as name:
                sock.connect(name)
        except OSError:
            sock.close()
            raise
        client = Client(sock, controller, hello=False)
        self._clients.append(client)
        if hello:
            client.agent = client.hello()
        return client

    def adopt(self, client: Client) -> Client:
        """Close a client that was created elsewhere at the end of the test."""
        self._clients.append(client)
        return client

    # its files and processes

    @property
    def spool(self) -> Path:
        return self.home / "spool"

    def folder(self, record: str) -> Path:
        return self.spool / record

    def journal(self, record: str, name: str = "request.json") -> Any:
        return json.loads((self.folder(record) / name).read_text())

    def shim(self, record: str) -> int:
        """The pid of the shim of a record, once there is one: the journal, or its wakeup, which it holds, tells."""
        found: int = eventually(lambda: self._noted_shim(record) or self._holder(record))
        return found

    def _noted_shim(self, record: str) -> int | None:
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int(self.journal(record)["shim"][0])
        return None

    def _holder(self, record: str) -> int | None:
        wakeup = self.folder(record) / "alive"
        for pid in children(self.pid):
            with contextlib.suppress(OSError):
                if any(path.samefile(wakeup) for path in Path(f"/proc/{pid}/fd").iterdir()):
                    return pid
        return None

    def idle(self) -> int:
        """The pid of the child that waits for a task, once it is the only one: the agent cleans up in another."""

        def waiting() -> list[int]:
            found = [pid for pid in children(self.pid) if is_idle(pid)]
            return found if len(found) == 1 else []

        found: list[int] = eventually(waiting)
        return found[0]

    def main(self, record: str) -> int:
        """The pid of the main process of a script, once it is known."""
        path = self.folder(record) / "process.json"
        eventually(lambda: path.exists() and path.read_text().endswith("]"))
        return int(self.journal(record, "process.json")[0])

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def eventually(condition: Callable[[], Any], seconds: float = GUARD) -> Any:
    """Return the first true value of ``condition``, where there is no event: a file, a line of a log, a process."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.005)
    return value


def is_alive(pid: int) -> bool:
    """Return True if a process runs; a zombie does not, unless one of its threads still ends and keeps its files."""
    try:
        words = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    state, threads = words[0], int(words[17])
    return state not in (b"Z", b"X") or threads > 1


def is_idle(pid: int) -> bool:
    """Return True if a process is a child of an agent that waits for a task."""
    try:
        return Path(f"/proc/{pid}/comm").read_text() == "agentd-idle\n"
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(pid: int, seconds: float = GUARD) -> bool:
    """Return True if a process has ended, within ``seconds``."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


def kill_and_wait(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)


def private_bytes(pid: int) -> int:
    """Memory that only this process uses."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Private_"))


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def small_disk(folder: Path, size: str, options: str = "") -> Iterator[Path]:
    """A tmpfs of ``size`` on ``folder``; only root can do that."""
    folder.mkdir(mode=0o700, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700{options}", "tmpfs", str(folder)]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
