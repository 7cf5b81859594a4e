"""Installation on several machines: the options of the command count for each of them, and a list has the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from assist_cli.errors import AssistError
from assist_cli.model.secret import Secret
from assist_cli.operations.controller import open_controller
from assist_cli.operations.fleet import installs
from assist_cli.operations.fleet.deployment import InstallRequest
from assist_cli.paths import Home

ALL = InstallRequest(
    "",
    tags={"role": "db", "site": "x"},
    dial=True,
    dial_proxy="http://proxy:3128",
    rotate=True,
    sudo=True,
    port=2222,
    identity="key",
    jump="bastion",
    accept_new=True,
)


def test_every_option_of_the_command_counts_for_each_host() -> None:
    found = installs.merged(InstallRequest("web1", "web1", {"role": "web"}, jump="other"), ALL)
    expected = {**vars(ALL), "place": "web1", "name": "web1", "tags": {"role": "web", "site": "x"}, "jump": "other"}
    assert vars(found) == expected


def test_a_port_in_the_place_comes_before_the_option() -> None:
    assert installs.merged(InstallRequest("web1:22"), ALL).port is None
    assert installs.merged(InstallRequest("web1", port=23), ALL).port == 23


@pytest.mark.usefixtures("starts_processes")
def test_a_secret_is_in_the_list_by_its_reference_only(home: Path) -> None:
    """The host has no sshd, so it stays in the list."""
    request = InstallRequest("127.0.0.1:1", dial_proxy=Secret("http://ann:canary@proxy:3128", "env:PROXY"))
    with open_controller(Home(home)) as controller:
        with installs.install_all(controller, [request]) as many:
            assert list(many.events())
        (outcome,) = many.close()
        assert isinstance(outcome.error, AssistError)
        assert vars(installs.unsuccessful(controller.home)[0]) == {**vars(request), "dial_proxy": "env:PROXY"}
    assert all(b"canary" not in path.read_bytes() for path in home.rglob("*") if path.is_file())


@pytest.mark.parametrize("line", [b"[]\n", b'{"request": {}}\n', b'{"request": {"place": "x", "more": 1}}\n'])
def test_a_damaged_list_is_refused_in_one_line(home: Path, line: bytes) -> None:
    with open_controller(Home(home)) as controller:
        controller.home.folder(controller.home.installs).joinpath("unfinished.jsonl").write_bytes(line)
        with pytest.raises(AssistError, match="it is damaged"):
            installs.unsuccessful(controller.home)
