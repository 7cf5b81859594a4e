"""Saved commands: CreateCommand, ModifyCommand, DeleteCommand, DescribeCommands."""

from __future__ import annotations

import re

from assist_cli.api import pages, requests, views
from assist_cli.api.caller import Caller
from assist_cli.api.faults import Fault
from assist_cli.api.forms import Document
from assist_cli.api.parameters import Given, ValueKind, chosen_encoding, decoded, takes
from assist_cli.model import quotas
from assist_cli.model.access import Labels
from assist_cli.model.command import DEFAULT_TIMEOUT, Command, CommandVersion
from assist_cli.model.page import Slice, Wanted
from assist_cli.operations.access import clients
from assist_cli.operations.commands import commands
from assist_cli.operations.history import pages as history_pages
from assist_cli.operations.runs import refresh

USUAL = "Base64"

CREATE = takes(
    ClientToken=ValueKind.TEXT,
    CommandContent=ValueKind.TEXT,
    ContentEncoding=ValueKind.TEXT,
    Description=ValueKind.TEXT,
    EnableParameter=ValueKind.FLAG,
    Launcher=ValueKind.TEXT,
    Name=ValueKind.TEXT,
    Tag=ValueKind.TAGS,
    Timeout=ValueKind.NUMBER,
    Type=ValueKind.TEXT,
    WorkingDir=ValueKind.TEXT,
)
MODIFY = takes(
    CommandContent=ValueKind.TEXT,
    CommandId=ValueKind.TEXT,
    Description=ValueKind.CLEARABLE,
    Launcher=ValueKind.CLEARABLE,
    Name=ValueKind.TEXT,
    Timeout=ValueKind.NUMBER,
    WorkingDir=ValueKind.CLEARABLE,
)
DELETE = takes(CommandId=ValueKind.TEXT)
DESCRIBE = takes(
    **pages.PAGED,
    CommandId=ValueKind.TEXT,
    ContentEncoding=ValueKind.TEXT,
    Description=ValueKind.TEXT,
    Latest=ValueKind.FLAG,
    Name=ValueKind.TEXT,
    Provider=ValueKind.TEXT,
    Tag=ValueKind.TAGS,
    Type=ValueKind.TEXT,
)


def create(caller: Caller, given: Given) -> Document:
    """Save a command."""
    kind = requests.command_type(given.needed("Type"))
    content = decoded(given.needed("CommandContent"), given.text("ContentEncoding"), USUAL, "CmdContent.DecodeError")
    if given.flag("EnableParameter"):
        requests.check_keys(content)
    request = caller.request(given, Labels(caller.key.id, tags=given.tags("Tag")))
    name = given.needed("Name")
    version = CommandVersion(
        content=content,
        type=kind,
        working_dir=given.text("WorkingDir"),
        timeout=requests.timeout(given) or DEFAULT_TIMEOUT,
        parameters_enabled=given.flag("EnableParameter"),
        launcher=requests.launcher(given),
    )

    def make() -> Document:
        made = commands.create(
            caller.controller, name, version, given.text("Description") or "", also=caller.also(request)
        )
        return {"CommandId": made.id}

    return requests.once(request, caller, make, lambda made: {"CommandId": made})


def modify(caller: Caller, given: Given) -> Document:
    """Change name and description in place. Another content, directory or timeout makes a new version."""
    content = given.text("CommandContent")
    changes = commands.Changes(
        content=None if content is None else decoded(content, None, USUAL, "CmdContent.DecodeError", ""),
        working_dir=given.text("WorkingDir"),
        timeout=requests.timeout(given),
        launcher=requests.launcher(given),
    )
    found = _changeable(caller, requests.command_id(given))
    if changes.content is not None and found.version.parameters_enabled:
        requests.check_keys(changes.content)
    commands.modify(
        caller.controller,
        found.id,
        given.text("Name"),
        given.text("Description"),
        changes,
        also=caller.rights.confirm_command,
    )
    return {}


def delete(caller: Caller, given: Given) -> Document:
    """Delete a command that no invocation is using."""
    command_id = _changeable(caller, requests.command_id(given)).id
    refresh.refresh_commands(caller.controller, [command_id])
    commands.delete(caller.controller, [command_id], also=caller.rights.confirm_command)
    return {}


def describe(caller: Caller, given: Given) -> Document:
    """Return the commands of a query, newest first: the newest version of each, or all versions with ``Latest=false``.

    There are no public commands: each one belongs to its author.
    """
    page = pages.asked(caller.action, given)
    kind, tags = given.text("Type"), given.tags("Tag")
    if kind is not None:
        requests.command_type(kind, "InvalidCommandType.NotFound")
    filters = {
        name: _matcher(given.text(name), quota, code)
        for name, quota, code in (
            ("Name", quotas.NAME, "InvalidName.LengthLimitExceeded"),
            ("Description", quotas.DESCRIPTION, "InvalidDescription.LengthLimitExceeded"),
        )
    }
    listed = [
        each
        for each in commands.listing(caller.controller)
        if given.text("CommandId") in (None, each.id)
        and not given.text("Provider")
        and filters["Name"].fullmatch(each.name)
        and filters["Description"].fullmatch(each.description)
    ]
    labels = clients.labels_of(caller.controller, [each.id for each in listed])
    found = [
        each
        for command in sorted(listed, key=lambda each: each.id, reverse=True)
        if not tags or views.has_tags(labels.get(command.id, views.NONE), tags)
        for each in ((command,) if given.values.get("Latest", True) else _versions(caller, command))
        if kind in (None, each.version.type.value)
    ]
    shown = page.of(found, _key)
    encoding = chosen_encoding(given.text("ContentEncoding"), USUAL)
    items = [
        views.command(_counted(caller, each), labels.get(each.id, views.NONE), encoding) for each in shown[: page.size]
    ]
    return {**views.nested("Commands", "Command", items), **page.told([_key(each) for each in shown], len(found))}


def _versions(caller: Caller, command: Command) -> list[Command]:
    """Return every version of a command, newest first."""
    return commands.versions(caller.controller, command.id)


def _key(version: Command) -> str:
    """Return the sort key of a version in the list, in descending order."""
    return f"{version.id} {version.version.number:09}"


def _changeable(caller: Caller, command_id: str) -> Command:
    """Return the command of exactly this id, if the key may change or delete it. Raises Fault, NotPermitted."""
    found = commands.of_id(caller.controller, command_id)
    if found is None:
        raise Fault("InvalidCmdId.NotFound")
    caller.rights.check_command(command_id)
    return found


def _counted(caller: Caller, listed: Command) -> Command:
    """Return a version with its content, and with the number of visible invocations of its command."""
    found = commands.get(caller.controller, f"{listed.id}@{listed.version.number}")
    if caller.seen is None:
        return found
    wanted = Wanted(command_id=listed.id, among=caller.seen)
    _, number = history_pages.invocations_of(caller.controller, wanted, Slice(0), output=False)
    return found._replace(invocations=number)


def _matcher(text: str | None, quota: quotas.Quota, code: str) -> re.Pattern[str]:
    """Return the pattern of a filter: ``*`` at its start or end matches any text, everything else matches itself."""
    if text is None:
        return re.compile(".*", re.DOTALL)
    if len(text) > quota.limit:
        raise Fault(code, f"({len(text)} characters of at most {quota.limit})")
    inner = text.removeprefix("*").removesuffix("*")
    before, after = text.startswith("*"), text.endswith("*")
    return re.compile(f"{'.*' if before else ''}{re.escape(inner)}{'.*' if after else ''}", re.DOTALL)
