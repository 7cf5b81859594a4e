"""The address of the file of an enrolment, which ``assist instance enroll`` prints while a console is served."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assist_cli.agents import broker_folder
from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission
from assist_cli.http.endpoint import HttpEndpoint
from assist_cli.operations.controller import open_controller
from assist_cli.operations.runs.senders import sender
from assist_cli.operations.server import console, lease
from assist_cli.paths import Home
from tests.support.application import Application


def test_the_address_while_a_console_is_served(assist: Application, home: Path, tmp_path: Path):
    with open_controller(Home(home)) as controller:
        pki.prepare(controller.home, controller.id, controller.now())
        address = broker_folder.parse("tls://broker.example.com")
        admission.create(controller.home, controller.id, [address], controller.now())
        with sender(controller.home) as token, console.served_at(controller, "http://here", "https://assist.example"):
            lease.take(controller, token)
            made = assist("instance", "enroll", "--out", str(tmp_path / "a.pyz"))
            document = json.loads(assist("instance", "enroll", "--out", str(tmp_path / "b.pyz"), "-o", "json").stdout)
            found = console.enrolment_url(controller, document["ActivationId"])
            lease.release(controller, token)
        assert made.returncode == 0
        assert b"curl -fsSo a.pyz https://assist.example/enroll/" in made.stderr
        assert document["Url"] == found
        assert console.enrolment_url(controller, document["ActivationId"]) is None
    made = assist("instance", "enroll", "--out", str(tmp_path / "c.pyz"))
    assert b"curl" not in made.stderr


@pytest.mark.parametrize(
    ("place", "url"),
    [
        (HttpEndpoint("127.0.0.1", 0), "http://127.0.0.1:8321"),
        (HttpEndpoint("::1", 0), "http://[::1]:8321"),
        (HttpEndpoint("127.0.0.1", 0, names=("*.example.com", "assist.example.com")), "https://assist.example.com"),
        (HttpEndpoint("10.0.0.5", 0), "http://10.0.0.5:8321"),
        (
            HttpEndpoint("0.0.0.0", 0, Path("cert"), Path("key"), ("assist.example.com",)),
            "https://assist.example.com:8321",
        ),
    ],
)
def test_the_address_of_the_console_for_other_machines(place: HttpEndpoint, url: str):
    assert place.public_url(8321) == url
