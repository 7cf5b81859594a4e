"""The installation of an agent on Windows: its scheduled task, and real installations under a Python for Windows."""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import IO, Any
from xml.etree import ElementTree

import pytest

from assist_cli.deploy import enrolment_file, host_requests
from assist_cli.deploy.enrolment_file import ListeningSettings
from assist_cli.deploy.host.changes import Failure, Steps
from assist_cli.deploy.host.machine import Machine
from assist_cli.deploy.host.scheduled_task import task_version, task_xml
from assist_cli.model.command import CommandType
from assist_cli.model.timeouts import DEFAULTS, InstallTimeouts
from tests.support.agent import GUARD, Client, Closed, eventually
from tests.support.windows import BAT, HERE, Pulse, certificate, connect, issue, python, there

INSTANCE = "i-01kbdk5g8w3m9v6yx2r4hq7cne"
TASK = "Assist agent"


# checks that run anywhere


def test_the_task_starts_the_guard_at_boot_with_the_priority_of_a_program() -> None:
    words = r'-I -S "C:\A & <B>\agentd-0.1.0.pyz" guard'
    definition = task_xml(r"C:\Program Files\Python\python.exe", words)
    names = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}
    task = ElementTree.fromstring(definition)
    found = {
        name: task.findtext(f".//t:{name}", namespaces=names)
        for name in ("Command", "Arguments", "UserId", "Priority", "ExecutionTimeLimit", "DisallowStartIfOnBatteries")
    }
    assert found == {
        "Command": r"C:\Program Files\Python\python.exe",
        "Arguments": words,
        "UserId": "S-1-5-18",
        "Priority": "4",
        "ExecutionTimeLimit": "PT0S",
        "DisallowStartIfOnBatteries": "false",
    }
    assert task.find(".//t:BootTrigger", names) is not None
    assert (task_version(definition), task_version(b"")) == ("0.1.0", "")


def test_the_script_for_windows_is_batch_and_python_in_one() -> None:
    made = host_requests.script("nt", "C:\\100%\\agent", "C:\\py\\python.exe", "look", {"a": "'\n"}, DEFAULTS.install)
    first, second, end = made.content.decode("ascii").split("\n")
    assert made.type is CommandType.BAT
    assert first == '@"C:\\py\\python.exe" -I -S -x "%ASSIST_SCRIPT%" "C:\\100%%\\agent" & exit /b'
    assert (second[:12], end) == ("import json,", "")
    compile(second, "script", "exec")


@pytest.mark.parametrize("system", host_requests.SYSTEMS)
def test_the_modules_for_a_system_are_complete_and_in_order(system: str) -> None:
    sent = [name for name, _ in host_requests.sources(system)]
    for number, (name, text) in enumerate(host_requests.sources(system)):
        words = (line.split() for line in text.splitlines() if line.startswith("from "))
        needed = {each[1] for each in words if each[1].startswith(("agentd", "assist_cli"))}
        assert needed <= set(sent[:number]), name


PROGRAM = """\
#!/bin/sh
echo "{name} $*" >> '{calls}'
[ ! -e '{calls}.{name}' ] || {{ echo 'Access is denied.'; exit 1; }}
"""


class StandIns:
    """Stand-ins for Windows: its programs, which record their calls, and its system calls. ``folder`` has an agent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.home = folder / "data" / "assist-agentd"
        self.home.mkdir(parents=True, mode=0o700)
        self.administrator = True
        self._calls = folder / "calls"
        system = folder / "windows" / "System32"
        system.mkdir(parents=True)
        for name in ("schtasks", "netsh"):
            (system / f"{name}.exe").write_text(PROGRAM.format(name=name, calls=self._calls))
            (system / f"{name}.exe").chmod(0o755)
        for name, value in (("PROGRAMDATA", "data"), ("SYSTEMROOT", "windows"), ("PUBLIC", "users/public")):
            monkeypatch.setenv(name, str(folder / value))
        shell = SimpleNamespace(IsUserAnAdmin=lambda: self.administrator)
        monkeypatch.setattr(ctypes, "windll", SimpleNamespace(shell32=shell), raising=False)
        kernel = ModuleType("_kernel")
        names = "close end has_ended keep_bytes open_alone open_process start_time"
        vars(kernel).update(dict.fromkeys(names.split()), CREATE_NEW_PROCESS_GROUP=0)
        monkeypatch.setitem(sys.modules, "agentd.windows._kernel", kernel)
        monkeypatch.delitem(sys.modules, MACHINE, raising=False)
        self.machine: Machine = importlib.import_module(MACHINE).WindowsMachine(DEFAULTS.install.as_dict())
        monkeypatch.delitem(sys.modules, MACHINE)

    def deny(self, program: str) -> None:
        """Have a program fail from now on."""
        self._calls.with_name(f"calls.{program}").touch()

    def calls(self) -> list[str]:
        """Return the calls since the last time."""
        found = self._calls.read_text().replace(str(self.home), "HOME").splitlines()
        self._calls.unlink()
        return found


MACHINE = "assist_cli.deploy.host.windows_machine"
CREATE = f"schtasks /create /tn {TASK} /xml HOME/agentd.xml /f"
CLOSE = f"netsh advfirewall firewall delete rule name={TASK}"
OPEN = f"netsh advfirewall firewall add rule name={TASK} dir=in action=allow protocol=TCP localport=7433"


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, starts_processes: None) -> StandIns:
    return StandIns(monkeypatch, tmp_path)


@pytest.mark.skipif(HERE, reason="stands in for Windows")
def test_the_chosen_archive_gets_a_task_and_a_port_and_all_is_undone(windows: StandIns) -> None:
    (windows.home / "agentd.conf").write_text("listen = 10.0.0.9:7433\n")
    steps = Steps()
    windows.machine.choose("agentd-0.1.0.pyz", steps)
    assert (windows.calls(), windows.machine.version()) == ([CREATE, CLOSE, OPEN], "0.1.0")
    again = Steps()
    windows.machine.choose("agentd-0.2.0.pyz", again)
    assert windows.machine.version() == "0.2.0"
    windows.calls()
    assert (again.undo(), windows.machine.version(), windows.calls()) == ([], "0.1.0", [CREATE])
    assert steps.undo() == []
    assert (windows.calls(), windows.machine.version()) == ([CLOSE, f"schtasks /delete /tn {TASK} /f"], "")


@pytest.mark.skipif(HERE, reason="stands in for Windows")
def test_an_agent_that_dials_needs_no_port_and_a_firewall_that_refuses_changes_nothing(
    windows: StandIns, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = windows.home / "agentd.conf"
    conf.write_text("dial = tls://broker:4222\n")
    windows.machine.choose("agentd-0.1.0.pyz", Steps())
    assert windows.calls() == [CREATE, CLOSE]
    conf.write_text("listen = [::]:7433\n")
    windows.deny("netsh")
    windows.machine.choose("agentd-0.1.0.pyz", Steps())
    assert windows.calls() == [CREATE, CLOSE, OPEN]
    assert "the port is not opened: netsh advfirewall: Access is denied." in capsys.readouterr().out
    windows.deny("schtasks")
    with pytest.raises(Failure, match=r"^schtasks /create: Access is denied\.$"):
        windows.machine.choose("agentd-0.1.0.pyz", Steps())


@pytest.mark.skipif(HERE, reason="stands in for Windows")
def test_what_cannot_be_installed_is_refused_with_the_reason(
    windows: StandIns, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    windows.machine.check_rights()
    with pytest.raises(Failure, match="it was installed by hand") as bare:
        windows.machine.choose("agentd-0.1.0.pyz", Steps())
    assert "write 'listen = ADDRESS:PORT' into" in bare.value.hint
    monkeypatch.setattr(sys, "executable", str(tmp_path / "users" / "bob" / "python.exe"))
    with pytest.raises(Failure, match="belongs to a user, and the system runs only what administrators can change"):
        windows.machine.check_rights()
    windows.administrator = False
    with pytest.raises(Failure, match="it needs the rights of an administrator") as refused:
        windows.machine.check_rights()
    assert "Run as administrator" in refused.value.hint


# on Windows


class InstalledThere:
    """An agent that a file installs in ``home``; None is the usual folder, with the scheduled task."""

    def __init__(self, python: list[str], folder: Path, home: Path | None) -> None:
        self.python = python
        self.home = home
        self.file = folder / "machine.pyz"
        self.pki = folder / "pki"
        self._clients: list[Client] = []
        self._streams: list[tuple[threading.Thread, IO[str]]] = []
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        authority, key = certificate("authority", "fleet")
        ours = issue(authority, key, "controller", "tests")
        self.pki.mkdir()
        for name, data in (("ca.pem", ours.authority), ("tests.pem", ours.certificate), ("tests.key", ours.key)):
            (self.pki / name).write_bytes(data)
        listen = f"127.0.0.1:{self.port}"
        own = issue(authority, key, "agent", INSTANCE)
        settings = ListeningSettings("win1", INSTANCE, f"tls:{listen}", listen, own)
        self.file.write_bytes(enrolment_file.build_listening(settings, DEFAULTS.install))

    def install(self) -> str:
        """Run the file, and return its output."""
        home = "" if self.home is None else there(self.home)
        process = subprocess.Popen(
            [*self.python, there(self.file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "ASSIST_AGENTD_HOME": home},
        )
        assert process.stdout is not None
        lines: list[str] = []
        reader = threading.Thread(target=lines.extend, args=(process.stdout,))
        reader.start()
        self._streams.append((reader, process.stdout))
        assert process.wait(2 * GUARD) == 0, lines
        reader.join(1.0)  # under Wine, the agent that it starts keeps the stream open
        return "".join(lines)

    def connect(self) -> Client:
        client = connect(self.pki, self.port)
        self._clients.append(client)
        return client

    def carry_out(
        self, verb: str, order: dict[str, Any], timeouts: InstallTimeouts = DEFAULTS.install
    ) -> dict[str, Any]:
        """Carry out an action by the agent itself, as an upgrade does. Return its last line; {} without the agent."""
        client = self.connect()
        state = client.call("agent.status")
        script = host_requests.script("nt", state["home"], state["program"], verb, order, timeouts)
        record = client.run(script.content, type=script.type.value, timeout=120)
        lines: list[bytes] = []

        def ended() -> bool:
            try:
                lines[:] = self.connect().finish(record).stdout.splitlines()
            except (OSError, Closed):
                return self.home is not None and not self.home.exists()
            return True

        eventually(ended)
        found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
        return found

    def close(self) -> None:
        """End what is left of it."""
        for client in self._clients:
            client.close()
        if self.home is not None and self.home.exists():
            report = json.loads((self.home / "guard.json").read_text())
            words = [*self.python, "-c", f"import os; os.kill({report['pid']}, 9)"]
            subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=GUARD)
        for reader, stream in self._streams:
            reader.join(GUARD)
            stream.close()


@pytest.fixture
def machine(pytestconfig: pytest.Config, starts_processes: None, isolation: Path) -> Iterator[InstalledThere]:
    made = InstalledThere(python(pytestconfig.getoption("--windows-python")), isolation, isolation / "agent")
    yield made
    made.close()


@pytest.mark.long
def test_a_file_installs_an_agent_and_the_agent_removes_itself(machine: InstalledThere, isolation: Path) -> None:
    assert "Installed as win1" in machine.install()
    assert machine.connect().complete("@echo off\necho hi\n", type=BAT).stdout == b"hi\r\n"
    with Pulse(isolation) as pulse:
        words = f'@echo off\n"{machine.python[-1]}" "{there(pulse.program)}"\necho after\n'
        record = machine.connect().run(words, type=BAT)
        pulse.meet(1)
        text = machine.install()
        assert "- restart the agent" in text
        client = machine.connect()
        refused = machine.carry_out("uninstall", {"force": False, "own": 1})
        assert (refused["code"], refused["error"]) == ("IncorrectState", "1 of its scripts are still running")
        pulse.close()
        assert client.finish(record).stdout == b"beats\r\nafter\r\n"
    machine.carry_out("uninstall", {"force": False, "own": 1})
    eventually(lambda: machine.home is not None and not machine.home.exists())


@pytest.mark.long
def test_the_old_agent_stays_if_the_new_one_does_not_start(machine: InstalledThere) -> None:
    machine.install()
    assert machine.home is not None
    before = (machine.home / "agentd.conf").read_bytes()
    order = host_requests.install_order(instance=INSTANCE, credentials=None, listen="192.0.2.1:7433")
    failed = machine.carry_out("install", order, DEFAULTS.install.replace(start=6.0))
    assert failed["error"].startswith("the agent does not start: "), failed
    assert failed["left"] == []
    assert (machine.home / "agentd.conf").read_bytes() == before
    assert machine.connect().complete("@echo off\necho hi\n", type=BAT).stdout == b"hi\r\n"


@pytest.mark.long
@pytest.mark.skipif(not HERE, reason="needs the Task Scheduler")
def test_the_scheduled_task_runs_the_agent_as_the_system(
    pytestconfig: pytest.Config, starts_processes: None, isolation: Path
) -> None:
    usual = Path(os.environ["PROGRAMDATA"], "assist-agentd")
    assert not usual.exists(), "this machine has an agent"
    machine = InstalledThere(python(pytestconfig.getoption("--windows-python")), isolation, None)
    try:
        text = machine.install()
        assert f"- register the scheduled task '{TASK}'" in text
        told = subprocess.run(["schtasks", "/query", "/tn", TASK, "/xml"], capture_output=True, check=True).stdout
        assert b"<Priority>4</Priority>" in told
        user = machine.connect().complete("@whoami\n", type=BAT).stdout
        assert user.strip().lower() == b"nt authority\\system"
        assert "- restart the agent" in machine.install()
        order = host_requests.install_order(instance=INSTANCE, credentials=None, listen=None)
        assert machine.carry_out("install", order)["result"]["managed"] is True
        machine.home = usual
        machine.carry_out("uninstall", {"force": False, "own": 1})
        eventually(lambda: not usual.exists())
        assert subprocess.run(["schtasks", "/query", "/tn", TASK], capture_output=True, check=False).returncode != 0
    finally:
        machine.close()
        subprocess.run(["schtasks", "/delete", "/tn", TASK, "/f"], capture_output=True, check=False)
        shutil.rmtree(usual, ignore_errors=True)
