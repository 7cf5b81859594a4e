"""Sent files: record a file to send, find and list sent files. ``dispatch`` delivers them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

from assist_cli.model import quotas, transfer
from assist_cli.model.audit import AuditEntry
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.invocation import Invocation
from assist_cli.model.status import InvokeStatus
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Also, Controller, nothing_more
from assist_cli.operations.fleet.instances import Targets, resolve
from assist_cli.operations.runs import refresh
from assist_cli.operations.runs.recording import first_records, instances_in_audit, wait_in_audit
from assist_cli.operations.runs.senders import sender
from assist_cli.store import audit, invocations, queue
from assist_cli.structs import Struct
from assist_cli.units import count


class SendRequest(Struct):
    """A file to send: its content, name and target folder. Empty ``targets`` mean this machine.

    ``mode`` is octal; ``owner`` and ``group`` None are those of the agent; ``timeout`` is in seconds.
    """

    content: bytes
    name: str
    directory: str
    mode: str = transfer.DEFAULT_MODE
    owner: str | None = None
    group: str | None = None
    overwrite: bool = False
    timeout: int = transfer.DEFAULT_TIMEOUT
    targets: Targets = Selection()


@contextlib.contextmanager
def recorded(
    controller: Controller,
    request: SendRequest,
    *,
    also: Also = nothing_more,
    token: str | None = None,
    wait: timedelta | None = None,
) -> Iterator[Invocation]:
    """Record a file to send. Its sender is this process until the end of the block, or that of ``token``.

    With ``wait`` it is queued up to that time for instances that are away. Its content is then stored in the database
    meanwhile.

    The yielded invocation has the content of the file; the history does not. Raises Refused (QuotaExceeded,
    InvalidParameter), NotFound, and AgentError if the agent of this machine must start to get its id and cannot.
    Nothing is written then.
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
        detail = f"{count(checked.size, 'byte')} as {checked.path} on {instances_in_audit(invocation)}"
        detail += wait_in_audit(invocation)
        with controller.database.transaction() as transaction:
            also(transaction, invocation.id, [each.instance_id for each in invocation.instances])
            invocations.add(transaction, invocation)
            if wait is not None:
                queue.put_inputs(transaction, invocation.id, {}, request.content)
            audit.append(transaction, AuditEntry(now, controller.actor, "file.send", invocation.id, detail))
        yield invocation


def find(controller: Controller, text: str) -> str:
    """Resolve an id, a unique prefix of one, or ``-`` for the newest, to the id of a sent file. Raises NotFound."""
    return invocations.find(controller.database, text, invocations.FILES)


def listing(controller: Controller, *, limit: int | None) -> list[Invocation]:
    """The sent files, newest first, at most ``limit``, after reconciling open records with their agents."""
    refresh.refresh(controller, None)
    return invocations.newest(controller.database, Kind.FILE, limit)
