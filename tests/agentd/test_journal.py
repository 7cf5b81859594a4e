"""The journal: a record runs at most once and always ends, after any kill, restart or full disk."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from agentd.wire import protocol
from tests.agentd.conftest import EVERY_PYTHON, MakeAgent
from tests.support import variants
from tests.support.agent import (
    Agent,
    Client,
    Refused,
    eventually,
    gone,
    is_alive,
    kill_and_wait,
    new_record,
    small_disk,
)

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="these scripts are for a Unix shell"),
    pytest.mark.parametrize("python", EVERY_PYTHON, indirect=True),
]


def ended(result: dict[str, object] | None) -> tuple[object, object]:
    assert result is not None
    return result["state"], result["error_code"]


# at most once


def test_two_deliveries_together_run_at_most_once(agent: Agent, isolation: Path) -> None:
    """On two connections, without waiting: both get Running, and the script starts one time."""
    effects = isolation / "effects"
    first, second = agent.connect(), agent.connect()
    for _ in range(10):
        record = new_record()
        order = first.order(f"echo {record} >> {effects}", record)
        numbers = [(client, client.send("task.run", **order)) for client in (first, second, first)]
        assert [client.answer(number)["known"] for client, number in numbers].count(False) == 1
        assert ended(first.finish(record).result) == ("Finished", "")
    lines = effects.read_text().splitlines()
    assert len(lines) == len(set(lines)) == 10


def test_late_deliveries_run_nothing(agent: Agent, isolation: Path) -> None:
    """After its end, after its deletion, and after a restart of the agent, each time with other content."""
    effects = isolation / "effects"
    client = agent.connect()
    record = client.run(f"echo first >> {effects}; exit 3")
    client.finish(record)

    def deliver() -> tuple[bool, str]:
        answer = client.call("task.run", **client.order(f"echo again >> {effects}", record))
        return answer["known"], answer["state"]

    assert deliver() == (True, "Finished")
    assert client.call("task.get", record=record)["result"]["exit_code"] == 3
    assert client.call("task.forget", records=[record]) == {"forgotten": [record]}
    assert deliver() == (True, "Forgotten")
    eventually(lambda: not agent.folder(record).exists())  # the janitor has pruned it
    assert deliver() == (True, "Forgotten")
    agent.kill()
    client = agent.start().connect()
    assert deliver() == (True, "Forgotten")
    assert client.call("task.get", record=record)["result"]["exit_code"] == 3  # a copy of the controller may ask
    assert client.call("task.list")["tasks"] == []
    assert effects.read_text() == "first\n"


@pytest.mark.parametrize("record", ["", "..", ".gone", "a/b", "-x", "x" * 65, "ä", "a b", "a\n"])
def test_an_invalid_record_id_is_refused(client: Client, record: str) -> None:
    """A record id becomes the name of a folder: only letters, digits, - and _ are valid."""
    with pytest.raises(Refused) as refusal:
        client.call("task.run", **client.order("true", record))
    assert refusal.value.code in ("ExecutionException", "RecordNotFound")


def test_the_list_has_pages(agent: Agent, client: Client) -> None:
    """Every record one time, in the order of their ids, also over several pages."""
    record = client.run("true")
    client.finish(record)
    source = agent.folder(record)
    for number in range(1200):
        folder = agent.folder(f"r-made-{number:05}")
        folder.mkdir(mode=0o700)
        for name in ("request.json", "result.json"):
            (folder / name).write_bytes((source / name).read_bytes())
    found, cursor = [], ""
    while cursor is not None:
        page = client.call("task.list", cursor=cursor)
        found += [task["record"] for task in page["tasks"]]
        cursor = page["next"]
    assert found == sorted([record, *(f"r-made-{number:05}" for number in range(1200))])


# adoption


SLOW_COUNT = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i; sleep 0.05; done"
SLOW_COUNTED = "".join(f"line {number}\n" for number in range(1, 41)).encode()


def test_a_task_outlives_a_killed_agent(agent: Agent) -> None:
    """Same process, exact output, and the new agent follows it to its end."""
    client = agent.connect()
    record = client.run("echo $$; " + SLOW_COUNT)
    output = client.watch(record)
    client.listen_until(lambda: b"line 3" in output.stdout)
    main, shim = agent.main(record), agent.shim(record)
    agent.kill()
    assert is_alive(main)
    client = agent.start().connect()
    assert client.call("task.get", record=record)["state"] == "Running"
    rest = client.finish(record, output.offset)
    assert output.stdout + rest.stdout == f"{main}\n".encode() + SLOW_COUNTED
    assert rest.stderr == b""
    assert ended(rest.result) == ("Finished", "")
    assert agent.shim(record) == shim
    assert client.finish(record).stdout == output.stdout + rest.stdout


def test_a_task_that_ended_without_an_agent(agent: Agent, isolation: Path) -> None:
    client = agent.connect()
    go = isolation / "go"
    os.mkfifo(go)
    record = client.run(f"cat {go}; echo done; exit 4")
    shim = agent.shim(record)
    agent.main(record)
    agent.kill()
    go.write_text("went on\n")
    assert gone(shim)
    output = agent.start().connect().finish(record)
    assert output.stdout == b"went on\ndone\n"
    assert output.result is not None
    assert output.result["exit_code"] == 4


def test_a_stop_reaches_an_adopted_task(agent: Agent) -> None:
    record = agent.connect().run("sleep 60")
    main = agent.main(record)
    agent.kill()
    client = agent.start().connect()
    assert client.call("task.stop", record=record)["state"] == "Stopping"
    assert ended(client.finish(record).result) == ("Stopped", "ExecutionInterrupted")
    assert not is_alive(main)


def test_an_adopted_task_is_seen_live(agent: Agent, isolation: Path) -> None:
    """Its shim signals new output, and then its end, to an agent that has not started it."""
    gate = isolation / "gate"
    os.mkfifo(gate)
    record = agent.connect().run(f"echo one; cat {gate}; cat {gate}")
    agent.main(record)
    agent.kill()
    client = agent.start().connect()
    output = client.watch(record)
    client.listen_until(lambda: output.stdout == b"one\n")
    gate.write_text("two\n")
    client.listen_until(lambda: output.stdout == b"one\ntwo\n")
    gate.write_text("three\n")
    assert ended(client.completed(output).result) == ("Finished", "")
    assert output.stdout == b"one\ntwo\nthree\n"


@pytest.mark.long
def test_a_task_does_not_wait_for_an_agent_that_hangs(agent: Agent) -> None:
    """More output is announced than fits between the two processes."""
    client = agent.connect()
    record = client.run("i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo $i; sleep 0.003; done")
    os.kill(agent.pid, signal.SIGSTOP)
    try:
        eventually((agent.folder(record) / "result.json").exists)
    finally:
        os.kill(agent.pid, signal.SIGCONT)
    assert client.finish(record).stdout == "".join(f"{number}\n" for number in range(1, 501)).encode()
    assert client.complete("echo fine").stdout == b"fine\n"


@pytest.mark.long
def test_a_stop_continues_after_a_restart_of_the_agent(agent: Agent) -> None:
    """An agent is killed during a stop: the next one reports Stopping, and then Stopped."""
    client = agent.connect()
    record = client.run("trap '' TERM; echo ready; while :; do sleep 1; done")
    output = client.watch(record)
    client.listen_until(lambda: output.stdout == b"ready\n")
    client.call("task.stop", record=record)
    agent.kill()
    client = agent.start().connect()
    assert client.call("task.get", record=record)["state"] == "Stopping"
    assert ended(client.finish(record).result) == ("Stopped", "ExecutionInterrupted")


def test_the_timeout_holds_without_an_agent(agent: Agent) -> None:
    record = agent.connect().run("sleep 60", timeout=1)
    shim, main = agent.shim(record), agent.main(record)
    agent.kill()
    assert gone(shim)
    assert not is_alive(main)
    result = agent.start().connect().call("task.get", record=record)["result"]
    assert ended(result) == ("Failed", "ExecutionTimeout")


@pytest.mark.long
def test_an_agent_that_is_stopped_leaves_its_tasks_alone(agent: Agent) -> None:
    record = agent.connect().run(SLOW_COUNT)
    main = agent.main(record)
    assert agent.stop() == 0
    assert is_alive(main)
    assert agent.start().connect().finish(record).stdout == SLOW_COUNTED


# a shim that died


def test_a_killed_shim_is_reported_and_its_tree_is_killed(agent: Agent, client: Client, isolation: Path) -> None:
    """Also a process in a session of its own and a double fork, whose parent link is lost with the shim."""
    pids = isolation / "pids"
    record = client.run(
        f"""(setsid sh -c 'echo $$ >> {pids}; exec sleep 60' &)
        (trap '' TERM; sh -c 'echo $$ >> {pids}; while :; do sleep 1; done') &
        echo $$ >> {pids}
        echo out
        wait"""
    )
    output = client.watch(record)
    client.listen_until(lambda: output.stdout == b"out\n")
    eventually(lambda: pids.exists() and pids.read_text().count("\n") == 3)
    agent.main(record)
    os.kill(agent.shim(record), signal.SIGKILL)
    client.listen_until(lambda: output.result is not None)
    assert ended(output.result) == ("Failed", "ExecutionInterrupted")
    assert output.stdout == b"out\n"
    assert [is_alive(int(pid)) for pid in pids.read_text().split()] == [False] * 3
    assert not (agent.scripts / f"assist-{record}.sh").exists()


def test_both_killed(agent: Agent) -> None:
    record = agent.connect().run("sleep 60")
    main = agent.main(record)
    agent.kill()
    kill_and_wait(agent.shim(record))
    output = agent.start().connect().finish(record)
    assert ended(output.result) == ("Failed", "ExecutionInterrupted")
    assert not is_alive(main)


def test_a_restart_of_the_machine(agent: Agent) -> None:
    """The boot id in the journal differs: the records of then are closed, and no process of now is touched."""
    record = agent.connect().run("sleep 60")
    main, shim = agent.main(record), agent.shim(record)
    agent.kill()
    kill_and_wait(shim)
    path = agent.folder(record) / "request.json"
    path.write_text(path.read_text().replace(agent.journal(record)["boot"], "another-boot"))
    path = agent.folder(record) / "process.json"
    path.write_text(path.read_text().replace(agent.journal(record, path.name)[2], "another-boot"))
    try:
        output = agent.start().connect().finish(record)
        assert ended(output.result) == ("Failed", "InstanceRestarted")
        assert is_alive(main)  # it belongs to another process now
    finally:
        kill_and_wait(main)


def test_a_power_cut_before_a_result_has_its_name(agent: Agent) -> None:
    """Its content was on disk, so the record is closed with it."""
    client = agent.connect()
    record = client.run("echo out; exit 3")
    result = client.finish(record).result
    agent.kill()
    (agent.folder(record) / "result.json").rename(agent.folder(record) / "result.tmp")
    output = agent.start().connect().finish(record)
    assert output.result == result
    assert output.stdout == b"out\n"


@pytest.mark.parametrize("request_json", variants.every(2, ['{"record": "r-torn", "ti', "", None]))
def test_a_record_that_was_never_accepted_can_be_delivered_again(agent: Agent, request_json: str | None) -> None:
    """After a crash between claim and journal nothing has started, so a later delivery runs."""
    agent.kill()
    folder = agent.folder("r-torn")
    folder.mkdir(mode=0o700)
    if request_json is not None:
        (folder / "request.json").write_text(request_json)
    client = agent.start().connect()
    assert client.finish(client.run("echo ran", "r-torn")).stdout == b"ran\n"


def test_a_reused_pid_is_left_alone(agent: Agent) -> None:
    """The pid of the journal is alive with another start time: it is neither adopted nor killed."""
    client = agent.connect()
    record = client.run("sleep 60")
    innocent = agent.main(client.run("sleep 60"))
    main, shim = agent.main(record), agent.shim(record)
    agent.kill()
    kill_and_wait(shim)
    kill_and_wait(main)
    noted, request = agent.journal(record, "process.json"), agent.journal(record)
    (agent.folder(record) / "process.json").write_text(f'[{innocent}, {noted[1] - 1}, "{noted[2]}"]')
    request["shim"] = [innocent, request["shim"][1] - 1]
    (agent.folder(record) / "request.json").write_text(json.dumps(request))
    assert ended(agent.start().connect().finish(record).result) == ("Failed", "ExecutionInterrupted")
    assert is_alive(innocent)


# retention


def test_the_janitor_keeps_the_spool_under_its_limit(make_agent: MakeAgent) -> None:
    """The oldest finished records go first, acknowledged ones before others. The newest stays, and ids stay known."""
    agent = make_agent(spool_limit=3_000_000).start()
    client = agent.connect()
    records: list[str] = []
    for _ in range(6):
        records.append(client.run("head -c 1000000 /dev/zero"))
        client.finish(records[-1])
    eventually(lambda: not agent.folder(records[0]).exists())
    assert agent.folder(records[-1]).exists()
    assert client.call("task.run", **client.order("true", records[0]))["state"] == "Forgotten"
    eventually(lambda: client.call("agent.status")["spool"] <= 3_000_000)


def test_the_janitor_prunes_old_records_and_later_their_ids(agent: Agent, client: Client) -> None:
    old, new = client.run("true"), client.run("true")
    client.finish(old)
    client.finish(new)
    agent.stop()
    long_ago = time.time() - 31 * 86400
    os.utime(agent.folder(old) / "result.json", (long_ago, long_ago))
    deleted_long_ago = agent.spool / ".gone" / "r-long-ago"
    deleted_long_ago.touch()
    os.utime(deleted_long_ago, (long_ago, long_ago))
    agent.start()
    eventually(lambda: not agent.folder(old).exists() and not deleted_long_ago.exists())
    assert (agent.spool / ".gone" / old).exists()
    assert agent.folder(new).exists()


def test_a_running_record_is_never_pruned(make_agent: MakeAgent) -> None:
    agent = make_agent(spool_limit=1000).start()
    client = agent.connect()
    record = client.run("head -c 300000 /dev/zero; echo; sleep 60")
    output = client.watch(record)
    client.listen_until(lambda: len(output.stdout) == 300001)
    other = client.run("head -c 300000 /dev/zero")
    client.finish(other)
    assert client.call("task.forget", records=[record, other])["forgotten"] == [other]
    eventually(lambda: not agent.folder(other).exists())
    assert len(client.call("task.get", record=record)["output"][0]["data"]) > 1000


# a full disk


@pytest.mark.usefixtures("mounts")
def test_a_full_disk_refuses_and_recovers_and_keeps_its_promises(make_agent: MakeAgent, isolation: Path) -> None:
    """Accepted records get their results. New tasks are refused with a reason, and run when there is room again."""
    agent = make_agent()
    agent.spool.mkdir(mode=0o700)
    with small_disk(agent.spool, "600k"):
        client = agent.start().connect()
        go = isolation / "go"
        os.mkfifo(go)
        promised = client.run(f"echo before; cat {go}; echo after; exit 5")
        output = client.watch(promised)
        client.listen_until(lambda: output.stdout == b"before\n")
        filler = agent.spool / "filler"
        _fill(filler)
        with pytest.raises(Refused) as refusal:
            client.run("echo never", "r-refused")
        assert refusal.value.code == "ExecutionException"
        assert "No space" in refusal.value.message
        assert not agent.folder("r-refused").exists()
        go.write_text("x" * 100_000)  # more than the disk has room for
        client.listen_until(lambda: output.result is not None)
        assert output.result is not None
        assert (output.result["state"], output.result["exit_code"]) == ("Finished", 5)
        assert output.result["output_bytes"] == 7 + 100_000 + 6
        assert output.result["dropped"] == sum(size for _, size in output.gaps) > 0
        filler.unlink()
        assert client.finish(client.run("echo room", "r-refused")).stdout == b"room\n"
        agent.close()


@pytest.mark.usefixtures("mounts")
def test_a_disk_that_becomes_full_at_any_step(make_agent: MakeAgent) -> None:
    """With room for N pages the record is refused, or it runs to its end; nothing between."""
    agent = make_agent()
    agent.spool.mkdir(mode=0o700)
    seen = set()
    with small_disk(agent.spool, "400k"):
        client = agent.start().connect()
        filler = agent.spool / "filler"
        for pages in range(8):
            _fill(filler)
            os.truncate(filler, filler.stat().st_size - pages * 4096)
            record = f"r-{pages}"
            refusal = client.refusal(client.send("task.run", **client.order("echo said; exit 4", record)))
            seen.add(refusal.code if refusal else None)
            if refusal is None:
                output = client.finish(record)
                assert output.result is not None
                assert (output.result["state"], output.result["exit_code"]) == ("Finished", 4)
                assert len(output.stdout) + output.result["dropped"] == len(b"said\n")
            else:
                assert not agent.folder(record).exists()
        agent.close()
    assert seen == {None, "ExecutionException"}


def test_a_result_fits_the_room_that_was_reserved_for_it(agent: Agent, client: Client) -> None:
    """With the longest possible text, each character of which takes twelve bytes."""
    record = client.run("true", directory="/" + "\N{GRINNING FACE}" * 1000)
    result = client.finish(record).result
    assert ended(result) == ("Failed", "WorkingDirectoryNotExist")
    assert (agent.folder(record) / "result.json").stat().st_size <= 4096


@pytest.mark.usefixtures("mounts")
def test_a_stop_and_a_lost_shim_on_a_full_disk(make_agent: MakeAgent) -> None:
    """Both write to the disk, and both must work on a full one."""
    agent = make_agent()
    agent.spool.mkdir(mode=0o700)
    with small_disk(agent.spool, "300k"):
        client = agent.start("--log", agent.spool / "log").connect()
        stopped, lost = client.run("sleep 60"), client.run("sleep 60")
        mains = [agent.main(stopped), agent.main(lost)]
        shim = agent.shim(lost)
        _fill(agent.spool / "filler")
        client.call("task.stop", record=stopped)
        assert ended(client.finish(stopped).result) == ("Stopped", "ExecutionInterrupted")
        os.kill(shim, signal.SIGKILL)
        assert ended(client.finish(lost).result) == ("Failed", "ExecutionInterrupted")
        assert [is_alive(pid) for pid in mains] == [False, False]
        assert client.call("task.forget", records=[stopped, lost])["forgotten"] == [stopped, lost]
        eventually(lambda: not agent.folder(lost).exists())
        agent.close()


def _fill(path: Path) -> None:
    """Use up all the room on the disk of ``path``."""
    with path.open("wb", buffering=0) as file:
        for size in (65536, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


# secrets


def test_a_secret_is_only_in_the_script(agent: Agent, client: Client, isolation: Path) -> None:
    """In no spool file, no argv and no log, even if the script prints it, in one or more pieces."""
    secret = "canary-8472-ü"
    go = isolation / "go"
    os.mkfifo(go)
    record = client.run(
        f"echo before {secret} after; printf canary-84; sleep 0.2; printf '72-ü.'; echo {secret} >&2; cat {go}",
        environment={"ASSIST_PARAM_PASSWORD": secret},
        secrets=[secret],
    )
    output = client.watch(record)
    client.listen_until(lambda: b"." in output.stdout and bool(output.stderr))
    words = secret.encode()
    for pid in Path("/proc").glob("[0-9]*"):
        try:
            assert words not in (pid / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
    go.write_text("end\n")
    client.listen_until(lambda: output.result is not None)
    assert output.stdout == b"before ******** after\n********.end\n"
    assert output.stderr == b"********\n"
    for path in agent.home.rglob("*"):
        if path.is_file():
            assert words not in path.read_bytes(), path
            assert protocol.pack(words).encode() not in path.read_bytes(), path
    assert secret not in agent.log_text()
    assert not any(agent.scripts.iterdir())
