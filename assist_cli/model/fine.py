"""The fine statuses of the API, and the five of Assist: one table between them (docs/api.md).

A record has one of five statuses and, when it is over, an exit code and an error code; the API's ``InvocationStatus``
tells them apart in one word. The other way round, a fine status is of exactly one of the five.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from assist_cli import codes
from assist_cli.model.invocation import InvocationInstance, Record
from assist_cli.model.status import InvocationStatus


class Fine(str, Enum):
    """How it stands on one instance, or (with Stopped and PartialFailed) altogether."""

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


# What a fine status of an instance is in the words of docs/rules.md section 2.
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

# Why a record Failed: its ErrorCode tells which of the fine words that is. Any other one is Error.
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
    """How one record stands."""
    if record.status is InvocationStatus.RUNNING:
        return Fine.PENDING if record.sent is None else Fine.RUNNING
    if record.status is InvocationStatus.STOPPING:
        return Fine.STOPPING
    if record.status is InvocationStatus.STOPPED:
        return Fine.CANCELLED if record.started is None else Fine.TERMINATED
    if record.status is InvocationStatus.FINISHED:
        return Fine.FAILED if record.exit_code else Fine.SUCCESS
    return FAILED.get(record.error_code, Fine.ERROR)


def of_place(place: InvocationInstance) -> Fine:
    """How an invocation stands on one instance. One that is to run there again is Scheduled between its records.

    One that was stopped between them, or before the first, ended nothing: it is Cancelled.
    """
    if place.status is InvocationStatus.RUNNING and (place.record.number == 0 or place.record.status.is_final):
        return Fine.SCHEDULED
    if place.status is InvocationStatus.STOPPING:
        return Fine.STOPPING
    if place.status is InvocationStatus.STOPPED and place.record.status is not InvocationStatus.STOPPED:
        return Fine.CANCELLED
    return of_record(place.record)


def of_all(statuses: Iterable[Fine]) -> Fine:
    """How an invocation stands altogether: what is still under way in this order, then what came of it."""
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
