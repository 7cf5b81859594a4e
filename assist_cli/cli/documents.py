"""The JSON documents of commands: declared shapes with the names of the API (docs/cli.md section 5).

Numbers are numbers, absent values are null, times are UTC to the second. Text is UTF-8 with invalid bytes as U+FFFD, or
base64 with ``--encoding base64``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from assist_cli.cli.output import Encoding
from assist_cli.model.instance import FACTS
from assist_cli.model.output import Output, Stream

if TYPE_CHECKING:
    from assist_cli.model.access import AccessKey, User
    from assist_cli.model.audit import AuditEntry
    from assist_cli.model.check import Check
    from assist_cli.model.command import Command
    from assist_cli.model.comparison import Comparison
    from assist_cli.model.enrolment import Enrolment
    from assist_cli.model.frequency import Firing
    from assist_cli.model.gathering import GroupKey
    from assist_cli.model.instance import Facts, Health, Instance, Use
    from assist_cli.model.invocation import Hit, Invocation, InvocationInstance, QueuedRecord, Record
    from assist_cli.model.presence import Presence
    from assist_cli.model.schedule import Slot
    from assist_cli.model.summary import Summary
    from assist_cli.model.target import TargetGroup
    from assist_cli.model.transfer import Transfer
    from assist_cli.operations.broker.contact import BrokerStatus
    from assist_cli.operations.commands.catalog import Entry
    from assist_cli.operations.commands.quotas import Usage
    from assist_cli.operations.fleet.deployment import Installation, Upgrade
    from assist_cli.operations.fleet.many import Ended
    from assist_cli.operations.server.schedules import Planned
    from assist_cli.operations.server.service import ServiceState

Document = dict[str, Any]


def invocation(invocation: Invocation, encoding: Encoding = Encoding.TEXT) -> Document:
    """Return the document of ``invocation show`` and ``run -o json``, for a file of ``file show``."""
    if invocation.transfer is not None:
        return _file(invocation, invocation.transfer)
    return {
        **_beginning(invocation),
        "CommandContent": _bytes(invocation.content, encoding),
        **_rest(invocation),
        "InvokeInstances": [_instance(place, encoding) for place in invocation.instances],
    }


def summary(summary: Summary) -> Document:
    """Return one object of ``invocation list``."""
    return {
        **_beginning(summary.invocation),
        **_rest(summary.invocation),
        "InstanceCount": summary.instance_count,
        "Counts": {status.value: number for status, number in summary.counts.items()},
    }


def result(invocation_id: str, place: InvocationInstance, encoding: Encoding = Encoding.TEXT) -> Document:
    """Return one object of ``invocation results``: a record and its instance."""
    record = place.record
    return {
        "InvokeId": invocation_id,
        "RecordId": record.id,
        "InstanceId": place.instance_id,
        "InstanceName": place.instance_name,
        "InvokeRecordStatus": record.status.value,
        **_record(record, record.number, encoding),
    }


def queued(found: QueuedRecord) -> Document:
    """Return one object of ``queue list``, and the document of ``queue show``."""
    record, wait = found.record, found.record.wait
    assert wait is not None
    return {
        "InvokeId": found.invocation_id,
        "RecordId": record.id,
        "InstanceId": record.instance_id,
        "InstanceName": found.instance_name,
        "Since": time(wait.since),
        "DeliverBy": time(record.deliver_by),
        "LastTried": time(wait.tried),
        "Why": wait.why,
    }


def hit(hit: Hit) -> Document:
    """Return one object of ``invocation search``."""
    return {
        "InvokeId": hit.invocation_id,
        "RecordId": hit.record_id,
        "InstanceId": hit.instance_id,
        "InstanceName": hit.instance_name,
        "CommandName": hit.command_name,
        "Time": time(hit.time),
        "Snippet": hit.snippet,
    }


def comparison(old_id: str, new_id: str, found: Comparison) -> Document:
    """Return the document of ``invocation diff``: instances with different results, by difference."""
    return {
        "From": old_id,
        "To": new_id,
        "Same": list(found.same),
        "Differences": [
            {
                "InstanceNames": list(each.names),
                "From": _ending(each.before),
                "To": _ending(each.after),
                "StdoutDiff": "".join(f"{line}\n" for line in each.stdout),
                "StderrDiff": "".join(f"{line}\n" for line in each.stderr),
            }
            for each in found.differences
        ],
        "NotKnown": [{"InstanceNames": list(names), "Dropped": dropped} for dropped, names in found.not_known.items()],
        "OnlyFrom": list(found.only_before),
        "OnlyTo": list(found.only_after),
        "NotOver": list(found.not_over),
    }


def pruned(invocations: int, records: int, freed: int) -> Document:
    """Return the document of ``invocation prune``: what was deleted."""
    return {"Invocations": invocations, "Records": records, "FreedBytes": freed}


def started(invocation: Invocation) -> Document:
    """Return the document of ``--detach``."""
    return {"InvokeId": invocation.id, "CommandId": invocation.command_id or None}


def command(found: Command, encoding: Encoding = Encoding.TEXT, *, content: bool = True) -> Document:
    """Return the document of ``command show``, without the content one object of ``command list``."""
    version = found.version
    from assist_cli.operations.commands.exchange import (
        definition_document,
    )  # imports the store, which few documents need

    return {
        "CommandId": found.id,
        "Name": found.name,
        "Description": found.description,
        "Type": version.type.value,
        "Version": version.number,
        "LatestVersion": found.latest,
        **({"CommandContent": _bytes(version.content, encoding)} if content else {}),
        "WorkingDir": version.working_dir,
        **({"Launcher": version.launcher} if version.launcher else {}),
        "Timeout": version.timeout,
        "EnableParameter": version.parameters_enabled,
        "ParameterDefinitions": [definition_document(each) for each in version.definitions],
        "CreationTime": time(found.created),
        "ModifiedTime": time(found.modified),
        "InvokeTimes": found.invocations,
    }


def difference(
    old: Command, new: Command, settings: Iterable[tuple[str, str | None, str | None]], lines: Iterable[str]
) -> Document:
    """Return the document of ``command diff``: settings before and after, and a unified diff of the scripts."""
    return {
        "Name": new.name,
        "From": old.version.number,
        "To": new.version.number,
        "Settings": [{"Setting": title, "From": before, "To": after} for title, before, after in settings],
        "ContentDiff": "".join(line + "\n" for line in lines),
    }


def saved(command: Command) -> Document:
    """Return the document of ``command create``, ``clone``, ``rollback`` and ``import``: the new version."""
    return {"CommandId": command.id, "Name": command.name, "Version": command.version.number}


def catalog_entry(entry: Entry) -> Document:
    """Return one object of ``catalog list``. An entry is added if the saved command is not another one."""
    return {
        "Name": entry.name,
        "Description": entry.description,
        "Version": entry.version,
        "Added": entry.state.value in ("current", "outdated"),
    }


def catalog_command(entry: Command, encoding: Encoding = Encoding.TEXT) -> Document:
    """Return the document of ``catalog show``: that of ``command show`` without the fields of a saved command."""
    absent = ("CommandId", "LatestVersion", "CreationTime", "ModifiedTime", "InvokeTimes")
    return {key: value for key, value in command(entry, encoding).items() if key not in absent}


def group(group: TargetGroup, members: Sequence[Instance]) -> Document:
    """Return one object of ``group list``."""
    return {"Name": group.name, "Target": group.target, "InstanceCount": len(members)}


def facts(known: Facts | None) -> Document:
    """Return the facts of ``instance list`` and ``instance show``; unknown ones are null."""
    return {"Facts": {name: (known or {}).get(name) for name in FACTS}}


def instance(instance: Instance, presence: Presence | None = None) -> Document:
    """Return one object of ``instance list``, and the document of ``instance show``.

    One that dials out also has its connections to brokers: null if they are unknown, as without ``presence``.
    """
    found: Document = {
        "InstanceId": instance.id,
        "InstanceName": instance.name,
        "Address": instance.address,
        "Tags": dict(instance.tags),
        "OSType": instance.os_type,
        "CreationTime": time(instance.created),
    }
    if instance.dials:
        links = presence.shown(instance.id) if presence else ()
        found["Connected"] = presence.is_connected(instance.id) if presence else None
        found["ConnectedSince"] = time(links[0].since) if links else None
        found["ConnectedFrom"] = [each.origin for each in links] if links else None
    return found


def instance_status(instance: Instance, health: Health, use: Use) -> Document:
    """Return one object of ``instance status``."""
    return {
        "InstanceId": instance.id,
        "InstanceName": instance.name,
        "CloudAssistantStatus": health.is_online,
        "CloudAssistantVersion": health.agent or None,
        "OSType": instance.os_type,
        "ActiveTaskCount": health.running if health.is_online else None,
        "InvocationCount": use.records,
        "LastHeartbeatTime": time(instance.heard),
        "LastInvokedTime": time(use.last_sent),
        "Guard": health.guard,
    }


def broker(status: BrokerStatus) -> Document:
    """Return the document of ``broker status`` for one broker; its figures are null if it did not answer."""
    answered = status.error is None
    return {
        "Address": str(status.address),
        "Version": status.version if answered else None,
        "Connections": status.connections if answered else None,
        "Instances": len(status.links) if answered else None,
        "Uptime": int(status.uptime) if answered else None,
    }


def installation(host: str, outcome: Ended[Installation]) -> Document:
    """Return the outcome of ``instance install`` on one of several hosts."""
    made = outcome.value.instance if outcome.value else None
    return {
        "Host": host,
        "InstanceName": made.name if made else None,
        "InstanceId": made.id if made else None,
        "Ok": made is not None,
        "Step": outcome.step,
        "ErrorInfo": outcome.error.message if outcome.error else "",
    }


def upgrade(outcome: Upgrade) -> Document:
    """Return the outcome of ``instance upgrade`` on one instance."""
    return {
        "InstanceId": outcome.instance.id,
        "InstanceName": outcome.instance.name,
        "VersionBefore": outcome.before,
        "Version": outcome.after,
        "ErrorCode": outcome.error.code if outcome.error else "",
        "ErrorInfo": outcome.error.message if outcome.error else "",
    }


def check(check: Check) -> Document:
    """Return one object of ``doctor``."""
    return {"Check": check.name, "Ok": check.ok, "Detail": check.detail, "Hint": check.hint or None}


def audit_entry(entry: AuditEntry) -> Document:
    """Return one object of ``audit list``."""
    return {
        "Time": time(entry.time),
        "Actor": str(entry.actor),
        "Action": entry.action,
        "Subject": entry.subject,
        "Detail": entry.detail,
        "Outcome": entry.outcome,
    }


def new_access_key(key: AccessKey) -> Document:
    """Return the document of ``accesskey create``, the only one with the secret."""
    return {"AccessKeyId": key.id, "AccessKeySecret": key.secret.reveal()}


def access_key(key: AccessKey) -> Document:
    """Return one object of ``accesskey list``."""
    return {
        "AccessKeyId": key.id,
        "Name": key.name,
        "Role": key.role.value,
        "Scope": ",".join(key.scope) or None,
        "Enabled": key.enabled,
        "CreationTime": time(key.created),
        "LastUsedTime": time(key.last_used),
    }


def enrolment(enrolment: Enrolment, now: datetime) -> Document:
    """Return one object of ``enrolment list``; the API calls an enrolment an activation."""
    return {
        "ActivationId": enrolment.id,
        "State": enrolment.state(now),
        "InstanceCount": enrolment.uses,
        "RegisteredCount": enrolment.used,
        "DeregisteredCount": enrolment.removed,
        "InstanceName": enrolment.name or None,
        "Tags": dict(enrolment.tags),
        "Description": enrolment.description,
        "CreatedBy": enrolment.creator,
        "CreationTime": time(enrolment.created),
        "ExpirationTime": time(enrolment.expires),
    }


def user(user: User) -> Document:
    """Return one object of ``user list``."""
    return {
        "Name": user.name,
        "Role": user.role.value,
        "Scope": ",".join(user.scope) or None,
        "Enabled": user.enabled,
        "CreationTime": time(user.created),
        "LastLoginTime": time(user.last_used),
    }


def firing(firing: Firing) -> Document:
    """Return one object of ``schedule preview``."""
    return {
        "Time": time(firing.time),
        "LocalTime": firing.local.isoformat(timespec="seconds"),
        "Note": firing.note,
        "NoteFrom": None if firing.span is None else firing.span[0].isoformat(timespec="seconds"),
        "NoteTo": None if firing.span is None else firing.span[1].isoformat(timespec="seconds"),
    }


def schedule(planned: Planned) -> Document:
    """Return one object of ``schedule list``, and the document of ``schedule show``."""
    return {
        "InvokeId": planned.invocation.id,
        "CommandName": planned.invocation.command_name,
        "RepeatMode": planned.invocation.shown_mode.value,
        "Frequency": planned.schedule.expression,
        "Timezone": planned.schedule.timezone,
        "InvokeStatus": planned.invocation.status.value,
        "Paused": planned.schedule.paused is not None,
        "NextTime": time(planned.schedule.upcoming),
        "LastTime": time(planned.schedule.last),
        "InstanceCount": len(planned.invocation.instances),
        "ErrorInfo": planned.schedule.error or "",
    }


def service(state: ServiceState) -> Document:
    """Return the document of ``service install`` and ``status``."""
    return {
        "Unit": str(state.unit),
        "Installed": state.is_installed,
        "Enabled": state.is_enabled,
        "Active": state.is_active,
        "Lingers": state.lingers,
        "ProcessId": state.process,
    }


def slot(slot: Slot) -> Document:
    """Return one object of ``schedule slots``."""
    return {
        "DueTime": time(slot.due),
        "InstanceId": slot.instance_id,
        "Outcome": slot.outcome.value,
        "LatenessSeconds": None if slot.lateness is None else round(slot.lateness.total_seconds(), 3),
        "RecordId": slot.record_id,
    }


def usage(usage: Usage) -> Document:
    """Return one object of ``quota``."""
    return {
        "Quota": usage.quota.name,
        "Limit": usage.quota.limit,
        "Used": usage.used,
        "Unit": usage.quota.unit,
    }


def time(moment: datetime | None) -> str | None:
    """Format a moment as ``2026-11-22T08:00:00Z``."""
    return None if moment is None else moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _file(invocation: Invocation, transfer: Transfer) -> Document:
    return {
        "InvokeId": invocation.id,
        "Name": transfer.name,
        "TargetDir": transfer.directory,
        "FileMode": transfer.mode,
        "FileOwner": transfer.owner,
        "FileGroup": transfer.group,
        "Overwrite": transfer.overwrite,
        "InvokeStatus": invocation.status.value,
        "InvokeInstances": [
            {
                "InstanceId": place.instance_id,
                "InstanceName": place.instance_name,
                "InvocationStatus": place.status.value,
                "ErrorCode": place.record.error_code,
                "ErrorInfo": place.record.error_info,
                **_queue(place.record),
            }
            for place in invocation.instances
        ],
    }


def _beginning(invocation: Invocation) -> Document:
    assert invocation.command_type is not None
    return {
        "InvokeId": invocation.id,
        "CommandId": invocation.command_id,
        "CommandName": invocation.command_name,
        "CommandVersion": invocation.command_version,
        "CommandType": invocation.command_type.value,
    }


def _rest(invocation: Invocation) -> Document:
    return {
        "RepeatMode": invocation.shown_mode.value,
        "Frequency": invocation.expression,
        "Parameters": {key: str(value) for key, value in invocation.parameters.items()},  # secrets print as asterisks
        "Timeout": invocation.timeout,
        "WorkingDir": invocation.working_dir,
        **({"Launcher": invocation.launcher} if invocation.launcher else {}),
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
        "StopTime": time(place.stop_time),
    }


def _record(record: Record, repeats: int, encoding: Encoding) -> Document:
    output = record.output or Output()
    return {
        "ExitCode": record.exit_code,
        "Output": _output(output, encoding, *Stream),
        "Stdout": _output(output, encoding, Stream.STDOUT),
        "Stderr": _output(output, encoding, Stream.STDERR),
        "Dropped": output.dropped,
        "DroppedAt": dropped_at(output, encoding),
        "Repeats": repeats,
        "StartTime": time(record.started),
        "FinishTime": time(record.finished),
        "StopTime": time(record.stopped),
        "ErrorCode": record.error_code,
        "ErrorInfo": record.error_info,
        **_queue(record),
    }


def _queue(record: Record) -> Document:
    """Return the times of a queued record; nothing for any other."""
    if record.wait is None or not record.is_queued:
        return {}
    return {"QueuedSince": time(record.wait.since), "DeliverBy": time(record.deliver_by)}


def dropped_at(output: Output, encoding: Encoding) -> Document | None:
    """Return the offset of missing bytes in each field: in bytes, of text in UTF-8. None if none are missing."""
    if not output.dropped:
        return None

    def at(*streams: Stream) -> int:
        if encoding is Encoding.TEXT:
            return len(output.texts_of(*streams)[0].encode())
        return sum(len(data) for stream, data in output.parts()[0] if stream in streams)

    return {"Output": at(*Stream), "Stdout": at(Stream.STDOUT), "Stderr": at(Stream.STDERR)}


def _ending(answer: GroupKey) -> Document:
    return {"InvocationStatus": answer.status.value, "ExitCode": answer.exit_code, "ErrorCode": answer.error_code}


def _output(output: Output, encoding: Encoding, *streams: Stream) -> str:
    if encoding is Encoding.BASE64:
        return _bytes(output.bytes_of(*streams), encoding)
    return output.text_of(*streams)


def _bytes(data: bytes, encoding: Encoding) -> str:
    if encoding is Encoding.BASE64:
        return base64.b64encode(data).decode("ascii")
    return data.decode("utf-8", "replace")
