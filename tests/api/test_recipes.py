"""Programs written for the original, calling as they do there: SDKs with their default endpoint, Terraform, node."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import select
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from assist_cli.model.access import Role
from assist_cli.operations.access import accesskeys
from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from tests.support import api, sdks
from tests.support.api import GUARD, Answer, Service, Signer
from tests.support.certificates import Authority
from tests.support.programs import lack, need

pytestmark = [
    pytest.mark.usefixtures("starts_processes"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # the SDKs are old
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # and they close no connection
]

CLIENTS = Path(__file__).parents[1] / "support" / "npm.js"
SHELL = "RunShellScript"


# the default endpoint


@contextlib.contextmanager
def hosts(names: set[str], port: int) -> Iterator[str]:
    """The effect of a line in /etc/hosts without being root: a proxy that connects requests for a name to ``port``."""
    opened: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener, concurrent.futures.ThreadPoolExecutor() as threads:
        threads.submit(_proxy, listener, names, port, threads, opened)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for each in (listener, *opened):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


def _proxy(
    listener: socket.socket,
    names: set[str],
    port: int,
    threads: concurrent.futures.Executor,
    opened: list[socket.socket],
) -> None:
    with contextlib.suppress(OSError):  # the listener is closed
        while True:
            near, _ = listener.accept()
            opened.append(near)
            asked = near.recv(65536).split()[1].decode()
            threads.submit(_pump, near, port if asked.removesuffix(":443") in names else 9)


def _pump(near: socket.socket, port: int) -> None:
    with near, socket.create_connection(("127.0.0.1", port)) as far:
        near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            for each in select.select([near, far], [], [])[0]:
                data = each.recv(65536)
                if not data:
                    return
                (far if each is near else near).sendall(data)


@pytest.mark.long
def test_the_default_endpoint_is_this_server_where_its_name_is_ours(
    isolation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs/api.md, "Without another endpoint": both SDKs resolve and verify the name of the original."""
    from alibabacloud_ecs20140526.client import Client
    from alibabacloud_tea_openapi.models import Config
    from aliyunsdkcore.client import AcsClient

    name = "ecs-cn-hangzhou.aliyuncs.com"
    with open_controller(Home(isolation / "assist")) as controller:
        key = accesskeys.create(controller, "ci", Role.VIEWER)
    authority = Authority(isolation)
    pair = authority.issue("api", None, hosts=[name])
    ca = str(authority.own.certificate)
    monkeypatch.setenv("ASSIST_REGION", "cn-hangzhou")
    words = ["--api-cert", str(pair.certificate), "--api-key", str(pair.key)]
    with api.served(isolation / "assist", *words) as url, hosts({name}, urlsplit(url).port or 0) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        request = sdks.new_request("DescribeCommands", RegionId="cn-hangzhou")
        new = Client(Config(key.id, key.secret.reveal(), region_id="cn-hangzhou", ca=ca))
        assert new.describe_commands(request).body.total_count == 0
        sdks.close_connections()
        old = AcsClient(key.id, key.secret.reveal(), "cn-hangzhou", verify=ca)
        asked = sdks.old_request("DescribeCommands")
        asked.set_protocol_type("https")
        assert json.loads(old.do_action_with_exception(asked))["TotalCount"] == 0


def test_a_name_of_a_proxy_is_a_name_of_this_server(isolation: Path) -> None:
    home = isolation / "assist"
    with open_controller(Home(home)) as controller:
        key = accesskeys.create(controller, "ci", Role.VIEWER)
    with api.served(home, "--api-name", "Assist.example.com", "--api-name", "*.example.net") as url:
        for host, status in (
            ("assist.example.com", 200),
            ("ASSIST.example.com:443", 200),
            ("assist.example.com.", 200),
            ("any.example.net", 200),
            ("localhost", 200),
            ("example.net", 421),
            ("a.b.example.net", 421),
            ("example.com", 421),
        ):
            signer = Signer(f"http://{host}", key.id, key.secret.reveal())
            target, headers = signer.modern("DescribeCommands")
            assert Signer.of(url, key).send("POST", target, headers).status == status, host


# Terraform


class Terraform:
    """Calls as made by the client of the provider: the old signature, and all parameters of the action in a form."""

    def __init__(self, signer: Signer, host: str = "") -> None:
        self._signer = signer
        self._host = host

    def __call__(self, action: str, **fields: str) -> Answer:
        target = self._signer.classic(action, method="POST", Format="json", **fields)
        given = dict(parse_qsl(target.partition("?")[2], keep_blank_values=True))
        own = {name.replace("__", "."): value for name, value in fields.items()} | {"RegionId": given["RegionId"]}
        query = {name: value for name, value in given.items() if name not in own}
        headers = {"content-type": "application/x-www-form-urlencoded"} | ({"host": self._host} if self._host else {})
        return self._signer.send("POST", "/?" + urlencode(query), headers, urlencode(own).encode())


def test_terraform_makes_reads_and_destroys_a_command(service: Service) -> None:
    call = Terraform(service.signer())
    settings = {"Description": "by Terraform", "EnableParameter": "false", "Timeout": "60", "WorkingDir": "/tmp"}
    made = call("CreateCommand", Name=uuid.uuid4().hex, Type=SHELL, CommandContent="ZWNobyBoaQ==", **settings).document[
        "CommandId"
    ]

    def read(host: str = "") -> Any:
        return Terraform(service.signer(), host)("DescribeCommands", CommandId=made)

    (found,) = read().document["Commands"]["Command"]
    expected = {"CommandContent": "ZWNobyBoaQ==", "Timeout": 60, "EnableParameter": False, "WorkingDir": "/tmp"}
    assert {name: found[name] for name in expected} == expected
    wrong = read("ecs.example.com")  # the codes that mean "gone", and make it drop its state: these two
    assert wrong.code not in ("InvalidRegionId.NotFound", "Operation.Forbidden", "")
    assert call("DeleteCommand", CommandId=made).status == 200
    assert read().document["Commands"]["Command"] == []
    assert call("DeleteCommand", CommandId=made).code == "InvalidCmdId.NotFound"


def test_terraform_makes_reads_and_stops_an_invocation(service: Service) -> None:
    call = Terraform(service.signer())
    saved = {"Name": uuid.uuid4().hex, "Type": SHELL, "CommandContent": "ZWNobyB7e2F9fQ==", "EnableParameter": "true"}
    command = call("CreateCommand", **saved).document["CommandId"]
    when = {
        "RepeatMode": "Period",
        "Timed": "true",
        "Frequency": "0 0 12 * * ? Asia/Shanghai",
        "Parameters": '{"a":"1"}',
    }
    made = call("InvokeCommand", CommandId=command, InstanceId__1=service.local.id, Username="", **when)
    invoke_id = made.document["InvokeId"]
    (found,) = call("DescribeInvocations", InvokeId=invoke_id).document["Invocations"]["Invocation"]
    assert found["InvocationStatus"] == "Scheduled"  # the statuses that it waits for
    assert (found["CommandId"], found["Frequency"], found["Timed"]) == (command, when["Frequency"], True)
    assert json.loads(found["Parameters"]) == {"a": "1"}
    (place,) = found["InvokeInstances"]["InvokeInstance"]
    assert place["InstanceId"] == service.local.id
    for _ in range(2):
        assert call("StopInvocation", InvokeId=invoke_id).status == 200


# node


@pytest.mark.long
@pytest.mark.parametrize("client", ["pop-core", "ecs20140526"])
def test_the_npm_clients_make_the_core_set_of_calls(service: Service, client: str) -> None:
    """Found where NODE_PATH says: npm install --prefix DIR @alicloud/pop-core @alicloud/ecs20140526."""
    node = need("node")
    if subprocess.run([node, "-e", f"require('@alicloud/{client}')"], capture_output=True).returncode:
        lack(f"the npm package @alicloud/{client}, in NODE_PATH")
    key = service.keys[Role.ADMIN]
    words = [client, service.endpoint, key.id, key.secret.reveal(), service.local.id]
    done = subprocess.run([node, CLIENTS, *words], capture_output=True, text=True, timeout=GUARD, env={**os.environ})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "name": "local", "output": "Jack\n", "status": "Success", "code": "InvalidCmdId.NotFound",
    }  # fmt: skip
