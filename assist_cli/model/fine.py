"""The fine statuses of the API, and their mapping to the five statuses of Assist (docs/api.md).

A record has one of five statuses and, once it has ended, an exit code and an error code. The API's
``InvocationStatus`` combines these in one word. Each fine status belongs to exactly one of the five.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from assist_cli import codes
from assist_cli.model.invocation import InvocationInstance, Record
from assist_cli.model.status import InvocationStatus


class Fine(str, Enum):
    """The fine status on one instance or, with Stopped and PartialFailed, of a whole invocation."""

    PENDING = "Pending"
    SCHEDULED = "Scheduled"
    RUNNING = "Running"
    SUCCESS = "Success"
    FAILED = "Failed"
    ERROR = "Error"
    TIMEOUT = "Timeout"
    INVALID = "Invalid"
    ABORTED = "Aborted"
    CANCELLED = "Cancelled"
    STOPPING = "Stopping"
    TERMINATED = "Terminated"
    STOPPED = "Stopped"
    PARTIAL_FAILED = "PartialFailed"

    __str__ = str.__str__


# The status (docs/rules.md section 2) of each fine status of an instance.
PLAIN = {
    Fine.PENDING: InvocationStatus.RUNNING,
    Fine.SCHEDULED: InvocationStatus.RUNNING,
    Fine.RUNNING: InvocationStatus.RUNNING,
    Fine.SUCCESS: InvocationStatus.FINISHED,
    Fine.FAILED: InvocationStatus.FINISHED,
    Fine.ERROR: InvocationStatus.FAILED,
    Fine.TIMEOUT: InvocationStatus.FAILED,
    Fine.INVALID: InvocationStatus.FAILED,
    Fine.ABORTED: InvocationStatus.FAILED,
    Fine.CANCELLED: InvocationStatus.STOPPED,
    Fine.TERMINATED: InvocationStatus.STOPPED,
    Fine.STOPPING: InvocationStatus.STOPPING,
}

# The fine status of a Failed record, by its ErrorCode. Any other code is Error.
FAILED: dict[str, Fine] = {
    codes.EXECUTION_TIMEOUT: Fine.TIMEOUT,
    **dict.fromkeys(
        (
            codes.ACCOUNT_NOT_EXISTS,
            codes.COMMAND_NOT_APPLICABLE,
            codes.FILE_ALREADY_EXISTS,
            codes.FILE_AUTHORITY_INVALID,
            codes.FILE_CONTENT_INVALID,
            codes.FILE_NAME_INVALID,
            codes.FILE_PATH_INVALID,
            codes.USER_GROUP_NOT_EXISTS,
            codes.USER_NOT_EXISTS,
            codes.WORKING_DIRECTORY_NOT_EXIST,
        ),
        Fine.INVALID,
    ),
    **dict.fromkeys(
        (
            codes.CLIENT_AUTH_FAILED,
            codes.CLIENT_NEED_UPGRADE,
            codes.CLIENT_NOT_ONLINE,
            codes.CLIENT_NOT_RUNNING,
            codes.DELIVERY_TIMEOUT,
            codes.INSTANCE_NOT_EXISTS,
            codes.TASK_CONCURRENCY_LIMIT,
        ),
        Fine.ABORTED,
    ),
}


def of_record(record: Record) -> Fine:
    """Return the fine status of one record."""
    if record.status is InvocationStatus.RUNNING:
        return Fine.PENDING if record.sent is None or record.is_queued else Fine.RUNNING
    if record.status is InvocationStatus.STOPPING:
        return Fine.STOPPING
    if record.status is InvocationStatus.STOPPED:
        return Fine.CANCELLED if record.started is None else Fine.TERMINATED
    if record.status is InvocationStatus.FINISHED:
        return Fine.FAILED if record.exit_code else Fine.SUCCESS
    return FAILED.get(record.error_code, Fine.ERROR)


def of_place(place: InvocationInstance) -> Fine:
    """Return the fine status of an invocation on one instance. A periodic one is Scheduled between its records.

    One that was stopped while no record was open is Cancelled.
    """
    if place.status is InvocationStatus.RUNNING and (place.record.number == 0 or place.record.status.is_final):
        return Fine.SCHEDULED
    if place.status is InvocationStatus.STOPPING:
        return Fine.STOPPING
    if place.status is InvocationStatus.STOPPED and place.record.status is not InvocationStatus.STOPPED:
        return Fine.CANCELLED
    return of_record(place.record)


def of_all(statuses: Iterable[Fine]) -> Fine:
    """Return the fine status of a whole invocation: an open status, in this order, else its outcome."""
    present = set(statuses)
    for status in (Fine.RUNNING, Fine.PENDING, Fine.SCHEDULED, Fine.STOPPING):
        if status in present:
            return status
    ended = present - {Fine.CANCELLED, Fine.TERMINATED}
    if not ended:
        return Fine.STOPPED
    if ended == {Fine.SUCCESS}:
        return Fine.SUCCESS
    return Fine.PARTIAL_FAILED if Fine.SUCCESS in ended else Fine.FAILED
