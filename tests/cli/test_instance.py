"""``assist instance``, targets and ``assist doctor``, on real agents over TLS."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from tests.support.agent import eventually
from tests.support.application import Application
from tests.support.archive import write_archive
from tests.support.place import Place, furnish
from tests.support.program import Program

LIST_KEYS = {"InstanceId", "InstanceName", "Address", "Tags", "OSType", "CreationTime", "Facts"}
STATUS_KEYS = {
    "InstanceId", "InstanceName", "CloudAssistantStatus", "CloudAssistantVersion", "OSType", "ActiveTaskCount",
    "InvocationCount", "LastHeartbeatTime", "LastInvokedTime", "Guard",
}  # fmt: skip
IDS = [f"i-01kbdk5g8w3m9v6yx2r4hq7c{letter}e" for letter in "abc"]


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "agentd.pyz"
    write_archive(path)
    return path


@pytest.fixture
def places(starts_processes: None, archive: Path, home: Path) -> Iterator[list[Place]]:
    """Two agents of this controller, started."""
    rooms = Home(home)
    with open_controller(rooms) as controller:
        made = [
            furnish(archive, home.parent / f"agent{number}", rooms, controller.id, id)
            for number, id in enumerate(IDS[:2])
        ]
    for place in made:
        place.start()
    yield made
    for place in made:
        place.agent.close()


@pytest.fixture
def fleet(assist: Application, places: list[Place]) -> list[Place]:
    """The same, registered as web1 and web2."""
    for number, place in enumerate(places, 1):
        added = assist("instance", "add", f"web{number}", place.address("tls"), "--tag", "role=web")
        assert (added.returncode, added.stderr) == (0, b"")
        assert added.stdout.decode() == f"web{number}  {place.instance}\n"
    return places


def document(assist: Application, *words: str, status: int = 0) -> Any:
    done = assist(*words, "-o", "json")
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def refused(assist: Application, status: int, *words: str) -> Any:
    """The error of a command that ends with this status, as JSON."""
    done = assist(*words, "-o", "json")
    assert (done.returncode, done.stdout) == (status, b"")
    error = json.loads(done.stderr)
    assert error["Message"].startswith("cannot ")
    return error


def names(assist: Application, *words: str) -> list[str]:
    return assist("run", *words, "--preview").stdout.decode().split()


def test_the_life_of_an_instance(assist: Application, fleet: list[Place]) -> None:
    """Add, run, show, tag, rename, remove."""
    first, second = document(assist, "instance", "list")
    assert set(first) == LIST_KEYS
    assert (first["InstanceName"], first["Tags"], first["OSType"]) == ("web1", {"role": "web"}, "linux")
    assert first["Address"] == fleet[0].address("tls")

    done = assist("run", "-i", "web2", "--", "sh", "-c", "echo $ASSIST_INSTANCE_ID; exit 3")
    assert (done.returncode, done.stdout.decode().strip()) == (3, second["InstanceId"])

    facts = document(assist, "instance", "show", "web1")["Facts"]
    assert (facts["arch"], facts["cpus"]) == (os.uname().machine, os.cpu_count())
    assert names(assist, "-i", f"@os={facts['os']}&@arch={facts['arch']}") == ["web1", "web2"]
    assert "os=" in assist("instance", "show", "web1").stdout.decode()

    assert assist("instance", "status", "--all", "--preview").stdout == b"web1\nweb2\n"
    states = document(assist, "instance", "status")
    assert [set(state) for state in states] == [STATUS_KEYS] * 2
    assert [(state["CloudAssistantStatus"], state["InvocationCount"]) for state in states] == [(True, 0), (True, 1)]
    assert states[0]["LastInvokedTime"] is None
    assert states[1]["LastInvokedTime"]
    assert all(state["LastHeartbeatTime"] for state in states)

    assert document(assist, "instance", "tag", "web1", "zone=a", "canary=yes")["Tags"] == {
        "canary": "yes", "role": "web", "zone": "a",
    }  # fmt: skip
    assert document(assist, "instance", "tag", "web1", "canary=")["Tags"] == {"role": "web", "zone": "a"}
    assert assist("instance", "rename", "web1", "db1").returncode == 0
    assert document(assist, "instance", "show", "db1")["InstanceId"] == first["InstanceId"]
    assert assist("instance", "remove", "db1").returncode == 0
    assert [each["InstanceName"] for each in document(assist, "instance", "list")] == ["web2"]
    actions = [line["Action"] for line in document(assist, "audit", "list")]
    assert [action for action in reversed(actions) if action.startswith("instance.")] == [
        *(["instance.add"] * 2), *(["instance.tag"] * 2), "instance.rename", "instance.remove",
    ]  # fmt: skip


def test_targets_are_the_same_everywhere(assist: Application, fleet: list[Place]) -> None:
    assert names(assist, "-i", "web[1-2]") == ["web1", "web2"]
    assert names(assist, "-i", "@role=web,!web1") == ["web2"]
    assert names(assist, "-i", "@role=web&web1") == ["web1"]
    assert names(assist, "-i", "*") == ["local", "web1", "web2"]
    assert names(assist, "--all") == ["web1", "web2"]
    assert names(assist, "--all", "-i", "!web1") == ["web2"]
    assert names(assist, "--pick", "2") == ["web1", "web2"]
    assert names(assist, "--all", "--pick", "1", "--seed", "3") == names(assist, "--all", "--pick", "1", "--seed", "3")
    assert [each["InstanceName"] for each in document(assist, "run", "-i", "web*", "--preview")] == ["web1", "web2"]
    assert assist("command", "create", "hello", "-c", "echo hello").returncode == 0
    assert assist("invoke", "hello", "-i", "web*", "--preview").stdout == b"web1\nweb2\n"
    ended = document(assist, "invoke", "hello", "-i", "web*")
    assert sorted(each["InstanceName"] for each in ended["InvokeInstances"]) == ["web1", "web2"]
    assert ended["InvokeStatus"] == "Finished"


def test_targets_that_name_nothing_run_nothing(assist: Application, fleet: list[Place]) -> None:
    for words, status in (
        (["-i", "web3"], 66),
        (["-i", "web*,!web3"], 66),
        (["-i", "!web1"], 65),
        (["-i", "web[2-1]"], 65),
        (["--all", "--pick", "3"], 65),
        (["--all", "--seed", "3"], 2),
        (["--all", "-i", "web1"], 2),
        (["-i", "@role=web&web3"], 66),
        (["-i", "web*&!web1"], 65),
        (["-i", "group:web"], 66),
        (["-i", "file:no-such-file"], 74),
    ):
        refused(assist, status, "run", *words, "-c", "echo x")
    assert document(assist, "invocation", "list") == []


def test_tags_are_set_and_removed_on_many(assist: Application, fleet: list[Place]) -> None:
    changed = document(assist, "instance", "tag", "web1", "os=debian", "web2", "zone=a")
    assert [each["Tags"] for each in changed] == [{"os": "debian", "role": "web", "zone": "a"}] * 2
    assert document(assist, "instance", "tag", "web2", "zone=b", "os=")["Tags"] == {"role": "web", "zone": "b"}
    done = assist("instance", "tag", "web[1-2]", "os=", "role=")
    assert (done.returncode, done.stderr) == (0, b"web1: zone=a\nweb2: zone=b\n")


def test_an_old_invalid_name_is_used_by_id_and_can_be_renamed(
    assist: Application, home: Path, fleet: list[Place]
) -> None:
    with contextlib.closing(sqlite3.connect(home / "assist.db")) as database, database:
        database.execute("UPDATE instances SET name = '!web' WHERE name = 'web1'")
    refused(assist, 65, "run", "-i", "!web", "-c", "echo x")
    assert assist("run", "-i", IDS[0], "-c", "echo x").stdout == b"x\n"
    assert document(assist, "instance", "show", "!web")["InstanceId"] == IDS[0]
    assert assist("instance", "rename", "!web", "web1").returncode == 0
    assert names(assist, "--all") == ["web1", "web2"]


@pytest.mark.usefixtures("starts_processes")
def test_all_in_a_run_includes_local_and_lists_exclude_it(assist: Application) -> None:
    assert refused(assist, 66, "run", "--all", "-c", "true")["Hint"].startswith("-i local")
    assert refused(assist, 66, "run", "--pick", "1", "-c", "true")["Hint"].startswith("-i local")
    assert assist("run", "-i", "*", "-c", "echo here").stdout == b"here\n"
    assert refused(assist, 66, "run", "--all", "-c", "true")["Hint"].startswith("-i local")
    assert assist("rerun", "-", "--all").stdout == b"here\n"
    assert assist("stop", "-", "--all", "--preview").stdout == b"local\n"


def test_a_stop_on_one_leaves_the_other(assist: Application, installed: Program, fleet: list[Place]) -> None:
    id = document(installed, "run", "-i", "web*", "--detach", "-c", "sleep 60")["InvokeId"]
    stopped = document(assist, "stop", id, "-i", "web1")
    states = {each["InstanceName"]: each["InvocationStatus"] for each in stopped["InvokeInstances"]}
    assert states == {"web1": "Stopped", "web2": "Running"}
    assert stopped["InvokeStatus"] == "Running"
    busy = assist("instance", "remove", "web2")
    assert busy.returncode == 65
    assert b"cannot remove the instance 'web2': invocations in progress: 1" in busy.stderr
    assert b"--force" not in busy.stderr
    busy = assist("instance", "uninstall", "web2")
    assert busy.returncode == 65
    assert b"cannot uninstall the instance 'web2': invocations in progress: 1" in busy.stderr
    assert b"with --force they continue, and their results are lost" in busy.stderr
    refused(assist, 66, "stop", id, "-i", "web7")
    assert document(assist, "stop", id)["InvokeStatus"] == "Stopped"


def test_a_run_that_has_ended_since_does_not_keep_its_instance(
    assist: Application, fleet: list[Place], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    assert assist("run", "-i", "web2", "--wait", "0.1s", "-c", f"read word <{gate}").returncode == 75
    gate.write_text("go\n")
    eventually(lambda: assist("instance", "remove", "web2").returncode == 0)


def test_the_folder_of_an_agent_is_refused_as_its_socket(assist: Application, isolation: Path) -> None:
    done = assist("instance", "add", "web1", f"unix:{isolation}")
    assert done.returncode == 69
    assert f"unix:{isolation}/agentd.sock" in done.stderr.decode()


@pytest.mark.long
def test_a_removed_instance_is_reported_beside_the_others(assist: Application, fleet: list[Place]) -> None:
    fleet[0].agent.stop()
    first, second = document(assist, "instance", "status", status=1)
    assert (first["CloudAssistantStatus"], first["CloudAssistantVersion"]) == (False, None)
    assert (second["CloudAssistantStatus"], second["Guard"]) == (True, None)
    assert b"web1: cannot" in assist("instance", "status", "-o", "json").stderr
    table = assist("instance", "status", "--plain")
    assert b"web1  ClientNotRunning" in table.stdout
    assert b"systemctl start" in table.stderr
    document(assist, "instance", "status", "web1", status=69)
    failed = document(assist, "run", "-i", "web1", "-c", "echo x", status=69)
    assert failed["InvokeInstances"][0]["ErrorCode"] == "ClientNotRunning"


def test_taken_names_and_addresses_are_refused(assist: Application, fleet: list[Place]) -> None:
    first, second = (place.address("tls") for place in fleet)
    assert refused(assist, 65, "instance", "add", "web1", second)["Code"] == "InstanceNameExists"
    assert refused(assist, 65, "instance", "add", "other", first)["Code"] == "InstanceExists"
    assert refused(assist, 65, "instance", "add", "local", first)["Code"] == "NameReserved"
    assert refused(assist, 65, "instance", "add", "a,b", first)["Code"] == "InvalidName"
    assert refused(assist, 65, "instance", "add", "x", "local")["Code"] == "InvalidAddress"
    assert refused(assist, 65, "instance", "add", "x", "http://10.0.0.5")["Code"] == "InvalidAddress"
    assert refused(assist, 65, "instance", "add", "x", first, "--tag", "a=b@c")["Code"] == "InvalidName"
    refused(assist, 2, "instance", "add", "x", first, "--tag", "=b")
    refused(assist, 66, "instance", "tag", "web1", "nothing=")
    refused(assist, 66, "instance", "tag", "web1", "db9", "a=b")
    refused(assist, 2, "instance", "tag", "web1", "db9")
    refused(assist, 2, "instance", "tag", "a=b")
    assert b"\nhint: assist instance tag 'web*' canary=yes\n" in assist("instance", "tag", "web*").stderr
    refused(assist, 65, "instance", "tag", "web1", "a=!b")
    assert assist("instance", "rename", "web1", "!web1").returncode == 65
    identifier = document(assist, "instance", "show", "web1")["InstanceId"]
    assert assist("instance", "rename", "web1", identifier[:12]).returncode == 65
    refused(assist, 65, "instance", "add", "x&y", second)
    assert document(assist, "instance", "show", "web1")["Tags"] == {"role": "web"}
    refused(assist, 66, "instance", "show", "web9")
    refused(assist, 69, "instance", "add", "x", "tls:127.0.0.1:1")


def test_the_same_instance_again_gets_the_new_address_and_keeps_its_tags(
    assist: Application, fleet: list[Place]
) -> None:
    place = fleet[0]
    again = document(assist, "instance", "add", "web1", place.address("unix"))
    assert (again["Address"], again["Tags"]) == (place.address("unix"), {"role": "web"})
    assert assist("run", "-i", "web1", "--", "echo", "over unix").stdout == b"over unix\n"


def test_hostile_names_and_addresses_do_nothing(assist: Application, fleet: list[Place], isolation: Path) -> None:
    """They are refused, or stay plain text everywhere."""
    canary = isolation / "canary"
    for text in (f"$(touch {canary})", f"; touch {canary}", "'\"", "a\nb", "\x1b]0;x\x07"):
        assert assist("instance", "add", "x", f"tls:{text}").returncode == 65
        assert assist("instance", "add", "x", f"ssh:{text}").returncode in (65, 69)
        assert assist("run", "-i", text, "--", "true").returncode in (65, 66)
    assert assist("instance", "rename", "web1", "$(id)`x`;'\"").returncode == 0
    shown = assist("run", "-i", "$(id)`x`;'\"", "--", "echo", "fine")
    assert (shown.returncode, shown.stdout) == (0, b"fine\n")
    assert not canary.exists()


def test_the_doctor_of_an_instance(assist: Application, home: Path, fleet: list[Place]) -> None:
    checks = {check["Check"]: check for check in document(assist, "doctor", "web1", status=1)}
    assert {"name", "route", "certificate", "agent", "take-over", "python", "guard", "clock", "disk", "tasks"} == set(
        checks
    )
    bad = {name for name, check in checks.items() if not check["Ok"]}
    assert bad == {"guard"}  # it was started without one, and the message must say so
    assert checks["guard"]["Hint"]
    with contextlib.closing(sqlite3.connect(home / "assist.db", isolation_level=None)) as connection:
        connection.execute("UPDATE instances SET enrolment = 'that of another machine' WHERE name = 'web1'")
    checks = {check["Check"]: check for check in document(assist, "doctor", "web1", status=1)}
    assert "assist instance upgrade web1 --rotate" in checks["identity"]["Hint"]
    assert assist("run", "-i", "web1", "--", "true").returncode == 0
    assert "identity" not in {check["Check"] for check in document(assist, "doctor", "web1", status=1)}
    fleet[0].agent.stop()
    text = assist("doctor", "web1")
    assert text.returncode == 69
    assert b"BAD  route" in text.stdout
    assert b"systemctl start" in text.stdout


@pytest.mark.usefixtures("starts_processes")
def test_the_doctor_of_the_controller(assist: Application, home: Path) -> None:
    assert assist("run", "--", "false").returncode == 1
    checks = {check["Check"]: check for check in document(assist, "doctor")}
    assert {"home", "disk", "database", "statuses", "agent", "instances"} <= set(checks)
    with contextlib.closing(sqlite3.connect(home / "assist.db", isolation_level=None)) as connection:
        connection.execute("UPDATE invocations SET status = 'Failed'")
    home.chmod(0o755)
    checks = {check["Check"]: check for check in document(assist, "doctor", status=1)}
    assert {name for name, check in checks.items() if not check["Ok"]} == {"home", "statuses"}
    home.chmod(0o700)
