"""The user's SSH configuration: a folder of snippets, read by OpenSSH's client and by our own reader.

The first line of a snippet is ``# ssh DESTINATION…``, what is asked for. ``# needs ssh`` behind it says that our own
reader has to refuse it, ``# refused`` that both have to, ``# refused by ssh alone`` that it may be read without ssh.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from assist_cli.agents import destination
from assist_cli.agents.destination import Destination
from assist_cli.agents.ssh import config, config_file, openssh
from assist_cli.errors import AssistError
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
    """The settings, or why there are none."""
    try:
        return read(where)
    except (ValueError, AssistError) as error:
        return str(error)


@pytest.mark.parametrize("subject", sorted({path.stem.partition("-")[0] for path in SNIPPETS}))
def test_both_readers_agree(subject: str) -> None:
    need("ssh")
    for snippet in SNIPPETS:
        if snippet.stem.partition("-")[0] == subject:
            text = snippet.read_bytes()
            (user_folder() / "config").write_bytes(text)
            asked, *notes = [line[2:] for line in text.decode().splitlines() if line.startswith("# ")]
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
        print(what, ssh, ours, sep="\n  ")
        assert isinstance(ssh, str), what
        assert isinstance(ours, str), what
    else:
        assert ssh == ours, what
