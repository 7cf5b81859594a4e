"""Calls of the API in the process of the test, through its gateway. Nothing is sent to agents."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assist_cli.api.call import Call
from assist_cli.api.forms import Reply
from assist_cli.api.gateway import Gateway
from assist_cli.http.rates import Rates
from assist_cli.model.access import Role
from assist_cli.model.instance import Instance
from assist_cli.operations.access import accesskeys
from assist_cli.operations.controller import Controller, Controllers, open_controller
from assist_cli.paths import Home
from assist_cli.store import instances
from assist_cli.store.nonces import Nonces
from tests.support.api import Signer

AWAY, OTHER = f"i-{1:026}", f"i-{2:026}"


class NoSender:
    """Accepts new records, and sends nothing."""

    token = "nobody"

    def take(self, invocation: object, rollout: object = None) -> None: ...
    def stop(self, invocation_id: str, instance_ids: object) -> None: ...
    def install(self, instance_ids: object) -> None: ...
    def note_used(self, key: object) -> None: ...


@dataclass(frozen=True)
class Calls:
    """Calls with keys of one home, that has two instances which nobody answers for."""

    gateway: Gateway
    controller: Controller
    signer: Signer

    def reply(self, action: str, **fields: str) -> Reply:
        """Return the answer of an action; ``InstanceId__1`` is InstanceId.1."""
        target, headers = self.signer.modern(action, **fields)
        return self.gateway.answer(Call("POST", "/", target.partition("?")[2].encode(), tuple(headers.items())))

    def __call__(self, action: str, **fields: str) -> Any:
        """Return the answer of an action that succeeds."""
        reply = self.reply(action, **fields)
        assert reply.status == 200, reply.body
        return json.loads(reply.body)

    def refused(self, action: str, **fields: str) -> tuple[int, str, str]:
        """Return status, code and message of a refused action."""
        reply = self.reply(action, **fields)
        assert reply.status != 200, reply.body
        said = json.loads(reply.body)
        return reply.status, said["Code"], f"{said['Message']} {said['Recommend']}"

    def of(self, role: Role, *scope: str) -> Calls:
        """The calls of another key."""
        return Calls(self.gateway, self.controller, _signer(self.controller, role, *scope))


@contextlib.contextmanager
def calls(folder: Path) -> Iterator[Calls]:
    """A home in a folder, and the calls of an admin of it."""
    home = Home(folder / "assist")
    with (
        contextlib.closing(Controllers(home)) as controllers,
        contextlib.closing(Nonces(home.nonces)) as nonces,
        open_controller(home) as controller,
    ):
        with controllers.one():
            pass  # its files are open from here on
        with controller.database.transaction() as transaction:
            for name, each in (("away", AWAY), ("other", OTHER)):
                instances.register(transaction, Instance(each, name, "tls:127.0.0.1:1", controller.now(), "linux"))
        gateway = Gateway(controllers, "local", nonces, NoSender(), Rates(1e9))  # type: ignore[arg-type]
        yield Calls(gateway, controller, _signer(controller, Role.ADMIN))


def _signer(controller: Controller, role: Role, *scope: str) -> Signer:
    key = accesskeys.create(controller, f"key-{role}-{len(accesskeys.listing(controller))}", role, scope)
    return Signer("http://127.0.0.1:1", key.id, key.secret.reveal())
