"""An invocation from the request to the record of it: resolve, check, write. Nothing is sent here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from assist_cli.errors import InvalidParameter
from assist_cli.model import command, quotas
from assist_cli.model.command import CommandType
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation, InvocationInstance, Record
from assist_cli.model.status import InvocationStatus, InvokeStatus
from assist_cli.operations.controller import Controller
from assist_cli.operations.instances import resolve
from assist_cli.operations.senders import sender
from assist_cli.store import invocations

GRACE = timedelta(seconds=30)


@dataclass(frozen=True)
class RunRequest:
    """A script to run once, without saving it. ``timeout`` is in seconds; ``targets`` empty means this machine."""

    content: bytes
    type: CommandType = CommandType.SHELL
    timeout: int = command.DEFAULT_TIMEOUT
    working_dir: str | None = None
    username: str | None = None
    keep_script: bool = False
    targets: tuple[str, ...] = ()


@contextlib.contextmanager
def recorded(controller: Controller, request: RunRequest) -> Iterator[Invocation]:
    """Record what is asked for, and be its sender until the end of the block.

    Raises Refused (QuotaExceeded, InvalidParameter), NotFound and, where this machine's agent has to be started to
    learn its id, AgentError; nothing is written then.
    """
    _check(request)
    instances = resolve(controller, request.targets)
    with sender(controller.home) as token:
        yield _record(controller, request, instances, token)


def _record(controller: Controller, request: RunRequest, instances: list[Instance], token: str) -> Invocation:
    """Write the invocation, its instances and their records in one transaction."""
    now, now_ms = controller.now(), controller.now_ms()
    invocation = Invocation(
        id=new_id(Kind.INVOCATION, now_ms),
        command_id=new_id(Kind.COMMAND, now_ms),
        command_type=request.type,
        content=request.content,
        timeout=request.timeout,
        working_dir=request.working_dir,
        username=request.username,
        keep_script=request.keep_script,
        status=InvokeStatus.RUNNING,
        created=now,
        instances=tuple(
            InvocationInstance(
                instance_id=instance.id,
                instance_name=instance.name,
                status=InvocationStatus.RUNNING,
                repeats=1,
                record=Record(
                    id=new_id(Kind.RECORD, now_ms),
                    instance_id=instance.id,
                    number=1,
                    status=InvocationStatus.RUNNING,
                    sender=token,
                    deadline=now + lifetime(request.timeout),
                ),
            )
            for instance in instances
        ),
    )
    with controller.database.transaction() as transaction:
        invocations.add(transaction, invocation)
    return invocation


def lifetime(timeout: int) -> timedelta:
    """How long after its dispatch a record may stay open (mission section 2)."""
    return timedelta(seconds=timeout) + GRACE


def _check(request: RunRequest) -> None:
    if not request.content.strip():
        raise InvalidParameter(
            "cannot run an empty script", code="InvalidContent", hint="give it with -c TEXT, -f FILE, or after --"
        )
    quotas.check_script(request.content)
    quotas.check_timeout(request.timeout)
    command.check_working_dir(request.working_dir)
    command.check_username(request.username)
