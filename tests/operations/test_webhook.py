"""One attempt at a webhook: its request, its signature, and the meaning of each answer."""

from __future__ import annotations

import re
import socket
import stat
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from assist_cli.errors import InvalidParameter
from assist_cli.model.notice import NoticeResult
from assist_cli.model.timeouts import DEFAULTS
from assist_cli.operations.notify import webhook
from assist_cli.paths import Home
from tests.support import minting
from tests.support.receiver import Receiver

PAGE = Path(__file__).parents[2] / "docs" / "notifications.md"


@pytest.fixture
def home(isolation: Path) -> Home:
    found = Home(isolation / "assist")
    found.folder(found.root)
    return found


def post(
    url: str, home: Home, body: bytes = b'{"InvokeId": "t-1"}', *, timeout: float = DEFAULTS.notify.webhook
) -> NoticeResult:
    return webhook.post(url, "t-1.1", body, webhook.key(home), datetime.now(timezone.utc), timeout)


def is_genuine() -> Callable[[str, dict[str, str], bytes], bool]:
    """The example of the documents."""
    source = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Callable[[str, dict[str, str], bytes], bool]] = {}
    exec(source[0], names)
    return names["is_genuine"]


def test_the_documented_example_verifies_the_signature_and_no_other(home: Home) -> None:
    with Receiver() as receiver:
        assert post(receiver.url(), home) == NoticeResult(True, "200 OK")
        came = receiver.next()
    key = home.notify_key.read_text().strip()
    check = is_genuine()
    assert came.headers["content-type"] == "application/json"
    assert check(key, came.headers, came.body)
    assert not check(key, came.headers, came.body + b" ")
    assert not check("whsec_AAAA", came.headers, came.body)
    assert not check(key, {**came.headers, "webhook-timestamp": "1"}, came.body)


def test_the_key_is_created_one_time_and_for_its_owner_only(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    made = webhook.key(home)
    assert webhook.key(home) == made
    assert stat.S_IMODE(home.notify_key.stat().st_mode) == 0o600
    monkeypatch.setenv(webhook.KEY_VARIABLE, "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ=")
    assert webhook.key(home).reveal() == "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ="
    monkeypatch.setenv(webhook.KEY_VARIABLE, "canary")
    with pytest.raises(InvalidParameter) as caught:
        webhook.key(home)
    assert "canary" not in caught.value.message


@pytest.mark.parametrize(
    ("status", "again"), [(204, False), (404, False), (410, False), (429, True), (500, True), (503, True)]
)
def test_the_meaning_of_each_answer(home: Home, status: int, again: bool) -> None:
    with Receiver(status) as receiver:
        answer = post(receiver.url(), home)
    assert (answer.ok, answer.again) == (status == 204, again)
    assert answer.text.startswith(str(status))


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(home: Home, status: int) -> None:
    with Receiver() as other, Receiver(status, location=other.url()) as receiver:
        answer = post(receiver.url(), home)
        assert other.deliveries.empty()
    assert not answer.ok
    assert not answer.again
    assert answer.text.endswith("a redirect, which is not followed")


def test_a_refused_connection_is_retried(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert post(f"http://127.0.0.1:{port}/secret", home) == NoticeResult(
        False, "no answer: Connection refused", again=True
    )


def test_a_closed_connection_is_retried(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        answer = post(f"http://127.0.0.1:{listener.getsockname()[1]}/secret", home)
        thread.join()
    assert (answer.ok, answer.again, "secret" in answer.text) == (False, True, False)


def test_a_silent_receiver_times_out(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answer = post(f"http://127.0.0.1:{listener.getsockname()[1]}/", home, timeout=0.5)
    assert (answer.text, answer.again) == ("no answer: timed out", True)


def certificate(folder: Path, signer: minting.Pair) -> Path:
    pair = minting.mint(signer, "receiver", "server", minting.SERVER)
    path = folder / "receiver.pem"
    path.write_bytes(pair.certificate_pem + pair.key_pem)
    return path


def test_a_certificate_is_verified(home: Home, isolation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = minting.mint(None, "ca", "ca", None, authority=True)
    (isolation / "ca.pem").write_bytes(authority.certificate_pem)
    with Receiver(certificate=certificate(isolation, authority)) as receiver:
        answer = post(receiver.url(), home)
        assert not answer.ok
        assert "CERTIFICATE_VERIFY_FAILED" in answer.text
        monkeypatch.setenv("SSL_CERT_FILE", str(isolation / "ca.pem"))
        assert post(receiver.url(), home) == NoticeResult(True, "200 OK")
        assert not post(receiver.url("localhost"), home).ok, "the name is another one"
        receiver.next()
        assert receiver.deliveries.empty(), "what was not trusted got nothing"
