"""Attacks on the API: calls without a valid signature, replays, other keys' instances, hostile text, size and time."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import resource
import select
import socket
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from assist_cli.api.actions import ACTIONS
from assist_cli.api.connections import CONNECTIONS, HELD_BYTES
from assist_cli.http.rates import Rates
from assist_cli.model.access import Role
from assist_cli.model.command import CommandVersion
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.parameters import Definition
from assist_cli.operations.access import accesskeys
from assist_cli.operations.commands import commands
from assist_cli.operations.controller import open_controller
from assist_cli.operations.runs import recording
from assist_cli.operations.server import schedules
from assist_cli.store import instances
from tests.support import api
from tests.support.api import GUARD, Service, Signer

ALL = sorted(ACTIONS)


def codes(signer: Signer, action: str, **given: str) -> set[str]:
    """The codes with which a call is refused in both forms; "" for an accepted one."""
    return {signer.call(action, **given).code, signer.send("GET", signer.classic(action, Format="JSON", **given)).code}


def count(service: Service) -> int:
    return int(service.signer().call("DescribeInvocations").document["TotalCount"])


# every action, with every kind of key


def test_no_action_answers_an_unsigned_call(service: Service):
    signer = service.signer()
    for action, method in itertools.product(ALL, ("GET", "POST")):
        target = f"/?Action={action}&Version={api.VERSION}&RegionId=local&Format=JSON"
        assert signer.send(method, target).code == "MissingAccessKeyId"
        headers = {"x-acs-action": action, "x-acs-version": api.VERSION}
        assert signer.send(method, "/?RegionId=local&Format=JSON", headers).code == "MissingAccessKeyId"


def test_no_action_answers_a_wrong_key_a_wrong_secret_or_an_old_call(service: Service):
    signer = service.signer()
    old = datetime.now(timezone.utc) - timedelta(minutes=16)
    for action in ALL:
        assert codes(Signer(service.url, "AKNOBODY", signer.secret), action) == {"InvalidAccessKeyId.NotFound"}
        assert codes(Signer(service.url, signer.key[:-1], signer.secret), action) == {"InvalidAccessKeyId.NotFound"}
        assert codes(Signer(service.url, signer.key, signer.secret[:-1]), action) == {"SignatureDoesNotMatch"}
        assert codes(Signer(service.url, signer.key, ""), action) == {"SignatureDoesNotMatch"}
        assert signer.send("POST", *signer.modern(action, now=old)).code == "InvalidTimeStamp.Expired"
        assert signer.send("GET", signer.classic(action, now=old, Format="JSON")).code == "InvalidTimeStamp.Expired"


def test_each_role_may_do_what_the_table_says_and_no_more(service: Service):
    for role, action in itertools.product(Role, ALL):
        refused = codes(service.signer(role), action)
        if role.may(ACTIONS[action].role):
            assert "Forbidden.RAM" not in refused, (role, action)
        else:
            assert refused == {"Forbidden.RAM"}, (role, action)


def test_the_table_has_the_expected_roles():
    by_role = {role: {name for name in ALL if ACTIONS[name].role is role} for role in Role}
    assert by_role[Role.VIEWER] == {name for name in ALL if name.startswith(("Describe", "List"))}
    assert by_role[Role.ADMIN] == {
        "CreateActivation",
        "CreateCommand",
        "DeleteActivation",
        "DeleteCommand",
        "DeregisterManagedInstance",
        "DisableActivation",
        "InstallCloudAssistant",
        "ModifyCommand",
        "ModifyManagedInstance",
    }


def test_saving_a_command_takes_the_role_for_it(service: Service):
    given = {"Type": "RunShellScript", "CommandContent": "true", "InstanceId__1": service.local.id}
    refused = service.signer(Role.OPERATOR).call("RunCommand", KeepCommand="true", **given)
    assert (refused.status, refused.code) == (403, "Forbidden.RAM")


# replay, clocks


def test_a_nonce_is_accepted_one_time(service: Service):
    signer = service.signer()
    target, headers = signer.modern("DescribeCommands")
    classic = signer.classic("DescribeCommands", Format="JSON")
    assert signer.send("POST", target, headers).status == 200
    assert signer.send("GET", classic).status == 200
    for _ in range(2):
        assert signer.send("POST", target, headers).code == "SignatureNonceUsed"
        assert signer.send("GET", classic).code == "SignatureNonceUsed"


def test_a_nonce_belongs_to_its_key(service: Service):
    nonce = uuid.uuid4().hex
    for role in (Role.ADMIN, Role.VIEWER):
        signer = service.signer(role)
        assert signer.send("POST", *signer.modern("DescribeCommands", nonce=nonce)).status == 200
        assert signer.send("POST", *signer.modern("DescribeCommands", nonce=nonce, PageSize="2")).code == (
            "SignatureNonceUsed"
        )


@pytest.mark.long
@pytest.mark.usefixtures("starts_processes")
def test_a_replay_to_the_next_server_is_refused(tmp_path: Path):
    home = tmp_path / "assist"
    with open_controller(api.Home(home)) as controller:
        key = accesskeys.create(controller, "ci", Role.ADMIN)
    with api.served(home) as url:
        signer = Signer.of(url, key)
        target, headers = signer.modern("DescribeCommands")
        assert signer.send("POST", target, headers).status == 200
        port = urlsplit(url).port
    with api.served(home, address=f"127.0.0.1:{port}") as url:
        assert Signer.of(url, key).send("POST", target, headers).code == "SignatureNonceUsed"


@pytest.mark.parametrize(
    ("minutes", "code"), [(-16, "InvalidTimeStamp.Expired"), (16, "InvalidTimeStamp.Expired"), (-14, ""), (14, "")]
)
def test_a_clock_may_be_off_by_a_quarter_of_an_hour(service: Service, minutes: int, code: str):
    signer = service.signer()
    now = datetime.now(timezone.utc) + timedelta(minutes=minutes)
    assert signer.send("POST", *signer.modern("DescribeCommands", now=now)).code == code
    assert signer.send("GET", signer.classic("DescribeCommands", now=now, Format="JSON")).code == code


# disabled keys


def test_a_disabled_key_stops_working_immediately(service: Service):
    key = service.key(Role.ADMIN)
    signer = Signer.of(service.url, key)
    assert codes(signer, "DescribeCommands") == {""}
    with open_controller(service.home) as controller:
        accesskeys.disable(controller, key.id)
        assert codes(signer, "DescribeCommands") == {"InvalidAccessKeyId.Inactive"}
        accesskeys.enable(controller, key.id)
        assert codes(signer, "DescribeCommands") == {""}
        accesskeys.delete(controller, key.id)
        assert codes(signer, "DescribeCommands") == {"InvalidAccessKeyId.NotFound"}


def test_the_schedules_of_a_disabled_key_are_paused(service: Service):
    made = {}
    for name in ("disabled", "deleted", "other"):
        key = service.key(Role.OPERATOR)
        given = {"Type": "RunShellScript", "CommandContent": "true", "Frequency": "rate(1h)"}
        answer = Signer.of(service.url, key).call("RunCommand", **given, InstanceId__1=service.instance().id)
        made[name] = key, answer.document["InvokeId"]
    with open_controller(service.home) as controller:
        assert accesskeys.disable(controller, made["disabled"][0].id)[1] == 1
        assert accesskeys.delete(controller, made["deleted"][0].id)[1] == 1
        accesskeys.enable(controller, made["disabled"][0].id)
        paused = {name: schedules.show(controller, made[name][1]).schedule.paused for name in made}
    assert paused["disabled"] is not None
    assert paused["deleted"] is not None
    assert paused["other"] is None


# scopes


def test_a_target_is_checked_instance_by_instance(service: Service):
    team = uuid.uuid4().hex
    web, db = service.instance(role=team, tier="web"), service.instance(role=team, tier="db")
    signer = Signer.of(service.url, service.key(Role.OPERATOR, f"@tier=web,!{db.name}"))
    before = count(service)
    script = {"Type": "RunShellScript", "CommandContent": "true"}
    for where in (
        {"InstanceId__1": db.id},
        {"InstanceId__1": web.id, "InstanceId__2": db.id},
        {"InstanceId__1": service.local.id},
    ):
        assert signer.call("RunCommand", **script, **where).code == "InvalidInstance.NotFound", where
        assert signer.call("SendFile", Name="f", TargetDir="/tmp", Content="x", **where).code == (
            "InvalidInstance.NotFound"
        )
    assert count(service) == before
    assert signer.call("RunCommand", **script, InstanceId__1=web.id).status == 200
    tagged = {"ResourceTag__1__Key": "role", "ResourceTag__1__Value": team}
    made = signer.call("RunCommand", **script, **tagged).document["InvokeId"]
    with open_controller(service.home) as controller:
        assert [each.instance_id for each in recording.recall(controller, made).instances] == [web.id]
    tagged = {"ResourceTag__1__Key": "tier", "ResourceTag__1__Value": "db"}
    assert signer.call("RunCommand", **script, **tagged).code == "InvalidResourceTag.InstanceNotFound"


def test_an_instance_outside_the_scope_answers_like_one_that_does_not_exist(service: Service):
    web, db = service.instance(), service.instance()
    mine = Signer.of(service.url, service.key(Role.ADMIN, web.name))
    script = {"Type": "RunShellScript", "CommandContent": "true"}
    both = service.signer().call("RunCommand", **script, InstanceId__1=web.id, InstanceId__2=db.id).document["InvokeId"]
    often = service.signer().call("RunCommand", **script, Frequency="rate(1h)", InstanceId__1=web.id).document
    saved = mine.call("CreateCommand", Name=f"c{uuid.uuid4().hex}", Type="RunShellScript", CommandContent="dHJ1ZQ==")
    absent = new_id(Kind.INSTANCE, 0)

    def answers(instance_id: str) -> list[object]:
        said = []
        for action, given in (
            ("RunCommand", script),
            ("RunCommand", {**script, "InstanceId__2": web.id}),
            ("RunCommand", {**script, "RepeatMode": "DryRun"}),
            ("InvokeCommand", {"CommandId": saved.document["CommandId"]}),
            ("SendFile", {"Name": "f", "TargetDir": "/x", "Content": "y"}),
            ("StopInvocation", {"InvokeId": both}),
            ("ModifyInvocationAttribute", {"InvokeId": often["InvokeId"]}),
            ("InstallCloudAssistant", {}),
            ("DescribeCloudAssistantStatus", {}),
            ("ListPluginStatus", {}),
        ):
            answer = mine.call(action, InstanceId__1=instance_id, **given)
            assert answer.status >= 400, action
            shown = {name: value for name, value in answer.document.items() if name != "RequestId"}
            said.append(json.dumps(shown).replace(instance_id, "ID"))
        for action in ("DescribeInvocations", "DescribeInvocationResults", "DescribeSendFileResults"):
            answer = mine.call(action, InstanceId=instance_id)
            said.append({name: value for name, value in answer.document.items() if name != "RequestId"})
        return said

    assert answers(db.id) == answers(absent)


def test_a_status_counts_only_the_instances_in_the_scope(service: Service):
    web, db = service.instance(), service.instance()
    mine = Signer.of(service.url, service.key(Role.VIEWER, web.name))
    script = {"Type": "RunShellScript", "CommandContent": "true"}
    made = service.signer().call("RunCommand", **script, InstanceId__1=web.id, InstanceId__2=db.id).document["InvokeId"]
    over(service.signer(), made)
    with open_controller(service.home) as controller, controller.database.transaction() as transaction:
        transaction.execute(
            "UPDATE invocation_instances SET status = 'Finished', exit_code = 0 WHERE instance_id = ?", [db.id]
        )
        transaction.execute("UPDATE invocations SET status = 'PartialFailed' WHERE id = ?", [made])
    for status, number in (("Failed", 1), ("PartialFailed", 0), ("Finished", 0), ("Running", 0), ("Success", 0)):
        found = mine.call("DescribeInvocations", InvokeId=made, InvokeStatus=status).document
        assert found["TotalCount"] == number, status
    (seen,) = mine.call("DescribeInvocations", InvokeId=made).document["Invocations"]["Invocation"]
    assert seen["InvokeStatus"] == "Failed"


def test_a_limited_key_changes_its_own_commands_that_ran_in_its_scope(service: Service):
    web, db = service.instance(), service.instance()
    admin = service.signer(Role.ADMIN)
    mine = Signer.of(service.url, service.key(Role.ADMIN, web.name))
    new = {"Type": "RunShellScript", "CommandContent": "dHJ1ZQ=="}
    theirs = admin.call("CreateCommand", Name=f"c{uuid.uuid4().hex}", **new).document["CommandId"]
    own = mine.call("CreateCommand", Name=f"c{uuid.uuid4().hex}", **new).document["CommandId"]
    kept = mine.call(
        "RunCommand", Type="RunShellScript", CommandContent="true", KeepCommand="true", InstanceId__1=web.id
    ).document
    over(admin, kept["InvokeId"])
    for action, given in (("ModifyCommand", {"Description": "x"}), ("DeleteCommand", {})):
        refused = mine.call(action, CommandId=theirs, **given)
        assert (refused.status, refused.code) == (403, "Forbidden.RAM")
    assert mine.call("ModifyCommand", CommandId=own, CommandContent="ZWNobw==").status == 200
    assert mine.call("DeleteCommand", CommandId=kept["CommandId"]).status == 200
    over(admin, admin.call("InvokeCommand", CommandId=own, InstanceId__1=db.id).document["InvokeId"])
    (seen,) = mine.call("DescribeCommands", CommandId=own).document["Commands"]["Command"]
    assert seen["InvokeTimes"] == 0
    refused = mine.call("DeleteCommand", CommandId=own)
    assert refused.code == "Forbidden.RAM"
    assert db.id not in str(refused.document)
    assert admin.call("DeleteCommand", CommandId=own).status == 200


def test_a_limited_key_does_not_change_a_schedule_beyond_its_scope(service: Service):
    web, db = service.instance(), service.instance()
    mine = Signer.of(service.url, service.key(Role.OPERATOR, web.name))
    script = {"Type": "RunShellScript", "CommandContent": "true", "Frequency": "rate(1h)"}
    made = service.signer().call("RunCommand", **script, InstanceId__1=web.id, InstanceId__2=db.id).document["InvokeId"]
    refused = mine.call("ModifyInvocationAttribute", InvokeId=made, Frequency="rate(2h)")
    assert refused.code == "Forbidden.RAM"
    assert db.id not in str(refused.document)


def test_a_tag_counts_in_its_current_state(service: Service):
    team = uuid.uuid4().hex
    web = service.instance(role=team)
    signer = Signer.of(service.url, service.key(Role.OPERATOR, f"@role={team}"))
    script = {"Type": "RunShellScript", "CommandContent": "true", "InstanceId__1": web.id}
    assert signer.call("RunCommand", **script).status == 200
    with open_controller(service.home) as controller, controller.database.transaction() as transaction:
        instances.set_tags(transaction, web.id, {"role": team + "x"})
    assert signer.call("RunCommand", **script).code == "InvalidInstance.NotFound"


def test_the_prefix_of_an_id_is_not_an_id(service: Service):
    signer = service.signer()
    script = {"Type": "RunShellScript", "CommandContent": "true"}
    made = signer.call("RunCommand", **script, InstanceId__1=service.instance().id).document
    for where in (
        service.local.id[:-1],
        service.local.id + "x",
        service.local.id.upper(),
        "i-*",
        "*",
        "@role",
        "local",
    ):
        assert signer.call("RunCommand", **script, InstanceId__1=where).code == "InvalidInstance.NotFound"
    for invoke_id in (made["InvokeId"][:-1], made["InvokeId"].upper(), "-", "t-", "%"):
        assert signer.call("StopInvocation", InvokeId=invoke_id).code == "InvalidInvokeId.NotFound"
        assert signer.call("DescribeInvocations", InvokeId=invoke_id).document["TotalCount"] == 0
    with open_controller(service.home) as controller:
        saved = commands.create(controller, f"c{uuid.uuid4().hex}", CommandVersion(content=b"true"))
    for command_id in (saved.id[:-1], saved.name, saved.id + "@1"):
        assert signer.call("DeleteCommand", CommandId=command_id).code == "InvalidCmdId.NotFound"
        assert signer.call("InvokeCommand", CommandId=command_id, InstanceId__1=service.local.id).code == (
            "InvalidCmdId.NotFound"
        )


def test_a_key_sees_its_instances_and_nothing_of_others(service: Service):
    web, db = service.instance(), service.instance()
    mine = Signer.of(service.url, service.key(Role.OPERATOR, web.name))
    script = {"Type": "RunShellScript", "CommandContent": "echo SECRET"}
    both = service.signer().call("RunCommand", **script, InstanceId__1=web.id, InstanceId__2=db.id).document["InvokeId"]
    other = service.signer().call("RunCommand", **script, InstanceId__1=db.id).document["InvokeId"]
    file = (
        service.signer()
        .call("SendFile", Name="f", TargetDir="/x", Content="y", InstanceId__1=db.id)
        .document["InvokeId"]
    )

    def listed(action: str, outer: str, **given: str) -> list[dict[str, object]]:
        found: object = mine.call(action, **given).document
        for name in outer.split("."):
            assert isinstance(found, dict)
            found = found[name]
        assert isinstance(found, list)
        return found

    (seen,) = listed("DescribeInvocations", "Invocations.Invocation")
    assert seen["InvokeId"] == both
    assert [each["InstanceId"] for each in seen["InvokeInstances"]["InvokeInstance"]] == [web.id]  # type: ignore[index]
    assert listed("DescribeInvocations", "Invocations.Invocation", InvokeId=other) == []
    assert listed("DescribeInvocations", "Invocations.Invocation", InstanceId=db.id) == []
    (record,) = listed("DescribeInvocationResults", "Invocation.InvocationResults.InvocationResult")
    assert (record["InvokeId"], record["InstanceId"]) == (both, web.id)
    assert listed("DescribeInvocationResults", "Invocation.InvocationResults.InvocationResult", InstanceId=db.id) == []
    assert listed("DescribeSendFileResults", "Invocations.Invocation", InvokeId=file) == []
    statuses = "InstanceCloudAssistantStatusSet.InstanceCloudAssistantStatus"
    assert [each["InstanceId"] for each in listed("DescribeCloudAssistantStatus", statuses)] == [web.id]
    assert mine.call("StopInvocation", InvokeId=other).code == "InvalidInvokeId.NotFound"
    assert mine.call("StopInvocation", InvokeId=both).code == "Forbidden.RAM"
    assert mine.call("StopInvocation", InvokeId=both, InstanceId__1=db.id).code == "InvalidInstanceId.NotFound"
    assert mine.call("StopInvocation", InvokeId=both, InstanceId__1=web.id).status == 200


# hostile names


HOSTILE = [
    "$(touch PROOF)",
    "`touch PROOF`",
    "; touch PROOF #",
    "' ; touch PROOF ; '",
    '"; touch PROOF; "',
    "a\u202eb",
    "../../PROOF",
]


def test_no_text_of_a_client_reaches_a_shell(service: Service, isolation: Path):
    proof = isolation / "PROOF"
    for text in HOSTILE:
        offer(service, isolation, proof, text)
    assert not proof.exists()


def offer(service: Service, isolation: Path, proof: Path, text: str) -> None:
    """Send a text wherever one is accepted."""
    text = text.replace("../../PROOF", f"{'../' * 40}{proof}").replace("PROOF", str(proof))
    signer = service.signer()
    given = {"Type": "RunShellScript", "CommandContent": "true", "InstanceId__1": service.local.id}
    for more in (
        {"Name": text, "Description": text, "Tag__1__Key": "k", "Tag__1__Value": text, "ClientToken": text},
        {"Username": text},
        {"WorkingDir": "/" + text},
    ):
        answer = signer.call("RunCommand", **given, **more)
        assert answer.status in (200, 400, 403)
        if answer.status == 200:
            over(signer, answer.document["InvokeId"])
    for more in ({"Name": text}, {"FileOwner": text}, {"FileGroup": text}, {"TargetDir": text}):
        sent = {"Name": "f", "TargetDir": str(isolation), "Content": "x", "InstanceId__1": service.local.id, **more}
        assert signer.call("SendFile", **sent).status in (200, 400, 403)
    for name in ("Name", "Description", "CommandId", "Type", "NextToken", "Provider"):
        assert signer.call("DescribeCommands", **{name: text}).status < 500
    for name in ("InvokeId", "CommandId", "CommandName", "InstanceId", "InvokeStatus"):
        assert signer.call("DescribeInvocations", **{name: text}).status < 500


def over(signer: Signer, invoke_id: str) -> None:
    end = time.monotonic() + GUARD
    while time.monotonic() < end:
        (found,) = signer.call("DescribeInvocations", InvokeId=invoke_id).document["Invocations"]["Invocation"]
        if found["InvokeStatus"] not in ("Running", "Stopping"):
            return
        time.sleep(0.05)  # clients of this API poll
    raise AssertionError(f"{invoke_id} is still in progress")


# secrets


def test_a_secret_parameter_is_stored_nowhere(service: Service):
    canary = f"canary-{uuid.uuid4().hex}"
    with open_controller(service.home) as controller:
        version = CommandVersion(
            content=b'test "$ASSIST_PARAM_TOKEN" = {{token|sh}} && echo "it is $ASSIST_PARAM_TOKEN"',
            parameters_enabled=True,
            definitions=(Definition("token", secret=True),),
        )
        saved = commands.create(controller, f"c{uuid.uuid4().hex}", version)
    signer = service.signer()
    given = {"CommandId": saved.id, "InstanceId__1": service.local.id, "Parameters": json.dumps({"token": canary})}
    made = signer.call("InvokeCommand", **given, ClientToken=uuid.uuid4().hex)
    over(signer, made.document["InvokeId"])
    (result,) = signer.call(
        "DescribeInvocationResults", InvokeId=made.document["InvokeId"], ContentEncoding="PlainText"
    ).document["Invocation"]["InvocationResults"]["InvocationResult"]
    assert (result["ExitCode"], result["Output"]) == (0, "it is ********\n")
    shown = signer.call("DescribeInvocations", InvokeId=made.document["InvokeId"]).document
    assert json.loads(shown["Invocations"]["Invocation"][0]["Parameters"]) == {"token": "********"}
    assert holding(service.home.root, canary) == []


def test_the_secret_of_a_key_is_only_in_the_database(service: Service):
    key = service.key(Role.ADMIN)
    signer = Signer.of(service.url, key)
    assert codes(signer, "DescribeCommands") == {""}
    assert codes(Signer(service.url, key.id, "wrong"), "DescribeCommands") == {"SignatureDoesNotMatch"}
    found = holding(service.home.root, key.secret.reveal())
    assert {path.name for path in found} <= {"assist.db", "assist.db-wal"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in service.home.root.glob("*.db*"))


def holding(root: Path, text: str) -> list[Path]:
    """The files under a folder that contain a text."""
    found = []
    for path in root.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and text.encode() in path.read_bytes():
                found.append(path)
    return found


# names of hosts


def test_a_call_for_another_host_is_refused(service: Service):
    """DNS rebinding: a page of an attacker gets a name that resolves to this machine."""
    for host in ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", ""]:
        other = Signer(f"http://{host}", service.signer().key, service.signer().secret)
        target, headers = other.modern("DescribeCommands")
        answer = service.signer().send("POST", target, headers)
        assert (answer.status, answer.code) == (421, "InvalidEndpoint")


def test_the_names_of_this_machine_are_accepted(service: Service):
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8320"]:
        other = Signer(f"http://{host}", service.signer().key, service.signer().secret)
        target, headers = other.modern("DescribeCommands")
        headers["host"] = host
        answer = service.signer().send("POST", target, headers)
        assert answer.code in ("", "SignatureDoesNotMatch")  # urlsplit writes some hosts differently


# size and time


def test_a_large_body_is_refused(service: Service):
    signer = service.signer()
    assert signer.call("DescribeCommands", body=b"x" * (1 << 20)).code != "RequestTooLarge"
    assert signer.call("DescribeCommands", body=b"x" * ((1 << 20) + 1)).code == "RequestTooLarge"
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), GUARD) as sock:
        sock.sendall(b"POST /?Format=JSON HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):  # the server closes while we still write
            for _ in range(40):
                sock.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            sock.sendall(b"0\r\n\r\n")
        assert b" 413 " in received(sock)


def received(sock: socket.socket) -> bytes:
    found = b""
    with contextlib.suppress(OSError):
        while piece := sock.recv(1 << 16):
            found += piece
    return found


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n" + b"x: " + b"y" * (2 << 20) + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /?Format=JSON HTTP/1.1\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /?Format=JSON HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    ],
)
def test_an_invalid_call_is_refused(service: Service, data: bytes):
    address = urlsplit(service.url)
    with socket.create_connection((address.hostname, address.port), GUARD) as sock:
        with contextlib.suppress(OSError):
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        answer = received(sock)
    assert answer[9:12] in (b"400", b"403", b"404", b"414", b""), answer[:200]
    if answer:
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["Code"]
    assert service.signer().call("DescribeCommands").status == 200


def test_every_answer_has_its_id_in_a_header(service: Service):
    signer = service.signer()
    target, headers = signer.modern("DescribeCommands")
    for answer in (
        signer.send("POST", target, headers),
        signer.send("POST", target, headers),  # a second time
        signer.call("NoSuchAction"),
        signer.send("GET", "/other"),
        signer.send("POST", target, {**headers, "host": "evil.example"}),
        signer.send("GET", "/?Name=" + "x" * 2_000_000),
    ):
        assert answer.headers["x-acs-request-id"].encode() in answer.body
    assert (answer.status, answer.code) == (414, "RequestTooLarge")


@contextlib.contextmanager
def many_files(count: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"this system allows {hard} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_too_many_connections_keep_nobody_waiting(service: Service):
    address = urlsplit(service.url)
    with many_files(1400), contextlib.ExitStack() as stack:
        socks = []
        for _ in range(CONNECTIONS + 50):
            sock = stack.enter_context(socket.create_connection((address.hostname, address.port), GUARD))
            socks.append(sock)
        for number, sock in enumerate(socks):
            if number % 2:
                sock.sendall(
                    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx" if number % 4 == 1 else b"GET"
                )
        signer = service.signer()
        for _ in range(5):
            assert signer.call("DescribeCommands").status == 200


def test_a_burst_of_silent_connections_is_cut_to_the_limit(service: Service):
    """Also for connections that are accepted together; a call is answered meanwhile."""
    address = urlsplit(service.url)
    with many_files(2000), contextlib.ExitStack() as stack:
        socks = []
        for _ in range(CONNECTIONS + 400):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex((address.hostname, address.port))
            socks.append(sock)
        assert service.signer().call("DescribeCommands").status == 200
        end = time.monotonic() + GUARD
        while sum(is_closed(sock) for sock in socks) < 400:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert service.signer().call("DescribeCommands").status == 200


def is_closed(sock: socket.socket) -> bool:
    """Return True if the other side has closed a connection from which nothing else is read."""
    try:
        return b"Throttling" in sock.recv(1 << 16, socket.MSG_PEEK) or not sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_unfinished_requests_take_bounded_memory(service: Service):
    """Some of the largest are refused, in a form that SDKs read, and a call is answered meanwhile."""
    address = urlsplit(service.url)
    size = 900_000
    with contextlib.ExitStack() as stack:
        socks = []
        for _ in range(HELD_BYTES // size + 5):
            sock = stack.enter_context(socket.create_connection((address.hostname, address.port), GUARD))
            with contextlib.suppress(OSError):
                sock.sendall(b"GET /?" + b"x" * size)
            socks.append(sock)
        assert service.signer().call("DescribeCommands").status == 200
        refused, left = 0, list(socks)
        while refused < 3:
            ready, _, _ = select.select(left, [], [], GUARD)
            assert ready
            for sock in ready:
                left.remove(sock)
                with contextlib.suppress(OSError):
                    refused += b'"Code":"Throttling"' in sock.recv(1 << 16)
        assert refused < len(socks)


def test_an_unauthenticated_call_closes_its_connection(service: Service):
    signer = service.signer()
    address = urlsplit(service.url)
    for key, kept in ((signer.secret, True), (signer.secret[:-1], False)):
        target, headers = Signer(service.url, signer.key, key).modern("DescribeCommands")
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=GUARD)
        with contextlib.closing(connection):
            connection.request("POST", target, headers=headers)
            answer = connection.getresponse()
            answer.read()
            assert (answer.getheader("connection") != "close") is kept


def test_a_key_has_a_limit_of_calls_a_second():
    rates = Rates(5)
    assert [rates.admit("one") for _ in range(12)].count(True) == 10
    assert rates.admit("other")
    end = time.monotonic() + GUARD
    while not rates.admit("one"):
        assert time.monotonic() < end


@pytest.mark.soak
def test_an_unfinished_request_is_disconnected(service: Service):
    """Half a minute for its head, and the same for its body, however many bytes arrive."""
    address = urlsplit(service.url)
    for begin in (b"", b"GET / HTTP/1.1\r\nx", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx"):
        with socket.create_connection((address.hostname, address.port), 1) as sock:
            sock.sendall(begin)
            start = time.monotonic()
            while time.monotonic() < start + 50:
                try:
                    if not sock.recv(1 << 16):
                        break
                except TimeoutError:
                    pass
                except ConnectionResetError:  # it was closed before the last of our bytes arrived
                    break
                with contextlib.suppress(OSError):
                    sock.sendall(b"x" if begin else b"")
            assert 25 < time.monotonic() - start < 45


def test_a_pattern_that_takes_forever_is_stopped(service: Service):
    with open_controller(service.home) as controller:
        version = CommandVersion(
            content=b"echo {{a}}", parameters_enabled=True, definitions=(Definition("a", pattern=r"(a|aa)+b"),)
        )
        saved = commands.create(controller, f"c{uuid.uuid4().hex}", version)
    signer = service.signer()
    given = {"CommandId": saved.id, "InstanceId__1": service.local.id}
    evil = signer.call("InvokeCommand", **given, Parameters=json.dumps({"a": "a" * 60}))
    assert (evil.status, evil.code) == (400, "InvalidParameter.Parameters")
    assert (
        signer.call("InvokeCommand", **given, Parameters=json.dumps({"a": "c"})).code == "InvalidParameter.Parameters"
    )
    made = signer.call("InvokeCommand", **given, Parameters=json.dumps({"A": "aab"}))
    over(signer, made.document["InvokeId"])


# reused connections


def test_calls_of_one_connection_do_not_disturb_each_other(service: Service):
    signer = service.signer()
    address = urlsplit(service.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=GUARD)
    with contextlib.closing(connection):
        for expected in (200, 400, 200):
            target, headers = signer.modern("DescribeCommands", **({} if expected == 200 else {"PageSize": "99"}))
            connection.request("POST", target, headers=headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == expected
