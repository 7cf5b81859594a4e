"""Recording an invocation: validate its request, render, and write it. Nothing is sent here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
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
from assist_cli.operations.controller import Also, Controller, nothing_more
from assist_cli.operations.runs import payload, plans
from assist_cli.operations.runs.plans import Plan, Request
from assist_cli.operations.runs.senders import sender
from assist_cli.store import audit, invocations, records
from assist_cli.store import commands as store
from assist_cli.units import count

NAMES_IN_AUDIT = 5


@contextlib.contextmanager
def recorded(
    controller: Controller,
    request: Request,
    *,
    also: Also = nothing_more,
    token: str | None = None,
    wait: timedelta | None = None,
) -> Iterator[Invocation]:
    """Record an invocation. Its sender is this process until the end of the block, or that of ``token``.

    With ``wait`` it is queued up to that time for instances that are away. Then Refused is also raised for a secret
    that cannot be read again.

    The yielded invocation has the values of its secrets; the history does not. Raises Refused (QuotaExceeded,
    InvalidParameter), NotFound, and AgentError if the agent of this machine must start to get its id and cannot.
    Nothing is written then.
    """
    plan, instances = plans.checked(controller, request)
    references = {} if wait is None else _references(plan.values, "in the queue")
    with contextlib.nullcontext(token) if token else sender(controller.home) as by:
        invocation = _invocation(controller, plan, instances, by, wait)
        check_rendering(controller, invocation)
        _write(controller, invocation, plan.new, also, references=references)
        yield invocation


def check(
    controller: Controller, request: Request, timing: Timing | None = None, wait: timedelta | None = None
) -> Invocation:
    """Validate a request without writing. Return its invocation. Raises the errors of ``recorded`` and ``schedule``."""
    if timing is not None:
        _, invocation, _ = _scheduled(controller, request, timing)
        return invocation
    plan, instances = plans.checked(controller, request)
    if wait is not None:
        _references(plan.values, "in the queue")
    invocation = _invocation(controller, plan, instances, "", wait)
    check_rendering(controller, invocation)
    return invocation


def schedule(
    controller: Controller, request: Request, timing: Timing, *, also: Also = nothing_more
) -> tuple[Invocation, Schedule]:
    """Record an invocation with a schedule, periodic or one-time. The server fires it; nothing is sent here.

    Raises the errors of ``recorded``, and Refused for a secret that cannot be read again at each run.
    """
    plan, invocation, made = _scheduled(controller, request, timing)
    _write(controller, invocation, plan.new, also, made)
    return invocation, made


def _scheduled(controller: Controller, request: Request, timing: Timing) -> tuple[Plan, Invocation, Schedule]:
    """The plan, the invocation and the schedule of a request. Raises the errors of ``schedule``."""
    plan, instances = plans.checked(controller, request)
    references = _references(plan.values, "later")
    first = _invocation(controller, plan, instances, None)
    timing.check(first.created)
    since = first.created - LATEST if timing.frequency.is_once else first.created  # it may have passed just now
    upcoming = timing.frequency.next(since, first.created)
    if upcoming is None:
        raise InvalidParameter(
            f"cannot run at '{timing.frequency.text}': that time has passed",
            hint="give a time to come, or run it now",
            code=codes.INVALID_FREQUENCY,
        )
    once = timing.frequency.is_once
    invocation = first._replace(
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
    return plan, invocation, made


def recall(controller: Controller, invocation_id: str, *, output: bool = True) -> Invocation:
    """Read an invocation from the database, without reconciling it. Raises NotFound."""
    return invocations.get(controller.database, invocation_id, output=output)


def with_output(controller: Controller, instance: InvocationInstance) -> InvocationInstance:
    """Return the instance with the output of its record, or its interim output."""
    if instance.record.output is not None or not instance.repeats:
        return instance
    record = records.get(controller.database, instance.record.id, output=True)
    return instance if record is None else instance._replace(record=record)


def check_rendering(controller: Controller, invocation: Invocation) -> None:
    """Refuse a script that is too long when rendered, before it is sent to any instance. Raises QuotaExceeded."""
    region = controller.region
    for instance in invocation.instances:
        payload.script(invocation, instance, region)


def _references(values: Mapping[str, Value], when: str) -> dict[str, str]:
    """The references from which secrets are read at each run. Raises Refused for a secret that was typed in."""
    found = {}
    for key, value in values.items():
        if isinstance(value, Secret):
            if value.reference is None:
                raise Refused(
                    f"cannot run {when} with the secret {key!r}: it was typed in, and its value is not stored",
                    code=codes.SECRET_WITHOUT_REFERENCE,
                    hint=f"--secret {key}=env:VARIABLE or --secret {key}=@FILE, which is read at each run",
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
    """The invocation, with records for the sender of this ``token``; without a token it has no records yet."""
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
    """The instances of an invocation before its first due time."""
    running = InvocationStatus.RUNNING
    return tuple(
        InvocationInstance(each.id, each.name, running, 0, no_record(each.id, running, now)) for each in instances
    )


def first_records(
    instances: Sequence[Instance], token: str, timeout: int, now: datetime, wait: timedelta | None = None
) -> tuple[InvocationInstance, ...]:
    """Each of these instances with its first record, for the sender of this ``token``."""
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
    also: Also,
    schedule: Schedule | None = None,
    references: Mapping[str, str] | None = None,
) -> None:
    """Write the invocation, its instances, records or schedule, and the audit entry in one transaction."""
    saved = invocation.command_name is not None
    with controller.database.transaction() as transaction:
        if new is not None:
            from assist_cli.operations.commands import commands  # few runs save their script

            commands.add(controller, transaction, new)
        if saved and not store.count_invocation(transaction, invocation.command_id):
            raise NotFound(
                f"cannot invoke {invocation.command_name!r}: it was deleted just now",
                hint="see the commands: assist command list",
            )
        invocations.add(transaction, invocation)
        also(transaction, invocation.id, [each.instance_id for each in invocation.instances])
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
    """The audit detail, such as ``restart@2 on web1, web2 with service``: keys of parameters, never values."""
    what = f"a script of {count(len(invocation.content), 'byte')}"
    if invocation.command_name is not None:
        what = f"{invocation.command_name}@{invocation.command_version}"
    keys = ", ".join(invocation.parameters)
    when = f", {invocation.expression}" if invocation.frequency else wait_in_audit(invocation)
    return f"{what} on {instances_in_audit(invocation)}" + (f" with {keys}" if keys else "") + when


def wait_in_audit(invocation: Invocation) -> str:
    """Return the time until which records may be queued, as the end of a clause; empty for no queue."""
    deliver_by = invocation.instances[0].record.deliver_by
    return "" if deliver_by is None else f", queued until {deliver_by:%Y-%m-%d %H:%M:%SZ}"


def instances_in_audit(invocation: Invocation) -> str:
    """The names of its instances, at most ``NAMES_IN_AUDIT``, then the number of the others."""
    names = [each.instance_name for each in invocation.instances]
    shown = ", ".join(names[:NAMES_IN_AUDIT])
    return f"{shown} and {len(names) - NAMES_IN_AUDIT} more" if len(names) > NAMES_IN_AUDIT else shown
