"""TLS over memory: two ends without a network."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from agentd.wire.tunnel import Tunnel, TunnelState
from tests.support.certificates import Authority, Pair


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def context(authority: Authority | None, own: Pair | None, purpose: int) -> ssl.SSLContext:
    made = ssl.SSLContext(purpose)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    if authority is not None:
        made.load_verify_locations(authority.own.certificate)
    if own is not None:
        made.load_cert_chain(own.certificate, own.key)
    return made


def ends(authority: Authority, caller: Authority | None = None) -> tuple[Tunnel, Tunnel]:
    """A client and a server; the authority ``caller`` signs the certificate of the client."""
    theirs = (caller or authority).issue("tests")
    client = Tunnel(context(authority, theirs, ssl.PROTOCOL_TLS_CLIENT), server_side=False)
    own = context(None, authority.issue("i-1", "agent"), ssl.PROTOCOL_TLS_SERVER)
    verifier = context(authority, None, ssl.PROTOCOL_TLS_SERVER)
    return client, Tunnel(own, server_side=True, verifier=verifier)


def carry(source: Tunnel, target: Tunnel, piece: Callable[[], int] = lambda: 1 << 20) -> bool:
    """Move the pending data of one end to the other, in pieces. Return True if there was any."""
    data = source.outgoing()
    at = 0
    while at < len(data):
        size = piece()
        target.feed(data[at : at + size])
        at += size
    return bool(data)


def handshake(client: Tunnel, server: Tunnel, piece: Callable[[], int] = lambda: 1 << 20) -> None:
    while TunnelState.HANDSHAKE in (client.state, server.state):
        for end, other in ((client, server), (server, client)):
            if end.state is TunnelState.HANDSHAKE:
                end.shake_hands()
            carry(end, other, piece)


def read_all(end: Tunnel) -> bytes:
    return b"".join(iter(end.read, b""))


def test_two_ends_connect_and_know_each_other(authority: Authority) -> None:
    client, server = ends(authority)
    with pytest.raises(ValueError, match="not done"):
        server.subject()
    handshake(client, server)
    assert (client.state, server.state) == (TunnelState.OPEN, TunnelState.OPEN)
    assert server.subject() == {"organizationalUnitName": "controller", "commonName": "tests"}
    assert client.subject()["organizationalUnitName"] == "agent"


def test_a_server_with_a_verifier_does_not_send_its_authority(authority: Authority) -> None:
    _, server = ends(authority)
    both = context(authority, authority.issue("i-1", "agent"), ssl.PROTOCOL_TLS_SERVER)
    sizes = []
    for end in (server, Tunnel(both, server_side=True)):
        client, _ = ends(authority)
        client.shake_hands()
        end.feed(client.outgoing())
        end.shake_hands()
        sizes.append(len(end.outgoing()))
    der = ssl.PEM_cert_to_DER_cert(Path(authority.own.certificate).read_text())
    assert sizes[0] + len(der) <= sizes[1]


@pytest.mark.parametrize("seed", range(5))
def test_bytes_arrive_whole_however_they_are_cut(authority: Authority, seed: int) -> None:
    chance = random.Random(seed)
    client, server = ends(authority)
    handshake(client, server, lambda: chance.choice((1, 2, 100)))
    data = chance.randbytes(300_000)
    for end, other in ((client, server), (server, client)):
        end.write(data)
        found = []
        encrypted = end.outgoing()
        while encrypted:
            size = chance.choice((1, 1000, 20_000))
            other.feed(encrypted[:size])
            encrypted = encrypted[size:]
            found.append(read_all(other))
        assert b"".join(found) == data
        assert other.state is TunnelState.OPEN


def test_a_close_comes_after_the_data_and_is_answered(authority: Authority) -> None:
    client, server = ends(authority)
    handshake(client, server)
    client.write(b"last")
    client.close()
    assert client.state is TunnelState.CLOSED
    carry(client, server)
    assert server.read() == b"last"
    assert server.state is TunnelState.OPEN
    assert server.read() == b""
    assert server.state is TunnelState.CLOSED
    assert server.outgoing()
    client.close()  # a second time, without an effect
    assert client.outgoing() == b""


def test_an_unknown_certificate_is_refused_with_a_reason(authority: Authority, tmp_path: Path) -> None:
    """In TLS 1.3 the client is done before the server has checked its certificate."""
    client, server = ends(authority, Authority(tmp_path, "another"))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(client, server)
    assert (client.state, server.state) == (TunnelState.OPEN, TunnelState.FAILED)
    carry(server, client)
    with pytest.raises(ssl.SSLError, match="ALERT"):
        client.read()
    assert client.state is TunnelState.FAILED


def test_data_that_is_not_tls_fails_and_nothing_after_it_is_read(authority: Authority) -> None:
    _, server = ends(authority)
    server.feed(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ssl.SSLError):
        server.shake_hands()
    assert server.state is TunnelState.FAILED
    server.feed(b"more")
    with pytest.raises(ValueError, match="cannot go from failed to"):
        server.shake_hands()
