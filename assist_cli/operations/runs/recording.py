"""An invocation from the request to the record of it: render, check, write. Nothing is sent here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from assist_cli import codes
from assist_cli.errors import InvalidParameter, NotFound, Refused
from assist_cli.model.audit import AuditEntry
from assist_cli.model.command import Command
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation, InvocationInstance, Record, RepeatMode, no_record
from assist_cli.model.lifecycle import lifetime
from assist_cli.model.parameters import Value
from assist_cli.model.schedule import LATEST, Schedule, Timing
from assist_cli.model.secret import Secret
from assist_cli.model.status import InvocationStatus, InvokeStatus
from assist_cli.operations.controller import Also, Controller
from assist_cli.operations.runs import payload, plans
from assist_cli.operations.runs.plans import Plan, Request
from assist_cli.operations.runs.senders import sender
from assist_cli.store import audit, invocations, records
from assist_cli.store import commands as store

NAMES_IN_AUDIT = 5


@contextlib.contextmanager
def recorded(
    controller: Controller,
    request: Request,
    *,
    also: Also | None = None,
    token: str | None = None,
    wait: timedelta | None = None,
) -> Iterator[Invocation]:
    """Record what is asked for, and be its sender until the end of the block; or let it be that of ``token``.

    With ``wait`` it waits so long for instances that are away; Refused is also raised then for a secret that cannot be
    read again.

    The invocation that it gives has the values of its secrets, which the history has not. Raises Refused
    (QuotaExceeded, InvalidParameter), NotFound and, where this machine's agent has to be started to learn its id,
    AgentError; nothing is written then.
    """
    plan, instances = plans.checked(controller, request)
    references = {} if wait is None else _references(plan.values, "in the queue")
    with contextlib.nullcontext(token) if token else sender(controller.home) as by:
        invocation = _invocation(controller, plan, instances, by, wait)
        check_rendering(controller, invocation)
        _write(controller, invocation, plan.new, also, references=references)
        yield invocation


def check(controller: Controller, request: Request) -> None:
    """Raise as ``recorded`` does, and write nothing."""
    plan, instances = plans.checked(controller, request)
    check_rendering(controller, _invocation(controller, plan, instances, ""))


def schedule(
    controller: Controller, request: Request, timing: Timing, *, also: Also | None = None
) -> tuple[Invocation, Schedule]:
    """Record what is to run again and again, or later. The server fires it (``serve``); nothing is sent here.

    Raises as ``recorded`` does, and Refused for a secret that cannot be read again when it is needed.
    """
    plan, instances = plans.checked(controller, request)
    references = _references(plan.values, "later")
    first = _invocation(controller, plan, instances, None)
    timing.check(first.created)
    since = first.created - LATEST if timing.frequency.is_once else first.created  # a moment that was to come just now
    upcoming = timing.frequency.next(since, first.created)
    if upcoming is None:
        raise InvalidParameter(f"cannot run at '{timing.frequency.text}': that is over", code=codes.INVALID_FREQUENCY)
    once = timing.frequency.is_once
    invocation = replace(
        first,
        repeat_mode=RepeatMode.ONCE if once else RepeatMode.PERIOD,
        frequency=timing.frequency.text,
        timezone=timing.frequency.timezone,
    )
    moment = controller.moment() if timing.frequency.is_elapsed else None
    check_rendering(controller, invocation)
    made = Schedule(
        invocation_id=invocation.id,
        frequency=timing.frequency.text,
        timezone=timing.frequency.timezone,
        anchor=invocation.created,
        next=upcoming,
        jitter=timing.jitter,
        missed=timing.missed,
        keep=timing.keep,
        secrets=references,
        instant=timing.frequency.instant,
        booted=moment.booted if moment else None,
        boot=moment.boot if moment else "",
    )
    _write(controller, invocation, plan.new, also, made)
    return invocation, made


def recall(controller: Controller, invocation_id: str, *, output: bool = True) -> Invocation:
    """An invocation as it was last written; nobody is asked. Raises NotFound."""
    return invocations.get(controller.database, invocation_id, output=output)


def with_output(controller: Controller, place: InvocationInstance) -> InvocationInstance:
    """An instance with what its record wrote, or has written so far."""
    if place.record.output is not None or not place.repeats:
        return place
    record = records.get(controller.database, place.record.id, output=True)
    return place if record is None else replace(place, record=record)


def check_rendering(controller: Controller, invocation: Invocation) -> None:
    """Refuse now, and not when half of the instances have it, what is too long with its values put in."""
    for place in invocation.instances:
        payload.script(invocation, place, controller.region)


def _references(values: Mapping[str, Value], when: str) -> dict[str, str]:
    """Return where the secrets can be read when it runs. Raises Refused for one that was typed in."""
    found = {}
    for key, value in values.items():
        if isinstance(value, Secret):
            if value.reference is None:
                raise Refused(
                    f"cannot run {when} with the secret {key!r} as it was typed in: it is kept nowhere",
                    code=codes.SECRET_WITHOUT_REFERENCE,
                    hint=f"--secret {key}=env:VARIABLE or --secret {key}=@FILE, which are read at each run",
                )
            found[key] = value.reference
    return found


def _invocation(
    controller: Controller,
    plan: Plan,
    instances: Sequence[Instance],
    token: str | None,
    wait: timedelta | None = None,
) -> Invocation:
    """The invocation, with records that the sender of this ``token`` is to send; without one there are none yet."""
    now, now_ms = controller.now(), controller.now_ms()
    return Invocation(
        id=new_id(Kind.INVOCATION, now_ms),
        command_id=plan.command_id or new_id(Kind.COMMAND, now_ms),
        command_name=plan.command_name,
        command_version=plan.version.number if plan.command_id else None,
        command_type=plan.version.type,
        content=plan.version.content,
        parameters_enabled=plan.version.parameters_enabled,
        parameters=plan.values,
        timeout=plan.version.timeout,
        working_dir=plan.version.working_dir,
        username=plan.username,
        launcher=plan.version.launcher,
        keep_script=plan.keep_script,
        status=InvokeStatus.RUNNING,
        created=now,
        instances=_no_records(instances, now)
        if token is None
        else first_records(instances, token, plan.version.timeout, now, wait),
    )


def _no_records(instances: Sequence[Instance], now: datetime) -> tuple[InvocationInstance, ...]:
    """Each of these instances before it is due there."""
    running = InvocationStatus.RUNNING
    return tuple(
        InvocationInstance(each.id, each.name, running, 0, no_record(each.id, running, now)) for each in instances
    )


def first_records(
    instances: Sequence[Instance], token: str, timeout: int, now: datetime, wait: timedelta | None = None
) -> tuple[InvocationInstance, ...]:
    """Each of these instances with the record that the sender of this ``token`` is to bring there."""
    return tuple(
        InvocationInstance(
            instance_id=instance.id,
            instance_name=instance.name,
            status=InvocationStatus.RUNNING,
            repeats=1,
            record=Record(
                id=new_id(Kind.RECORD, int(now.timestamp() * 1000)),
                instance_id=instance.id,
                number=1,
                status=InvocationStatus.RUNNING,
                sender=token,
                deadline=now + lifetime(timeout),
                deliver_by=None if wait is None else now + wait,
                enrolment="" if wait is None else instance.enrolment,
            ),
        )
        for instance in instances
    )


def _write(
    controller: Controller,
    invocation: Invocation,
    new: Command | None,
    also: Also | None,
    schedule: Schedule | None = None,
    references: Mapping[str, str] | None = None,
) -> None:
    """Write the invocation, its instances, their records or its schedule, and the audit line in one transaction."""
    saved = invocation.command_name is not None
    with controller.database.transaction() as transaction:
        if new is not None:
            from assist_cli.operations.commands import commands  # a script is seldom saved by its run

            commands.add(controller, transaction, new)
        if saved and not store.count_invocation(transaction, invocation.command_id):
            raise NotFound(
                f"cannot invoke {invocation.command_name!r}: it was deleted just now",
                hint="assist command list shows what there is",
            )
        invocations.add(transaction, invocation)
        if also is not None:
            also(transaction, invocation.id, [place.instance_id for place in invocation.instances])
        if references:
            from assist_cli.store import queue

            queue.put_inputs(transaction, invocation.id, references, None)
        if schedule is not None:
            from assist_cli.store import schedules

            schedules.add(transaction, schedule)
        audit.append(
            transaction,
            AuditEntry(
                invocation.created,
                controller.actor,
                "invocation.invoke" if saved else "invocation.run",
                invocation.id,
                _detail(invocation),
            ),
        )


def _detail(invocation: Invocation) -> str:
    """Such as ``restart@2 on web1, web2 with service``: parameters by name, values never."""
    what = f"a script of {len(invocation.content)} bytes"
    if invocation.command_name is not None:
        what = f"{invocation.command_name}@{invocation.command_version}"
    keys = ", ".join(invocation.parameters)
    when = f", {invocation.expression}" if invocation.frequency else ""
    return f"{what} on {places_in_audit(invocation)}" + (f" with {keys}" if keys else "") + when


def places_in_audit(invocation: Invocation) -> str:
    """Its instances by name, the first of many."""
    names = [place.instance_name for place in invocation.instances]
    shown = ", ".join(names[:NAMES_IN_AUDIT])
    return f"{shown} and {len(names) - NAMES_IN_AUDIT} more" if len(names) > NAMES_IN_AUDIT else shown
