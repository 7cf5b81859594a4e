"""The saved commands: list, show, create, edit as a new version, compare, roll back and delete."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from urllib.parse import quote

from starlette.responses import Response

from assist_cli.errors import AssistError, Conflict, InvalidParameter, NotFound, Refused
from assist_cli.model import command_text
from assist_cli.model.access import Role
from assist_cli.model.command import (
    DEFAULT_TIMEOUT,
    Command,
    CommandType,
    CommandVersion,
    type_from_word,
    type_of_script,
)
from assist_cli.model.names import quoted
from assist_cli.model.page import Slice, Wanted
from assist_cli.model.parameters import Definition
from assist_cli.operations.commands import commands, quotas
from assist_cli.operations.commands.commands import Changes
from assist_cli.operations.commands.parameters import definition, definition_text
from assist_cli.operations.history import pages
from assist_cli.operations.runs import refresh
from assist_cli.units import seconds_of
from assist_cli.web import words
from assist_cli.web.paging import numbered
from assist_cli.web.scripts import content_of, lines_of, text_of
from assist_cli.web.visit import Visit, status_of

SIZE = 100  # commands of a page
RECENT = 10  # invocations of a command
WRONG = (Refused, NotFound)  # errors of what the user gave


@dataclass(frozen=True)
class CommandForm:
    """The form of a command, as texts. ``script`` None: a browser cannot send it back as it is, so it is not there.

    ``kept`` are the definitions that one line of ``definitions`` cannot contain; they stay.
    """

    name: str = ""
    description: str = ""
    type: str = ""
    timeout: str = ""
    workdir: str = ""
    enabled: bool = False
    definitions: str = ""
    script: str | None = ""
    kept: tuple[Definition, ...] = ()

    def parsed(self) -> tuple[Definition, ...]:
        """Return the definitions, one from each line. Raises InvalidParameter."""
        lines = (line for line in self.definitions.split("\n") if line.strip())
        return (*map(definition, lines), *self.kept)

    def seconds(self) -> int:
        """Return the timeout; the default if it is empty. Raises InvalidParameter."""
        if not self.timeout:
            return DEFAULT_TIMEOUT
        found = seconds_of(self.timeout)
        if found is None or found == math.inf or found != int(found):
            raise InvalidParameter(
                f"cannot use --timeout '{self.timeout}': it is not a duration of whole seconds",
                hint="write 30s, 10m or 2h",
            )
        return int(found)


def listing(visit: Visit) -> Response:
    """The commands by name, in pages; with ``q`` those with this text in their name or description."""
    text = visit.query("q").casefold()
    every = commands.listing(visit.controller)
    found = [each for each in every if text in f"{each.name}\n{each.description}".casefold()]
    limit = next(each for each in quotas.usage(visit.controller) if each.quota.name == "commands")
    return visit.page(
        "commands/list.html",
        page=numbered(found, visit.query("page"), SIZE, {"q": visit.query("q")} if text else {}),
        text=visit.query("q"),
        total=len(every),
        limit=limit.quota.limit,
        with_runs=not visit.me.scope,
        path_of=path_of,
    )


def show(visit: Visit) -> Response:
    """One version of a command: its script, settings and parameters, all versions, and its invocations."""
    found = commands.get(visit.controller, visit.part("name"))
    return _show_page(visit, found)


def new(visit: Visit) -> Response:
    """The form of a new command; with ``from`` it begins as a copy of that one."""
    form = CommandForm()
    if visit.query("from"):
        source = commands.get(visit.controller, visit.query("from"))
        form = replace(_filled(source), name="", description=source.description)
        if form.script is None:
            raise InvalidParameter(
                "cannot copy this command in a browser: it would change the bytes of its script",
                hint=f"assist command clone {quoted(source.name)} --as NEW",
            )
    return _edit_page(visit, form)


def create(visit: Visit) -> Response:
    form = _sent(visit)
    content = content_of(form.script or "")
    try:
        version = CommandVersion(
            content=content,
            type=type_from_word(form.type) if form.type else type_of_script(content),
            working_dir=form.workdir or None,
            timeout=form.seconds(),
            parameters_enabled=form.enabled or bool(form.parsed()),
            definitions=form.parsed(),
        )
        made = commands.create(visit.controller, form.name, version, form.description, also=visit.also)
    except WRONG as error:
        return _edit_page(visit, form, error=error)
    return visit.go_to(path_of(made))


def edit(visit: Visit) -> Response:
    """The form of a new version; of an older one with ``NAME@VERSION``."""
    found = commands.get(visit.controller, visit.part("name"))
    visit.rights.check_command(found.id)
    return _edit_page(visit, _filled(found), found)


def save(visit: Visit) -> Response:
    """Save a form as a new version, and its name and description in place."""
    base = commands.get(visit.controller, visit.part("name"))
    visit.rights.check_command(base.id)
    old = base.version
    form = replace(_sent(visit), kept=_filled(base).kept)
    try:
        definitions = form.parsed()
        enabled = form.enabled or (bool(definitions) and not old.parameters_enabled)
        changes = Changes(
            content=_content(visit, old),
            type=type_from_word(form.type) if form.type else None,
            working_dir=form.workdir,
            timeout=form.seconds(),
            parameters_enabled=enabled,
            definitions=definitions if enabled else None,
            replaces=True,
            launcher=old.launcher or "",
        )
        latest = visit.given("latest")
        made = commands.modify(
            visit.controller,
            base.id,
            form.name if form.name != base.name else None,
            form.description if form.description != base.description else None,
            changes,
            latest=int(latest) if latest.isdecimal() and len(latest) < 10 else 0,
            also=visit.rights.confirm_command,
        )
    except WRONG as error:
        if text_of(old.content) is None:
            form = replace(form, script=None)
        return _edit_page(visit, form, base, error)
    return visit.go_to(path_of(made))


def diff(visit: Visit) -> Response:
    """Two versions of a command side by side: the changed settings, and the lines of the script."""
    name = visit.part("name")
    newest = commands.get(visit.controller, name)
    new = commands.get(visit.controller, f"{newest.id}@{visit.query('to')}") if visit.query("to") else newest
    before = visit.query("from") or str(max(new.version.number - 1, 1))
    old = commands.get(visit.controller, f"{newest.id}@{before}")
    return visit.page(
        "commands/diff.html",
        old=old,
        new=new,
        versions=range(newest.latest, 0, -1),
        settings=command_text.changed_settings(old, new),
        lines=command_text.changed_lines(old, new),
        path_of=path_of,
        line=f"assist command diff {quoted(new.name)} {old.version.number} {new.version.number}",
    )


def roll_back(visit: Visit) -> Response:
    found = commands.get(visit.controller, visit.part("name"))
    visit.rights.check_command(found.id)
    number = visit.given("version")
    if not (number.isdecimal() and len(number) < 10):
        raise InvalidParameter(
            f"cannot roll back to the version '{number}': it is not a number", hint="use the button of a version"
        )
    try:
        made = commands.rollback(visit.controller, found.id, int(number), also=visit.rights.confirm_command)
    except Refused as error:
        return _show_page(visit, found, error)
    return visit.go_to(path_of(made))


def ask_delete(visit: Visit) -> Response:
    found = commands.get(visit.controller, visit.part("name"))
    visit.rights.check_command(found.id)
    return _delete_page(visit, found)


def delete(visit: Visit) -> Response:
    found = commands.get(visit.controller, visit.part("name"))
    visit.rights.check_command(found.id)
    refresh.refresh_commands(visit.controller, [found.id])
    try:
        commands.delete(visit.controller, [found.id], also=visit.rights.confirm_command)
    except Conflict as error:
        return _delete_page(visit, found, error)
    return visit.go_to("/commands")


def path_of(command: Command, number: int | None = None) -> str:
    """Return the path of a command, or of one of its versions."""
    return f"/commands/{quote(command.name, safe='')}" + (f"@{number}" if number else "")


def _show_page(visit: Visit, found: Command, error: AssistError | None = None) -> Response:
    wanted = Wanted(command_id=found.id, among=visit.rights.seen)
    history = pages.summaries_of(visit.controller, wanted, Slice(RECENT))
    return visit.page(
        "commands/show.html",
        status=200 if error is None else status_of(error),
        error=error,
        command=found,
        shown=found.version,
        script=found.version.content.decode("utf-8", "replace"),
        is_editable=text_of(found.version.content) is not None,
        versions=commands.versions(visit.controller, found.id),
        warnings=list(command_text.warnings(found.version)),
        described=command_text.described,
        may_change=_may_change(visit, found),
        history=history,
        short=pages.short_ids(visit.controller, [each.invocation.id for each in history]),
        of_summary=words.of_summary,
        path_of=path_of,
        line=f"assist invoke {quoted(found.name)}@{found.version.number} -i TARGET",
    )


def _edit_page(
    visit: Visit, form: CommandForm, base: Command | None = None, error: AssistError | None = None
) -> Response:
    return visit.page(
        "commands/edit.html",
        status=200 if error is None else status_of(error),
        form=form,
        base=base,
        latest=visit.given("latest") or (base.latest if base else ""),
        error=error,
        types=[kind.word for kind in CommandType],
        path_of=path_of,
    )


def _delete_page(visit: Visit, found: Command, error: AssistError | None = None) -> Response:
    return visit.page(
        "commands/delete.html",
        status=200 if error is None else status_of(error),
        command=found,
        error=error,
        path_of=path_of,
        line=f"assist command delete {quoted(found.name)}",
    )


def _may_change(visit: Visit, found: Command) -> bool:
    if not visit.may(Role.ADMIN):
        return False
    try:
        visit.rights.check_command(found.id)
    except AssistError:
        return False
    return True


def _filled(found: Command) -> CommandForm:
    """Return the form with the values of a version."""
    version = found.version
    lines = {each: definition_text(each) for each in version.stated()}
    return CommandForm(
        name=found.name,
        description=found.description,
        type=version.type.word,
        timeout=f"{version.timeout}s",
        workdir=version.working_dir or "",
        enabled=version.parameters_enabled,
        definitions="\n".join(line for line in lines.values() if line is not None),
        script=text_of(version.content),
        kept=tuple(each for each, line in lines.items() if line is None),
    )


def _sent(visit: Visit) -> CommandForm:
    """Return the form that a browser sent."""
    return CommandForm(
        name=visit.given("name").strip(),
        description=visit.given("description").strip(),
        type=visit.given("type"),
        timeout=visit.given("timeout").strip(),
        workdir=visit.given("workdir").strip(),
        enabled=bool(visit.given("enabled")),
        definitions=lines_of(visit.given("definitions")),
        script=lines_of(visit.given("script")),
    )


def _content(visit: Visit, old: CommandVersion) -> bytes:
    """Return the script of the form. If it is the one of ``old``, all its bytes stay."""
    before = text_of(old.content)
    if before is None or "script" not in visit.form or lines_of(visit.given("script")) == before:
        return old.content
    return content_of(visit.given("script"), old.content)
