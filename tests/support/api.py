"""The API, served by a thread of the test, and its clients: both SDKs, and one that signs by itself."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import re
import subprocess
import sysconfig
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from agentd import config
from assist_cli.model.access import AccessKey, Role
from assist_cli.model.instance import Instance
from assist_cli.model.target import Selection
from assist_cli.operations.access import accesskeys
from assist_cli.operations.controller import open_controller, utc_now
from assist_cli.operations.fleet import instances
from assist_cli.paths import Home
from assist_cli.store import instances as store
from tests.support import processes

VERSION = "2014-05-26"
GUARD = 60.0


@dataclass(frozen=True)
class Answer:
    """An answer of the API."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.document.get("Code", ""))


@dataclass(frozen=True)
class Service:
    """The API of one home: its endpoint, a key of each role, and the instance of this machine."""

    home: Home
    url: str
    keys: Mapping[Role, AccessKey]
    local: Instance

    @property
    def endpoint(self) -> str:
        return urlsplit(self.url).netloc

    def signer(self, role: Role = Role.ADMIN) -> Signer:
        return Signer.of(self.url, self.keys[role])

    def key(self, role: Role, *scope: str) -> AccessKey:
        """A new key for one test."""
        with open_controller(self.home) as controller:
            return accesskeys.create(controller, f"key-{uuid.uuid4().hex}", role, scope)

    def instance(self, address: str = "tls:127.0.0.1:1", **tags: str) -> Instance:
        """An instance without an agent."""
        made = Instance(config.new_instance_id(), f"x{uuid.uuid4().hex}", address, utc_now(), "linux", tags=tags)
        with open_controller(self.home) as controller, controller.database.transaction() as transaction:
            store.register(transaction, made)
        return made


@contextlib.contextmanager
def service(folder: Path) -> Iterator[Service]:
    """An API in a folder of its own, with the agent of this machine."""
    home = Home(folder / "assist")
    with open_controller(home) as controller:
        keys = {role: accesskeys.create(controller, role.value, role) for role in Role}
        (local,) = instances.resolve(controller, Selection())
    try:
        with served(home.root) as url:
            yield Service(home, url, keys, local)
    finally:
        processes.stop_agent(home.agent)


@contextlib.contextmanager
def served(home: Path, *words: str, address: str = "127.0.0.1:0") -> Iterator[str]:
    """The URL at which ``assist serve --api`` serves a home during the block; its log is beside that home."""
    with started(home, *words, address=address) as (process, url):
        yield url
        process.terminate()
        assert process.wait(GUARD) == 0


@contextlib.contextmanager
def started(home: Path, *words: str, address: str = "127.0.0.1:0") -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The same, with the process, which is killed at the end if it still runs."""
    log = home.with_name("serve.log")
    program = Path(sysconfig.get_path("scripts")) / "assist"
    environment = {**os.environ, "ASSIST_HOME": str(home)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "serve", "--api", address, *words], stdin=subprocess.DEVNULL, stderr=output, env=environment
        )
    try:
        yield process, _url(process, log)
    finally:
        process.kill()
        process.wait(GUARD)


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    """The URL in the log, which is the only event."""
    end = time.monotonic() + GUARD
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r"the API is at (\S+)\n", log.read_text())
        if found:
            return found[1]
        time.sleep(0.02)
    raise AssertionError(f"it does not serve: {log.read_text()}")


@dataclass(frozen=True)
class Signer:
    """Sign calls as docs/api.md says, without code of the server; a test may change any part."""

    url: str
    key: str
    secret: str
    region: str = "local"

    @classmethod
    def of(cls, url: str, key: AccessKey) -> Signer:
        return cls(url, key.id, key.secret.reveal())

    def call(
        self,
        action: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        method: str = "POST",
        **given: str,
    ) -> Answer:
        """Send a call in today's form: ``headers`` are set after it is signed."""
        return self.send(method, *self.modern(action, body=body, method=method, **given), body, headers)

    def modern(
        self,
        action: str,
        body: bytes = b"",
        method: str = "POST",
        now: datetime | None = None,
        nonce: str = "",
        **given: str,
    ) -> tuple[str, dict[str, str]]:
        """Return the target and the headers of a call in today's form."""
        query = {"RegionId": self.region, **{name.replace("__", "."): value for name, value in given.items()}}
        digest = hashlib.sha256(body).hexdigest()
        headers = {
            "host": urlsplit(self.url).netloc,
            "x-acs-action": action,
            "x-acs-version": VERSION,
            "x-acs-date": (now or datetime.now(timezone.utc)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "x-acs-signature-nonce": nonce or uuid.uuid4().hex,
            "x-acs-content-sha256": digest,
        }
        if body:
            headers["content-type"] = "application/x-www-form-urlencoded"
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        canonical = "\n".join([method, "/", _encoded(query), lines, names, digest])
        text = "ACS3-HMAC-SHA256\n" + hashlib.sha256(canonical.encode()).hexdigest()
        signature = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        headers["authorization"] = f"ACS3-HMAC-SHA256 Credential={self.key},SignedHeaders={names},Signature={signature}"
        return "/?" + urlencode(query), headers

    def classic(
        self, action: str, method: str = "GET", now: datetime | None = None, nonce: str = "", **given: str
    ) -> str:
        """Return the target of a call in the old form."""
        query = {
            "Action": action,
            "Version": VERSION,
            "RegionId": self.region,
            "AccessKeyId": self.key,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": nonce or uuid.uuid4().hex,
            "Timestamp": (now or datetime.now(timezone.utc)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **{name.replace("__", "."): value for name, value in given.items()},
        }
        text = f"{method}&%2F&{quote(_encoded(query), safe='~')}"
        digest = hmac.new(f"{self.secret}&".encode(), text.encode(), hashlib.sha1).digest()
        return "/?" + urlencode({**query, "Signature": base64.b64encode(digest).decode()})

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        changed: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a call unchanged."""
        url = urlsplit(self.url)
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=GUARD)
        with contextlib.closing(connection):
            connection.request(method, target, body, {**(headers or {}), **(changed or {})})
            found = connection.getresponse()
            return Answer(found.status, {name.lower(): value for name, value in found.getheaders()}, found.read())


def _encoded(query: Mapping[str, str]) -> str:
    return "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in sorted(query.items()))
