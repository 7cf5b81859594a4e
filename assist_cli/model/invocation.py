"""One execution of a command, or of sending a file: the invocation, its instances, and their records.

See docs/rules.md sections 1 and 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from assist_cli.model.command import CommandType
from assist_cli.model.output import Output
from assist_cli.model.parameters import Value
from assist_cli.model.status import InvocationStatus, InvokeStatus, has_begun, is_success, is_unstarted
from assist_cli.model.transfer import Transfer


class RepeatMode(str, Enum):
    """Whether an invocation runs once, or again and again until a person stops it."""

    ONCE = "Once"
    PERIOD = "Period"

    __str__ = str.__str__


@dataclass(frozen=True)
class Outcome:
    """How a record ended. ``error_code`` and ``error_info`` are empty when all went well.

    ``started`` is None when nothing started; both times are the instance's own where it told them. ``accepted`` tells
    that the agent had the record.
    """

    status: InvocationStatus
    exit_code: int | None = None
    error_code: str = ""
    error_info: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    output: Output = field(default_factory=Output)
    accepted: bool = False

    @property
    def is_success(self) -> bool:
        return is_success(self.status, self.exit_code)

    @property
    def has_begun(self) -> bool:
        """Return True if it was started on its instance; of a file, if it arrived."""
        return has_begun(self.status, self.started)

    @property
    def is_unstarted(self) -> bool:
        """Return True if it was stopped before anything of it was started."""
        return is_unstarted(self.status, self.started)


class Wait(NamedTuple):
    """The wait of a record in the queue: since when, when its instance was last tried, and why that failed."""

    since: datetime
    tried: datetime
    why: str


@dataclass(frozen=True)
class Record:
    """One firing on one instance; ``number`` counts them from 1.

    ``sent`` is the moment after which bytes of it may have left, ``deadline`` the one after which the controller
    closes it with what it knows, ``stopped`` the one when a stop was asked for; the newest one of a periodic invocation
    has it also when it had ended before. ``sent_elapsed`` is ``sent`` in seconds since the start ``boot`` of the
    controller's machine, while the record is open. ``sender`` names the process that is to send it, ``accepted`` tells
    that its agent was heard to accept it. ``output`` is None where it was not asked for.

    A record with ``deliver_by`` may wait in the queue for its instance until then (docs/rules.md section 2). It is for
    the agent with this ``enrolment``; "" when that is not known. ``wait`` is None for a record that was never queued.
    """

    id: str
    instance_id: str
    number: int
    status: InvocationStatus
    deadline: datetime
    sender: str = ""
    exit_code: int | None = None
    error_code: str = ""
    error_info: str = ""
    sent: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    stopped: datetime | None = None
    accepted: bool = False
    sent_elapsed: float | None = None
    boot: str = ""
    output: Output | None = None
    deliver_by: datetime | None = None
    enrolment: str = ""
    wait: Wait | None = None

    @property
    def is_success(self) -> bool:
        return is_success(self.status, self.exit_code)

    @property
    def has_begun(self) -> bool:
        """Return True if it was started on its instance; of a file, if it arrived."""
        return has_begun(self.status, self.started)

    @property
    def is_unstarted(self) -> bool:
        """Return True if it was stopped before anything of it was started."""
        return is_unstarted(self.status, self.started)

    @property
    def may_wait(self) -> bool:
        """Return True while it is to be delivered, and may wait in the queue for that."""
        return self.deliver_by is not None and self.status is InvocationStatus.RUNNING and not self.accepted

    @property
    def is_queued(self) -> bool:
        """Return True while it waits in the queue for its instance."""
        return self.wait is not None and self.may_wait

    @property
    def is_unsent(self) -> bool:
        """Whether it is still to be sent."""
        return self.sent is None and not self.status.is_final

    def outcome(self) -> Outcome:
        """The outcome of a record that has ended, without its output where that was not asked for."""
        return Outcome(
            status=self.status,
            exit_code=self.exit_code,
            error_code=self.error_code,
            error_info=self.error_info,
            started=self.started,
            finished=self.finished,
            output=self.output or Output(),
            accepted=self.accepted,
        )


@dataclass(frozen=True)
class QueuedRecord:
    """A record that waits in the queue, with the id of its invocation and the name of its instance then."""

    invocation_id: str
    instance_name: str
    record: Record


def no_record(instance_id: str, status: InvocationStatus, now: datetime) -> Record:
    """What stands in the place of a record before the first one is due: it has no id, and no number but 0."""
    return Record(id="", instance_id=instance_id, number=0, status=status, deadline=now)


@dataclass(frozen=True)
class InvocationInstance:
    """An invocation on one of its instances: the name as it was then, its status, and the newest record.

    ``repeats`` is the number of records so far; when there is none, ``record`` is what ``no_record`` makes.
    ``stopped`` is the moment when a stop was asked for.
    """

    instance_id: str
    instance_name: str
    status: InvocationStatus
    repeats: int
    record: Record
    stopped: datetime | None = None

    @property
    def is_scheduled(self) -> bool:
        """Return True if it has not run, and is to run at its due time."""
        return not self.repeats and not self.status.is_final

    @property
    def stop_time(self) -> datetime | None:
        """When its stop was asked for, also one that was between two records; None for what ended by itself."""
        is_stopped = self.status in (InvocationStatus.STOPPING, InvocationStatus.STOPPED)
        return self.record.stopped or (self.stopped if is_stopped else None)


@dataclass(frozen=True)
class Invocation:
    """One execution of a command on one or more instances, with what ran and how, as it was at that time.

    ``content`` is the script before its parameters are put in; text in braces is text unless ``parameters_enabled``. A
    secret parameter is remembered without its value. ``timeout`` is in seconds; ``command_name`` and
    ``command_version`` are None for a script that was run without being saved; ``frequency`` is None for one that
    runs at once, and ``timezone`` is what its civil times stand in.

    Of a file that is sent, the ``transfer`` tells what it is. There is no command then, and the content is there while
    it is being sent and not remembered.
    """

    id: str
    content: bytes
    timeout: int
    status: InvokeStatus
    created: datetime
    instances: tuple[InvocationInstance, ...]
    command_id: str = ""
    command_type: CommandType | None = None
    command_name: str | None = None
    command_version: int | None = None
    parameters_enabled: bool = False
    parameters: Mapping[str, Value] = field(default_factory=lambda: MappingProxyType({}))
    working_dir: str | None = None
    username: str | None = None
    launcher: str | None = None
    keep_script: bool = False
    repeat_mode: RepeatMode = RepeatMode.ONCE
    frequency: str | None = None
    timezone: str | None = None
    finished: datetime | None = None
    transfer: Transfer | None = None

    @property
    def expression(self) -> str | None:
        """The frequency with its zone, as it can be given again."""
        if self.frequency is None:
            return None
        from assist_cli.model.frequency import expression  # which few invocations need

        return expression(self.frequency, self.timezone)

    @property
    def began(self) -> datetime | None:
        """When it began: when it was made, or of one that ran later when it was sent first. None: it never ran."""
        if self.repeat_mode is RepeatMode.PERIOD:
            return self.created if any(place.repeats for place in self.instances) else None
        if not any(place.record.has_begun for place in self.instances):
            return None
        if self.frequency is None:
            return self.created
        return min((place.record.sent for place in self.instances if place.record.sent), default=self.created)


@dataclass(frozen=True)
class Filter:
    """Which invocations are wanted: all of the conditions that are given hold.

    ``statuses`` are any of these. ``command_ids`` and ``instance_ids`` are ids, None for any; ``since`` is when it was
    made. ``unsuccessful`` ones are over, and on an instance the newest record is not Finished with 0.
    """

    statuses: tuple[InvokeStatus, ...] = ()
    command_ids: tuple[str, ...] | None = None
    instance_ids: tuple[str, ...] | None = None
    since: datetime | None = None
    periodic: bool = False
    unsuccessful: bool = False


@dataclass(frozen=True)
class Hit:
    """A place in the history that has the words that were looked for.

    In what a record printed, or, where ``record_id``, ``instance_id`` and ``instance_name`` are None, in the script of
    the invocation or in the names of its command and its instances. ``snippet`` is what stands around the words.
    """

    invocation_id: str
    record_id: str | None
    instance_id: str | None
    instance_name: str | None
    command_name: str | None
    time: datetime
    snippet: str
