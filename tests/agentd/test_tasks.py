"""Tasks: the file of a script, how it runs, its output, its end, its stop."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest

from tests.agentd.conftest import EVERY_PYTHON, MakeAgent
from tests.support.agent import Agent, Client, Refused, eventually, gone, is_alive, private_bytes, small_disk

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="these scripts are for a Unix shell"),
    pytest.mark.parametrize("python", EVERY_PYTHON, indirect=True),
]

LIBRARY_SIGNALS = 1 << 31 | 1 << 32  # 32 and 33, as bits of a mask


def ended(result: dict[str, object]) -> tuple[object, object, object]:
    return result["state"], result["exit_code"], result["error_code"]


# output


def test_streams_are_apart_and_in_order(client: Client) -> None:
    """Output that is written with a pause between arrives in the order of the writes."""
    output = client.complete("for n in 1 2 3; do echo out$n; sleep 0.05; echo err$n >&2; sleep 0.05; done")
    assert output.stdout == b"out1\nout2\nout3\n"
    assert output.stderr == b"err1\nerr2\nerr3\n"
    assert [stream for stream, _, _ in output.chunks] == ["stdout", "stderr"] * 3
    assert output.result is not None
    assert output.result["output_bytes"] == 30
    assert output.result["dropped"] == 0


def test_binary_output_survives_byte_for_byte(client: Client, isolation: Path) -> None:
    data = bytes(range(256)) * 4096 + os.urandom(100_001)
    (isolation / "data").write_bytes(data)
    output = client.complete(f"cat '{isolation}/data'; cat '{isolation}/data' >&2")
    assert output.stdout == data
    assert output.stderr == data
    assert not output.gaps


def test_a_script_without_output_has_none(client: Client) -> None:
    output = client.complete("true")
    assert (output.stdout, output.stderr, output.gaps) == (b"", b"", [])
    assert output.result is not None
    assert ended(output.result) == ("Finished", 0, "")


# the end


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill -15 $$", 143)]
)
def test_exit_codes_and_signals(client: Client, script: str, code: int) -> None:
    """Finished, with the exit code; the exit code of an end by signal n is 128 + n."""
    assert ended(client.result(script)) == ("Finished", code, "")


def test_a_daemon_left_behind_does_not_hold_the_task(client: Client) -> None:
    """The main process has ended, so the task ends one second later, though a daemon holds its pipes."""
    began = time.monotonic()
    output = client.complete("sleep 30 & echo $!")
    assert time.monotonic() - began < 25
    assert output.result is not None
    assert ended(output.result) == ("Finished", 0, "")
    daemon = int(output.stdout)
    assert is_alive(daemon)
    os.kill(daemon, signal.SIGKILL)
    assert gone(daemon)


def test_a_daemon_left_behind_may_print(make_agent: MakeAgent, isolation: Path) -> None:
    """It does not die of its pipes, even if its agent is killed, and their reader ends with it."""
    agent = make_agent().start()
    go, done = isolation / "go", isolation / "done"
    os.mkfifo(go)
    daemon = f"read word < {go}; seq 1 100000; seq 1 100000 >&2; echo done > {done}; read word < {go}"
    with agent.connect() as client:
        output = client.complete(f"nohup sh -c '{daemon}' & echo $!")
        assert output.result is not None
        assert ended(output.result) == ("Finished", 0, "")
        pid = int(output.stdout.split()[0])
        pipes = [Path(f"/proc/{pid}/fd/{number}").readlink() for number in (1, 2)]
        readers = [int(each.parts[2]) for each in Path("/proc").glob("[0-9]*/fd/0") if target_of(each) in pipes]
        assert len(readers) == 2
        assert all(private_bytes(reader) < 512 * 1024 for reader in readers)
        assert client.call("agent.status")["running"] == 0
    agent.kill()
    go.write_text("print\n")
    eventually(done.exists)
    go.write_text("end\n")
    assert gone(pid)
    assert all(map(gone, readers))


def target_of(path: Path) -> Path | None:
    try:
        return path.readlink()
    except OSError:
        return None  # it has ended, or is another user's


def test_a_timeout_ends_the_whole_tree(client: Client, isolation: Path) -> None:
    """A process that ignores TERM, in a session of its own, is gone too when the record is final."""
    pids = isolation / "pids"
    script = f"""trap '' TERM
        setsid sh -c 'trap "" TERM; echo $$ >> {pids}; while :; do sleep 1; done' &
        echo $$ >> {pids}
        while :; do sleep 1; done"""
    output = client.complete(script, timeout=1)
    assert output.result is not None
    assert ended(output.result) == ("Failed", 137, "ExecutionTimeout")
    assert "1 s" in output.result["error_info"]
    assert 1 + 5 <= output.result["finished"] - output.result["started"] < 40
    assert [is_alive(int(pid)) for pid in pids.read_text().split()] == [False, False]


def test_a_stop_ends_a_session_of_its_own_and_a_double_fork(agent: Agent, client: Client, isolation: Path) -> None:
    pids = isolation / "pids"
    script = f"""(setsid sh -c 'echo $$ >> {pids}; exec sleep 60' &)
        (env -i PATH="$PATH" setsid sh -c '(echo $$ >> {pids}; exec sleep 60) & wait' &)
        nohup sleep 60 >/dev/null 2>&1 & echo $! >> {pids}
        echo $$ >> {pids}
        wait"""
    record = client.run(script)
    eventually(lambda: pids.exists() and pids.read_text().count("\n") == 4)
    assert client.call("task.stop", record=record)["state"] == "Stopping"
    assert ended(client.finish(record).result or {}) == ("Stopped", 143, "ExecutionInterrupted")
    assert [is_alive(int(pid)) for pid in pids.read_text().split()] == [False] * 4


def test_a_stop_during_a_fork_keeps_its_grace_period(client: Client) -> None:
    """A child that was just forked did not get TERM with the others: it gets it a moment later."""
    script = "while :; do sh -c 'sleep 60'; done"
    began = time.monotonic()
    for _ in range(12):
        record = client.run(script)
        client.call("task.stop", record=record)
        assert (client.finish(record).result or {})["state"] == "Stopped"
    assert time.monotonic() - began < 12 * 5


def test_a_handler_of_term_has_time_to_clean_up(client: Client, isolation: Path) -> None:
    """A script that handles TERM gets the grace period, and so do the programs it starts then."""
    cleanup = f"sleep 0.5; echo cleanup >> {isolation}/done; exit 9"
    record = client.run(f"trap '{cleanup}' TERM; echo ready; while :; do sleep 1; done")
    output = client.watch(record)
    client.listen_until(lambda: output.stdout == b"ready\n")
    client.call("task.stop", record=record)
    client.listen_until(lambda: output.result is not None)
    assert ended(output.result or {}) == ("Stopped", 9, "ExecutionInterrupted")
    assert (isolation / "done").read_text() == "cleanup\n"


def test_a_stop_directly_after_the_run_is_not_lost(client: Client) -> None:
    """Sent after the run without waiting for an answer, while the record is still being accepted."""
    record = "r-at-once"
    run = client.send("task.run", **client.order("sleep 60", record))
    stop = client.send("task.stop", record=record)
    client.answer(run)
    assert client.answer(stop)["state"] in ("Stopping", "Stopped")
    assert ended(client.finish(record).result or {})[0] == "Stopped"


def test_a_stop_after_the_end_changes_nothing(client: Client) -> None:
    record = client.run("exit 3")
    client.finish(record)
    assert client.call("task.stop", record=record)["state"] == "Finished"
    assert ended(client.call("task.get", record=record)["result"]) == ("Finished", 3, "")


# the environment of a run


@pytest.mark.parametrize(
    ("script", "printed"),
    [
        ("#!/bin/sh -e\nfalse\necho no", b""),
        ("#! /usr/bin/env -S sh -c 'echo \"env\"'\n", b"env\n"),
        ("#!/bin/cat\nmyself\n", b"#!/bin/cat\nmyself\n"),
        ("#! /bin/sh -e \nfalse\necho no", b""),
        ("echo none", b"none\n"),
    ],
)
def test_a_shebang_is_honoured(client: Client, script: str, printed: bytes) -> None:
    assert client.complete(script).stdout == printed


def test_an_interpreter_that_does_not_exist(client: Client, isolation: Path) -> None:
    interpreter = isolation / "missing"
    result = client.result(f"#!{interpreter}\necho no")
    assert ended(result) == ("Failed", None, "ExecutionException")
    assert str(interpreter) in result["error_info"]


@pytest.mark.parametrize("line", ["#!/bin/sh", "#!/bin/sh -e", "#!"])
def test_a_first_line_with_a_carriage_return_names_no_interpreter(client: Client, line: str) -> None:
    result = client.result(f"{line}\r\necho no\r\n")
    assert ended(result) == ("Failed", None, "ExecutionException")
    assert "CR LF" in result["error_info"]


def test_standard_input_is_empty(client: Client) -> None:
    assert client.complete("cat; readlink /proc/self/fd/0").stdout == b"/dev/null\n"


def test_the_environment_is_a_clean_login_and_the_ids(agent: Agent, client: Client) -> None:
    record = client.run("env", environment={"ASSIST_PARAM_X": "1 2\n3", "EMPTY": ""})
    printed = client.finish(record).stdout.decode()
    assert "ASSIST_PARAM_X=1 2\n3\n" in printed
    found = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)
    assert found["ASSIST_RECORD_ID"] == record
    assert found["ASSIST_INVOKE_ID"] == "t-1"
    assert found["ASSIST_COMMAND_ID"] == "c-1"
    assert found["ASSIST_INSTANCE_ID"] == client.agent["instance"]
    assert found["EMPTY"] == ""
    assert found["LANG"] == "C.UTF-8"
    assert found.keys() - {"_", "PWD", "OLDPWD", "SHLVL", "TZ"} == {
        *("HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "EMPTY", "ASSIST_PARAM_X"),
        *("ASSIST_RECORD_ID", "ASSIST_INVOKE_ID", "ASSIST_COMMAND_ID", "ASSIST_INSTANCE_ID"),
    }


def test_signals_and_umask_are_those_of_a_login(make_agent: MakeAgent) -> None:
    """Signals that the agent or its parent ignores have their default in a script; others can read its files.

    Two signals belong to the C library, which lets nobody change their inherited state.
    """

    def in_the_background_of_a_shell() -> None:
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    agent = make_agent().start(preexec_fn=in_the_background_of_a_shell)
    with agent.connect() as client:
        printed = client.complete("umask; grep -E 'SigBlk|SigIgn' /proc/self/status").stdout.split()
    assert printed[:4] == [b"0022", b"SigBlk:", b"0" * 16, b"SigIgn:"]
    assert int(printed[4], 16) & ~LIBRARY_SIGNALS == 0


def test_no_descriptor_of_the_agent_reaches_a_script(client: Client) -> None:
    assert client.complete("ls /proc/$$/fd").stdout.split() == [b"0", b"1", b"10", b"2"]


@pytest.mark.usefixtures("root")
def test_run_as_a_user(make_agent: MakeAgent, public: Path) -> None:
    """With the groups and the environment of that user; its home is missing, so it runs in /."""
    client = make_agent(script_dir=public).start().connect()
    output = client.complete('id -un; id -G; pwd; echo "$HOME $USER"; stat -c "%U %a" "$0"', username="nobody")
    home = Path("~nobody").expanduser()
    assert output.stdout.decode().splitlines() == [
        "nobody",
        "65534",
        str(home) if home.is_dir() else "/",
        f"{home} nobody",
        "nobody 700",
    ]


@pytest.mark.usefixtures("root")
def test_a_run_as_user_is_stopped_like_any_other(make_agent: MakeAgent, public: Path) -> None:
    client = make_agent(script_dir=public).start().connect()
    record = client.run("echo here; sleep 60", username="nobody")
    output = client.watch(record)
    client.listen_until(lambda: output.stdout == b"here\n")
    client.call("task.stop", record=record)
    client.listen_until(lambda: output.result is not None)
    assert ended(output.result or {}) == ("Stopped", 143, "ExecutionInterrupted")


def test_an_unknown_user(client: Client) -> None:
    result = client.result("true", username="no-such-user")
    assert ended(result) == ("Failed", None, "AccountNotExists")
    assert "no-such-user" in result["error_info"]


def test_a_working_folder(client: Client, isolation: Path) -> None:
    assert client.complete("pwd", directory=str(isolation)).stdout == f"{isolation}\n".encode()


@pytest.mark.parametrize("kind", ["missing", "a file", "closed to the user"])
def test_a_working_folder_that_cannot_be_entered(client: Client, isolation: Path, kind: str) -> None:
    """Only a folder that was given can fail."""
    folder, username = isolation / "there", None
    if kind == "a file":
        folder.touch()
    elif kind == "closed to the user":
        if os.geteuid() != 0:
            pytest.skip("needs root")
        folder.mkdir(mode=0o700)
        username = "nobody"
    result = client.result("true", directory=str(folder), username=username)
    assert ended(result) == ("Failed", None, "WorkingDirectoryNotExist")
    assert str(folder) in result["error_info"]


@pytest.mark.parametrize("kind", ["RunBatScript", "RunPowerShellScript", "RunNothing"])
def test_a_type_of_another_system(client: Client, kind: str) -> None:
    if kind == "RunPowerShellScript" and subprocess.run(["sh", "-c", "command -v pwsh"], check=False).returncode == 0:
        pytest.skip("this machine has pwsh")
    assert ended(client.result("true", type=kind)) == ("Failed", None, "CommandNotApplicable")


# the script's file


def test_the_script_is_a_file_for_its_owner_alone_and_goes_at_the_end(agent: Agent, client: Client) -> None:
    record = client.run('stat -c "%a %u" "$0"; echo "$0"')
    output = client.finish(record)
    path = agent.scripts / f"assist-{record}.sh"
    assert output.stdout.decode().split() == ["700", str(os.geteuid()), str(path)]
    assert not path.exists()


def test_a_script_that_is_kept(agent: Agent, client: Client) -> None:
    record = client.run("echo kept", keep_script=True)
    client.finish(record)
    path = agent.scripts / f"assist-{record}.sh"
    assert path.read_text() == "echo kept"
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.mark.usefixtures("mounts")
def test_a_noexec_script_folder_is_no_obstacle(make_agent: MakeAgent) -> None:
    agent = make_agent()
    with small_disk(agent.scripts, "1m", ",noexec"):
        client = agent.start().connect()
        assert client.complete("#!/bin/sh\necho works").stdout == b"works\n"


@pytest.mark.usefixtures("mounts")
def test_a_read_only_script_folder_is_reported(make_agent: MakeAgent) -> None:
    agent = make_agent()
    with small_disk(agent.scripts, "1m"):
        subprocess.run(["mount", "-o", "remount,ro", agent.scripts], check=True)
        result = agent.start().connect().result("echo no")
    assert ended(result) == ("Failed", None, "ExecutionException")
    assert "Read-only" in result["error_info"]


# limits


def test_the_task_limit_refuses_one_more_and_no_other(make_agent: MakeAgent) -> None:
    agent = make_agent(task_limit=2).start()
    client = agent.connect()
    first, second = client.run("sleep 60"), client.run("sleep 60")
    with pytest.raises(Refused) as refusal:
        client.run("true", "r-third")
    assert refusal.value.code == "TaskConcurrencyLimit"
    assert client.run("sleep 60", first) == first  # a second delivery is not a second task
    client.call("task.stop", record=second)
    client.finish(second)
    assert client.finish(client.run("echo now", "r-third")).stdout == b"now\n"


def test_a_task_that_hangs_delays_no_other(client: Client) -> None:
    for _ in range(5):
        client.run("sleep 60")
    began = time.monotonic()
    assert client.complete("echo quick").stdout == b"quick\n"
    assert time.monotonic() - began < 30
