"""The answers of the API: the original's fields in its double-nested shape, with its odd spellings (docs/api.md).

All fields of the original are there. Those without a meaning here are empty: containers, the output in an object store,
launchers, resource groups. Missing times are "".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from assist_cli import codes
from assist_cli.api.forms import ENCODER, Document
from assist_cli.api.parameters import encoded
from assist_cli.model import fine
from assist_cli.model.access import Labels
from assist_cli.model.command import Command
from assist_cli.model.instance import Health, Instance, Use
from assist_cli.model.invocation import Invocation, InvocationInstance, Record
from assist_cli.model.output import Fold, Output, Stream
from assist_cli.model.page import InvocationResult
from assist_cli.model.parameters import Definition

OUTPUT_BYTES = 24 * 1024  # the limit of the original, which counts the rest as dropped
TREE = "ProcessTree"

NONE = Labels("")


def nested(outer: str, inner: str, items: Iterable[Any]) -> Document:
    """Return a list in the original's shape: ``Tags.Tag[]``."""
    return {outer: {inner: list(items)}}


def command(found: Command, labels: Labels, encoding: str) -> Document:
    """One ``Command`` of DescribeCommands."""
    version = found.version
    return {
        "CommandId": found.id,
        "Name": found.name,
        "Description": found.description,
        "Type": version.type.value,
        "CommandContent": encoded(version.content, encoding),
        "WorkingDir": version.working_dir or "",
        "Timeout": version.timeout,
        "EnableParameter": version.parameters_enabled,
        **nested("ParameterNames", "ParameterName", (each.key for each in version.definitions)),
        **nested("ParameterDefinitions", "ParameterDefinition", map(_definition, version.definitions)),
        "InvokeTimes": found.invocations,
        "CreationTime": time(found.created),
        "Category": "",
        "Provider": "",
        "Version": version.number,
        "Latest": version.number == found.latest,
        "Launcher": version.launcher or "",
        "ResourceGroupId": "",
        **_tags(labels),
    }


def invocation(found: Invocation, labels: Labels, encoding: str, *, output: bool) -> Document:
    """Return one ``Invocation`` of DescribeInvocations."""
    places = found.instances
    return {
        "InvokeId": found.id,
        "CommandId": found.command_id,
        "CommandName": found.command_name or labels.name,
        "CommandDescription": labels.description,
        "CommandType": _type(found),
        "CommandContent": encoded(found.content, encoding),
        "Parameters": _parameters(found),
        "Timeout": found.timeout,
        "WorkingDir": found.working_dir or "",
        "Username": found.username or "",
        "RepeatMode": found.shown_mode.value,
        "Frequency": found.expression or "",
        "Timed": found.frequency is not None and not found.status.is_final,
        "CreationTime": time(found.created),
        "InvokeStatus": found.status.value,
        "InvocationStatus": fine.of_all(map(fine.of_place, places)).value,
        "TerminationMode": TREE,
        "Launcher": found.launcher or "",
        "ContainerId": "",
        "ContainerName": "",
        "OssOutputDelivery": "",
        **nested("InvokeInstances", "InvokeInstance", (_place(found, each, encoding, output) for each in places)),
        **_tags(labels),
    }


def result(found: InvocationResult, labels: Labels, encoding: str) -> Document:
    """One ``InvocationResult`` of DescribeInvocationResults."""
    record = found.record
    text, dropped = _output(record, encoding)
    return {
        "InvokeId": found.invocation.id,
        "CommandId": found.invocation.command_id,
        "InstanceId": record.instance_id,
        "InvokeRecordStatus": record.status.value,
        "InvocationStatus": fine.of_record(record).value,
        "ExitCode": record.exit_code,
        "Output": text,
        "Dropped": dropped,
        "Repeats": record.number if found.invocation.frequency else int(record.started is not None),
        "StartTime": time(record.started),
        "StopTime": time(record.stopped),
        "FinishedTime": time(record.finished),
        "ErrorCode": record.error_code,
        "ErrorInfo": record.error_info,
        "Username": found.invocation.username or "",
        "TerminationMode": TREE,
        "Launcher": found.invocation.launcher or "",
        "ContainerId": "",
        "ContainerName": "",
        **_oss(),
        "OssOutputDelivery": "",
        **_tags(labels),
    }


def has_tags(labels: Labels, tags: Mapping[str, str]) -> bool:
    """Return True if the labels have all of these tags. A tag without a value matches any value."""
    return all(key in labels.tags and value in ("", labels.tags[key]) for key, value in tags.items())


def file(found: Invocation, places: Iterable[InvocationInstance], labels: Labels) -> Document:
    """Return one ``Invocation`` of DescribeSendFileResults. The content of a file is not stored."""
    assert found.transfer is not None
    sent, places = found.transfer, list(places)
    return {
        "InvokeId": found.id,
        "Name": sent.name,
        "Description": labels.description,
        "TargetDir": sent.directory,
        "Content": "",
        "ContentType": "PlainText",
        "FileOwner": sent.owner or "",
        "FileGroup": sent.group or "",
        "FileMode": sent.mode,
        "Overwrite": "true" if sent.overwrite else "false",
        "CreationTime": time(found.created),
        "VmCount": len(places),
        "InvocationStatus": fine.of_all(map(fine.of_place, places)).value,
        **nested("InvokeInstances", "InvokeInstance", (_file_place(found, each) for each in places)),
        **_tags(labels),
    }


def status(instance: Instance, health: Health, use: Use) -> Document:
    """One ``InstanceCloudAssistantStatus`` of DescribeCloudAssistantStatus."""
    return {
        "InstanceId": instance.id,
        "CloudAssistantStatus": "true" if health.is_online else "false",
        "CloudAssistantVersion": health.agent,
        "OSType": system(instance),
        "ActiveTaskCount": health.running,
        "InvocationCount": use.records,
        "LastHeartbeatTime": time(instance.heard),
        "LastInvokedTime": time(use.last_sent),
        "SupportSessionManager": False,
    }


def system(instance: Instance) -> str:
    """Return ``Linux``, ``Windows``, ``FreeBSD``; "" if the agent never answered."""
    return {"windows": "Windows", "freebsd": "FreeBSD"}.get(
        instance.os_type or "", (instance.os_type or "").capitalize()
    )


def time(moment: datetime | None) -> str:
    """Return a time as ``2026-11-22T08:00:00Z``; "" for None."""
    if moment is None:
        return ""
    if moment.tzinfo is not timezone.utc:  # all from the database are in UTC
        moment = moment.astimezone(timezone.utc)
    return moment.isoformat(timespec="seconds")[:19] + "Z"


def _place(found: Invocation, place: InvocationInstance, encoding: str, output: bool) -> Document:
    record = place.record
    text, dropped = _output(record, encoding) if output else ("", 0)
    return {
        "InstanceId": place.instance_id,
        "InstanceInvokeStatus": place.status.value,
        "InvocationStatus": fine.of_place(place).value,
        "ExitCode": record.exit_code,
        "Output": text,
        "Dropped": dropped,
        "Repeats": place.repeats if found.frequency else int(record.started is not None),
        "Timed": found.frequency is not None and not place.status.is_final,
        "CreationTime": time(found.created),
        "UpdateTime": _updated(found, record),
        "StartTime": time(record.started),
        "StopTime": time(place.stop_time),
        "FinishTime": time(record.finished),
        "ErrorCode": record.error_code,
        "ErrorInfo": record.error_info,
        **_oss(),
    }


def _file_place(found: Invocation, place: InvocationInstance) -> Document:
    record = place.record
    return {
        "InstanceId": place.instance_id,
        "InvocationStatus": fine.of_place(place).value,
        "CreationTime": time(found.created),
        "UpdateTime": _updated(found, record),
        "StartTime": time(record.started or record.sent),
        "FinishTime": time(record.finished),
        "ErrorCode": codes.ACCOUNT_NOT_EXISTS if record.error_code == codes.USER_NOT_EXISTS else record.error_code,
        "ErrorInfo": record.error_info,
    }


def _updated(found: Invocation, record: Record) -> str:
    """Return the newest of the times of a record."""
    moments = (found.created, record.sent, record.started, record.stopped, record.finished)
    return time(max(moment for moment in moments if moment is not None))


def _output(record: Record, encoding: str) -> tuple[str, int]:
    """Return the output for an answer, its beginning and its end, and the number of bytes dropped."""
    kept = record.output or Output()
    if len(kept.data) <= OUTPUT_BYTES:
        return encoded(kept.bytes_of(*Stream), encoding), kept.dropped
    fold = Fold(OUTPUT_BYTES)
    before, after = kept.parts()
    for stream, data in before:
        fold.add(stream, data)
    if kept.dropped:
        fold.skip(kept.dropped)
    for stream, data in after:
        fold.add(stream, data)
    told = fold.output()
    return encoded(told.bytes_of(*Stream), encoding), told.dropped


def _oss() -> Document:
    return dict.fromkeys(("OssOutputErrorCode", "OssOutputErrorInfo", "OssOutputStatus", "OssOutputUri"), "")


def _type(found: Invocation) -> str:
    return found.command_type.value if found.command_type else ""


def _parameters(found: Invocation) -> str:
    values: Mapping[str, str] = {key: str(value) for key, value in found.parameters.items()}  # secrets are asterisks
    return ENCODER.encode(values)


def _definition(entry: Definition) -> Document:
    return {
        "ParameterName": entry.key,
        "Description": entry.description,
        "DefaultValue": entry.default or "",
        "Required": entry.required,
        "PatternRegex": entry.pattern or "",
        **nested("PossibleValues", "PossibleValue", entry.choices),
    }


def _tags(labels: Labels) -> Document:
    return nested("Tags", "Tag", ({"TagKey": key, "TagValue": value} for key, value in labels.tags.items()))
