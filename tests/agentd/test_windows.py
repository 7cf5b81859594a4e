"""The agent on Windows: checks that run anywhere, and real scripts through a real agent on Windows itself."""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from agentd.result import Refusal
from agentd.windows import file_install, permissions, script
from agentd.wire import protocol
from tests.support.agent import Client, Closed, eventually, new_record
from tests.support.windows import BAT, HERE, POWERSHELL, Pulse, WindowsAgent, python, there

SOURCE = Path(permissions.__file__).parents[1]


# checks that run anywhere


@pytest.mark.parametrize("path", sorted((SOURCE / "windows").glob("*.py")), ids=lambda path: path.stem)
def test_it_is_written_for_the_oldest_python(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 6))


def modules(package: str) -> set[str]:
    """The names of its modules, without its private ones."""
    return {path.stem for path in (SOURCE / package).glob("*.py") if path.stem == "__init__" or path.stem[0] != "_"}


def test_both_systems_have_the_same_modules() -> None:
    assert modules("posix") == modules("windows")


def common() -> list[Path]:
    """The modules of the agent that are the same for both systems."""
    return sorted(path for path in SOURCE.rglob("*.py") if path.parent.name not in ("posix", "windows"))


def seams() -> Iterator[tuple[str, str]]:
    """(module, name that common code uses of it) for each module that ``platform`` loads."""
    for path in common():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        aliases = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and (module := loaded(node.value)):
                aliases[ast.unparse(node.targets[0])] = module
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                module = loaded(node.value) or (isinstance(node.value, ast.Name) and aliases.get(node.value.id))
                if module:
                    yield module, node.attr


def loaded(node: ast.AST) -> str | None:
    """Return the module that ``platform.load("module")`` returns."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "platform.load":
        return str(ast.literal_eval(node.args[0]))
    return None


def surface(package: str, module: str) -> dict[str, list[str] | None]:
    """The public names of a module and of its classes, with the parameters of functions."""
    found: dict[str, list[str] | None] = {}
    for node in ast.parse((SOURCE / package / f"{module}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found[node.name] = [argument.arg for argument in node.args.args]
        elif isinstance(node, ast.ClassDef):
            found[node.name] = None
            for part in node.body:
                if isinstance(part, ast.FunctionDef):
                    found[f"{node.name}.{part.name}"] = [argument.arg for argument in part.args.args]
        elif isinstance(node, ast.Assign):
            found |= {target.id: None for target in node.targets if isinstance(target, ast.Name)}
    return {name: shape for name, shape in found.items() if "._" not in name.replace("__init__", "")}


def test_both_systems_have_what_common_code_uses() -> None:
    used = set(seams())
    assert {module for module, _ in used} | {"accounts", "script"} == modules("posix") - {"__init__"}
    for module, name in sorted(used):
        ours, theirs = surface("posix", module), surface("windows", module)
        assert name in ours, f"{module}.{name}"
        for member in [name, *(other for other in ours if other.startswith(f"{name}."))]:
            assert theirs.get(member, "missing") == ours[member], f"{module}.{member}"


def test_the_runners_call_their_scripts_and_accounts_alike() -> None:
    """Those of the modules that common code does not load."""
    ours, theirs = surface("posix", "script"), surface("windows", "script")
    same = {"command_words", "write_file", "working_directory", "environment"}
    assert {name: theirs[name] for name in same} == {name: ours[name] for name in same}
    assert surface("windows", "accounts")["Account.__init__"] == surface("posix", "accounts")["Account.__init__"]


@pytest.mark.parametrize("path", common(), ids=lambda path: path.stem)
def test_only_one_module_asks_for_the_system(path: Path) -> None:
    """No other common module checks the system, or names one of the two packages."""
    if path.stem != "platform":
        text = path.read_text(encoding="utf-8")
        assert "os.name" not in text
        assert "sys.platform" not in text
        assert "agentd.posix" not in text
        assert "agentd.windows" not in text


def test_batch_is_quoted_for_cmd_and_not_for_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSTEMROOT", "C:\\Windows")
    line = script.command_words(BAT, b"", "C:\\a & b (x86)\\%TEMP%\\assist-r.bat")
    assert isinstance(line, str)
    assert line.endswith(' /d /q /s /c ""%ASSIST_SCRIPT%""')  # cmd does not replace what a value has


def test_other_types_do_not_run_there() -> None:
    for kind in ("RunShellScript", "RunPerlScript"):
        with pytest.raises(Refusal) as refusal:
            script.command_words(kind, b"", "C:\\x")
        assert refusal.value.code == "CommandNotApplicable"


@pytest.mark.parametrize(
    ("content", "saved"),
    [
        (b"a\nb\r\nc", b"a\r\nb\r\nc"),
        (b"\xef\xbb\xbf@echo off\n", b"@echo off\r\n"),
        ("echo grüße\n".encode(), "echo grüße\r\n".encode()),
        (b"", b""),
    ],
)
def test_batch_has_the_line_ends_of_windows(content: bytes, saved: bytes) -> None:
    assert script.as_batch(content) == saved


@pytest.mark.parametrize(
    ("content", "saved"),
    [
        (b"'a'\n", b"'a'\n"),
        ("'ü'".encode(), b"\xef\xbb\xbf" + "'ü'".encode()),
        (b"\xef\xbb\xbf'a'", b"\xef\xbb\xbf'a'"),
        ("'ü'".encode("utf-16"), "'ü'".encode("utf-16")),
        ("'ü'".encode("latin-1"), "'ü'".encode("latin-1")),
    ],
)
def test_powershell_is_told_that_it_reads_utf_8(content: bytes, saved: bytes) -> None:
    assert script.as_powershell(content) == saved


def test_scripts_get_the_systems_variables_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATHEXT", ".EXE")
    monkeypatch.setenv("TOKEN_OF_THE_AGENT", "x")

    class Someone:
        name, home = "bob", "C:\\Users\\bob"

    found = script.environment(Someone(), "", {"ASSIST_RECORD_ID": "r"})
    assert found["PATHEXT"] == ".EXE"
    assert (found["USERNAME"], found["USERPROFILE"], found["ASSIST_RECORD_ID"]) == ("bob", "C:\\Users\\bob", "r")
    assert "TOKEN_OF_THE_AGENT" not in found
    assert script.environment(Someone(), "C:\\bin", {})["PATH"] == "C:\\bin"


@pytest.mark.parametrize(
    "name", ["a:b", "con", "NUL.txt", "com1", "lpt9.log", "aux .x", "a.", "a ", "a?", "a*b", "<a", 'a"b', "a|b", "a/b"]
)
def test_names_with_another_meaning_on_windows_are_refused(name: str) -> None:
    assert file_install.FORBIDDEN.match(name)


@pytest.mark.parametrize("name", ["a", "a.txt", "console", "com", "com10", ".hidden", "prénom.txt", "a b"])
def test_valid_file_names(name: str) -> None:
    assert not file_install.FORBIDDEN.match(name)


@pytest.mark.parametrize(
    "folder",
    [
        *("/tmp", "C:", "C:x", "x\\y", "\\x", "\\\\?\\C:\\x", "\\\\.\\pipe", "C:\\" + "x" * 255),
        *("C:\\a:b", "C:\\tr.\\x", "C:\\tr \\x", "C:/a/nul", "C:\\con.d\\x", "C:\\a*\\b", "\\\\server\\share\\aux"),
    ],
)
def test_a_target_folder_is_absolute(folder: str) -> None:
    with pytest.raises(Refusal) as refusal:
        file_install.check_directory(folder)
    assert refusal.value.code == "FilePathInvalid"
    assert "it is an absolute path" not in str(refusal.value)


@pytest.mark.parametrize("folder", ["C:\\x", "d:/x/y", "\\\\server\\share", "C:\\", "C:\\a\\..\\b.d\\"])
def test_absolute_target_folders_are_accepted(folder: str) -> None:
    file_install.check_directory(folder)


@pytest.mark.parametrize("record", ["nul", "com1", "lpt9", "R-01", "a.b", "../x", "", "-a", "x" * 65])
def test_record_ids_that_are_no_folder_of_their_own_are_refused(there_system: ModuleType, record: str) -> None:
    assert not there_system.RECORD.match(record)


@pytest.mark.parametrize("record", ["r-01jb2x", "null", "com10", "a_b", "x" * 64])
def test_record_ids(there_system: ModuleType, record: str) -> None:
    assert there_system.RECORD.match(record)


@pytest.fixture
def there_system(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module ``system`` of Windows, without its calls of the system."""
    monkeypatch.setitem(sys.modules, "agentd.windows._kernel", ModuleType("_kernel"))
    monkeypatch.delitem(sys.modules, "agentd.windows.system", raising=False)
    found = importlib.import_module("agentd.windows.system")
    monkeypatch.delitem(sys.modules, "agentd.windows.system")
    return found


def test_a_working_directory_on_another_machine_is_refused() -> None:
    with pytest.raises(Refusal, match="another machine") as refusal:
        script.working_directory("\\\\server\\share", None)
    assert refusal.value.code == "WorkingDirectoryNotExist"


@pytest.mark.parametrize(
    ("sddl", "others"),
    [
        ("O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)", set()),
        ("O:S-1-5-21-7D:PAI(A;OICI;FA;;;S-1-5-21-7)", set()),
        ("O:SYD:(A;;FA;;;SY)(A;OICIIO;GA;;;CO)(D;;FA;;;WD)", set()),
        ("O:SYD:AI(A;OICIID;0x1200a9;;;BU)(A;CIID;DCLCRPCR;;;BU)", {"BU"}),
        ("O:S-1-5-21-8D:P(A;;FA;;;SY)", {"S-1-5-21-8"}),
        ("O:SYD:NO_ACCESS_CONTROL", {"WD"}),
        ("O:SY", {"WD"}),
        ("O:SYD:(XA;;FA;;;SY;(@User.Title==1))", {"WD"}),
    ],
)
def test_a_folder_is_private_when_only_its_owner_the_system_and_administrators_are_named(
    sddl: str, others: set[str]
) -> None:
    assert permissions.strangers(sddl, "S-1-5-21-7") == others


# on Windows


@pytest.fixture
def agent(
    pytestconfig: pytest.Config, starts_processes: None, archive: Path, isolation: Path, no_leaks: None
) -> Iterator[WindowsAgent]:
    """An agent that listens. It creates its folder: the first start does so, and asks for certificates."""
    agent = WindowsAgent(python(pytestconfig.getoption("--windows-python")), archive, isolation)
    first = subprocess.run(agent.words("serve"), capture_output=True, timeout=60, check=False)
    assert first.returncode == 1
    assert b"cannot use ca.pem, agent.pem and agent.key in" in first.stderr
    agent.certify()
    agent.start()
    yield agent
    agent.close()


@pytest.fixture
def client(agent: WindowsAgent) -> Client:
    return agent.connect()


@pytest.fixture
def pulse(isolation: Path, agent: WindowsAgent) -> Iterator[Pulse]:
    with Pulse(isolation) as pulse:
        yield pulse


def program(agent: WindowsAgent, path: Path) -> str:
    """The words that run a Python program there, as a script writes them."""
    return f'"{agent.python[-1]}" "{there(path)}"'


def test_hello_names_the_system(client: Client) -> None:
    assert client.agent["os"] == "Windows"
    assert client.agent["boot"]
    assert client.agent["facts"]["os"] == "windows"
    assert client.agent["facts"]["memory"] > 1 << 20
    status = client.call("agent.status")
    assert status["rss"] > 1 << 20
    assert status["files"] is not None


def test_a_batch_script_its_streams_and_its_exit_code(client: Client) -> None:
    done = client.complete("@echo off\necho to out\necho to err>&2\nexit /b 3\n", type=BAT)
    assert (done.stdout, done.stderr) == (b"to out\r\n", b"to err\r\n")
    assert done.result is not None
    assert (done.result["state"], done.result["exit_code"]) == ("Finished", 3)


def test_labels_work_whatever_the_line_ends_were(client: Client) -> None:
    done = client.complete("goto end\necho never\n:end\necho here\n", type=BAT)
    assert b"here\r\n" in done.stdout
    assert b"never\r\n" not in done.stdout


def test_output_is_exact(agent: WindowsAgent, client: Client, isolation: Path) -> None:
    writer = isolation / "writer.py"
    writer.write_text(
        "import os, sys\ndata = bytes(range(256)) * 1024\n"
        "for _ in range(20):\n    sys.stdout.buffer.write(data)\nsys.stdout.flush()\nos.write(2, b'a\\nb')\n"
    )
    done = client.complete(f"@echo off\n{program(agent, writer)}\n", type=BAT)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(bytes(range(256)) * 1024 * 20).digest()
    assert done.stderr == b"a\nb"


def test_environment_secrets_and_working_directory(client: Client, isolation: Path) -> None:
    record = new_record()
    done = client.finish(
        client.run(
            "@echo off\necho %ASSIST_RECORD_ID% %ASSIST_PARAM_KEY%\ncd\n",
            record,
            type=BAT,
            environment={"ASSIST_PARAM_KEY": "s3cr3t-value"},
            secrets=["s3cr3t-value"],
            directory=there(isolation),
        )
    )
    first, second = done.stdout.splitlines()
    assert first == record.encode() + b" ********"
    assert second.decode().lower() == there(isolation).lower()


def test_the_script_file_is_deleted_afterwards_unless_it_is_kept(agent: WindowsAgent, client: Client) -> None:
    folder = agent.home / "work" / "script"
    client.result("@echo off\n", type=BAT)
    assert list(folder.iterdir()) == []
    record = new_record()
    client.finish(client.run("@echo off\n", record, type=BAT, keep_script=True))
    assert [path.name for path in folder.iterdir()] == [f"assist-{record}.bat"]


@pytest.mark.skipif(not HERE, reason="needs a real PowerShell")
def test_a_powershell_script_its_streams_and_its_exit_code(client: Client) -> None:
    script = "Write-Output 'grüße'; [Console]::Error.WriteLine('oops'); exit 4\n"
    done = client.complete(script, type=POWERSHELL)
    assert (done.stdout, done.stderr) == ("grüße\r\n".encode(), b"oops\r\n")
    assert done.result is not None
    assert (done.result["state"], done.result["exit_code"]) == ("Finished", 4)


@pytest.mark.skipif(not HERE, reason="needs a real cmd")
def test_batch_is_utf_8(client: Client) -> None:
    assert client.complete("@echo off\necho grüße\n", type=BAT).stdout == "grüße\r\n".encode()


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"type": "RunShellScript"}, "CommandNotApplicable"),
        ({"type": BAT, "directory": "C:\\no such folder"}, "WorkingDirectoryNotExist"),
        ({"type": BAT, "username": "somebody-else"}, "ExecutionException"),
    ],
)
def test_an_impossible_run_is_refused_with_its_code(client: Client, params: dict[str, Any], code: str) -> None:
    result = client.result("exit 0", **params)
    assert (result["state"], result["error_code"]) == ("Failed", code)


def tree(agent: WindowsAgent, pulse: Pulse) -> str:
    """A script that starts another process and waits for a third one."""
    words = program(agent, pulse.program)
    return f'@echo off\nstart "" /b {words}\n{words}\n'


def test_a_timeout_ends_the_tree(agent: WindowsAgent, client: Client, pulse: Pulse) -> None:
    record = client.run(tree(agent, pulse), type=BAT, timeout=8)
    pulse.meet(2)
    done = client.finish(record)
    assert done.result is not None
    assert (done.result["state"], done.result["error_code"]) == ("Failed", "ExecutionTimeout")
    assert done.result["error_info"] == "it was still running after its timeout of 8 s"
    assert pulse.all_gone()


def test_a_stop_ends_the_tree(agent: WindowsAgent, client: Client, pulse: Pulse) -> None:
    record = client.run(tree(agent, pulse), type=BAT)
    pulse.meet(2)
    assert client.call("task.stop", record=record)["state"] == "Stopping"
    done = client.finish(record)
    assert done.result is not None
    assert (done.result["state"], done.result["error_code"]) == ("Stopped", "ExecutionInterrupted")
    assert pulse.all_gone()


@pytest.mark.skipif(not HERE, reason="needs a real console")
def test_a_stop_sends_ctrl_break_first(agent: WindowsAgent, client: Client, isolation: Path) -> None:
    cleaner = isolation / "cleaner.py"
    cleaner.write_text(
        "import signal, sys, threading\n"
        "def end(*_):\n    print('cleaned up', flush=True)\n    sys.exit(7)\n"
        "signal.signal(signal.SIGBREAK, end)\nprint('ready', flush=True)\n"
        "while True:\n    threading.Event().wait(0.1)\n"
    )
    record = client.run(f"@echo off\n{program(agent, cleaner)}\n", type=BAT)
    output = client.watch(record)
    client.listen_until(lambda: b"ready" in output.stdout)
    client.call("task.stop", record=record)
    client.listen_until(lambda: output.result is not None)
    assert b"cleaned up" in output.stdout


def test_a_process_that_a_script_leaves_goes_on(agent: WindowsAgent, client: Client, pulse: Pulse) -> None:
    script = f'@echo off\nstart "" /b {program(agent, pulse.program)}\necho done\n'
    record = client.run(script, type=BAT)
    pulse.meet(1)
    done = client.finish(record)
    assert b"done" in done.stdout
    assert done.result is not None
    assert (done.result["state"], done.result["exit_code"]) == ("Finished", 0)
    assert pulse.all_alive()


def test_a_task_outlives_its_agent(agent: WindowsAgent, client: Client, pulse: Pulse) -> None:
    record = client.run(f"@echo off\n{program(agent, pulse.program)}\necho after\nexit /b 5\n", type=BAT)
    pulse.meet(1)
    agent.kill()
    with pytest.raises((Closed, ConnectionError)):
        client.call("agent.status")
    agent.start()
    again = agent.connect()
    assert f"record {record} is running: adopted" in agent.log_text()
    pulse.close()
    done = again.finish(record)
    assert done.stdout == b"beats\r\nafter\r\n"
    assert done.result is not None
    assert (done.result["state"], done.result["exit_code"]) == ("Finished", 5)
    assert again.call("task.run", **again.order("", record, type=BAT))["known"] is True


def test_a_shim_that_is_killed_takes_the_tree_with_it(agent: WindowsAgent, client: Client, pulse: Pulse) -> None:
    record = client.run(tree(agent, pulse), type=BAT)
    pulse.meet(2)
    noted = json.loads((agent.home / "spool" / record / "request.json").read_text())
    agent.end(noted["shim"][0])
    done = client.finish(record)
    assert done.result is not None
    assert (done.result["state"], done.result["error_code"]) == ("Failed", "ExecutionInterrupted")
    assert "still alive" not in done.result["error_info"]
    assert pulse.all_gone()


def test_a_folder_has_one_agent(agent: WindowsAgent) -> None:
    second = subprocess.run(agent.words("serve"), capture_output=True, timeout=60, check=False)
    assert second.returncode == 1
    assert b"another agent is running there" in second.stderr


def test_many_together(client: Client) -> None:
    records = [client.run(f"@echo off\necho {number}\n", type=BAT) for number in range(12)]
    for number, record in enumerate(records):
        assert client.finish(record).stdout == b"%d\r\n" % number
    assert client.call("task.forget", records=records)["forgotten"] == records


def test_a_file_is_written(client: Client, isolation: Path) -> None:
    folder = isolation / "sent" / "here"
    content = bytes(range(256)) * 90

    def put(name: str, data: bytes, **params: Any) -> dict[str, Any]:
        found: dict[str, Any] = client.call(
            "file.put",
            record=new_record(),
            name=name,
            directory=there(folder),
            content=protocol.pack(data),
            sha256=hashlib.sha256(data).hexdigest(),
            **params,
        )["result"]
        return found

    assert put("a.bin", content, mode="0600", owner="nobody", group="nobody")["state"] == "Finished"
    assert (folder / "a.bin").read_bytes() == content
    assert put("a.bin", b"other")["error_code"] == "FileAlreadyExists"
    assert (folder / "a.bin").read_bytes() == content
    assert put("a.bin", b"other\n", overwrite=True)["state"] == "Finished"
    assert (folder / "a.bin").read_bytes() == b"other\n"
    assert put("a.bin:stream", b"")["error_code"] == "FileNameInvalid"
    assert [path.name for path in folder.iterdir()] == ["a.bin"]


def test_a_guard_restarts_its_agent_and_takes_it_down(archive: Path, agent: WindowsAgent, client: Client) -> None:
    agent.kill()
    agent.start("guard")
    watched = agent.connect()
    report = eventually(lambda: watched.call("agent.status")["guard"])
    agent.end(report["agent_pid"])
    agent.wait_for_start(agent.log_text().count("serves on"))
    watched = agent.connect()
    assert watched.call("agent.status")["guard"]["restarts"] == 1
    agent.kill()  # the guard, immediately
    with pytest.raises((Closed, ConnectionError)):
        watched.listen()
