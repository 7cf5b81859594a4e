"""Sending a file: from the request to the record of it, and the files that were sent. ``dispatch`` brings it there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from assist_cli.model import quotas, transfer
from assist_cli.model.audit import AuditEntry
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.invocation import Invocation
from assist_cli.model.status import InvokeStatus
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Also, Controller
from assist_cli.operations.fleet.instances import Targets, resolve
from assist_cli.operations.runs import refresh
from assist_cli.operations.runs.recording import first_records, places_in_audit
from assist_cli.operations.runs.senders import sender
from assist_cli.store import audit, invocations, queue


@dataclass(frozen=True)
class SendRequest:
    """A file to send: its content, its name there and the folder that it goes to. Empty ``targets`` mean this machine.

    ``mode`` is octal, ``owner`` and ``group`` None are the agent's own; ``timeout`` is in seconds.
    """

    content: bytes
    name: str
    directory: str
    mode: str = transfer.DEFAULT_MODE
    owner: str | None = None
    group: str | None = None
    overwrite: bool = False
    timeout: int = transfer.DEFAULT_TIMEOUT
    targets: Targets = field(default_factory=Selection)


@contextlib.contextmanager
def recorded(
    controller: Controller,
    request: SendRequest,
    *,
    also: Also | None = None,
    token: str | None = None,
    wait: timedelta | None = None,
) -> Iterator[Invocation]:
    """Record a file that is to be sent, and be its sender until the end of the block; or let it be that of ``token``.

    With ``wait`` it waits so long for instances that are away, and its content is kept in the database meanwhile.

    The invocation that it gives has the content, which the history has not. Raises Refused (QuotaExceeded,
    InvalidParameter), NotFound and, where this machine's agent has to be started to learn its id, AgentError; nothing
    is written then.
    """
    checked = transfer.checked(
        request.content,
        request.name,
        request.directory,
        mode=request.mode,
        owner=request.owner,
        group=request.group,
        overwrite=request.overwrite,
    )
    quotas.check_timeout(request.timeout)
    instances = resolve(controller, request.targets)
    with contextlib.nullcontext(token) if token else sender(controller.home) as by:
        now = controller.now()
        invocation = Invocation(
            id=new_id(Kind.FILE, controller.now_ms()),
            content=request.content,
            timeout=request.timeout,
            status=InvokeStatus.RUNNING,
            created=now,
            instances=first_records(instances, by, request.timeout, now, wait),
            transfer=checked,
        )
        detail = f"{checked.size} bytes as {checked.path} on {places_in_audit(invocation)}"
        with controller.database.transaction() as transaction:
            if also is not None:
                also(transaction, invocation.id, [place.instance_id for place in invocation.instances])
            invocations.add(transaction, invocation)
            if wait is not None:
                queue.put_inputs(transaction, invocation.id, {}, request.content)
            audit.append(transaction, AuditEntry(now, controller.actor, "file.send", invocation.id, detail))
        yield invocation


def find(controller: Controller, text: str) -> str:
    """The id of the file that is meant: an id, the beginning of one, or ``-`` for the newest. Raises NotFound."""
    return invocations.find(controller.database, text, invocations.FILES)


def listing(controller: Controller, *, limit: int | None) -> list[Invocation]:
    """The files that were sent, newest first, at most ``limit`` of them. The agents of open records are asked first."""
    refresh.refresh(controller, None)
    return invocations.newest(controller.database, Kind.FILE, limit)
