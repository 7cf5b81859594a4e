"""Export and import of the inventory, as JSON or CSV: no agent is contacted.

JSON is an array of the objects of ``instance list``, without facts. CSV has the same columns with a header, and the
tags as a JSON object; in a file to import they may also be words as ``role=web``. ``local`` is not a part of it.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from assist_cli import codes
from assist_cli.agents import route
from assist_cli.errors import AssistError, Conflict, InvalidParameter, QuotaExceeded
from assist_cli.model import ids
from assist_cli.model.audit import AuditEntry
from assist_cli.model.instance import LOCAL, Instance
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import instances
from assist_cli.store import audit
from assist_cli.store import instances as store
from assist_cli.units import count

COLUMNS = ("InstanceId", "InstanceName", "Address", "Tags", "OSType", "CreationTime")
_NEEDED = ("InstanceId", "InstanceName", "Address")
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_SPACE = re.compile(r"[\s,]*")


@dataclass(frozen=True)
class ImportedInstances:
    """The outcome of an import: the instances that were added, and those that were there already."""

    added: list[Instance]
    unchanged: list[Instance]


def exported(controller: Controller) -> list[Instance]:
    """Return the instances to export, by name: all except ``local``."""
    return [each for each in store.registered(controller.database) if each.name != LOCAL]


def import_data(controller: Controller, data: bytes, file: str) -> ImportedInstances:
    """Register the instances of a file, all or none. An equal one that is registered stays as it is.

    Raises InvalidParameter and QuotaExceeded with the line of an invalid value, and Conflict if a name or an id belongs
    to another instance, or a registered one has another address or other tags.
    """
    what = "stdin" if file == "-" else f"'{file}'"
    found: list[tuple[str, Instance]] = []
    seen: dict[str, str] = {}
    for line, entry in _entries(data, what):
        origin = f"line {line} of {what}"
        try:
            instance = _instance(controller, entry)
            for word in (instance.name, instance.id):
                if word in seen:
                    raise InvalidParameter(f"cannot use '{word}': it also stands in {seen[word]}", hint="remove one")
                seen[word] = origin
        except (InvalidParameter, QuotaExceeded, Conflict) as error:
            raise _located(error, origin) from None
        found.append((origin, instance))
    if not found:
        raise InvalidParameter(f"cannot import {what}: it has no instances", code=codes.INVALID_DOCUMENT, hint=_HINT)
    done = ImportedInstances([], [])
    with controller.database.transaction() as transaction:
        for origin, instance in found:
            known = store.registered_by_id(transaction, instance.id)
            try:
                instances.refuse_name_of_another(transaction, instance.name, instance.id)
                instances.refuse_another_name(instance.name, known)
                if known is not None:
                    _refuse_difference(known, instance)
            except Conflict as error:
                raise _located(error, origin) from None
            if known is not None:
                done.unchanged.append(known)
                continue
            store.register(transaction, instance)
            subject = f"{instance.name} ({instance.id})"
            detail = f"at {instance.address}"
            audit.append(
                transaction, AuditEntry(controller.now(), controller.actor, "instance.import", subject, detail)
            )
            done.added.append(instance)
    return done


_HINT = f"give a file from assist instance export: {', '.join(COLUMNS)}"
_WITHOUT_ID = "for machines that were never registered: assist instance add -f FILE, or install -f FILE"


def _refuse_difference(known: Instance, instance: Instance) -> None:
    for title, here, there in (
        ("address", known.address, instance.address),
        ("tags", dict(known.tags), dict(instance.tags)),
    ):
        if here != there:
            raise Conflict(
                f"cannot import '{known.name}': its {title} here: {here}, there: {there}",
                hint="nothing was imported; change one of them, or delete the line",
                code=codes.INSTANCE_EXISTS,
            )


def _entries(data: bytes, what: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the line and the values of each instance. Raises InvalidParameter."""
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refusal(f"line {data.count(bytes([10]), 0, error.start) + 1} of {what}", "it is not UTF-8") from None
    found = _of_json(text, what) if text.lstrip().startswith(("[", "{")) else _of_csv(text, what)
    for line, entry in found:
        origin = f"line {line} of {what}"
        _refuse_unknown(entry, origin)
        for key in _NEEDED:
            if not entry.get(key):
                raise _refusal(origin, f"it has no {key}", _WITHOUT_ID if key == "InstanceId" else _HINT)
        yield line, entry


def _refuse_unknown(keys: Iterable[str], origin: str) -> None:
    """Raise InvalidParameter for a key, or the name of a column, that an export does not have."""
    for key in keys:
        if key not in COLUMNS:
            hint = "separate the columns by commas" if ";" in key or "\t" in key else _HINT
            raise _refusal(origin, f"it has the unknown value '{key}'", hint)


def _of_json(text: str, what: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the objects of an array, or of JSON lines."""
    decoder = json.JSONDecoder()
    in_array = text.lstrip().startswith("[")
    end = text.rstrip().removesuffix("]") if in_array else text.rstrip()
    at = text.index("[") + 1 if in_array else 0
    if in_array and not text.rstrip().endswith("]"):
        raise _refusal(f"line {text.count(chr(10)) + 1} of {what}", "the array has no end")
    while (at := _after_space(end, at)) < len(end):
        line = end.count("\n", 0, at) + 1
        try:
            entry, at = decoder.raw_decode(end, at)
        except json.JSONDecodeError as error:
            raise _refusal(f"line {error.lineno} of {what}", f"it is not JSON: {error.msg.lower()}") from None
        except (ValueError, RecursionError):  # a number of thousands of digits
            raise _refusal(f"line {line} of {what}", "it is nested too deeply, or has an endless number") from None
        if not isinstance(entry, dict):
            raise _refusal(f"line {line} of {what}", f"'{entry}' is not an object")
        yield line, entry


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()


def _of_csv(text: str, what: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    before = 0
    try:
        for row in reader:
            line, before = before + 1, reader.line_num
            if not row:
                continue
            if not header:
                header = row
                _refuse_unknown(header, f"line {line} of {what}")
                continue
            if len(row) != len(header):
                raise _refusal(
                    f"line {line} of {what}", f"it has {count(len(row), 'value')}, and the header has {len(header)}"
                )
            yield line, {key: value or None for key, value in zip(header, row, strict=True)}
    except csv.Error as error:
        raise _refusal(f"line {reader.line_num} of {what}", f"it is not CSV: {error}") from None


def _instance(controller: Controller, entry: Mapping[str, Any]) -> Instance:
    """Return the instance of an entry. Raises InvalidParameter, QuotaExceeded and Conflict."""
    for key in ("InstanceId", "InstanceName", "Address", "OSType", "CreationTime"):
        if not isinstance(entry.get(key), str | None):
            raise InvalidParameter(f"cannot use the {key} {entry[key]!r}: it is not text", hint=_HINT)
    instance_id, created = entry["InstanceId"], entry.get("CreationTime")
    if len(instance_id) != ids.LENGTH or not ids.is_prefix(instance_id, ids.Kind.INSTANCE):
        raise InvalidParameter(f"cannot use '{instance_id}' as the id of an instance", hint=_HINT)
    way = route.parse(entry["Address"])
    if isinstance(way, route.Local):
        raise InvalidParameter("cannot import the agent of this machine: it is always there", hint="delete the line")
    system = entry.get("OSType")
    if system is not None and not re.fullmatch(r"[a-z0-9_]{1,32}", system):
        raise InvalidParameter(f"cannot use '{system}' as an OSType", hint="linux, or leave it empty")
    try:
        moment = datetime.strptime(created, _TIME).replace(tzinfo=timezone.utc) if created else controller.now()
    except ValueError:
        raise InvalidParameter(
            f"cannot use '{created}' as a CreationTime", hint="as in 2026-11-22T08:00:00Z, or leave it empty"
        ) from None
    return Instance(
        id=instance_id,
        name=instances.checked_name(entry["InstanceName"]),
        address=str(way),
        os_type=system,
        created=moment,
        tags=instances.checked_tags(_tags(entry.get("Tags"))),
    )


def _tags(value: Any) -> dict[str, str]:
    """Return the tags of a cell. Raises InvalidParameter."""
    shown = value
    if isinstance(value, str):
        try:
            if value.lstrip().startswith("{"):
                value = json.loads(value)
            else:
                pairs = [word.partition("=") for word in shlex.split(value)]
                value = {key: text for key, equals, text in pairs if equals}
                value = value if len(value) == len(pairs) else None
        except (ValueError, RecursionError):
            value = None
    elif value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise InvalidParameter(f"cannot use {shown!r} as tags", hint='write {"role": "web"}, or role=web in CSV')
    return value


def _located(error: AssistError, origin: str) -> AssistError:
    return type(error)(f"cannot use {origin}: {error.message}", hint=error.hint, code=error.code)


def _refusal(origin: str, why: str, hint: str = _HINT) -> InvalidParameter:
    return InvalidParameter(f"cannot use {origin}: {why}", code=codes.INVALID_DOCUMENT, hint=hint)
