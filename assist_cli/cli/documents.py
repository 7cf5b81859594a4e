"""The JSON that commands print: declared shapes with the API's names (cli.md section 5).

Numbers are numbers, absent is null, times are UTC to the second, and text is UTF-8 with invalid bytes as U+FFFD, or
base64 where that is asked for.
"""

from __future__ import annotations

import base64
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from assist_cli.model.invocation import Invocation, InvocationInstance, Record, Summary
from assist_cli.model.output import Output, Stream

Document = dict[str, Any]


class Encoding(str, Enum):
    """How CommandContent, Output, Stdout and Stderr are written."""

    TEXT = "text"
    BASE64 = "base64"


def invocation(invocation: Invocation, encoding: Encoding = Encoding.TEXT) -> Document:
    """``invocation show``, and what ``run -o json`` prints at its end."""
    return {
        **_beginning(invocation),
        "CommandContent": _bytes(invocation.content, encoding),
        **_rest(invocation),
        "InvokeInstances": [_instance(place, encoding) for place in invocation.instances],
    }


def summary(summary: Summary) -> Document:
    """One object of ``invocation list``."""
    return {
        **_beginning(summary.invocation),
        **_rest(summary.invocation),
        "InstanceCount": summary.instance_count,
        "Counts": {status.value: number for status, number in summary.counts.items()},
    }


def started(invocation: Invocation) -> Document:
    """What ``--detach`` prints."""
    return {"InvokeId": invocation.id, "CommandId": invocation.command_id}


def time(moment: datetime | None) -> str | None:
    """A moment as ``2026-11-22T08:00:00Z``."""
    return None if moment is None else moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _beginning(invocation: Invocation) -> Document:
    return {
        "InvokeId": invocation.id,
        "CommandId": invocation.command_id,
        "CommandName": invocation.command_name,
        "CommandVersion": invocation.command_version,
        "CommandType": invocation.command_type.value,
    }


def _rest(invocation: Invocation) -> Document:
    return {
        "RepeatMode": invocation.repeat_mode.value,
        "Frequency": invocation.frequency,
        "Parameters": {key: str(value) for key, value in invocation.parameters.items()},  # a secret is asterisks
        "Timeout": invocation.timeout,
        "WorkingDir": invocation.working_dir,
        "Username": invocation.username,
        "CreationTime": time(invocation.created),
        "FinishTime": time(invocation.finished),
        "InvokeStatus": invocation.status.value,
    }


def _instance(place: InvocationInstance, encoding: Encoding) -> Document:
    return {
        "InstanceId": place.instance_id,
        "InstanceName": place.instance_name,
        "InvocationStatus": place.status.value,
        **_record(place.record, place.repeats, encoding),
    }


def _record(record: Record, repeats: int, encoding: Encoding) -> Document:
    output = record.output or Output()
    return {
        "ExitCode": record.exit_code,
        "Output": _output(output, encoding, *Stream),
        "Stdout": _output(output, encoding, Stream.STDOUT),
        "Stderr": _output(output, encoding, Stream.STDERR),
        "Dropped": output.dropped,
        "Repeats": repeats,
        "StartTime": time(record.started),
        "FinishTime": time(record.finished),
        "StopTime": time(record.stopped),
        "ErrorCode": record.error_code,
        "ErrorInfo": record.error_info,
    }


def _output(output: Output, encoding: Encoding, *streams: Stream) -> str:
    if encoding is Encoding.BASE64:
        return _bytes(output.bytes_of(*streams), encoding)
    return output.text_of(*streams)


def _bytes(data: bytes, encoding: Encoding) -> str:
    if encoding is Encoding.BASE64:
        return base64.b64encode(data).decode("ascii")
    return data.decode("utf-8", "replace")
