"""Enrolments without a broker that runs: who is admitted, what is counted, and how a hostile machine is refused."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from assist_cli.agents import broker_folder
from assist_cli.agents.answers import Greeting
from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission
from assist_cli.deploy.host_answers import Found
from assist_cli.errors import AssistError, Conflict, InvalidParameter, NotFound, Refused
from assist_cli.model.enrolment import Enrolled, Enrolment
from assist_cli.model.instance import Instance
from assist_cli.model.secret import Secret
from assist_cli.model.timeouts import DEFAULTS
from assist_cli.operations.controller import Controller, open_controller, utc_now
from assist_cli.operations.fleet import enrolments
from assist_cli.operations.fleet.enrolments import EnrolmentRequest
from assist_cli.operations.server.enroller import Enroller, MachineStream
from assist_cli.paths import Home
from assist_cli.store import enrolments as store
from assist_cli.store import instances

EMPTY = Found("/var/lib/assist-agentd", "root", True, True, True, True, None, None, None)
GREETING = Greeting("i-x", "0.1.0", (1, 0), "boot", "web", "Linux", enrolment="e1")


@pytest.fixture
def controller(isolation: Path) -> Iterator[Controller]:
    """The controller of a home with a broker that does not run."""
    with open_controller(Home(isolation / "assist")) as made:
        pki.prepare(made.home, made.id, utc_now())
        admission.create(made.home, made.id, [broker_folder.parse("tls://broker.example.com")], utc_now())
        yield made


class OpenEnrolment:
    """An enrolment, and machines that come to it; ``machine`` is the random id of one."""

    def __init__(self, controller: Controller, **request: Any) -> None:
        self.controller = controller
        self.enrolment, self.token = enrolments.create(controller, EnrolmentRequest(**request))

    def admit(
        self, machine: str, hostname: str = "web", name: str = "", found: Found = EMPTY, token: str = ""
    ) -> Enrolled:
        shown = token or self.token.reveal()
        return enrolments.admit(self.controller, self.enrolment.id, shown, machine, found, hostname, name)

    def register(self, admitted: Enrolled) -> Instance:
        return enrolments.register(self.controller, self.enrolment, admitted, GREETING)

    @property
    def now(self) -> Enrolment:
        return enrolments.get(self.controller.database, self.enrolment.id)


def occupy(controller: Controller, name: str) -> None:
    """Register another instance of this name."""
    with controller.database.transaction() as transaction:
        instances.register(transaction, Instance("i-other", name, "ssh:x", os_type="linux", created=utc_now()))


def refusal(work: Callable[[], object], kind: type[AssistError] = Refused) -> str:
    with pytest.raises(kind) as caught:
        work()
    assert caught.value.message.startswith("cannot ")
    assert caught.value.hint
    return f"{caught.value.code}: {caught.value.message}"


def test_each_machine_counts_as_one_use_however_often_it_comes(controller: Controller) -> None:
    opened = OpenEnrolment(controller, uses=2)
    first = opened.admit("m1")
    assert (opened.admit("m1"), opened.now.used) == (replace(first, is_new=False), 1)
    opened.admit("m2", "db")
    assert "EnrolmentClosed: cannot use this enrolment: it is used up, 2 of 2" in refusal(lambda: opened.admit("m3"))
    assert opened.admit("m1").instance == first.instance
    assert (opened.now.used, opened.now.state(utc_now())) == (2, "used up")
    made = opened.register(first)
    assert (made.id, made.name, made.address) == (first.instance, "web", f"nats:{made.id}")
    assert opened.register(first).name == "web"
    assert [each.id for each in instances.registered(controller.database)] == [made.id]


def test_a_machine_is_known_to_a_later_enrolment(controller: Controller) -> None:
    first = OpenEnrolment(controller).admit("m1")
    later = OpenEnrolment(controller)
    assert later.admit("m1").instance == first.instance
    assert later.now.used == 0


def test_an_enrolment_ends_by_its_time_by_hand_and_with_a_wrong_token(controller: Controller) -> None:
    opened = OpenEnrolment(controller, uses=9, seconds=60)
    other = OpenEnrolment(controller)
    assert "its token is wrong" in refusal(lambda: opened.admit("m1", token=other.token.reveal()))
    assert "its token is wrong" in refusal(lambda: opened.admit("m1", token="x" * 43))
    late = controller.replace(now=lambda: utc_now() + timedelta(minutes=2))
    assert "it expired at " in refusal(
        lambda: enrolments.admit(late, opened.enrolment.id, opened.token.reveal(), "m1", EMPTY, "web", "")
    )
    enrolments.disable(controller, opened.enrolment.id[:20])
    assert "it is disabled" in refusal(lambda: opened.admit("m1"))
    enrolments.delete(controller, opened.enrolment.id)
    assert "its token is wrong, or the enrolment was deleted" in refusal(lambda: opened.admit("m1"))
    refusal(lambda: enrolments.delete(controller, opened.enrolment.id), NotFound)
    assert [each.id for each in enrolments.listing(controller)] == [other.enrolment.id]


def test_names_are_host_names_or_numbered_and_never_taken_twice(controller: Controller) -> None:
    hosts = OpenEnrolment(controller, uses=9, tags={"role": "web"})
    names = [hosts.admit(f"m{number}", "web").name for number in range(3)]
    assert names == ["web", "web-2", "web-3"]
    assert hosts.admit("own", "web", "db").name == "db"
    assert "give another one" not in refusal(lambda: hosts.admit("bad", "local"), InvalidParameter)
    assert hosts.admit("long", "x" * 128).name == "x" * 128
    assert len(hosts.admit("long2", "x" * 128).name) <= 128
    numbered = OpenEnrolment(controller, uses=100, name="pos")
    assert [numbered.admit(f"p{number}").name for number in range(2)] == ["pos-001", "pos-002"]
    occupy(controller, "pos-003")
    made = numbered.register(numbered.admit("p2"))
    assert made.name == "pos-004"
    assert hosts.register(hosts.admit("m0")).tags == {"role": "web"}


def test_a_name_that_is_taken_before_the_registration_gets_a_number(controller: Controller) -> None:
    opened = OpenEnrolment(controller)
    admitted = opened.admit("m1")
    occupy(controller, "web")
    assert opened.register(admitted).name == "web-2"


def test_a_machine_with_another_agent_is_refused_and_not_counted(controller: Controller) -> None:
    opened = OpenEnrolment(controller, uses=2)
    foreign = replace(EMPTY, instance="i-1", authority="0" * 64)
    ours = hashlib.sha256(pki.authority(controller.home)).hexdigest()
    assert "ClientAuthFailed" in refusal(lambda: opened.admit("m1", found=foreign), Conflict)
    assert "InstanceExists" in refusal(
        lambda: opened.admit("m1", found=replace(EMPTY, instance="i-1", authority=ours)), Conflict
    )
    assert opened.now.used == 0
    admitted = opened.admit("m1")
    again = opened.admit("m1", found=replace(EMPTY, instance=admitted.instance, authority=ours))
    assert again.instance == admitted.instance
    pki.revoke(controller.home, admitted.instance, utc_now())
    assert "is revoked" in refusal(lambda: opened.admit("m1"), Conflict)


def test_wrong_wishes_for_an_enrolment_are_refused(controller: Controller) -> None:
    for wrong in (
        {"uses": 0},
        {"uses": 10_001},
        {"seconds": 59},
        {"seconds": 31 * 86_400},
        {"name": "a,b"},
        {"name": "x" * 125},
        {"tags": {"a b,": "c"}},
    ):
        refusal(lambda wrong=wrong: enrolments.create(controller, EnrolmentRequest(**wrong)))  # type: ignore[misc]
    assert enrolments.listing(controller) == []


def test_without_a_broker_there_are_no_enrolments(isolation: Path) -> None:
    with open_controller(Home(isolation / "other")) as bare:
        assert "this home has none" in refusal(lambda: enrolments.create(bare, EnrolmentRequest()), Conflict)
        refusal(lambda: enrolments.write(bare, EnrolmentRequest(), isolation / "file"), Conflict)
    assert not (isolation / "file").exists()


def settings(data: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return cast("dict[str, Any]", json.loads(archive.read("settings.0")))


def test_the_token_is_in_its_file_only(controller: Controller, tmp_path: Path) -> None:
    made = enrolments.write(controller, EnrolmentRequest(uses=3), tmp_path / "file")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    found = settings((tmp_path / "file").read_bytes())
    assert found["enrolment"] == made.id
    assert found["brokers"] == [["broker.example.com", 4222]]
    token = found["token"]
    secrets = [token.encode(), found["key"].encode(), found["jwt"].encode()]
    for path in controller.home.root.rglob("*"):
        if path.is_file():
            assert not any(secret in path.read_bytes() for secret in secrets), path
    assert "it exists" in refusal(lambda: enrolments.write(controller, EnrolmentRequest(), tmp_path / "file"), Conflict)
    assert len(enrolments.listing(controller)) == 1
    bare = enrolments.write_known(controller, made.id, tmp_path / "bare")
    assert (bare.id, settings((tmp_path / "bare").read_bytes())["token"]) == (made.id, "")
    again, data = enrolments.file_of_token(controller, Secret(token))
    assert (again.id, settings(data)["token"]) == (made.id, token)
    refusal(lambda: enrolments.file_of_token(controller, Secret(token + "x")))
    enrolments.disable(controller, made.id)
    refusal(lambda: enrolments.file_of_token(controller, Secret(token)))
    refusal(lambda: enrolments.write_known(controller, made.id, tmp_path / "late"))
    assert not (tmp_path / "late").exists()


class Pipe(asyncio.Transport):
    """The sending end of the server, which keeps what it sends."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.closed = False

    def write(self, data: Any) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def answers_to(controller: Controller, enrolment_id: str, data: bytes, *, ends: bool = True) -> list[dict[str, Any]]:
    """Return the lines of the server to a machine that sends this."""

    async def work() -> list[dict[str, Any]]:
        reader, pipe = asyncio.StreamReader(64 * 1024), Pipe()
        protocol = asyncio.StreamReaderProtocol(reader)
        protocol.connection_made(pipe)
        reader.feed_data(data)
        if ends:
            reader.feed_eof()
        writer = asyncio.StreamWriter(pipe, protocol, reader, asyncio.get_running_loop())
        await Enroller(controller)._serve(enrolment_id, MachineStream(reader, writer))
        assert pipe.closed
        return [json.loads(line) for line in pipe.sent.splitlines()]

    return asyncio.run(work())


def test_a_hostile_machine_gets_one_answer_and_nothing_is_counted(
    controller: Controller, caplog: pytest.LogCaptureFixture
) -> None:
    opened = OpenEnrolment(controller)
    quick = controller.replace(timeouts=DEFAULTS.replace(enrolment=DEFAULTS.enrolment.replace(hello=0.01)))
    hello = {"token": opened.token.reveal(), "hostname": "web", "name": "", "python": "3.11.2"}

    def line(**changes: Any) -> bytes:
        return json.dumps({**hello, **changes}).encode() + b"\n"

    for data, text in (
        (b"x\n", "not a JSON object"),
        (b"[" * 60_000 + b"\n", "not a JSON object"),
        (b"x" * 65_537, "too long a line"),
        (b"{}\n", "'token' is missing"),
        (line(hostname="a\x1b[2J"), "'hostname' is not printable text"),
        (line(token=1), "'token' is not text"),
        (line(token="x"), "its token is wrong"),
        (line(token="\udc80"), "'token' is not text"),
    ):
        (answer,) = answers_to(quick, opened.enrolment.id, data)
        assert text in answer["error"], data[:80]
        assert answer["hint"]
        assert not answer["retry"]
    assert answers_to(quick, opened.enrolment.id, b"") == []
    assert answers_to(quick, opened.enrolment.id, b'{"token', ends=False) == []
    for data, text in (
        (line() + b'{"line": {"result": {}}}\n{"exit": 0}\n', "is invalid"),
        (line() + b'{"line": {"error": "no room"}}\n{"exit": 0}\n', "no room"),
        (line() + (b'{"line": "' + b"x" * 60_000 + b'"}\n') * 20, "prints too much"),
    ):
        run, answer = answers_to(quick, opened.enrolment.id, data)
        assert run["run"] == "enrol"
        assert text in answer["error"], answer
    assert opened.now.used == 0
    assert opened.token.reveal() not in caplog.text
    assert "refused web: " in caplog.text


def test_the_last_end_decides_if_the_server_listens(controller: Controller) -> None:
    assert store.latest_end(controller.database) is None
    opened = OpenEnrolment(controller, seconds=60)
    end = store.latest_end(controller.database)
    assert isinstance(end, datetime)
    assert abs(end - opened.enrolment.expires) < timedelta(milliseconds=1)
