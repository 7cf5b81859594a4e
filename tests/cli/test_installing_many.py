"""``assist instance install`` on several hosts, and what is left of it after failures and Ctrl-C."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import processes, sshd
from tests.support.application import Application
from tests.support.sshd import Sshd


@pytest.fixture
def server(starts_processes: None, isolation: Path, no_leaks: None) -> Iterator[Sshd]:
    """A machine with a host key that is not known yet."""
    with sshd.serving(isolation / "sshd", trusted=False) as running:
        yield running
        processes.stop_guarded(running.agent)


def test_one_failure_of_several_is_told_with_its_step_and_can_be_repeated(
    assist: Application, server: Sshd, isolation: Path
) -> None:
    closed, port = sshd.free_place()
    hosts = isolation / "hosts"
    hosts.write_text(
        f"# the machines\n{server.place} name=web1 role='web site'  # the first\n\n{closed}:{port} name=web2\n"
    )
    done = assist("instance", "install", "-f", str(hosts), "--accept-new", "--tag", "role=db", "--tag", "site=x")
    assert done.returncode == 1, done.stderr
    assert b"STEP" in done.stdout
    assert f"log in to {closed}:{port}".encode() in done.stdout
    assert b"2 hosts in" in done.stderr
    assert b"1 installed, 1 not" in done.stderr
    assert b"; note" not in done.stderr
    assert b"assist instance install --unsuccessful" in done.stderr

    (web1,) = json.loads(assist("instance", "list", "-o", "json").stdout)
    assert (web1["InstanceName"], web1["Tags"]) == ("web1", {"role": "web site", "site": "x"})

    again = assist("instance", "install", "--unsuccessful", "-o", "json")
    (outcome,) = json.loads(again.stdout)
    assert again.returncode == 69
    assert (outcome["Host"], outcome["Ok"], outcome["InstanceId"]) == (f"{closed}:{port}", False, None)
    assert outcome["ErrorInfo"].startswith("cannot reach")


def test_when_all_have_succeeded_nothing_is_left_to_repeat(assist: Application, server: Sshd, isolation: Path) -> None:
    hosts = isolation / "hosts"
    hosts.write_text(server.place)
    done = assist("instance", "install", "-f", str(hosts), "--accept-new", "-o", "json")
    (outcome,) = json.loads(done.stdout)
    assert (done.returncode, outcome["Ok"], outcome["InstanceName"]) == (0, True, server.address)
    again = assist("instance", "install", "--unsuccessful")
    assert (again.returncode, again.stdout) == (0, b"")
    assert b"Nothing to do" in again.stderr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ok\n$(id)\n", "line 2 of '{file}': cannot use '$(id)' as a destination"),
        ("ok name=a/b\n", "line 1 of '{file}': cannot use the name 'a/b'"),
        ("ok\nother role\n", "line 2 of '{file}': cannot use the tag 'role': it is not K=V"),
        ("ok a=1 a=2\n", "line 1 of '{file}': cannot use the tag 'a=2': its key stands twice"),
        ("ok a='1\n", "line 1 of '{file}': no closing quotation"),
        ("web1\nweb2\nweb1\n", "line 3 of '{file}': the host 'web1' also stands in line 1 of"),
        ("a name=x\nb name=x\n", "line 2 of '{file}': the name 'x' also stands in line 1 of"),
        ("ok:99999\n", "line 1 of '{file}': cannot use 'ok:99999' as a destination"),
        ("# nothing\n", "'{file}': it names no machine"),
    ],
)
def test_a_bad_line_names_file_line_and_value_and_nothing_is_done(
    assist: Application, isolation: Path, text: str, why: str
) -> None:
    hosts = isolation / "hosts"
    hosts.write_text(text)
    done = assist("instance", "install", "-f", str(hosts))
    assert (done.returncode, done.stdout) == (65, b"")
    assert b"error: cannot use " + why.format(file=hosts).encode() in done.stderr
    assert json.loads(assist("instance", "list", "-o", "json").stdout) == []
    assert b"Nothing to do" in assist("instance", "install", "--unsuccessful").stderr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("web1 unix:/a\nweb2 role=web\n", "line 2 of '{file}': cannot use 'web2': it has no address"),
        ("web1 unix:/a\nweb1 unix:/b\n", "line 2 of '{file}': cannot use the name 'web1': it stands twice"),
        ("web1 ftp:x\n", "line 1 of '{file}': cannot use the address 'ftp:x'"),
    ],
)
def test_a_bad_line_of_instances_to_add_is_named(assist: Application, isolation: Path, text: str, why: str) -> None:
    hosts = isolation / "hosts"
    hosts.write_text(text)
    done = assist("instance", "add", "-f", str(hosts))
    assert (done.returncode, done.stdout) == (65, b"")
    assert b"error: cannot use " + why.format(file=hosts).encode() in done.stderr


def test_an_instance_of_a_file_that_is_away_is_named(assist: Application, isolation: Path) -> None:
    hosts = isolation / "hosts"
    hosts.write_text(f"web1 unix:{isolation}/absent\n")
    done = assist("instance", "add", "-f", str(hosts))
    assert done.returncode == 69, done.stderr
    assert b"web1" in done.stdout
    assert b"1 host in" in done.stderr


def test_a_file_that_is_not_text_is_refused_with_its_line(assist: Application, isolation: Path) -> None:
    hosts = isolation / "hosts"
    hosts.write_bytes(b"web1\n\xff\xfe\n")
    done = assist("instance", "install", "-f", str(hosts))
    assert done.returncode == 65
    assert f"line 2 of '{hosts}': it is not UTF-8 text".encode() in done.stderr


@pytest.mark.parametrize("words", [[], ["web1", "--unsuccessful"], ["-f", "-", "web1"], ["a", "b", "--name", "x"]])
def test_contradictions_are_errors_of_usage(assist: Application, words: list[str]) -> None:
    done = assist("instance", "install", *words)
    assert (done.returncode, done.stdout) == (2, b"")
