"""An agent that dials out to a real broker, and a controller that reaches it there."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentd.config import Config, ConfigError
from agentd.dial import read
from agentd.wire import circuit, protocol
from agentd.wire.circuit import WINDOW
from assist_cli.agents.client import Client
from assist_cli.errors import AgentError
from tests.agentd.conftest import NEWEST, OLDEST, OTHERS, MakeAgent
from tests.support import broker as brokers
from tests.support import interpreters
from tests.support.agent import Agent, eventually, new_record
from tests.support.broker import Broker, BrokeredController
from tests.support.certificates import Authority, free_port
from tests.support.proxy import Proxy
from tests.support.watching import watched

GUARD = 30.0

_numbers = itertools.count(1)
MIB = 1 << 20


class Fleet:
    """A broker, and one agent that dials it once it is started."""

    def __init__(self, agent: Agent, broker: Broker, authority: Authority) -> None:
        self.agent = agent
        self.broker = broker
        self.authority = authority
        self.instance = f"i-dialled{next(_numbers)}"
        (agent.home / "instance-id").write_text(self.instance + "\n")
        pki = agent.home / "pki"
        authority.equip(pki, self.instance)
        (pki / "broker-ca.pem").write_bytes(broker.authority.own.certificate.read_bytes())
        (pki / "agent.jwt").write_text("e30.e30.x\n")

    def start(self, dial: str | None = None, **settings: object) -> Fleet:
        self.agent.configure(dial=dial or self.broker.address, dial_seconds=1, **settings)
        self._client = self.agent.start().connect()
        return self

    def status(self) -> dict[str, Any]:
        """The state of the connection to the broker, as the agent reports it."""
        found: dict[str, Any] = self._client.call("agent.status")["dial"]
        return found

    def is_connected(self) -> bool:
        return bool(self.status()["broker"])

    async def controller(self) -> BrokeredController:
        return await BrokeredController(self.authority, self.instance).connect(self.broker)

    def try_out(self, work: Callable[[BrokeredController], Coroutine[Any, Any, None]]) -> None:
        """Run ``work`` with a controller, when the agent is connected."""
        eventually(self.is_connected)

        async def whole() -> None:
            controller = await self.controller()
            try:
                await work(controller)
            finally:
                controller.close()
                await asyncio.sleep(0)

        asyncio.run(asyncio.wait_for(whole(), GUARD))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("fleet"))


@pytest.fixture(scope="module")
def broker(starts_processes: None, authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker for all tests that do not disturb it."""
    with brokers.running(tmp_path_factory.mktemp("common") / "broker", authority) as made:
        yield made


@pytest.fixture(scope="module")
def fleet(
    archive: Path, broker: Broker, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """An agent that dials it, for the same tests."""
    python = interpreters.find(NEWEST) or Path(sys.executable)
    made = Fleet(Agent(archive, python, tmp_path_factory.mktemp("common")), broker, authority)
    yield made.start()
    made.agent.close()


@pytest.fixture
def own_fleet(
    make_agent: MakeAgent, isolation: Path, authority: Authority, starts_processes: None, no_leaks: None
) -> Iterator[Fleet]:
    """An agent, not started yet, and a broker of its own."""
    with brokers.running(isolation / "broker", authority) as made:
        yield Fleet(make_agent(), made, authority)


async def run(client: Client, script: str, record: str | None = None) -> str:
    record = record or new_record()
    params = {"record": record, "type": "RunShellScript", "content": protocol.pack(script.encode()), "timeout": 60}
    await client.call("task.run", params)
    return record


def test_a_script_runs_and_the_connection_is_reported(fleet: Fleet) -> None:
    async def work(controller: BrokeredController) -> None:
        client = await controller.open()
        assert client.greeting.instance == fleet.instance
        stdout, stderr, result = await watched(client, await run(client, "echo out; echo err >&2; exit 3"))
        assert (stdout, stderr, result.exit_code) == (b"out\n", b"err\n", 3)
        client.close()

    fleet.try_out(work)
    status = fleet.status()
    assert (status["broker"], status["error"]) == (fleet.broker.address, None)
    told = subprocess.run(fleet.agent.words("status"), stdout=subprocess.PIPE, check=True).stdout.decode()
    assert re.search(rf"^broker +{fleet.broker.address}, connected for \d+ s$", told, re.MULTILINE)
    assert f"connected to the broker {fleet.broker.address}\n" in fleet.agent.log_text()


def test_a_slow_reader_gets_every_byte_and_fills_nothing(fleet: Fleet) -> None:
    """1 MiB while the reader pauses: no more than a window comes; then everything, in order."""

    async def work(controller: BrokeredController) -> None:
        client, other = await controller.open(), await controller.open()
        session = next(iter(controller.received))
        record = await run(client, f"head -c {MIB} /dev/urandom | tee data | sha256sum >&2; cat data; rm data")
        client._transport.pause_reading()  # type: ignore[union-attr]
        before = controller.received[session]
        watch = asyncio.ensure_future(watched(client, record))
        assert len((await watched(other, record))[0]) == MIB
        assert controller.received[session] - before <= WINDOW + 100  # the rest: a letter for each message
        client._transport.resume_reading()  # type: ignore[union-attr]
        stdout, stderr, _ = await watch
        assert hashlib.sha256(stdout).hexdigest() == stderr.split()[0].decode()

    fleet.try_out(work)


def test_circuits_are_independent(fleet: Fleet) -> None:
    async def work(controller: BrokeredController) -> None:
        clients = [await controller.open() for _ in range(2)]
        records = await asyncio.gather(*(run(client, f"echo {at}; sleep 0.1") for at, client in enumerate(clients)))
        watches = [asyncio.ensure_future(watched(*each)) for each in zip(clients, records, strict=True)]
        assert [stdout for stdout, _, _ in await asyncio.gather(*watches)] == [b"0\n", b"1\n"]
        clients[0].close()
        stdout, _, _ = await watched(clients[1], await run(clients[1], "echo still"))
        assert stdout == b"still\n"

    fleet.try_out(work)


def test_a_session_that_the_agent_does_not_know_is_closed(fleet: Fleet) -> None:
    """The agent may have been restarted: any message but a first one is answered by C, and C by nothing."""

    async def work(controller: BrokeredController) -> None:
        stale, rude, silent = (circuit.new_session() for _ in range(3))
        controller.send(silent, circuit.CLOSED)
        controller.send("x", b"D123")
        controller.send(silent, b"D123", reply="assist.c.laptop.i-other.x")
        controller.send(stale, b"A" + bytes(8))
        answer = await controller.answers.get()
        assert (answer.subject.rpartition(".")[2], answer.payload, answer.reply) == (stale, circuit.CLOSED, None)
        controller.send(rude, b"DGET / HTTP/1.1\r\n\r\n")
        while (answer := await controller.answers.get()).payload != circuit.CLOSED:
            assert circuit.opens(answer.payload)  # the alert
        assert answer.subject.rpartition(".")[2] == rude
        assert answer.reply.rpartition(".")[2] == rude
        assert (await controller.open()).is_open

    fleet.try_out(work)


def test_the_certificate_inside_decides_who_may_speak(fleet: Fleet, isolation: Path) -> None:
    """The right to use the broker is none to use the agent."""
    (isolation / "other").mkdir()
    strangers = {
        "unknown ca": Authority(isolation / "other").issue("laptop"),
        "role": fleet.authority.issue("laptop", "agent", file="agent-of-laptop"),
        "expired": fleet.authority.issue("laptop", days=(-3, -2), file="expired"),
    }

    async def work(controller: BrokeredController) -> None:
        for pair in strangers.values():
            with pytest.raises(AgentError):
                await controller.open(pair)
        assert (await controller.open()).is_open

    fleet.try_out(work)
    log = fleet.agent.log_text()
    assert "refused controller laptop: " in log
    assert "refused a certificate without the role controller" in log


@pytest.mark.parametrize(
    "python", [None, *(pytest.param(each, marks=pytest.mark.soak) for each in OTHERS)], indirect=True
)
def test_a_broker_that_is_killed_comes_back_and_nothing_runs_twice(own_fleet: Fleet) -> None:
    own_fleet.start()
    marks = own_fleet.agent.scripts / "marks"
    record = new_record()

    async def begin(controller: BrokeredController) -> None:
        client = await controller.open()
        await run(client, f"echo x >> {marks}; cat {marks}; sleep 0.5; echo end", record)
        watch = asyncio.ensure_future(watched(client, record))
        own_fleet.broker.kill()
        with pytest.raises(AgentError):
            await watch

    own_fleet.try_out(begin)
    eventually(lambda: not own_fleet.is_connected())
    own_fleet.broker.start()

    async def go_on(controller: BrokeredController) -> None:
        client = await controller.open()
        await run(client, f"echo x >> {marks}", record)
        stdout, _, result = await watched(client, record)
        assert (stdout, result.exit_code) == (b"x\nend\n", 0)

    own_fleet.try_out(go_on)
    assert marks.read_text() == "x\n"
    assert f"lost the broker {own_fleet.broker.address}: " in own_fleet.agent.log_text()


@pytest.mark.long
def test_a_broker_that_hangs_is_left_and_found_again(own_fleet: Fleet) -> None:
    own_fleet.start()
    eventually(own_fleet.is_connected)
    own_fleet.broker.freeze()
    status = eventually(lambda: (found := own_fleet.status())["broker"] is None and found)
    assert "it did not answer 2 pings" in status["error"]
    own_fleet.broker.thaw()
    own_fleet.try_out(fine)


async def fine(controller: BrokeredController) -> None:
    client = await controller.open()
    stdout, _, _ = await watched(client, await run(client, "echo fine"))
    assert stdout == b"fine\n"


@pytest.mark.long
def test_the_next_broker_is_used_when_one_is_gone(own_fleet: Fleet, authority: Authority, isolation: Path) -> None:
    with brokers.running(isolation / "second", authority) as second:
        both = own_fleet.broker.authority.own.certificate.read_text() + second.authority.own.certificate.read_text()
        (own_fleet.agent.home / "pki" / "broker-ca.pem").write_text(both)
        own_fleet.start(f"{own_fleet.broker.address}, {second.address}")
        eventually(own_fleet.is_connected)
        found = {each.address: each for each in (own_fleet.broker, second)}
        first = found.pop(own_fleet.status()["broker"])
        (other,) = found.values()
        first.kill()
        eventually(lambda: own_fleet.status()["broker"] == other.address)
        own_fleet.broker = other
        own_fleet.try_out(fine)


@pytest.mark.long
def test_a_circuit_without_messages_is_dropped(fleet: Fleet) -> None:
    """A controller that is gone without a word costs nothing after a time; one that probes is alive."""

    async def work(controller: BrokeredController) -> None:
        silent, alive = await controller.open(), await controller.open()
        while silent.is_open:
            for each in list(controller._circuits.values())[1:]:
                each.probe()
            await asyncio.sleep(0.2)  # the time of the agent must pass
        assert alive.is_open
        await alive.call("agent.status", {})

    fleet.try_out(work)


def test_a_proxy_carries_the_connection(make_agent: MakeAgent, broker: Broker, authority: Authority) -> None:
    """The proxy resolves the name of the broker, and demands a login."""
    agent = make_agent()
    fleet = Fleet(agent, broker, authority)
    (agent.home / "pki" / "proxy-login").write_text("pos:s3cret:x\n")

    async def work(proxy: Proxy) -> None:
        controller = await fleet.controller()
        await asyncio.to_thread(fleet.start, dial_proxy=proxy.address)
        while await controller.hints.get() != f"assist.up.{fleet.instance}":  # another agent of the common broker
            pass
        await fine(controller)
        controller.close()
        assert proxy.asked == [f"CONNECT localhost:{broker.port} HTTP/1.1"]

    with Proxy(login="pos:s3cret:x") as proxy:
        asyncio.run(asyncio.wait_for(work(proxy), GUARD))


@pytest.mark.long
@pytest.mark.parametrize(
    ("host", "behaviour", "reason"),
    [
        ("::1", {"login": "pos:right"}, "the proxy answered 'HTTP/1.1 407 Proxy Authentication Required'"),
        ("127.0.0.1", {"refusal": "403 Forbidden"}, "the proxy answered 'HTTP/1.1 403 Forbidden'"),
        ("127.0.0.1", {"refusal": "502 " + "x" * 20000}, "the proxy does not answer as an HTTP proxy"),
        ("127.0.0.1", {"hangs": True}, "no answer in 40 s"),
    ],
)
def test_a_proxy_that_refuses_is_named_and_its_password_is_not(
    make_agent: MakeAgent, broker: Broker, authority: Authority, host: str, behaviour: dict[str, Any], reason: str
) -> None:
    with Proxy(host, **behaviour) as proxy:
        agent = make_agent()
        fleet = Fleet(agent, broker, authority)
        (agent.home / "pki" / "proxy-login").write_text("pos:s3cret\n")
        fleet.start(dial_proxy=proxy.address)
        eventually(lambda: fleet.status()["error"])
        assert fleet.status()["error"] == f"{broker.address}: through the proxy {proxy.address}: {reason}"
        agent.close()
    files = [each for each in agent.home.rglob("*") if each.is_file() and each.name != "proxy-login"]
    assert not [each for each in files if b"s3cret" in each.read_bytes()]


# refusals


def test_brokers_that_cannot_be_used_are_named(make_agent: MakeAgent, broker: Broker, authority: Authority) -> None:
    fleet = Fleet(make_agent(), broker, authority)
    closed, unknown, other = f"127.0.0.1:{free_port()}", "nobody.invalid:4222", f"127.0.0.1:{broker.port}"
    fleet.start(f"tls://{closed}, tls://{unknown},tls://{other}")
    status = eventually(lambda: (found := fleet.status())["error"] and found["error"].count("tls://") == 3 and found)
    assert status["broker"] is None
    reasons = dict(each.split(": ", 1) for each in status["error"].split("; "))
    assert reasons[f"tls://{closed}"] == "Connection refused"
    assert reasons[f"tls://{unknown}"].startswith("cannot resolve nobody.invalid: ")
    assert "127.0.0.1" in reasons[f"tls://{other}"]  # the name in its certificate is localhost
    told = subprocess.run(fleet.agent.words("status"), stdout=subprocess.PIPE, check=True).stdout.decode()
    assert re.search(r"^broker +not connected for \d+ s: tls://", told, re.MULTILINE)
    assert fleet.agent.log_text().count("cannot connect to the broker") < 4


@pytest.mark.long
def test_files_are_read_again_at_each_attempt(make_agent: MakeAgent, broker: Broker, authority: Authority) -> None:
    fleet = Fleet(make_agent(), broker, authority)
    pki = fleet.agent.home / "pki"
    good = {path.name: path.read_bytes() for path in pki.iterdir()}
    foreign = Authority(pki, "foreign").issue("i-dialled", "agent")

    def use(**files: bytes | None) -> None:
        for name, content in {**good, **files}.items():
            if content is None:
                (pki / name).unlink()
            else:
                (pki / name).write_bytes(content)

    def reason(text: str) -> None:
        eventually(lambda: text in (fleet.status()["error"] or ""))

    use(**{"agent.jwt": None})
    fleet.start()
    reason(f"{pki}/agent.jwt: No such file or directory")
    use(**{"agent.pem": b"damaged"})
    reason("cannot use ca.pem, agent.pem and agent.key in ")
    use(**{"broker-ca.pem": good["ca.pem"]})
    reason("unable to get local issuer certificate")
    use(**{"agent.pem": foreign.certificate.read_bytes(), "agent.key": foreign.key.read_bytes()})
    reason("ALERT")
    use()
    eventually(fleet.is_connected)
    assert fleet.status()["error"] is None


@pytest.mark.parametrize(
    ("dial", "proxy"),
    [
        ("127.0.0.1:4222", ""),
        ("nats://127.0.0.1:4222", ""),
        ("tls://127.0.0.1", ""),
        ("tls://127.0.0.1:0", ""),
        ("tls://127.0.0.1:70000", ""),
        ("tls://a b:4222", ""),
        ("tls://a:4222\r\nX:1", ""),
        ("tls://a:4222,,tls://b:4222", ""),
        ("tls://a:4222", "socks5://a:1080"),
        ("tls://a:4222", "http://a"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(isolation: Path, dial: str, proxy: str) -> None:
    settings = Config(str(isolation))
    settings.dial, settings.dial_proxy = dial, proxy
    with pytest.raises(ConfigError, match=r"cannot use '[^']*' for 'dial(_proxy)?': it must be an address like "):
        read(settings)


def test_a_password_in_the_settings_is_not_quoted(isolation: Path) -> None:
    settings = Config(str(isolation))
    settings.dial, settings.dial_proxy = "tls://a:4222", "http://pos:s3cret@a:3128"
    with pytest.raises(ConfigError, match="cannot use 'dial_proxy': put USER:PASSWORD into") as caught:
        read(settings)
    assert "s3cret" not in str(caught.value)


def test_addresses_are_read(isolation: Path) -> None:
    settings = Config(str(isolation))
    settings.dial, settings.dial_proxy = "tls://[::1]:4222, tls://b-2.example.com:443", "http://10.0.0.1:3128/"
    assert read(settings) == (
        [("tls://[::1]:4222", "::1", 4222), ("tls://b-2.example.com:443", "b-2.example.com", 443)],
        ("http://10.0.0.1:3128/", "10.0.0.1", 3128),
    )


@pytest.mark.parametrize("python", [OLDEST], indirect=True)
def test_a_python_without_tls_1_3_refuses_to_dial(make_agent: MakeAgent, python: Path) -> None:
    agent = make_agent(dial="tls://127.0.0.1:4222")
    done = subprocess.run(agent.words("serve"), stderr=subprocess.PIPE, timeout=GUARD, check=False)
    assert done.returncode == 1
    assert done.stderr == b"agentd: cannot dial: this Python has no TLS 1.3; reach this agent by SSH\n"


def test_nothing_of_it_is_loaded_without_the_setting(archive: Path, starts_processes: None) -> None:
    script = "import sys; sys.path.insert(0, sys.argv[1]); import agentd.server; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script, archive], stdout=subprocess.PIPE, check=True)
    loaded = done.stdout.decode().split()
    assert "agentd.wire.transport" in loaded
    assert not {"agentd.dial", "agentd.broker", "agentd.wire.nats", "agentd.wire.circuit"} & set(loaded)
