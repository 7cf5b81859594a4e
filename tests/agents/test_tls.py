"""Mutual TLS: accepted and refused certificates, from both ends, and the messages (peers of this kind failed here)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from agentd.wire import protocol
from assist_cli.agents import address, revoked
from assist_cli.agents.client import Client
from assist_cli.deploy import pki
from assist_cli.errors import (
    AgentError,
    AgentRefused,
    ClientAuthFailed,
    ClientNotOnline,
    ClientNotRunning,
    FileFailure,
)
from assist_cli.model.timeouts import DEFAULTS, AgentTimeouts
from assist_cli.paths import Home
from tests.support import minting, variants
from tests.support.agent import new_record
from tests.support.minting import CLIENT, SERVER, Pair, mint
from tests.support.place import CONTROLLER, Place

OTHER = "i-01kbdk5g8w3m9v6yx2r4hq7cn0"
DAY = timedelta(days=1)


def reach(place: Place, controller: str = CONTROLLER, way: str = "tls") -> None:
    async def work() -> None:
        client = await place.connect(way, controller)
        client.close()

    asyncio.run(work())


def refused(place: Place, kind: type[AgentError] = ClientAuthFailed, controller: str = CONTROLLER) -> AgentError:
    with pytest.raises(kind) as caught:
        reach(place, controller)
    assert type(caught.value) is kind
    assert str(caught.value).startswith("cannot ")
    assert caught.value.hint
    return caught.value


def authority(place: Place) -> Pair:
    return minting.read(place.home.pki, "ca")


def give_agent(place: Place, pair: Pair, *, chain: bytes = b"", key: bytes | None = None) -> None:
    folder = place.agent.home / "pki"
    (folder / "agent.pem").write_bytes(pair.certificate_pem + chain)
    (folder / "agent.key").write_bytes(key or pair.key_pem)


def give_controller(place: Place, pair: Pair, *, chain: bytes = b"", key: bytes | None = None) -> None:
    (place.home.pki / "controller.pem").write_bytes(pair.certificate_pem + chain)
    (place.home.pki / "controller.key").write_bytes(key or pair.key_pem)


# the agent is revoked


def test_a_revoked_agent_is_refused_until_it_gets_a_new_certificate(place: Place) -> None:
    """The old certificate is refused for ever: a thief may have its key."""
    old = minting.read(place.agent.home / "pki", "agent")
    now = datetime.now(timezone.utc)
    place.start()
    reach(place)
    pki.revoke(place.home, place.instance, now)
    assert "is revoked" in refused(place).message
    made = pki.agent_credentials(place.home, CONTROLLER, place.instance, now + timedelta(seconds=1))
    assert "its certificate is revoked" in refused(place).message
    place.agent.stop()
    place.put(made)
    place.start()
    reach(place)
    place.agent.stop()
    give_agent(place, old)
    place.start()
    assert "its certificate is revoked" in refused(place).message


def test_a_revoked_agent_is_refused_at_every_kind_of_address(place: Place) -> None:
    place.start()
    pki.revoke(place.home, OTHER, datetime.now(timezone.utc))
    reach(place)
    pki.revoke(place.home, place.instance, datetime.now(timezone.utc))
    for way in ("unix", "tls"):
        with pytest.raises(ClientAuthFailed, match="is revoked"):
            asyncio.run(place.connect(way))
    (place.home.pki / "revoked.json").write_bytes(b"{")
    with pytest.raises(FileFailure, match="damaged"):
        asyncio.run(place.connect("unix"))


def test_older_certificates_are_refused_after_a_renewal_that_shuts_nothing_out(place: Place) -> None:
    now = datetime.now(timezone.utc)
    place.start()
    pki.revoke(place.home, place.instance, now, is_closed=False)
    assert "its certificate is revoked" in refused(place).message
    reach(place, way="unix")  # where no certificate is shown
    made = pki.agent_credentials(place.home, CONTROLLER, place.instance, now)  # in the same second
    place.agent.stop()
    place.put(made)
    place.start()
    reach(place)


def test_revocations_of_certificates_that_have_expired_are_forgotten(place: Place) -> None:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    pki.revoke(place.home, place.instance, now, is_closed=False)
    pki.revoke(place.home, OTHER, now + pki.LIFETIME, is_closed=True)
    assert revoked.read(place.home).keys() == {place.instance, OTHER}
    pki.revoke(place.home, OTHER, now + pki.LIFETIME + timedelta(seconds=2), is_closed=False)
    assert [(name, each.is_closed) for name, each in revoked.read(place.home).items()] == [(OTHER, True)]


# the agent is not the expected one


def test_an_agent_of_another_authority_is_refused(place: Place) -> None:
    stranger = mint(None, "stranger", "authority", None, authority=True)
    give_agent(place, mint(stranger, place.instance, "agent", SERVER))
    place.start()
    refused(place)


def test_a_certificate_signed_by_an_agent_is_refused(place: Place) -> None:
    """The key of an agent signs for another instance, with the whole chain."""
    middle = minting.read(place.agent.home / "pki", "agent")
    give_agent(place, mint(middle, place.instance, "agent", SERVER), chain=middle.certificate_pem)
    place.start()
    refused(place)


def test_a_self_signed_certificate_with_the_right_names_is_refused(place: Place) -> None:
    give_agent(place, mint(None, place.instance, "agent", SERVER))
    place.start()
    refused(place)


@pytest.mark.parametrize(
    ("role", "usage"), variants.every(3, [("controller", CLIENT), ("agent", CLIENT), ("controller", SERVER)])
)
def test_an_agent_with_a_certificate_of_another_role_is_refused(
    place: Place, role: str, usage: minting.x509.ObjectIdentifier
) -> None:
    give_agent(place, mint(authority(place), place.instance, role, usage))
    place.start()
    refused(place)


def test_an_expired_agent_is_refused_and_the_hint_renews_it(place: Place) -> None:
    give_agent(place, mint(authority(place), place.instance, "agent", SERVER, end=-DAY))
    place.start()
    error = refused(place)
    assert "expired" in error.message
    assert "--rotate" in error.hint


def test_an_agent_of_the_future_is_refused_and_the_hint_names_the_clocks(place: Place) -> None:
    give_agent(place, mint(authority(place), place.instance, "agent", SERVER, begin=DAY))
    place.start()
    assert "clock" in refused(place).hint


def test_the_certificate_of_another_instance_is_refused_and_both_are_named(place: Place) -> None:
    give_agent(place, mint(authority(place), OTHER, "agent", SERVER))
    place.start()
    message = refused(place).message
    assert OTHER in message
    assert place.instance in message


def test_an_agent_whose_id_differs_from_its_certificate_is_refused(place: Place) -> None:
    """Without an expected id, as in ``instance add``, the two must be equal."""
    (place.agent.home / "instance-id").write_text(OTHER + "\n")
    place.start()

    async def work() -> None:
        with pytest.raises(ClientAuthFailed):
            await address.connect(place.address("tls"), home=place.home, controller=CONTROLLER, timeouts=DEFAULTS.agent)

    asyncio.run(work())


def test_an_agent_without_the_key_of_its_certificate_is_refused(place: Place) -> None:
    pair = minting.read(place.agent.home / "pki", "agent")
    give_agent(place, pair, key=pair.key_pem_without_the_key())
    place.start()
    refused(place)


# the controller is not an accepted one


def test_a_controller_without_the_key_of_its_certificate_is_refused(started: Place) -> None:
    pair = minting.read(started.home.pki, "controller")
    give_controller(started, pair, key=pair.key_pem_without_the_key())
    refused(started)


def test_a_controller_of_another_authority_is_refused(started: Place) -> None:
    stranger = mint(None, "stranger", "authority", None, authority=True)
    give_controller(started, mint(stranger, CONTROLLER, "controller", CLIENT))
    refused(started)


@pytest.mark.parametrize(
    ("role", "usage"), variants.every(3, [("agent", SERVER), ("controller", SERVER), ("agent", CLIENT)])
)
def test_an_agent_is_not_a_controller(started: Place, role: str, usage: minting.x509.ObjectIdentifier) -> None:
    give_controller(started, mint(authority(started), started.instance, role, usage))
    refused(started, controller=started.instance)


def test_a_controller_signed_by_an_agent_is_refused(started: Place) -> None:
    middle = minting.read(started.agent.home / "pki", "agent")
    give_controller(started, mint(middle, CONTROLLER, "controller", CLIENT), chain=middle.certificate_pem)
    refused(started)


def test_an_expired_controller_is_refused(started: Place) -> None:
    give_controller(started, mint(authority(started), CONTROLLER, "controller", CLIENT, end=-DAY))
    refused(started)


def test_a_controller_cannot_act_for_another(started: Place) -> None:
    refused(started, controller="another")


def test_a_controller_sees_no_record_of_another(started: Place) -> None:
    """Both have valid certificates of one authority."""

    async def work() -> None:
        record = new_record()
        first = await started.connect("tls")
        content = protocol.pack(b"echo mine; sleep 60")
        await first.call("task.run", {"record": record, "type": "RunShellScript", "content": content, "timeout": 60})
        give_controller(started, mint(authority(started), "another", "controller", CLIENT))
        second = await started.connect("tls", "another")
        for method in ("task.get", "task.watch", "task.stop"):
            with pytest.raises(AgentRefused) as caught:
                await second.call(method, {"record": record})
            assert caught.value.code == "RecordNotFound"
        assert (await second.call("task.list", {}))["tasks"] == []
        assert (await second.call("task.forget", {"records": [record]}))["forgotten"] == []
        assert (await first.call("task.get", {"record": record}))["state"] == "Running"
        await first.call("task.stop", {"record": record})
        async with contextlib.aclosing(first.watch(record)) as events:
            async for _ in events:
                pass
        first.close()
        second.close()

    asyncio.run(work())


def test_a_home_without_certificates_is_an_error(started: Place, tmp_path: Path) -> None:
    started.home = Home(tmp_path / "empty")
    refused(started)


def test_a_key_of_another_certificate_is_an_error(started: Place) -> None:
    pair = minting.read(started.home.pki, "controller")
    give_controller(started, pair, key=mint(None, "x", "y", None).key_pem)
    refused(started)


# nothing, or another program, listens


def test_nothing_listens(place: Place) -> None:
    refused(place, ClientNotRunning)


def test_a_host_that_does_not_exist(place: Place) -> None:
    async def work() -> None:
        with pytest.raises(ClientNotOnline):
            await address.connect(
                "tls:no-such-host.invalid", home=place.home, controller=CONTROLLER, timeouts=DEFAULTS.agent
            )

    asyncio.run(work())


@contextlib.contextmanager
def listening(answer: bytes | None = None) -> Iterator[int]:
    """A server that is not an agent: it accepts connections, sends ``answer`` (None: nothing), and no more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def serve() -> None:
            with listener.accept()[0] as connection:
                if answer is not None:
                    connection.recv(4096)
                    connection.sendall(answer)
                    return
                over.wait(30)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()


def test_a_black_hole_times_out(place: Place) -> None:
    """It accepts the connection and never answers. The test shortens the ten seconds to one."""
    place.timeouts = AgentTimeouts(connect=1.0)
    with listening() as place.port:
        assert "no answer in 1 s" in refused(place, ClientNotOnline).message


def test_a_full_backlog_times_out(place: Place) -> None:
    """A listener that accepts nothing: after some connections the system does not even complete a TCP handshake."""
    place.timeouts = AgentTimeouts(connect=1.0)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as stack:
        place.port = listener.getsockname()[1]
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", place.port))
        refused(place, ClientNotOnline)


def test_another_kind_of_server_is_not_trusted(place: Place) -> None:
    with listening(b"SSH-2.0-OpenSSH_9.2\r\n") as place.port:
        assert "TLS 1.3" in refused(place).message


def test_a_connection_that_closes_in_the_handshake(place: Place) -> None:
    with listening(b"") as place.port:
        refused(place, ClientNotOnline)


def test_an_older_tls_is_refused_by_the_agent(started: Place) -> None:
    context = ssl.create_default_context(cafile=str(started.home.pki / "ca.pem"))
    context.check_hostname = False
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(started.home.pki / "controller.pem", started.home.pki / "controller.key")
    with socket.create_connection(("127.0.0.1", started.port)) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain)


# the cost


def test_a_connection_keeps_little_memory(started: Place) -> None:
    """A hundred open connections, far below the quarter of a MiB that the TLS of asyncio takes for each."""

    async def work() -> None:
        (await started.connect("tls")).close()
        before = _resident()
        clients: list[Client] = [await started.connect("tls") for _ in range(100)]
        assert (_resident() - before) / 100 < 100 * 1024
        for client in clients:
            client.close()

    asyncio.run(work())


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_new_certificates_are_used_without_a_restart(started: Place) -> None:
    reach(started)
    give_controller(started, mint(authority(started), CONTROLLER, "controller", CLIENT, end=-DAY))
    refused(started)
    pki.prepare(started.home, CONTROLLER, datetime.now(timezone.utc))
    reach(started)
