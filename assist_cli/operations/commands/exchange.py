"""Export and import of commands as a JSON document: all versions, without the history.

::

    {"Format": "assist-commands", "FormatVersion": 1, "Commands": [{
        "Name", "Description", "CreationTime", "ModifiedTime", "Versions": [{
            "Version", "CreationTime", "Type", "ContentEncoding": "PlainText" | "Base64", "CommandContent",
            "WorkingDir", "Timeout", "EnableParameter", "ParameterDefinitions": [{
                "ParameterName", "Description", "DefaultValue", "Required", "PossibleValues", "PatternRegex", "Secret"
    }]}]}]}

Versions are in order, from 1. A script that is not UTF-8 text is in base64. An import is validated like user input.
Imported commands get new ids, so that no history refers to them by mistake.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from assist_cli import codes
from assist_cli.errors import Conflict, InvalidParameter
from assist_cli.model import command as rules
from assist_cli.model import names, quotas
from assist_cli.model.audit import AuditEntry
from assist_cli.model.command import Command, CommandVersion
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.parameters import Definition
from assist_cli.operations.controller import Controller
from assist_cli.store import audit
from assist_cli.store import commands as store
from assist_cli.store.database import Reader, Transaction
from assist_cli.structs import Struct

FORMAT = "assist-commands"
FORMAT_VERSION = 1

_TIME = "%Y-%m-%dT%H:%M:%SZ"


class Clash(Enum):
    """The policy for a command whose name is in use: refuse, rename or skip."""

    REFUSE = "refuse"
    RENAME = "rename"
    SKIP = "skip"


class Imported(Struct):
    """The outcome of one command of a document: the created command, or None if it was skipped."""

    name: str
    command: Command | None


def export(controller: Controller, wanted: Sequence[str]) -> dict[str, Any]:
    """The document of these commands, or of all if ``wanted`` is empty. Raises NotFound."""
    database = controller.database
    chosen = [store.find(database, name) for name in wanted] or [each.id for each in store.listing(database)]
    return {
        "Format": FORMAT,
        "FormatVersion": FORMAT_VERSION,
        "Commands": [_command_document(store.versions(database, command_id)) for command_id in dict.fromkeys(chosen)],
    }


def import_text(controller: Controller, text: str, clash: Clash = Clash.REFUSE) -> list[Imported]:
    """Create the commands of a document, all or none.

    Raises InvalidParameter (not such a document, or an invalid value in it), QuotaExceeded and Conflict.
    """
    found = commands_of(text)
    with controller.database.transaction() as transaction:
        return [_import(controller, transaction, versions, clash) for versions in found]


def commands_of(text: str) -> list[list[Command]]:
    """Return the commands of a document, each at all of its versions, oldest first, and without an id.

    Raises InvalidParameter and QuotaExceeded.
    """
    return [_command(DocumentObject("Commands", each, number)) for number, each in enumerate(_entries(text), start=1)]


def definition_document(definition: Definition) -> dict[str, Any]:
    """A definition with the field names of the API."""
    return {
        "ParameterName": definition.key,
        "Description": definition.description,
        "DefaultValue": definition.default,
        "Required": definition.required,
        "PossibleValues": list(definition.choices),
        "PatternRegex": definition.pattern,
        "Secret": definition.secret,
    }


def _command_document(versions: Sequence[Command]) -> dict[str, Any]:
    newest = versions[0]
    return {
        "Name": newest.name,
        "Description": newest.description,
        "CreationTime": newest.created.strftime(_TIME),
        "ModifiedTime": newest.modified.strftime(_TIME),
        "Versions": [_version_document(each.version) for each in reversed(versions)],
    }


def _version_document(version: CommandVersion) -> dict[str, Any]:
    try:
        encoding, content = "PlainText", version.content.decode("utf-8")
    except UnicodeDecodeError:
        encoding, content = "Base64", base64.b64encode(version.content).decode("ascii")
    return {
        "Version": version.number,
        "CreationTime": version.created.strftime(_TIME) if version.created else None,
        "Type": version.type.value,
        "ContentEncoding": encoding,
        "CommandContent": content,
        "WorkingDir": version.working_dir,
        **({"Launcher": version.launcher} if version.launcher else {}),
        "Timeout": version.timeout,
        "EnableParameter": version.parameters_enabled,
        "ParameterDefinitions": [definition_document(each) for each in version.definitions],
    }


class DocumentObject:
    """An object of the document with its path for messages, such as ``Commands[2].Versions[1]``."""

    def __init__(self, name: str, value: object, number: int = 0) -> None:
        self.name = f"{name}[{number}]" if number else name
        if not isinstance(value, Mapping):
            raise self.invalid("is not an object")
        self._members = value

    def invalid(self, reason: str) -> InvalidParameter:
        return InvalidParameter(
            f"cannot import: {self.name} {reason}",
            code=codes.INVALID_DOCUMENT,
            hint="give a file from assist command export",
        )

    def text(self, key: str) -> str:
        value = self.text_or_none(key)
        if value is None:
            raise self.invalid(f"has no {key}")
        return value

    def text_or_none(self, key: str) -> str | None:
        value = self._members.get(key)
        if value is not None and not isinstance(value, str):
            raise self.invalid(f"has a {key} that is not text")
        return value

    def number(self, key: str) -> int:
        value = self._members.get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.invalid(f"has a {key} that is not a whole number")
        return value

    def flag(self, key: str) -> bool:
        value = self._members.get(key, False)
        if not isinstance(value, bool):
            raise self.invalid(f"has a {key} that is neither true nor false")
        return value

    def list(self, key: str) -> Iterable[Any]:
        value = self._members.get(key, [])
        if not isinstance(value, list):
            raise self.invalid(f"has a {key} that is not a list")
        return value

    def objects(self, key: str) -> Iterable[DocumentObject]:
        return (
            DocumentObject(f"{self.name}.{key}", each, number) for number, each in enumerate(self.list(key), start=1)
        )

    def time(self, key: str) -> datetime:
        try:
            return datetime.strptime(self.text(key), _TIME).replace(tzinfo=timezone.utc)
        except ValueError as error:
            raise self.invalid(f"has a {key} that is not a time like 2026-11-22T08:00:00Z") from error


def _entries(text: str) -> Iterable[Any]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidParameter(
            f"cannot import: it is not JSON ({error})",
            code=codes.INVALID_DOCUMENT,
            hint="give a file from assist command export",
        ) from error
    document = DocumentObject("the document", parsed)
    if document.text_or_none("Format") != FORMAT:
        raise document.invalid(f"is not of the format {FORMAT!r}")
    if document.number("FormatVersion") != FORMAT_VERSION:
        raise document.invalid(f"has a FormatVersion other than {FORMAT_VERSION}")
    return document.list("Commands")


def _command(entry: DocumentObject) -> list[Command]:
    """A command of the document at each of its versions, oldest first, still without an id."""
    versions = [_version(each, number) for number, each in enumerate(entry.objects("Versions"), start=1)]
    if not versions:
        raise entry.invalid("has no Versions")
    return [
        Command(
            id="",
            name=names.checked_name(entry.text("Name")),
            description=rules.checked_description(entry.text_or_none("Description") or ""),
            created=entry.time("CreationTime"),
            modified=entry.time("ModifiedTime"),
            latest=len(versions),
            version=version,
        )
        for version in versions
    ]


def _version(entry: DocumentObject, number: int) -> CommandVersion:
    if entry.number("Version") != number:
        raise entry.invalid(f"is not version {number}")
    content = entry.text("CommandContent").encode("utf-8", "replace")
    encoding = entry.text_or_none("ContentEncoding") or "PlainText"
    if encoding == "Base64":
        try:
            content = base64.b64decode(content, validate=True)
        except binascii.Error as error:
            raise entry.invalid("has a CommandContent that is not base64") from error
    elif encoding != "PlainText":
        raise entry.invalid(f"has the ContentEncoding {encoding!r}, which is neither PlainText nor Base64")
    return rules.checked_version(
        CommandVersion(
            content=content,
            type=rules.type_from_word(entry.text("Type")),
            working_dir=entry.text_or_none("WorkingDir"),
            launcher=entry.text_or_none("Launcher"),
            timeout=entry.number("Timeout"),
            parameters_enabled=entry.flag("EnableParameter"),
            definitions=tuple(map(_definition, entry.objects("ParameterDefinitions"))),
            number=number,
            created=entry.time("CreationTime"),
        )
    )


def _definition(entry: DocumentObject) -> Definition:
    choices = tuple(entry.list("PossibleValues"))
    if not all(isinstance(choice, str) for choice in choices):
        raise entry.invalid("has PossibleValues that are not text")
    return Definition(
        key=entry.text("ParameterName"),
        description=entry.text_or_none("Description") or "",
        default=entry.text_or_none("DefaultValue"),
        choices=choices,
        pattern=entry.text_or_none("PatternRegex"),
        secret=entry.flag("Secret"),
    )


def _import(controller: Controller, transaction: Transaction, versions: Sequence[Command], clash: Clash) -> Imported:
    first = versions[0]._replace(id=new_id(Kind.COMMAND, controller.now_ms()))
    wanted = first.name
    if store.named(transaction, wanted):
        if clash is Clash.SKIP:
            return Imported(wanted, None)
        if clash is Clash.REFUSE:
            raise Conflict(
                f"cannot import the command {wanted!r}: the name is in use; nothing was imported",
                code=codes.COMMAND_NAME_EXISTS,
                hint="add --rename to import it under another name, or --skip to skip it",
            )
        first = first._replace(name=_free_name(transaction, wanted))
    store.create(transaction, first)
    for each in versions[1:]:
        store.add_version(transaction, first.id, each.version, each.modified)
    renamed = f", renamed from {wanted!r}" if first.name != wanted else ""
    detail = f"{rules.versions_in_words(len(versions))}{renamed}, {first.id}"
    audit.append(transaction, AuditEntry(controller.now(), controller.actor, "command.import", first.name, detail))
    return Imported(wanted, versions[-1]._replace(id=first.id, name=first.name))


def _free_name(reader: Reader, name: str) -> str:
    """``NAME-2``, or the same with the next number that is free."""
    number = 2
    while True:
        ending = f"-{number}"
        candidate = name[: quotas.NAME.limit - len(ending)] + ending
        if not store.named(reader, candidate):
            return candidate
        number += 1
