"""The systemd units, checked by systemd itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from assist_cli.cli.listening import Listening
from assist_cli.deploy import service
from assist_cli.deploy.host import posix_machine as machine
from assist_cli.deploy.host.unit import unit_text
from tests.support.programs import need


@pytest.mark.usefixtures("starts_processes")
@pytest.mark.parametrize("root", [True, False], ids=["system", "user"])
@pytest.mark.parametrize("name", ["plain", 'it\'s 100% "mine" \\ $HOME'])
def test_systemd_accepts_the_units(tmp_path: Path, root: bool, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "agentd").write_text("#!/bin/sh\n")
    (folder / "agentd").chmod(0o755)
    unit = tmp_path / machine.UNIT
    unit.write_text(unit_text(str(folder), root=root))
    done = subprocess.run(
        [need("systemd-analyze"), "verify", "--man=no", "--recursive-errors=no", *([] if root else ["--user"]), unit],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        check=False,
    )
    assert (done.returncode, [line for line in done.stdout.decode().splitlines() if machine.UNIT in line]) == (0, [])


def test_scripts_outlive_the_unit_and_see_the_real_machine() -> None:
    lines = unit_text("/var/lib/assist-agentd", root=True).splitlines()
    assert 'ExecStart=/bin/sh "/var/lib/assist-agentd/agentd" guard' in lines
    assert {"KillMode=process", "Restart=always", "PrivateTmp=no", "WantedBy=multi-user.target"} <= set(lines)
    assert not any(line.startswith("MemoryMax") for line in lines)
    assert "WantedBy=default.target" in unit_text("/home/ann/.local/state/assist-agentd", root=False)


def test_the_service_keeps_the_options_of_the_console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are absolute there, since a service has another working directory."""
    monkeypatch.chdir(tmp_path)
    given = Listening(
        web="0.0.0.0:8321",
        web_certificate=Path("cert.pem"),
        web_key=Path("key.pem"),
        web_names=["a.example.com", "b.example.com"],
        insecure=True,
    )
    assert given.words() == [
        *("--web", "0.0.0.0:8321", "--web-cert", f"{tmp_path}/cert.pem", "--web-key", f"{tmp_path}/key.pem"),
        *("--web-name", "a.example.com", "--web-name", "b.example.com", "--insecure"),
    ]
    unit = service.server_unit(["/usr/bin/assist", "serve", *given.words()], "/home", "/home/environment", root=True)
    (start,) = (line for line in unit.splitlines() if line.startswith("ExecStart="))
    assert [word.strip('"') for word in start.partition("serve")[2].strip('" ').split()] == given.words()
