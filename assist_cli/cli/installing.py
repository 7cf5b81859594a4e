"""The verbs of ``assist instance`` that install, upgrade and uninstall agents."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assist_cli.cli import bulk, documents, options, targets
from assist_cli.cli.formatting import clock
from assist_cli.cli.output import Format, Printer
from assist_cli.errors import UsageError
from assist_cli.model.names import quoted
from assist_cli.operations.controller import open_controller
from assist_cli.operations.fleet import instances
from assist_cli.paths import home
from assist_cli.units import count, escape

if TYPE_CHECKING:
    from collections.abc import Callable

    from assist_cli.model.instance import Instance
    from assist_cli.model.secret import Secret
    from assist_cli.operations.controller import Controller
    from assist_cli.operations.fleet.deployment import Installation, InstallRequest, Upgrade

app = options.application()

_KEPT = "does not belong to the agent, and was kept"


@app.command(
    epilog=options.examples(
        "assist instance install root@10.0.0.5 --name web1 --tag role=web",
        "assist instance install ops@db1 --sudo --jump bastion --listen 7433",
        "assist instance install -f hosts.txt --accept-new",
    )
)
def install(
    context: typer.Context,
    places: Annotated[
        list[str] | None, typer.Argument(metavar="[[USER@]HOST]...", help="The machines; ~/.ssh/config is used.")
    ] = None,
    file: bulk.File = None,
    unsuccessful: Annotated[
        bool, typer.Option("--unsuccessful", help="The hosts that failed in the last install of several.")
    ] = False,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of the only instance (default: HOST).")
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
    """Install agents over SSH, and register the instances.

    On a machine with an agent, the agent is repaired or upgraded. After a failure all changes are undone, or listed.
    A line of FILE: [USER@]HOST[:PORT] [name=NAME] [K=V]... A dozen are installed at the same time.
    """
    from assist_cli.operations.fleet import deployment

    printer = options.printer(context, output)
    ways = [way for way, given in (("HOST", places), ("-f", file), ("--unsuccessful", unsuccessful)) if given]
    if len(ways) != 1:
        raise UsageError(
            f"cannot use {' together with '.join(ways)}" if ways else "cannot install: no host given",
            hint="give one of HOST..., -f FILE or --unsuccessful",
        )
    request = deployment.InstallRequest(
        place=places[0] if places else "",
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
    if file or unsuccessful or len(places or ()) > 1:
        _install_all(printer, request, places, file)
        return
    with open_controller(home()) as controller:
        done = deployment.install(controller, request, progress=_progress(printer), ask=_asker(printer))
    for note in done.notes:
        printer.talk(f"note: {note}")
    if printer.is_json:
        printer.document(documents.instance(done.instance))
    else:
        printer.line(f"{escape(done.instance.name)}  {done.instance.id}")


def _proxy(text: str | Secret | None) -> str | Secret | None:
    """Return the value of --dial-proxy; that of a reference is a secret. Raises InvalidParameter, FileFailure."""
    if not isinstance(text, str) or not text.startswith(("env:", "@")):
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
    dial_proxy: Annotated[
        str | None,
        typer.Option(
            "--dial-proxy",
            metavar="URL",
            help="HTTP proxy of these machines, http://HOST:PORT; with a password by env:VARIABLE or @FILE only.",
        ),
    ] = None,
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
    from assist_cli.operations.server import console

    printer = options.printer(context, output)
    if activation is not None and (uses, lifetime, name, tag) != (None, None, None, None):
        raise UsageError(
            "cannot change an activation: --uses, --for, --name and --tag are for a new enrolment",
            hint=f"assist instance enroll --activation {activation} --out {out}",
        )
    proxy = _proxy(dial_proxy) or ""
    with open_controller(home()) as controller:
        url = None
        if activation is not None:
            made = enrolments.write_known(controller, activation, out, proxy)
        else:
            request = EnrolmentRequest(
                uses=1 if uses is None else uses,
                seconds=3600.0 if lifetime is None else lifetime,
                name=name or "",
                tags=targets.tags(tag),
            )
            made = enrolments.write(controller, request, out, proxy)
            if not proxy:  # the file of the console has none
                url = console.enrolment_url(controller, made.id)
        now = controller.now()
        warning = server_down.warning(controller, server_down.NO_ENROLMENT)
    if printer.is_json:
        printer.document({**documents.enrolment(made, now), "File": str(out), **({"Url": url} if url else {})})
    else:
        printer.line(f"{escape(str(out))}  {made.id}")
    code = "ASSIST_ACTIVATION_CODE=CODE " if activation is not None else ""
    left = count(made.uses - made.used, "machine")
    printer.talk(f"It admits {left}, until {clock(made.expires)}. Keep it private, and delete it after use.")
    printer.talk(f"On each machine, as root: {code}python3 {out.name}")
    if url is not None:
        printer.talk(f"The console has it too: curl -fsSo {quoted(out.name)} {url}")
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
            printer.warn(f"{outcome.instance.name}: {bulk.explained(outcome.error)}")
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
        raise typer.Exit(bulk.status(failed, len(outcomes)))


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
        if len(found) > 1:
            _uninstall_all(printer, controller, found, force=force)
            return
        for each in found:
            left = deployment.uninstall(controller, each.id, force=force, progress=_progress(printer))
            for path in left:
                printer.talk(f"note: {path} {_KEPT}")
            printer.talk(f"Uninstalled: {each.name}")


def _install_all(printer: Printer, given: InstallRequest, places: list[str] | None, file: str | None) -> None:
    """Install on several machines; ``given`` has the options of all of them. Raises typer.Exit after a failure."""
    from assist_cli.cli import scripts
    from assist_cli.operations.fleet import host_file, installs

    if given.name is not None:
        raise UsageError("cannot use --name for several hosts", hint="give names in a file: HOST name=NAME")
    with open_controller(home()) as controller:
        if file is not None:
            requests, origins = host_file.to_install(scripts.read(file, "file"), file)
        elif places:
            requests = [host_file.request_of(place, {}) for place in places]
            origins = [f"the host '{place}'" for place in places]
        else:
            left = installs.unsuccessful(controller.home)
            requests = [replace(request, dial_proxy=_proxy(request.dial_proxy)) for request in left]
            origins = [request.place for request in requests]
            if not requests:
                printer.talk("Nothing to do: no install of several hosts has left one without an agent.")
                return
        requests = [installs.merged(request, given) for request in requests]
        installs.refuse_twice(requests, origins)
        with installs.install_all(controller, requests) as many:
            outcomes = bulk.watch(printer, many, "installed", _installed)
    if printer.is_json:
        printer.documents(
            documents.installation(*pair) for pair in zip((each.place for each in requests), outcomes, strict=True)
        )
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if errors:
        printer.talk("To install on the others: assist instance install --unsuccessful")
        raise typer.Exit(bulk.status(errors, len(outcomes)))


def _uninstall_all(printer: Printer, controller: Controller, found: list[Instance], *, force: bool) -> None:
    """Uninstall the agents of several instances. Raises typer.Exit after a failure."""
    from assist_cli.operations.fleet import deployment
    from assist_cli.operations.fleet.many import Many

    def work(own: Controller, instance: Instance, progress: Callable[[str], None]) -> list[str]:
        return deployment.uninstall(own, instance.id, force=force, progress=progress)

    many = Many(controller, found, work, lambda instance: instance.name)
    many.start()
    outcomes = bulk.watch(
        printer, many, "uninstalled", lambda left: "uninstalled" + "".join(f"; note: {path} {_KEPT}" for path in left)
    )
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if errors:
        raise typer.Exit(bulk.status(errors, len(outcomes)))


def _installed(done: Installation) -> str:
    notes = "".join(f"; note: {note}" for note in done.notes)
    return f"agent {done.version}, {done.instance.name}  {done.instance.id}{notes}"


def _progress(printer: Printer) -> Callable[[str], None]:
    def progress(step: str) -> None:
        printer.talk(f"- {step}")

    return progress


def _asker(printer: Printer) -> Callable[[str], str] | None:
    """Return a function that asks for a password, None if nobody can be asked."""
    return functools.partial(printer.ask, hidden=True) if printer.can_ask else None
