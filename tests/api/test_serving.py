"""``assist serve --api``: its listener, the example in the documents, and a kill of the server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from assist_cli.errors import InvalidParameter
from assist_cli.http.endpoint import place
from assist_cli.model.access import Role
from assist_cli.model.target import Selection
from assist_cli.operations.access import accesskeys
from assist_cli.operations.controller import open_controller
from assist_cli.operations.fleet import instances
from assist_cli.paths import Home
from tests.support import api, processes, sdks
from tests.support.api import GUARD, Service, Signer
from tests.support.certificates import Authority
from tests.support.program import Program
from tests.support.programs import need, need_localhost

pytestmark = pytest.mark.usefixtures("starts_processes")

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"


def test_the_example_in_the_documents_runs_with_another_endpoint(service: Service, isolation: Path):
    found = re.search(
        r"<!-- example: begin -->\n```python\n(.*?)```\n<!-- example: end -->", PAGE.read_text(), re.DOTALL
    )
    assert found
    need("uptime")  # the script that it runs
    script = isolation / "example.py"
    script.write_text(found[1].replace("127.0.0.1:8320", service.endpoint))
    key = service.keys[Role.ADMIN]
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"},
        "ALIBABA_CLOUD_ACCESS_KEY_ID": key.id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key.secret.reveal(),
    }
    done = subprocess.run([sys.executable, script, service.local.id], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("InvokeId: t-")
    assert lines[1:3] == ["Success 0", os.uname().sysname]


# listeners


def test_plain_http_is_for_this_machine_only():
    for address in ("127.0.0.1:8320", "127.9.9.9:0", "localhost:8320", "[::1]:8320"):
        assert place(address, None, None, insecure=False).is_loopback
    for address in ("0.0.0.0:8320", "[::]:8320", "192.0.2.1:8320", "[2001:db8::1]:8320"):
        with pytest.raises(InvalidParameter) as refused:
            place(address, None, None, insecure=False)
        assert refused.value.code == "PlainHttpRefused"
        assert not place(address, None, None, insecure=True).is_loopback
        assert place(address, Path("c"), Path("k"), insecure=False).url(1).startswith("https://")
    for address in ("8320", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", "somewhere:8320", ":8320", ""):
        with pytest.raises(InvalidParameter) as refused:
            place(address, None, None, insecure=True)
        assert refused.value.code == "InvalidAddress"


def test_a_bad_listener_is_refused_in_one_line(installed: Program):
    for words, status in (
        (["--api", "0.0.0.0:0"], 65),
        (["--api", "127.0.0.1:0", "--once"], 2),
        (["--api", "127.0.0.1:0", "--api-cert", "no.pem", "--api-key", "no.key"], 74),
        (["--api", "192.0.2.1:9", "--insecure"], 65),
    ):
        done = installed("serve", *words)
        said = [line for line in done.stderr.decode().splitlines() if not re.match(r"\d{4}-", line)]
        assert (done.returncode, len(said)) == (status, 2), said
        assert said[0].startswith("error: cannot ")
        assert done.stdout == b""


@pytest.mark.long
def test_https_for_the_names_of_its_certificate(isolation: Path):
    home = isolation / "assist"
    with open_controller(Home(home)) as controller:
        key = accesskeys.create(controller, "ci", Role.VIEWER)
    authority = Authority(isolation)
    need_localhost()
    pair = authority.issue("api", None, hosts=["localhost", "127.0.0.1"])
    words = ["--api-cert", str(pair.certificate), "--api-key", str(pair.key)]
    with api.served(home, *words, address="0.0.0.0:0") as url:
        assert url.startswith("https://0.0.0.0:")
        endpoint = f"localhost:{url.rpartition(':')[2]}"
        ca = str(authority.own.certificate)
        client = sdks.New(key.id, key.secret.reveal(), endpoint, protocol="https", ca=ca)
        assert client("DescribeCommands")["TotalCount"] == 0


# kills


class Load:
    """A client that requests runs one after the other, each with a token, and records the answers."""

    def __init__(self, url: str, key: Any, instance_id: str, journal: Path) -> None:
        self._signer = Signer.of(url, key)
        self._instance_id = instance_id
        self._journal = journal
        self.answered: dict[str, str] = {}
        self.open: str | None = None
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def ask(self, url: str | None, token: str) -> str:
        """Return the id of the run of a token; request the run if there is none."""
        signer = self._signer if url is None else Signer(url, self._signer.key, self._signer.secret)
        answer = signer.call(
            "RunCommand",
            Type="RunShellScript",
            CommandContent=f"echo {token} >> {self._journal}",
            InstanceId__1=self._instance_id,
            ClientToken=token,
        )
        assert answer.status == 200, answer.body
        return str(answer.document["InvokeId"])

    def _run(self) -> None:
        while True:
            self.open = uuid.uuid4().hex
            try:
                self.answered[self.open] = self.ask(None, self.open)
            except OSError:
                self.enough.set()
                return
            if len(self.answered) >= 3:
                self.enough.set()


@pytest.mark.long
@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.soak)])
def test_after_kills_answered_runs_end_truthfully_and_a_token_makes_one_run(isolation: Path, rounds: int):
    home, journal = isolation / "assist", isolation / "journal"
    with open_controller(Home(home)) as controller:
        key = accesskeys.create(controller, "ci", Role.OPERATOR)
        (local,) = instances.resolve(controller, Selection())
    try:
        runs: dict[str, str] = {}
        for _ in range(rounds):
            with api.started(home) as (process, url):
                loads = [Load(url, key, local.id, journal) for _ in range(2)]
                assert all(load.enough.wait(GUARD) for load in loads)
                process.kill()
                for load in loads:
                    load.thread.join(GUARD)
            with api.served(home) as url:
                for load in loads:
                    assert load.open is not None
                    runs.update(load.answered)
                    runs[load.open] = load.ask(url, load.open)
                ended = final_statuses(Signer.of(url, key), set(runs.values()))
        assert len(set(runs.values())) == len(runs)
        lines = journal.read_text().split()
        assert len(lines) == len(set(lines)), "something ran twice"
        for token, invoke_id in runs.items():
            assert (ended[invoke_id] == "Success") == (token in lines), (ended[invoke_id], token in lines)
            assert ended[invoke_id] in ("Success", "Aborted")
    finally:
        processes.stop_agent(home / "agent")


def final_statuses(signer: Signer, invoke_ids: set[str]) -> dict[str, str]:
    """The final status of each, when all have ended."""
    end = time.monotonic() + GUARD
    while time.monotonic() < end:
        found: dict[str, str] = {}
        page = 1
        while True:
            answer = signer.call("DescribeInvocationResults", PageSize="50", PageNumber=str(page)).document[
                "Invocation"
            ]
            results = answer["InvocationResults"]["InvocationResult"]
            if not results:
                break
            found.update({each["InvokeId"]: each["InvocationStatus"] for each in results})
            page += 1
        if invoke_ids <= set(found) and not {found[each] for each in invoke_ids} & {"Pending", "Running", "Stopping"}:
            return found
        time.sleep(0.1)  # clients of this API poll
    raise AssertionError(f"not over: {json.dumps(found)}")
