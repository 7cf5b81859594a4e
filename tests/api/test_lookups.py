"""The number of lookups: the statements with which one call reads its objects."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assist_cli.api import files, invocations, parameters
from assist_cli.api.caller import Caller
from assist_cli.api.forms import Document
from assist_cli.api.parameters import Given, Takes
from assist_cli.model.access import Role
from assist_cli.model.command import CommandVersion
from assist_cli.model.instance import Instance
from assist_cli.model.parameters import Definition
from assist_cli.model.status import InvokeStatus
from assist_cli.model.target import Selection
from assist_cli.model.timeouts import DEFAULTS
from assist_cli.operations.access import accesskeys
from assist_cli.operations.commands import commands
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.operations.runs import plans, recording
from assist_cli.operations.server.background import background
from assist_cli.paths import Home
from assist_cli.store import instances
from assist_cli.store.database import Database

ONE, OTHER = f"i-{1:026}", f"i-{2:026}"
VERSION = CommandVersion(b"echo {{word}}", parameters_enabled=True, definitions=(Definition("word"),))
SCRIPT = base64.b64encode(VERSION.content).decode()
WHERE = {"InstanceId.1": ONE, "InstanceId.2": OTHER}
ENDED = InvokeStatus.FAILED
VALUES = {"Parameters": '{"word": "x"}'}

Act = Callable[[Caller, Given], Document]


class Watched:
    """A controller that records its statements."""

    def __init__(self, home: Home, connection: sqlite3.Connection) -> None:
        connection.row_factory = sqlite3.Row
        self._said: list[str] = []
        connection.set_trace_callback(self._said.append)
        self.controller = Controller(home, Database(connection, home.database, DEFAULTS.database))

    def reads(self, *tables: str) -> int:
        """The number of statements so far that read one of these tables."""
        return sum(re.search(rf"\bFROM (?:{'|'.join(tables)})\b", each) is not None for each in self._said)

    def clear(self) -> None:
        self._said.clear()


@pytest.fixture
def home(home: Path) -> Home:
    rooms = Home(home)
    with open_controller(rooms) as controller, controller.database.transaction() as transaction:
        for name, each in (("web1", ONE), ("web2", OTHER)):
            instances.register(transaction, Instance(each, name, "tls:127.0.0.1:1", controller.now(), "linux"))
    return rooms


@pytest.fixture
def watched(home: Home) -> Iterator[Watched]:
    with contextlib.closing(sqlite3.connect(home.database, isolation_level=None)) as connection:
        yield Watched(home, connection)


def called(watched: Watched, act: Act, takes: Takes, flat: dict[str, str], *scope: str) -> Document:
    """Return the answer of an action to a key of this scope."""
    key = accesskeys.create(watched.controller, "ci", Role.ADMIN, scope)
    given = parameters.read(takes, {"RegionId": "local", **flat})
    watched.clear()

    async def call() -> Document:
        with open_controller(watched.controller.home) as other:
            async with background(other) as sending:
                document = act(Caller(key, watched.controller, sending, act.__name__), given)
                await asyncio.sleep(0)  # the objects that it gets here become a task
                await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
                return document

    return asyncio.run(call())


@pytest.mark.parametrize(("scope", "times"), [((), 1), (("web*",), 2)], ids=["any", "scope"])
def test_a_call_reads_the_instances_once(watched: Watched, scope: tuple[str, ...], times: int) -> None:
    """A second time inside the transaction, where the scope of a key is looked up again."""
    asked = {"Type": "RunShellScript", "CommandContent": SCRIPT, "ContentEncoding": "Base64", "EnableParameter": "true"}
    made = called(watched, invocations.run, invocations.RUN, {**asked, **WHERE, **VALUES}, *scope)
    assert watched.reads("instances") == times
    found = recording.recall(watched.controller, made["InvokeId"])
    assert [each.instance_name for each in found.instances] == ["web1", "web2"]


def test_a_call_reads_the_command_once(watched: Watched) -> None:
    saved = commands.create(watched.controller, "echo", VERSION)
    called(watched, invocations.invoke, invocations.INVOKE, {"CommandId": saved.id, **WHERE, **VALUES})
    assert watched.reads("instances") == 1
    assert watched.reads("commands", "command_states", "command_versions") == 1


def test_a_call_that_sends_a_file_reads_the_instances_once(watched: Watched) -> None:
    asked = {"Name": "a.txt", "TargetDir": "/tmp", "Content": "x"}
    called(watched, files.send, files.SEND, {**asked, **WHERE})
    assert watched.reads("instances") == 1


def test_the_command_and_the_invocation_of_a_request_are_not_read_again(watched: Watched) -> None:
    saved = commands.create(watched.controller, "echo", VERSION)
    request = plans.InvokeRequest(saved, {"word": "x"}, targets=Selection(("web1",)))
    watched.clear()
    with recording.recorded(watched.controller, request) as invocation:
        assert plans.missing(request) == ()
    assert watched.reads("instances") == 1
    assert watched.reads("commands", "command_states", "command_versions") == 0

    again = plans.RerunRequest(recording.recall(watched.controller, invocation.id)._replace(status=ENDED))
    watched.clear()
    with recording.recorded(watched.controller, again):
        assert plans.missing(again) == []
    assert watched.reads("instances") == 1
    assert watched.reads("invocations") == 0
