"""The exit status of the program for an invocation (docs/cli.md section 1)."""

from __future__ import annotations

from assist_cli import codes
from assist_cli.errors import ExitStatus
from assist_cli.model.invocation import Invocation, RepeatMode
from assist_cli.model.status import InvocationStatus

NOT_REACHED = frozenset(
    {codes.CLIENT_NOT_RUNNING, codes.CLIENT_NOT_ONLINE, codes.CLIENT_AUTH_FAILED, codes.CLIENT_NEED_UPGRADE}
)


def exit_status(invocation: Invocation) -> int:
    """Return the exit code of the script if it finished on exactly one instance, else a status for all instances."""
    records = [place.record for place in invocation.instances]
    if not invocation.status.is_final or not all(record.status.is_final for record in records):
        return ExitStatus.GAVE_UP_WAITING
    if invocation.repeat_mode is RepeatMode.PERIOD:  # it ends by a stop, so a stopped record is not a failure
        records = [record for record in records if record.status is not InvocationStatus.STOPPED]
        if not records:
            return ExitStatus.DONE
    if len(invocation.instances) == 1:
        if records[0].status is InvocationStatus.FINISHED:
            return _own_status(records[0].exit_code or 0)
        if records[0].error_code == codes.EXECUTION_TIMEOUT:
            return ExitStatus.TIMED_OUT
    if all(record.error_code in NOT_REACHED for record in records):
        return ExitStatus.UNREACHABLE
    succeeded = all(record.is_success for record in records)
    return ExitStatus.DONE if succeeded else ExitStatus.FAILED


def _own_status(exit_code: int) -> int:
    # An exit status has eight bits. A longer code of Windows whose last eight are 0 is not a success either.
    return exit_code & 0xFF or (ExitStatus.FAILED if exit_code else ExitStatus.DONE)
