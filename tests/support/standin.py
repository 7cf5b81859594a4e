"""A stand-in for many agents: it accepts records and immediately reports their end. Nothing is run.

As a program (``python -m tests.support.standin FOLDER NUMBER``) it listens at ``FOLDER/N.sock``, prints ``ready`` and,
when its input ends, writes the arrivals to ``FOLDER/arrivals``, a line for each record: its id, its invocation and
the time of day.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from agentd.wire import protocol

_PIECE = 32 * 1024  # bytes of output in one message


@dataclass
class Arrivals:
    """The records that arrived at the stand-ins that share it: record id → invocation and time, each record one time.

    A record of an invocation in ``lasting`` does not end until ``end`` is called. With ``fencing`` the agents know
    epochs, and keep the highest of each instance; without it they are as old as those that do not. Each record has
    printed ``output``.
    """

    records: dict[str, tuple[str, float]] = field(default_factory=dict)
    contents: list[bytes] = field(default_factory=list)
    environments: dict[str, dict[str, str]] = field(default_factory=dict)
    enrolment: str = ""
    deliveries: int = 0
    lasting: set[str] = field(default_factory=set)
    clock: Callable[[], float] = time.time
    ended: dict[str, dict[str, Any]] = field(default_factory=dict)
    watchers: dict[str, list[StandIn]] = field(default_factory=dict)
    fencing: bool = False
    epochs: dict[str, int] = field(default_factory=dict)
    greeted: list[tuple[StandIn, str, int]] = field(default_factory=list)
    output: bytes = b""

    def take(self, record: str, invocation: str, content: bytes) -> None:
        self.deliveries += 1
        if record not in self.records:
            self.contents.append(content)
            self.records[record] = (invocation, self.clock())
            if invocation not in self.lasting:
                self.end(record)

    def end(self, record: str, state: str = "Finished") -> None:
        """End a record."""
        now = time.time()
        self.ended[record] = {
            "state": state, "exit_code": 0 if state == "Finished" else 143, "error_code": "", "error_info": "",
            "started": now, "finished": now, "output_bytes": len(self.output),
        }  # fmt: skip
        for watcher in self.watchers.pop(record, ()):
            watcher.finished(record)

    def refusal(self, stand_in: StandIn, instance: str, epoch: int) -> int | None:
        """Greet a connection. Return the highest epoch of the instance if that of the connection is lower."""
        if not self.fencing:
            return None
        highest = self.epochs.get(instance, 0)
        if epoch < highest:
            return highest
        self.epochs[instance] = epoch
        for other, where, older in self.greeted:
            if where == instance and older < epoch:
                other.close()
        self.greeted.append((stand_in, instance, epoch))
        return None

    def of(self, invocation: str) -> list[str]:
        """The records of an invocation in the order of their arrival."""
        return [record for record, (whose, _) in self.records.items() if whose == invocation]


class StandIn(asyncio.Protocol):
    """One connection to a stand-in for this ``instance``."""

    def __init__(self, instance: str, arrivals: Arrivals) -> None:
        self._instance = instance
        self._arrivals = arrivals
        self._decoder = protocol.Decoder()
        self._transport: asyncio.Transport | None = None
        self._offsets: dict[str, int] = {}  # of the watched records

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for message in self._decoder.feed(data):
            if "id" in message:  # a notification, such as task.forget, has no answer
                self._answer(message["id"], message["method"], message["params"])

    def _answer(self, number: int, method: str, params: dict[str, Any]) -> None:
        record = params.get("record", "")
        if method == "agent.hello":
            highest = self._arrivals.refusal(self, self._instance, params.get("epoch", 0))
            if highest is None:
                self._say(protocol.response(number, self._greeting()))
            else:
                code = "ControllerReplaced"
                self._say(protocol.failure(number, protocol.REFUSED, "another server", code, epoch=highest))
        elif method == "task.run":
            self._arrivals.take(record, params["invocation"], protocol.unpack(params["content"]))
            self._arrivals.environments[record] = params["environment"]
            words = {"record": record, "state": self._state(record), "known": False, "watching": "watch" in params}
            self._say(protocol.response(number, words))
            if "watch" in params:
                self._watch(record, params["watch"]["offset"])
        elif record not in self._arrivals.records:
            self._say(protocol.failure(number, protocol.REFUSED, "there is no such record", "RecordNotFound"))
        elif method == "task.stop":
            if record not in self._arrivals.ended:
                self._arrivals.end(record, "Stopped")
            self._say(protocol.response(number, {"record": record, "state": self._state(record)}))
        elif method == "task.watch":
            self._say(protocol.response(number, {"record": record, "state": self._state(record)}))
            self._watch(record, params["offset"])
        elif method == "task.get":
            result = self._arrivals.ended.get(record)
            words = {"record": record, "state": self._state(record), "result": result, "output": [], "next": None}
            self._say(protocol.response(number, words))
        else:
            raise AssertionError(f"nobody was to ask a stand-in for {method}")

    def _watch(self, record: str, offset: int) -> None:
        self._offsets[record] = offset
        if record in self._arrivals.ended:
            self.finished(record)
        else:
            self._arrivals.watchers.setdefault(record, []).append(self)

    def finished(self, record: str) -> None:
        output = self._arrivals.output
        for offset in range(self._offsets.pop(record, 0), len(output), _PIECE):
            data = protocol.pack(output[offset : offset + _PIECE])
            words = {"record": record, "stream": "stdout", "offset": offset, "data": data}
            self._say(protocol.notification("task.output", words))
        self._say(protocol.notification("task.finished", {"record": record, "result": self._arrivals.ended[record]}))

    def _state(self, record: str) -> str:
        return str(self._arrivals.ended.get(record, {"state": "Running"})["state"])

    def _greeting(self) -> dict[str, Any]:
        features = ["tasks", "epochs"] if self._arrivals.fencing else ["tasks"]
        return {
            "protocol": list(protocol.VERSION), "agent": "stand-in", "instance": self._instance, "boot": "b",
            "hostname": self._instance, "os": "Linux", "python": "", "started": 0, "features": features,
            "enrolment": self._arrivals.enrolment,
        }  # fmt: skip

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _say(self, message: dict[str, Any]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(protocol.encode(message))


@contextlib.asynccontextmanager
async def listening(sockets: dict[str, Path], arrivals: Arrivals) -> AsyncIterator[None]:
    """Stand-ins for these instances (id → socket), in this event loop."""
    loop = asyncio.get_running_loop()
    servers = []
    try:
        for instance, path in sockets.items():
            with protocol.reachable(str(path)) as name:
                servers.append(
                    await loop.create_unix_server(lambda instance=instance: StandIn(instance, arrivals), name)
                )
        yield
    finally:
        for server in servers:
            server.close()
        for path in sockets.values():
            path.unlink(missing_ok=True)


async def _main(folder: Path, number: int) -> None:
    arrivals = Arrivals()
    sockets = {f"i-{each:026}": folder / f"{each}.sock" for each in range(number)}
    async with listening(sockets, arrivals):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    lines = (f"{record} {invocation} {moment:.6f}\n" for record, (invocation, moment) in arrivals.records.items())
    (folder / "arrivals").write_text("".join(lines))


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2])))
