"""How an agent gets to a machine, stays up to date and goes again: the verbs of ``assist instance`` that do so."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated

import typer

from assist_cli.cli import documents, options, targets
from assist_cli.cli.formatting import escape
from assist_cli.cli.output import Format, Printer
from assist_cli.errors import AgentError, ExitStatus, UsageError
from assist_cli.operations.controller import open_controller
from assist_cli.paths import home

if TYPE_CHECKING:
    from collections.abc import Callable

    from assist_cli.operations.fleet.deployment import Upgrade

app = options.application()


@app.command(
    epilog=options.examples(
        "assist instance install root@10.0.0.5 --name web1 --tag role=web",
        "assist instance install ops@db1 --sudo --jump bastion --listen 7433",
    )
)
def install(
    context: typer.Context,
    place: Annotated[str, typer.Argument(metavar="[USER@]HOST", help="Where; ~/.ssh/config is heeded.")],
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Its name; default: HOST.")] = None,
    tag: targets.Tags = None,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="[ADDRESS:]PORT", help="Reach it by mutual TLS (7433); default: by SSH."),
    ] = None,
    sudo: Annotated[bool, typer.Option("--sudo", help="Become root there by sudo, which must not ask.")] = False,
    port: Annotated[
        int | None, typer.Option("--port", metavar="N", min=1, max=65535, help="The port of sshd; default: 22.")
    ] = None,
    identity: Annotated[
        str | None, typer.Option("--identity", metavar="FILE", help="The private key to log in with.")
    ] = None,
    jump: Annotated[
        str | None, typer.Option("--jump", metavar="[USER@]HOST", help="By way of this host; a comma list.")
    ] = None,
    accept_new: Annotated[
        bool, typer.Option("--accept-new", help="Trust a host key that is not known yet, and write it down.")
    ] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Install an agent over SSH and register it.

    Again on the same machine, it repairs or upgrades. A failure leaves the machine as it was, or says what is left.
    """
    from assist_cli.operations.fleet import deployment

    printer = options.printer(context, output)
    request = deployment.InstallRequest(
        place=place,
        name=name,
        tags=targets.tags(tag),
        listen=listen,
        sudo=sudo,
        port=port,
        identity=identity,
        jump=jump,
        accept_new=accept_new,
    )
    with open_controller(home()) as controller:
        done = deployment.install(controller, request, progress=_progress(printer), ask=_asker(printer))
    for note in done.notes:
        printer.talk(f"note: {note}")
    if printer.is_json:
        printer.document(documents.instance(done.instance))
    else:
        printer.line(f"{escape(done.instance.name)}  {done.instance.id}")


@app.command(epilog=options.examples("assist instance upgrade --all", "assist instance upgrade @role=web --rotate"))
def upgrade(
    context: typer.Context,
    some: Annotated[list[str] | None, typer.Argument(metavar="[TARGET]...", help="The same, without -i.")] = None,
    instance: targets.Targets = None,
    everything: targets.All = False,
    rotate: Annotated[bool, typer.Option("--rotate", help="New keys and certificates too.")] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Bring agents to the version of this program. Their scripts go on meanwhile.

    Ends with 0 when all are up to date, 69 when none could be reached, else 1.
    """
    from assist_cli.operations.fleet import deployment

    printer = options.printer(context, output)
    chosen = targets.TargetOptions(instance, everything).selection(some)
    if chosen.is_empty:
        raise UsageError("cannot upgrade: it is not said which instances", hint="assist instance upgrade --all")

    def heard(outcome: Upgrade) -> None:
        if outcome.error is not None:
            hint = f"; {outcome.error.hint}" if outcome.error.hint else ""
            printer.warn(f"{outcome.instance.name}: {outcome.error.message}{hint}")
        elif outcome.before != outcome.after:
            printer.talk(f"{outcome.instance.name}: {outcome.before} to {outcome.after}" + ", new key" * rotate)
        else:
            printer.talk(f"{outcome.instance.name}: {outcome.after}, {'new key' if rotate else 'up to date'}")

    with open_controller(home()) as controller:
        outcomes = deployment.upgrade(controller, chosen, rotate=rotate, heard=heard)
    if printer.is_json:
        printer.documents(map(documents.upgrade, outcomes))
    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    if failed:
        unreached = len(failed) == len(outcomes) and all(isinstance(error, AgentError) for error in failed)
        raise typer.Exit(ExitStatus.UNREACHABLE if unreached else ExitStatus.FAILED)


@app.command(epilog=options.examples("assist instance uninstall web1", "assist instance uninstall web1 --force"))
def uninstall(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name, an id, or the beginning of an id.")],
    force: Annotated[bool, typer.Option("--force", help="Although scripts run; they go on, unheard.")] = False,
) -> None:
    """Take the agent off a machine and forget the instance. The history stays.

    Refused while scripts of it run. To forget the instance only: assist instance remove
    """
    from assist_cli.operations.fleet import deployment

    printer = options.printer(context)
    with open_controller(home()) as controller:
        left = deployment.uninstall(controller, name, force=force, progress=_progress(printer))
    for path in left:
        printer.talk(f"note: {path} is not the agent's, and is still there")
    printer.talk(f"Uninstalled: {name}")


def _progress(printer: Printer) -> Callable[[str], None]:
    def progress(step: str) -> None:
        printer.talk(f"- {step}")

    return progress


def _asker(printer: Printer) -> Callable[[str], str] | None:
    """Ask a person for a password, where there is one."""
    return functools.partial(printer.ask, hidden=True) if printer.can_ask else None
