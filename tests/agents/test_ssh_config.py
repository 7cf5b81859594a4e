"""The SSH configuration of the user: a folder of snippets, read by the client of OpenSSH and by our own reader.

The first line of a snippet is ``# ssh DESTINATION…``, the lookup. ``# needs ssh`` after it means that our own
reader must refuse it, ``# refused`` that both must, ``# refused by ssh alone`` that our own reader accepts it.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assist_cli.agents import destination
from assist_cli.agents.destination import Destination
from assist_cli.agents.ssh import config, config_file, openssh
from assist_cli.errors import AssistError, ClientNotOnline
from tests.support import variants
from tests.support.agent import eventually, is_alive
from tests.support.programs import need

SNIPPETS = sorted(Path(__file__).with_name("ssh_config").glob("*.conf"))
GUARD = 30.0

pytestmark = pytest.mark.usefixtures("starts_processes")


@pytest.fixture(autouse=True)
def _folder(isolation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user_folder().mkdir(mode=0o700)
    shutil.copytree(SNIPPETS[0].parent / "included", user_folder() / "included")
    monkeypatch.setenv("SNIPPET", "/srv/snippet")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/srv/agent")


def user_folder() -> Path:
    return Path("~/.ssh").expanduser()


def by_ssh(where: Destination) -> config.Settings:
    values = openssh.ask(where, time.monotonic() + GUARD)
    assert values is not None
    return config.from_values(values, where)


def by_ourselves(where: Destination) -> config.Settings:
    return config.from_values(config_file.read(where), where)


def outcome(read: Callable[[Destination], config.Settings], where: Destination) -> config.Settings | str:
    """The settings, or the reason why there are none."""
    try:
        return read(where)
    except (ValueError, AssistError) as error:
        return str(error)


@pytest.mark.parametrize("subject", variants.every(3, sorted({path.stem.partition("-")[0] for path in SNIPPETS})))
def test_both_readers_agree(subject: str) -> None:
    need("ssh")
    for snippet in SNIPPETS:
        if snippet.stem.partition("-")[0] == subject:
            text = snippet.read_bytes()
            (user_folder() / "config").write_bytes(text)
            asked, *notes = [line[2:] for line in text.decode("utf-8", "replace").splitlines() if line.startswith("# ")]
            for word in asked.split()[1:]:
                compare(destination.parse(word), notes, f"{snippet.name}, {word}")


def compare(where: Destination, notes: list[str], what: str) -> None:
    ssh, ours = outcome(by_ssh, where), outcome(by_ourselves, where)
    if "needs ssh" in notes:
        assert isinstance(ours, str), what
        assert "OpenSSH's client" in ours, what
        assert f"{user_folder()}/config line " in ours, what
    elif "refused by ssh alone" in notes:
        assert isinstance(ssh, str), what
    elif "refused" in notes:
        assert isinstance(ssh, str), what
        assert isinstance(ours, str), what
    else:
        assert ssh == ours, what


# calls of ssh


def stand_in(script: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a shell script in the place of ssh; ``$SSH`` is the real one in it."""
    monkeypatch.setenv("SSH", str(need("ssh")))
    folder.mkdir()
    (folder / "ssh").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def read(where: Destination, seconds: float = GUARD) -> config.Settings:
    return config.settings(where, time.monotonic() + seconds)


def test_ssh_is_called_one_time_for_each_destination_and_at_most_eight_at_a_time(
    isolation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = isolation / "log"
    stand_in(f'echo + >> {log}; "$SSH" "$@"; echo - >> {log}', isolation / "bin", monkeypatch)
    wanted = [Destination(f"web{number % 20}", sudo=number > 40) for number in range(60)]
    with ThreadPoolExecutor(len(wanted)) as threads:
        assert [found.host for found in threads.map(read, wanted)] == [where.host for where in wanted]
    read(Destination("web1", identity="~/key"))
    events = log.read_text().split()
    assert events.count("+") == 20
    assert max(events[:end].count("+") - events[:end].count("-") for end in range(len(events))) <= 8


def test_a_refusal_of_ssh_is_one_line_that_names_file_and_line(isolation: Path) -> None:
    need("ssh")
    (user_folder() / "config").write_text("Host x\n  Port many\n")
    for _ in range(2):
        with pytest.raises(ClientNotOnline) as caught:
            read(Destination("y", "ann"))
        assert caught.value.message == (
            f"cannot use the SSH configuration for 'ann@y': {user_folder()}/config line 2: Bad port 'many'"
        )
    (user_folder() / "config").write_text("Host z\n  ProxyCommand pc %q\n")
    with pytest.raises(ClientNotOnline, match="for 'z': the token '%q' has no meaning in 'pc %q'"):
        read(Destination("z"))


def test_a_slow_ssh_is_killed_with_all_its_children(isolation: Path) -> None:
    need("ssh")
    (user_folder() / "config").write_text(f'Match exec "echo $$ > {isolation}/pid; sleep 60; true"\n  Port 5\n')
    began = time.monotonic()
    with pytest.raises(ClientNotOnline, match="ssh -G gave no answer in time"):
        read(Destination("x"), 2.0)
    assert time.monotonic() - began < GUARD
    child = int((isolation / "pid").read_text())
    eventually(lambda: not is_alive(child))
    (user_folder() / "config").write_text("Port 5\n")
    assert read(Destination("x")).port == 5


def test_a_process_left_by_a_match_is_not_waited_for(isolation: Path) -> None:
    need("ssh")
    (user_folder() / "config").write_text(f'Match exec "sleep 60 & echo $! > {isolation}/pid"\n  Port 5\n')
    try:
        assert read(Destination("x")).port == 5
    finally:
        os.kill(int((isolation / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("script", ["echo 'Usage: ssh [options] host' >&2; exit 1", None])
def test_without_an_ssh_client_our_own_reader_is_used(
    isolation: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    if script is None:
        monkeypatch.setenv("PATH", str(isolation))
    else:
        stand_in(script, isolation / "bin", monkeypatch)
    (user_folder() / "config").write_text("Host x\n  Port 5 # comment\n")
    assert read(Destination("x")).port == 5
    (user_folder() / "config").write_text("Match exec true\n")
    with pytest.raises(ClientNotOnline, match="config line 1: only OpenSSH's client can decide 'Match exec'"):
        read(Destination("y"))


@pytest.mark.parametrize("way", [openssh.ask, config_file.read], ids=["ssh", "ourselves"])
def test_a_file_that_others_may_change_is_refused(way: Callable[..., object]) -> None:
    """It names programs that run as us. Root with the HOME of another user meets this case."""
    need("ssh")
    included = user_folder() / "included" / "others"
    included.write_text("Host x\n  ProxyCommand touch /srv/canary\n")
    (user_folder() / "config").write_text(f"Include {included}\n")
    words = (Destination("x"), time.monotonic() + GUARD) if way is openssh.ask else (Destination("x"),)
    assert way(*words)
    included.chmod(0o666)
    with pytest.raises(ClientNotOnline, match=f"{included}"):
        way(*words)


def test_circular_jump_hosts_are_refused(isolation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(isolation))
    (user_folder() / "config").write_text("Host a\n  ProxyJump b,c\nHost c\n  ProxyJump d\nHost b\n  ProxyJump c\n")
    config.refuse_circle(Destination("a"), time.monotonic() + GUARD)
    (user_folder() / "config").write_text("Host e\n  ProxyJump f\nHost f\n  ProxyJump e\n")
    with pytest.raises(ClientNotOnline, match="the ProxyJump of 'f' leads back to 'e'"):
        config.refuse_circle(Destination("e"), time.monotonic() + GUARD)
