"""One execution of a command, or of sending a file: the invocation, its instances, and their records.

See docs/rules.md sections 1 and 2.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from assist_cli.model.command import CommandType
from assist_cli.model.output import Output
from assist_cli.model.parameters import Value
from assist_cli.model.status import InvocationStatus, InvokeStatus, has_begun, invoke_status, is_success, is_unstarted
from assist_cli.structs import Struct

if TYPE_CHECKING:
    from assist_cli.model.transfer import Transfer


class RepeatMode(str, Enum):
    """The repeat mode: a single execution, or a periodic one that runs until a person stops it."""

    ONCE = "Once"
    PERIOD = "Period"

    __str__ = str.__str__


class Outcome(NamedTuple):
    """The outcome of a record. ``error_code`` and ``error_info`` are empty when there was no error.

    ``started`` is None when nothing started. Both times are by the instance's own clock, where it reported them.
    ``accepted``: the agent had the record.
    """

    status: InvocationStatus
    exit_code: int | None = None
    error_code: str = ""
    error_info: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    output: Output = Output()
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


NOBODY = "-"  # the sender of a record that no process handles: not a token, so every process sees that


class Wait(Struct):
    """The wait of a record in the queue: its start, the last attempt to deliver it, and why that failed."""

    since: datetime
    tried: datetime
    why: str


class Record(NamedTuple):
    """One run on one instance; ``number`` counts the runs from 1.

    ``sent`` is the moment after which bytes of it may have left, ``deadline`` the one after which the controller closes
    it with what it knows. ``stopped`` is the moment of a stop request; the newest record of a periodic invocation has
    it even if it had ended before. ``sent_elapsed`` is ``sent`` in seconds since the start ``boot`` of the controller's
    machine, while the record is open. ``sender`` names the process that is to send it. ``accepted``: its agent is known
    to have accepted it. ``output`` is None where it was not read.

    A record with ``deliver_by`` may wait in the queue for its instance until then (docs/rules.md section 2). It is for
    the agent with this ``enrolment``; "" when that is unknown. ``wait`` is None for a record that was never queued.
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
        """Return True while it may wait in the queue for its delivery."""
        return self.deliver_by is not None and self.status is InvocationStatus.RUNNING and not self.accepted

    @property
    def is_queued(self) -> bool:
        """Return True while it waits in the queue for its instance."""
        return self.wait is not None and self.may_wait

    @property
    def is_unsent(self) -> bool:
        """Return True if it is still to be sent."""
        return self.sent is None and not self.status.is_final

    def outcome(self) -> Outcome:
        """Return the outcome of a record that has ended. Its output is empty where it was not read."""
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


class QueuedRecord(Struct):
    """A record in the queue, with the id of its invocation and the name of its instance at that time."""

    invocation_id: str
    instance_name: str
    record: Record


def no_record(instance_id: str, status: InvocationStatus, now: datetime) -> Record:
    """Return a substitute for the record before the first due time: without an id, and with the number 0."""
    return Record(id="", instance_id=instance_id, number=0, status=status, deadline=now)


class InvocationInstance(NamedTuple):
    """An invocation on one of its instances: the instance's name at that time, the status, and the newest record.

    ``repeats`` is the number of records so far; without any, ``record`` is what ``no_record`` returns. ``stopped`` is
    the moment of the stop request.
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
        """Return the moment of the stop request, also of one between two records; None if it ended by itself."""
        is_stopped = self.status in (InvocationStatus.STOPPING, InvocationStatus.STOPPED)
        return self.record.stopped or (self.stopped if is_stopped else None)


class Invocation(NamedTuple):
    """One execution of a command on one or more instances, with its script and settings as they were at that time.

    ``content`` is the script before its parameters are put in; text in braces is text unless ``parameters_enabled``. A
    secret parameter is stored without its value. ``timeout`` is in seconds. ``command_name`` and ``command_version``
    are None for a script that was not saved. ``frequency`` is None for an invocation that runs immediately;
    ``timezone`` is the zone of its civil times.

    A file that is sent has a ``transfer``. It has no command, and its content is present only while it is sent.
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
    parameters: Mapping[str, Value] = MappingProxyType({})
    working_dir: str | None = None
    username: str | None = None
    launcher: str | None = None
    keep_script: bool = False
    repeat_mode: RepeatMode = RepeatMode.ONCE
    frequency: str | None = None
    timezone: str | None = None
    finished: datetime | None = None
    transfer: "Transfer | None" = None

    @property
    def expression(self) -> str | None:
        """Return the frequency with its zone, in the form that a new schedule accepts."""
        if self.frequency is None:
            return None
        from assist_cli.model.frequency import expression  # imported here, since few invocations need it

        return expression(self.frequency, self.timezone)

    @property
    def shown_mode(self) -> RepeatMode:
        """The RepeatMode in JSON and in the API: Period for all with a frequency, also for ``at(…)`` (docs/api.md)."""
        return RepeatMode.ONCE if self.frequency is None else RepeatMode.PERIOD

    @property
    def began(self) -> datetime | None:
        """Return the moment of creation or, for a scheduled or queued run, of its first sending. None: it never ran."""
        if self.repeat_mode is RepeatMode.PERIOD:
            return self.created if any(place.repeats for place in self.instances) else None
        if not any(place.record.has_begun for place in self.instances):
            return None
        if self.frequency is None and not any(place.record.wait for place in self.instances):
            return self.created
        return min((place.record.sent for place in self.instances if place.record.sent), default=self.created)


def seen(found: Invocation, instance_id: str | None, among: Collection[str] | None) -> list[InvocationInstance]:
    """Return the instances of an invocation that match the query and are visible."""
    return [
        place
        for place in found.instances
        if instance_id in (None, place.instance_id) and (among is None or place.instance_id in among)
    ]


def limited(found: Invocation, instance_id: str | None, among: Collection[str] | None) -> Invocation:
    """Return an invocation with only the wanted and visible ones of its instances, at least one."""
    if instance_id is None and among is None:
        return found
    places = seen(found, instance_id, among)
    return found._replace(instances=tuple(places), status=invoke_status(place.status for place in places))


class Filter(Struct):
    """Conditions on invocations; all that are given must hold.

    ``statuses``: any of these. ``command_ids`` and ``instance_ids`` are ids, None for any. ``since``: created at or
    after this moment. ``unsuccessful``: it has ended, and on an instance the newest record is not Finished with 0.
    """

    statuses: tuple[InvokeStatus, ...] = ()
    command_ids: tuple[str, ...] | None = None
    instance_ids: tuple[str, ...] | None = None
    since: datetime | None = None
    periodic: bool = False
    unsuccessful: bool = False


class Hit(Struct):
    """A search hit in the history.

    The words are in the output of a record or, where ``record_id``, ``instance_id`` and ``instance_name`` are None, in
    the script of the invocation or in the names of its command and instances. ``snippet`` is the text around the words.
    """

    invocation_id: str
    record_id: str | None
    instance_id: str | None
    instance_name: str | None
    command_name: str | None
    time: datetime
    snippet: str
