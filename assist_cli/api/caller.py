"""The authenticated caller: its access key, its scope, and the controller that carries out its call."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from assist_cli.api.faults import Fault
from assist_cli.api.parameters import Given
from assist_cli.model import ids
from assist_cli.model.access import AccessKey, Labels, Role
from assist_cli.model.instance import Instance
from assist_cli.operations.access.clients import Request
from assist_cli.operations.access.permissions import Rights
from assist_cli.operations.controller import Also, Controller
from assist_cli.operations.server.background import Background

MOST_INSTANCES = 100
FEWER_INSTANCES = 50


@dataclass(frozen=True)
class Caller:
    """The caller of one action. ``host`` is the name by which the client reached this server."""

    key: AccessKey
    controller: Controller
    background: Background
    action: str
    host: str = ""

    def need(self, role: Role, what: str = "") -> None:
        """Raise Fault unless the key has this role. ``what`` needs it; by default, the action does."""
        if not self.key.role.may(role):
            raise lacks_role(self.key, role, what or self.action)

    @functools.cached_property
    def rights(self) -> Rights:
        return Rights(self.key, self.controller)

    @property
    def known(self) -> dict[str, Instance]:
        """The instances in the scope of the key, by id. All others do not exist for it."""
        return self.rights.known

    @property
    def seen(self) -> Collection[str] | None:
        """The ids of the instances to which results are limited; None: no limit."""
        return self.rights.seen

    def instances(
        self, given: Given, *, most: int = MOST_INSTANCES, tags: int = 20, too_many: int = 403
    ) -> list[Instance]:
        """Return the instances that a call names by whole ids or by tags. Raises Fault."""
        named = given.listed("InstanceId")
        wanted = given.tags("ResourceTag", tags)
        if len(named) > most:
            raise Fault("InstanceIds.ExceedLimit", f"({len(named)} of at most {most})", status=too_many)
        if named and wanted:
            raise Fault("InvalidResourceTag.ConflictWithInstanceIds")
        if wanted:
            found = [each for each in self.known.values() if wanted.items() <= dict(each.tags).items()]
            if not found:
                raise Fault("InvalidResourceTag.InstanceNotFound")
        elif named:
            found = [self.instance(each) for each in named]
        elif given.tags("Tag"):
            raise Fault(
                "MissingParam.InstanceId",
                "(Tag is a label of the invocation, and selects no instances)",
                hint="give InstanceId.1; RunCommand and InvokeCommand also take ResourceTag.1.Key",
            )
        else:
            raise Fault("MissingParam.InstanceId")
        if len(found) > most:
            raise Fault("InstanceIds.ExceedLimit", f"({len(found)} of at most {most})")
        return found

    def instance(self, instance_id: str) -> Instance:
        """Return the instance of exactly this id. Raises Fault."""
        found = self.rights.unordered.get(instance_id)
        if found is None:
            raise Fault("InvalidInstance.NotFound", f"({instance_id!r:.60})")
        return found

    def check_scope(self, instance_ids: Iterable[str]) -> None:
        """Raise Fault unless all these instances of one invocation are in the scope of the key."""
        if not self.rights.covers(instance_ids):
            raise Fault("Forbidden.RAM", f"(it has instances outside the scope of {self.key.name})")

    def request(self, given: Given, labels: Labels, *, saves: bool = False) -> Request:
        """Return the labels and client token of a call that creates something. Calls with one token create one thing.

        ``saves``: the call also creates a command.
        """
        token = given.text("ClientToken")
        if token is not None and not (len(token) <= 64 and token.isascii() and token.isprintable()):
            raise Fault("InvalidClientToken.Malformed", "(it has at most 64 ASCII characters)")
        said = {name: value for name, value in given.values.items() if name != "ClientToken"}
        text = json.dumps([self.action, said], sort_keys=True)
        return Request(self.key, labels, token, hashlib.sha256(text.encode()).digest(), saves)

    def also(self, request: Request, *, labelled: bool = True) -> Also:
        """Return what is to be written in the same transaction; without labels for an object that has its own."""
        return functools.partial(request.enter, self.controller, labelled=labelled)


def lacks_role(key: AccessKey, role: Role, what: str) -> Fault:
    """Return the refusal of a call that needs a higher role."""
    return Fault("Forbidden.RAM", f"({what} needs the role {role}, and {key.name} is {key.role})")


def is_id(text: str, *kinds: ids.Kind) -> bool:
    """Return True if a text is a whole id of one of these kinds. A prefix is not enough for a program."""
    return len(text) == ids.LENGTH and any(ids.is_prefix(text, kind) for kind in kinds)
