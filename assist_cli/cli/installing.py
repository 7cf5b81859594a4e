"""The verbs of ``assist instance`` that install, upgrade and uninstall agents."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assist_cli.cli import documents, options, targets
from assist_cli.cli.formatting import clock, escape
from assist_cli.cli.output import Format, Printer
from assist_cli.errors import AgentError, AssistError, ExitStatus, UsageError
from assist_cli.operations.controller import open_controller
from assist_cli.operations.fleet import instances
from assist_cli.paths import home
from assist_cli.units import count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from assist_cli.model.secret import Secret
    from assist_cli.operations.fleet.deployment import Upgrade

app = options.application()


@app.command(
    epilog=options.examples(
        "assist instance install root@10.0.0.5 --name web1 --tag role=web",
        "assist instance install ops@db1 --sudo --jump bastion --listen 7433",
        "assist instance install root@pos7 --dial",
    )
)
def install(
    context: typer.Context,
    place: Annotated[str, typer.Argument(metavar="[USER@]HOST", help="The machine; ~/.ssh/config is used.")],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of the instance (default: HOST).")
    ] = None,
    tag: targets.Tags = None,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="[ADDRESS:]PORT", help="Connect by mutual TLS on PORT (default: by SSH)."),
    ] = None,
    dial: Annotated[
        bool, typer.Option("--dial", help="The agent dials out to the broker of this home; no port is open on it.")
    ] = False,
    dial_proxy: Annotated[
        str | None,
        typer.Option(
            "--dial-proxy",
            metavar="URL",
            help="Dial out through the HTTP proxy http://HOST:PORT (default: unchanged; none: without); with a "
            "password by env:VARIABLE or @FILE only.",
        ),
    ] = None,
    rotate: Annotated[
        bool, typer.Option("--rotate", help="Make a cloned machine a new instance, with an id and a key of its own.")
    ] = False,
    sudo: Annotated[bool, typer.Option("--sudo", help="Become root with sudo, which must ask no password.")] = False,
    port: Annotated[
        int | None, typer.Option("--port", metavar="N", min=1, max=65535, help="Port of sshd (default 22).")
    ] = None,
    identity: Annotated[
        str | None, typer.Option("--identity", metavar="FILE", help="Private key for the login.")
    ] = None,
    jump: Annotated[
        str | None, typer.Option("--jump", metavar="[USER@]HOST", help="Jump hosts, separated by commas.")
    ] = None,
    accept_new: Annotated[
        bool, typer.Option("--accept-new", help="Accept an unknown host key, and add it to known_hosts.")
    ] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Install an agent over SSH, and register the instance.

    On a machine with an agent, the agent is repaired or upgraded. After a failure all changes are undone, or listed.
    """
    from assist_cli.operations.fleet import deployment

    printer = options.printer(context, output)
    request = deployment.InstallRequest(
        place=place,
        name=name,
        tags=targets.tags(tag),
        listen=listen,
        dial=dial,
        dial_proxy=_proxy(dial_proxy),
        rotate=rotate,
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


def _proxy(text: str | None) -> str | Secret | None:
    """Return the value of --dial-proxy; that of a reference is a secret. Raises InvalidParameter, FileFailure."""
    if text is None or not text.startswith(("env:", "@")):
        return text
    from assist_cli.operations.commands import parameters

    return parameters.secret("dial-proxy", text)


@app.command(
    epilog=options.examples(
        "assist instance enroll --out pos-enroll.pyz --uses 100 --for 1d --tag role=pos",
        "assist instance enroll --out web.pyz --name web",
    )
)
def enroll(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write; it is a secret.")],
    uses: Annotated[
        int | None, typer.Option("--uses", metavar="N", help="Number of machines, up to 10,000 (default 1).")
    ] = None,
    lifetime: Annotated[
        float | None,
        typer.Option("--for", metavar="TIME", parser=options.duration, help="Valid for TIME, up to 30d (default 1h)."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Names of the instances: NAME-1 … (default: their host names)."),
    ] = None,
    tag: targets.Tags = None,
    activation: Annotated[
        str | None,
        typer.Option("--activation", metavar="ID", help="For an activation of the API; its code is not in the file."),
    ] = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Write one file that installs agents on machines without SSH.

    Run it there as root: python3 FILE. The agent dials out to the broker of this home. Meanwhile assist serve must run
    here. To repeat it on a machine is safe, and not counted.
    """
    from assist_cli.cli import server_down
    from assist_cli.operations.fleet import enrolments
    from assist_cli.operations.fleet.enrolments import EnrolmentRequest

    printer = options.printer(context, output)
    if activation is not None and (uses, lifetime, name, tag) != (None, None, None, None):
        raise UsageError(
            "cannot change an activation: --uses, --for, --name and --tag are for a new enrolment",
            hint=f"assist instance enroll --activation {activation} --out {out}",
        )
    with open_controller(home()) as controller:
        if activation is not None:
            made = enrolments.write_known(controller, activation, out)
        else:
            request = EnrolmentRequest(
                uses=1 if uses is None else uses,
                seconds=3600.0 if lifetime is None else lifetime,
                name=name or "",
                tags=targets.tags(tag),
            )
            made = enrolments.write(controller, request, out)
        now = controller.now()
        warning = server_down.warning(controller, server_down.NO_ENROLMENT)
    if printer.is_json:
        printer.document({**documents.enrolment(made, now), "File": str(out)})
    else:
        printer.line(f"{escape(str(out))}  {made.id}")
    code = "ASSIST_ACTIVATION_CODE=CODE " if activation is not None else ""
    left = count(made.uses - made.used, "machine")
    printer.talk(f"It admits {left}, until {clock(made.expires)}. Keep it private, and delete it after use.")
    printer.talk(f"On each machine, as root: {code}python3 {out.name}")
    if warning:
        printer.warn(warning)


@app.command(epilog=options.examples("assist instance upgrade --all", "assist instance upgrade @role=web --rotate"))
def upgrade(
    context: typer.Context,
    *,
    some: Annotated[list[str] | None, typer.Argument(metavar="[TARGET]...", help="Targets, as with -i.")] = None,
    target: targets.TargetOptions,
    rotate: Annotated[bool, typer.Option("--rotate", help="Also create new keys and certificates.")] = False,
    output: options.Output = Format.TABLE,
) -> None:
    """Upgrade agents to the version of this program. Running scripts continue.

    Exit status: 0 if all are up to date, 69 if none could be reached, else 1.
    """
    from assist_cli.operations.fleet import deployment

    printer = options.printer(context, output)
    chosen = target.selection(some)
    if chosen.is_empty:
        raise UsageError("cannot upgrade: no instances given", hint="assist instance upgrade --all")
    if target.preview:
        with open_controller(home()) as controller:
            targets.print_preview(printer, instances.listing(controller, chosen))
        return

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
        raise typer.Exit(_status_of(failed, len(outcomes)))


@app.command(epilog=options.examples("assist instance uninstall web1", "assist instance uninstall 'web*' --yes"))
def uninstall(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="TARGET...", help="Names, ids or targets.")],
    force: Annotated[bool, typer.Option("--force", help="Also while scripts run; their results are lost.")] = False,
    yes: targets.Yes = False,
) -> None:
    """Uninstall agents from their machines, and remove the instances. The history stays.

    Refused while its scripts run. To remove only the instance: assist instance remove
    """
    from assist_cli.operations.fleet import deployment

    printer = options.printer(context)
    with open_controller(home()) as controller:
        found = instances.chosen_to_remove(controller, names)
        targets.confirm(printer, names, found, "uninstall", yes=yes)
        errors = []
        for each in found:
            try:
                left = deployment.uninstall(controller, each.id, force=force, progress=_progress(printer))
            except AssistError as error:
                if len(found) == 1:
                    raise
                errors.append(error)
                printer.warn(f"{each.name}: {error.message}" + (f"; {error.hint}" if error.hint else ""))
                continue
            for path in left:
                printer.talk(f"note: {path} does not belong to the agent, and was kept")
            printer.talk(f"Uninstalled: {each.name}")
    if errors:
        raise typer.Exit(_status_of(errors, len(found)))


def _status_of(errors: Sequence[AssistError], total: int) -> ExitStatus:
    """Return the exit status of work on ``total`` instances, some of which failed."""
    unreached = len(errors) == total and all(isinstance(error, AgentError) for error in errors)
    return ExitStatus.UNREACHABLE if unreached else ExitStatus.FAILED


def _progress(printer: Printer) -> Callable[[str], None]:
    def progress(step: str) -> None:
        printer.talk(f"- {step}")

    return progress


def _asker(printer: Printer) -> Callable[[str], str] | None:
    """Return a function that asks for a password, None if nobody can be asked."""
    return functools.partial(printer.ask, hidden=True) if printer.can_ask else None
