"""``assist instance install``, ``upgrade`` and ``uninstall``."""

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


def test_install_run_upgrade_and_uninstall(assist: Application, server: Sshd) -> None:
    refused = assist("instance", "install", server.place, "--name", "web1")
    assert (refused.returncode, refused.stdout) == (69, b"")
    assert b"error: cannot trust" in refused.stderr
    assert b"--accept-new" in refused.stderr

    done = assist("instance", "install", server.place, "--name", "web1", "--tag", "role=web", "--accept-new")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"web1  i-")
    assert b"- copy agentd-" in done.stderr
    assert b"note: systemd does not start it" in done.stderr

    ran = assist("run", "-i", "@role=web", "--", "echo", "hello")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"hello\n", b"")

    upgraded = assist("-q", "instance", "upgrade", "web1", "--rotate", "-o", "json")
    (outcome,) = json.loads(upgraded.stdout)
    assert (upgraded.returncode, upgraded.stderr, outcome["ErrorCode"]) == (0, b"", "")

    gone = assist("instance", "uninstall", "web1")
    assert (gone.returncode, gone.stdout) == (0, b"")
    assert gone.stderr.endswith(b"Uninstalled: web1\n")
    assert not server.agent.exists()
    log = assist("audit", "list", "-o", "json")
    assert {"instance.install", "instance.upgrade", "instance.uninstall"} <= {
        entry["Action"] for entry in json.loads(log.stdout)
    }


def test_an_installation_as_json_is_the_instance(assist: Application, server: Sshd) -> None:
    done = assist("instance", "install", server.place, "--accept-new", "-o", "json")
    document = json.loads(done.stdout)
    assert document["InstanceName"] == server.address
    assert document["Address"] == f"ssh:{server.place}"


def test_a_refusal_has_its_status_and_a_hint(assist: Application, server: Sshd) -> None:
    for words, status, text in (
        (["install", "$(id)"], 65, b"cannot use '$(id)' as a destination"),
        (["install", server.place, "--name", "a/b"], 65, b"cannot use the name 'a/b'"),
        (["install", server.place, "--listen", "no"], 65, b"cannot make an agent listen on 'no'"),
        (["install", server.place, "--port", "1"], 65, b"cannot use both port"),
        (["upgrade"], 2, b"assist instance upgrade --all"),
        (["upgrade", "nobody"], 66, b"cannot find"),
        (["uninstall", "nobody"], 66, b"cannot find"),
        (["uninstall", "local"], 66, b"cannot find"),
    ):
        done = assist("instance", *words)
        assert (done.returncode, done.stdout) == (status, b""), words
        assert text in done.stderr
        assert b"Traceback" not in done.stderr
    assert server.logins() == 0
