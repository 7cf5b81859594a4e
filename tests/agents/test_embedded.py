"""The agent of this machine: started on first use, shared by all, replaced when it was killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from assist_cli.agents import address, embedded
from assist_cli.agents.client import Client
from assist_cli.errors import ClientAuthFailed, ClientNotRunning, InvalidParameter
from assist_cli.model.timeouts import DEFAULTS
from assist_cli.paths import Home
from tests.support import processes

pytestmark = pytest.mark.usefixtures("starts_processes")

CONNECT = """
import asyncio, pathlib, sys
from assist_cli.agents import address
from assist_cli.model.timeouts import DEFAULTS
from assist_cli.paths import Home
async def connect():
    home = Home(pathlib.Path(sys.argv[1]))
    client = await address.connect("local", home=home, controller="c", timeouts=DEFAULTS.agent)
    print(client.greeting.instance)
    client.close()
asyncio.run(connect())
"""


@pytest.fixture
def rooms(home: Path) -> Home:
    return Home(home)


async def connect(rooms: Home, instance: str | None = None) -> Client:
    return await address.connect("local", home=rooms, controller="c0ffee", timeouts=DEFAULTS.agent, instance=instance)


def instance_of(rooms: Home) -> str:
    """The id of the agent, which is started if it does not run."""

    async def ask() -> str:
        client = await connect(rooms)
        client.close()
        return client.greeting.instance

    return asyncio.run(ask())


def listener(rooms: Home) -> int | None:
    return processes.listener(rooms.agent / "agentd.sock")


def test_it_is_started_on_first_use_and_found_again(rooms: Home) -> None:
    assert embedded.instance_id(rooms) is None
    first = instance_of(rooms)
    assert embedded.instance_id(rooms) == first
    pid = listener(rooms)
    assert instance_of(rooms) == first
    assert listener(rooms) == pid
    assert stat.S_IMODE((rooms.agent / "agentd.sock").stat().st_mode) & 0o077 == 0
    assert stat.S_IMODE(rooms.agent.stat().st_mode) == 0o700
    assert (rooms.logs / "agentd.log").read_text()


def test_a_long_log_is_shortened(rooms: Home) -> None:
    log = rooms.folder(rooms.logs) / "agentd.log"
    log.write_bytes(b"x" * (1 << 20) + b" the end\n")
    instance_of(rooms)
    assert log.with_name("agentd.log.1").read_text().endswith(" the end\n")
    assert log.read_text().count("serves on") == 1


def test_it_has_no_parent_and_its_own_session(rooms: Home) -> None:
    instance_of(rooms)
    pid = listener(rooms)
    assert pid is not None
    assert pid not in processes.children(os.getpid())
    assert os.getsid(pid) != os.getsid(0)


def test_two_programs_get_one_agent(rooms: Home) -> None:
    starting = [subprocess.Popen([sys.executable, "-c", CONNECT, rooms.root], stdout=subprocess.PIPE) for _ in range(4)]
    said = [process.communicate()[0] for process in starting]
    assert len(set(said)) == 1
    assert said[0].decode().strip() == embedded.instance_id(rooms)
    assert (rooms.logs / "agentd.log").read_text().count("serves on") == 1


def test_one_that_was_killed_is_replaced(rooms: Home) -> None:
    first = instance_of(rooms)
    killed = listener(rooms)
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    assert instance_of(rooms) == first
    assert listener(rooms) not in (None, killed)


def test_a_stale_socket_is_replaced(rooms: Home) -> None:
    rooms.folder(rooms.agent)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(rooms.agent / "agentd.sock"))
    assert instance_of(rooms)


def test_a_home_with_a_long_name(isolation: Path) -> None:
    rooms = Home(isolation / ("long" * 30) / "home")
    rooms.root.parent.mkdir()
    try:
        assert instance_of(rooms)
    finally:
        processes.stop_agent(rooms.agent)


def test_an_agent_that_cannot_start_is_reported_with_its_last_log_line(rooms: Home) -> None:
    rooms.folder(rooms.agent)
    (rooms.agent / "agentd.conf").write_text("task_limit = many\n")
    with pytest.raises(ClientNotRunning, match="'many' is not a number") as caught:
        instance_of(rooms)
    assert caught.value.hint == f"its log is '{rooms.logs / 'agentd.log'}'"


def test_another_instance_than_the_expected_one_is_refused(rooms: Home) -> None:
    async def work() -> None:
        for way in ("local", f"unix:{rooms.agent / 'agentd.sock'}"):
            with pytest.raises(ClientAuthFailed, match="not i-other") as caught:
                await address.connect(way, home=rooms, controller="c0ffee", timeouts=DEFAULTS.agent, instance="i-other")
            assert caught.value.hint is not None
            assert caught.value.hint.endswith("a run on it registers it again: assist run -- true")

    asyncio.run(work())


def test_a_start_does_not_block_the_event_loop(rooms: Home) -> None:
    """The other instances of an invocation are served while the agent of this machine starts."""

    async def work() -> None:
        running = asyncio.create_task(connect(rooms))
        turns = 0
        while not running.done():
            await asyncio.sleep(0)
            turns += 1
        (await running).close()
        assert turns > 10

    asyncio.run(work())
    assert threading.active_count() == 1


def test_an_invalid_address_is_refused(rooms: Home) -> None:
    async def work(text: str) -> None:
        with pytest.raises(InvalidParameter, match="cannot use the address"):
            await address.connect(text, home=rooms, controller="c0ffee", timeouts=DEFAULTS.agent)

    for text in ("", "unix:", "http://web1", "Local"):
        asyncio.run(work(text))
