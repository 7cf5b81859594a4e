"""``assist instance``: the inventory, which is the machines with an agent."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from assist_cli.cli import (
    bulk,
    documents,
    installing,
    instance_exchange,
    many_instances,
    options,
    presence_view,
    targets,
)
from assist_cli.cli.formatting import clock
from assist_cli.cli.output import Cell, Column, Format, Printer, Style
from assist_cli.errors import ExitStatus, UsageError
from assist_cli.model.folding import fold
from assist_cli.model.instance import Facts, Instance
from assist_cli.model.names import quoted
from assist_cli.model.target import fact_words
from assist_cli.operations.controller import open_controller
from assist_cli.operations.fleet import instances
from assist_cli.paths import home
from assist_cli.units import ago, count, escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from assist_cli.operations.fleet import health

app = options.application(
    "Inventory: the machines with an agent, and their status. Forms of TARGET: assist help targets"
)

app.add_typer(installing.app)
app.add_typer(instance_exchange.app)

LISTED = (
    Column("NAME", flexible=True, least=16),
    Column("ADDRESS", flexible=True, least=24),
    Column("TAGS", flexible=True, drop=4),
    Column("OS", drop=2),
    Column("LAST SEEN", drop=3),
    Column("ID", drop=1),
)

NEVER = "never: its agent has not answered yet"
CONNECTED = Column("CONNECTED", drop=5)  # only if some instances dial out

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name, an id, or the beginning of an id.")]
Some = Annotated[list[str] | None, typer.Argument(metavar="[TARGET]...", help="Targets, as with -i (default: all).")]


@app.command(
    epilog=options.examples(
        "assist instance add web1 tls:10.0.0.5 --tag role=web",
        "assist instance add db1 ssh:root@10.0.0.6",
        "assist instance add --from-ansible inventory.ini",
    )
)
def add(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Unique name of the instance.")] = None,
    address: Annotated[
        str | None,
        typer.Argument(
            metavar="ADDRESS", help="tls:HOST[:PORT], nats:INSTANCE-ID, ssh:[USER@]HOST[:PORT][?sudo] or unix:PATH."
        ),
    ] = None,
    file: bulk.File = None,
    from_ansible: bulk.FromAnsible = None,
    tag: targets.Tags = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Register an agent that is already installed.

    The agent must answer. If the instance is registered under this name, its address is changed.
    A line of FILE: NAME ADDRESS [K=V]...
    """
    printer = options.printer(context, output)
    given = None if tag is None else targets.tags(tag)
    if (file is None) != (from_ansible is None) and name is None:
        many_instances.add_all(printer, file, from_ansible, given)
        return
    if name is None or address is None or file is not None or from_ansible is not None:
        raise UsageError(
            "cannot add: give NAME and ADDRESS, -f FILE, or --from-ansible FILE",
            hint="assist instance add web1 tls:10.0.0.5",
        )
    with open_controller(home()) as controller:
        made = instances.add(controller, name, address, given)
    if printer.is_json:
        printer.document(documents.instance(made))
    else:
        printer.line(f"{escape(made.name)}  {made.id}")


@app.command("list", epilog=options.examples("assist instance list", "assist instance list @role=web -o json"))
def list_(
    context: typer.Context,
    *,
    some: Some = None,
    target: targets.TargetOptions,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """List the instances by name. No agent is contacted.

    CONNECTED is since when an agent that dials out is connected, as the brokers report it within 2 s.
    """
    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        found = instances.listing(controller, target.selection(some))
        if target.preview:
            targets.print_preview(printer, found)
            return
        waiting = instances.queued(controller)
        presence = presence_view.ask(controller, found)
        facts = instances.facts(controller) if printer.is_json else {}
        now = controller.now()
    if printer.is_json:
        printer.documents(
            {**documents.instance(each, presence), **documents.facts(facts.get(each.id))} for each in found
        )
        return
    if not found:
        printer.talk("No instances are registered. Try: assist instance install root@HOST")
        return
    rows = [_row(each, waiting.get(each.id, 0), now) for each in found]
    if presence is None:
        printer.table(LISTED, rows)
        return
    name, address, tags, system, *others = LISTED
    cells = (presence_view.cell(presence, each, now) for each in found)
    table = [[*row[:4], cell, *row[4:]] for row, cell in zip(rows, cells, strict=True)]
    printer.table([name, address, tags, system, CONNECTED, *others], table)
    presence_view.print_notes(printer, presence, found)


@app.command(epilog=options.examples("assist instance show web1", "assist instance show web1 -o json"))
def show(context: typer.Context, name: Name, output: options.Output = Format.TABLE) -> None:
    """Show the details of an instance. Its agent is not contacted; a broker is, if it dials out.

    Facts are those of its last contact, as targets name them.
    """
    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        found = instances.get(controller, name)
        waiting = instances.queued(controller).get(found.id, 0)
        facts = instances.facts(controller, found.id).get(found.id, {})
        presence = presence_view.ask(controller, [found])
        now = controller.now()
    if printer.is_json:
        printer.document({**documents.instance(found, presence), **documents.facts(facts)})
        return
    printer.line(f"{printer.paint(found.name, Style.STRONG)}  {found.id}")
    rows = [
        ("Address", found.address),
        ("Tags", _tags(found) or "none"),
        ("System", found.os_type or "not known"),
        *_fact_rows(facts),
        ("Created", f"{ago(found.created, now)} ({clock(found.created)})"),
        ("Seen", NEVER if found.heard is None else f"{ago(found.heard, now)} ({clock(found.heard)})"),
    ]
    if presence is not None:
        rows += presence_view.rows(presence, found, now)
    if waiting:
        rows.append(("Queued", f"{count(waiting, 'record')}: assist queue list -i {quoted(found.name)}"))
    printer.fields(rows, 8 if presence is None else 10)
    if presence is not None:
        presence_view.print_notes(printer, presence, [found])


@app.command(epilog=options.examples("assist instance status", "assist instance status 'web*' -o json"))
def status(
    context: typer.Context,
    *,
    some: Some = None,
    target: targets.TargetOptions,
    output: options.Output = Format.TABLE,
    plain: options.Plain = False,
) -> None:
    """Query the status of instances from their agents.

    Exit status: 0 if all are online, 69 if all are offline, else 1.
    """
    from assist_cli.operations.fleet import health  # imports asyncio, which other verbs do not need

    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        meant = instances.listing(controller, target.selection(some))
        if target.preview:
            targets.print_preview(printer, meant)
            return
        found = health.states(controller, meant)
        now = controller.now()
    if printer.is_json:
        printer.documents(documents.instance_status(each.instance, each.health, each.use) for each in found)
    else:
        _print_states(printer, found, now)
    _print_unreachable(printer, found)
    online = sum(each.health.is_online for each in found)
    if online < len(found):
        raise typer.Exit(ExitStatus.FAILED if online else ExitStatus.UNREACHABLE)


@app.command(
    epilog=options.examples("assist instance tag web1 role=web canary=yes", "assist instance tag 'web*' db1 canary=")
)
def tag(
    context: typer.Context,
    *,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TARGET]... K=V...", help="K=V sets a tag, K= removes it; words without = are targets."
        ),
    ] = None,
    file: bulk.File = None,
    target: targets.TargetOptions,
    output: options.Output = Format.TABLE,
) -> None:
    """Set or remove tags of instances.

    A line of FILE has the tags of one: [USER@]HOST[:PORT] [name=NAME] [K=V]...
    """
    printer = options.printer(context, output)
    wanted = [word for word in words or () if "=" not in word]
    pairs = targets.pairs([word for word in words or () if "=" in word])
    changes = {key: value or None for key, value in pairs.items()}
    where = target.selection(wanted)
    if file is not None:
        if not where.is_empty:
            raise UsageError("cannot use targets together with -f FILE", hint="give one of them")
        _tag_all(printer, file, changes, preview=target.preview)
        return
    if target.preview and not where.is_empty:
        with open_controller(home()) as controller:
            targets.print_preview(printer, instances.listing(controller, where))
        return
    if not pairs or where.is_empty:
        missing = "target" if where.is_empty else "tag"
        raise UsageError(f"cannot change tags: no {missing} given", hint=_tag_hint(wanted))
    with open_controller(home()) as controller:
        changed = instances.tag(controller, where, changes)
    if printer.is_json and len(changed) == 1:
        printer.document(documents.instance(changed[0]))
        return
    _print_tags(printer, changed)


def _tag_all(printer: Printer, file: str, given: Mapping[str, str | None], *, preview: bool) -> None:
    """Change the tags of the instances in a file: those of its lines, and ``given`` ones."""
    from assist_cli.cli import scripts
    from assist_cli.operations.fleet import host_file

    with open_controller(home()) as controller:
        named = host_file.registered(controller, scripts.read(file, "file"), file)
        if preview:
            targets.print_preview(printer, [each.instance for each in named])
            return
        _print_tags(printer, host_file.tag(controller, named, given))


def _print_tags(printer: Printer, changed: Sequence[Instance]) -> None:
    if printer.is_json:
        printer.documents(map(documents.instance, changed))
        return
    for each in changed:
        printer.talk(f"{each.name}: {_tags(each) or 'no tags'}")


@app.command(epilog=options.examples("assist instance rename web1 web01", "assist instance rename i-01kbdk web01"))
def rename(
    context: typer.Context,
    name: Name,
    new_name: Annotated[str, typer.Argument(metavar="NEW", help="New name of the instance.")],
) -> None:
    """Rename an instance. The history keeps the old name."""
    with open_controller(home()) as controller:
        changed = instances.rename(controller, name, new_name)
    options.printer(context).talk(f"Renamed: {changed.name}")


@app.command(epilog=options.examples("assist instance remove web1 db1", "assist instance remove -f hosts.txt"))
def remove(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[TARGET]...", help="Names, ids or targets.")] = None,
    file: bulk.File = None,
    yes: targets.Yes = False,
) -> None:
    """Remove instances from the inventory. Agents and history stay.

    To remove the agent from the machine too: assist instance uninstall
    """
    printer = options.printer(context)
    with open_controller(home()) as controller:
        found = many_instances.chosen_to_remove(printer, controller, names, file, "remove", yes=yes)
        for each in found:
            printer.talk(f"Removed: {instances.remove(controller, each.id).name}")


def _tag_hint(wanted: list[str]) -> str:
    """Return the hint for words of which some should be tags, as in ``web1 role`` and ``web1 role:web``."""
    if len(wanted) < 2:
        return f"assist instance tag {quoted(wanted[0] if wanted else 'web1')} canary=yes"
    *names, last = map(quoted, wanted)
    command = f"assist instance tag {' '.join(names)}"
    key, colon, value = last.partition(":")
    if colon and key and value:
        return f"did you mean {command} {key}={value}?"
    return f"to set the tag: {command} {last}=yes; to remove it: {command} {last}="


def _tags(instance: Instance) -> str:
    return " ".join(f"{key}={value}" if value else key for key, value in instance.tags.items())


def _row(instance: Instance, waiting: int, now: datetime) -> list[Cell | str]:
    seen = _last_seen(instance, now) + (f", {waiting} queued" if waiting else "")
    return [instance.name, instance.address, _tags(instance), instance.os_type or "", seen, instance.id]


def _fact_rows(facts: Facts) -> list[tuple[str, str]]:
    """Return the facts in two lines, as they are written in targets."""
    words = [f"{name}={','.join(fact_words(name, facts[name]))}" for name in facts]
    return [("Facts", " ".join(words[:5])), *([("", " ".join(words[5:]))] if words[5:] else [])] if words else []


def _last_seen(instance: Instance, now: datetime) -> str:
    return "never" if instance.heard is None else ago(instance.heard, now)


def _print_states(printer: Printer, found: list[health.InstanceHealth], now: datetime) -> None:
    columns = [
        Column("NAME", flexible=True, least=16),
        Column("STATE"),
        Column("AGENT", drop=5),
        Column("GUARD", drop=3),
        Column("RUNNING", right=True, drop=6),
        Column("RECORDS", right=True, drop=1),
        Column("LAST RUN", drop=2),
        Column("LAST SEEN", drop=4),
    ]
    ordered = sorted(found, key=lambda each: not each.health.is_online)  # those that do not answer last
    printer.table(columns, (_state_row(each, now) for each in ordered))


def _print_unreachable(printer: Printer, found: list[health.InstanceHealth]) -> None:
    """Print why instances cannot be reached."""
    silent: dict[tuple[str, str], list[health.InstanceHealth]] = {}
    for each in found:
        if not each.health.is_online:
            silent.setdefault((each.health.error_code, each.health.hint), []).append(each)
    for (code, hint), several in silent.items():
        what = several[0].health.error if len(several) == 1 else code
        printer.talk(f"{fold(each.instance.name for each in several)}: {what}; {hint}")
    if not found:
        printer.talk("No instances are registered. Try: assist instance install root@HOST")


def _state_row(state: health.InstanceHealth, now: datetime) -> list[Cell | str]:
    found, use = state.health, state.use
    guard = "" if not found.is_online else "none" if found.guard is None else count(found.guard["restarts"], "restart")
    return [
        state.instance.name,
        Cell("online", Style.GOOD) if found.is_online else Cell(found.error_code, Style.BAD),
        found.agent,
        guard,
        str(found.running) if found.is_online else "",
        str(use.records),
        "never" if use.last_sent is None else ago(use.last_sent, now),
        _last_seen(state.instance, now),
    ]
