"""The verbs of ``assist instance`` that install, upgrade and uninstall agents."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assist_cli.cli import bulk, documents, many_instances, options, targets
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

    from assist_cli.model.secret import Secret
    from assist_cli.operations.fleet.deployment import Upgrade
    from assist_cli.operations.fleet.listening import ListeningRequest
    from assist_cli.operations.fleet.sudo_password import SudoPassword

app = options.application()


@app.command(
    epilog=options.examples(
        "assist instance install root@10.0.0.5 --name web1 --tag role=web",
        "assist instance install ops@db1 --sudo --jump bastion --listen 7433",
        "assist instance install -f hosts.txt --accept-new",
        "assist instance install --from-ansible inventory.ini --listen 7433",
    )
)
def install(
    context: typer.Context,
    places: Annotated[
        list[str] | None, typer.Argument(metavar="[[USER@]HOST]...", help="The machines; ~/.ssh/config is used.")
    ] = None,
    file: bulk.File = None,
    from_ansible: bulk.FromAnsible = None,
    from_ssh_config: Annotated[
        bool, typer.Option("--from-ssh-config", help="The hosts of ~/.ssh/config, or those that HOST matches.")
    ] = False,
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
    sudo: Annotated[bool, typer.Option("--sudo", help="Become root with sudo; asks for its password once.")] = False,
    sudo_password: Annotated[
        str | None,
        typer.Option("--sudo-password", metavar="REF", help="Read it from env:VARIABLE or @FILE (default: ask)."),
    ] = None,
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
    from assist_cli.agents import destination
    from assist_cli.operations.fleet import deployment

    printer = options.printer(context, output)
    source = many_instances.source(places, file, from_ansible, from_ssh_config=from_ssh_config, again=unsuccessful)
    password = _sudo_password(sudo_password)
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
    if source.is_many:
        many_instances.install_all(printer, source, request, password, _proxy)
        return
    if password is not None and not sudo and not destination.parse(request.place).sudo:
        raise many_instances.unused_password()
    ask = _asker(printer)
    with open_controller(home()) as controller:
        done = deployment.install(controller, request, progress=_progress(printer), ask=ask, sudo=_sudo(password, ask))
    for note in done.notes:
        printer.talk(f"note: {note}")
    if printer.is_json:
        printer.document(documents.instance(done.instance))
    else:
        printer.line(f"{escape(done.instance.name)}  {done.instance.id}")


def _sudo_password(reference: str | None) -> Secret | None:
    """Return the value of --sudo-password. Raises UsageError, InvalidParameter and FileFailure."""
    if reference is None:
        return None
    if not reference.startswith(("env:", "@")):  # it may be the password itself, so the message does not quote it
        raise UsageError(
            "cannot use the value of --sudo-password: it is not a reference", hint="give env:VARIABLE or @FILE"
        )
    from assist_cli.operations.commands import parameters

    if reference.startswith("@"):
        options.warn_if_exposed(Path(reference[1:]))
    return parameters.secret("sudo-password", reference)


def _sudo(password: Secret | None, ask: Callable[[str], str] | None) -> SudoPassword | None:
    """Return the password of sudo for one machine; None if nobody can be asked."""
    from assist_cli.model.secret import Secret
    from assist_cli.operations.fleet.sudo_password import SudoPassword

    if password is not None:
        return SudoPassword(lambda place: password)
    return None if ask is None else SudoPassword(lambda place: Secret(ask(f"Password of sudo on {place}: ")))


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
        "assist instance enroll --out win1.pyz --listen 10.0.0.9:7433 --name win1",
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
        typer.Option(
            "--name",
            metavar="NAME",
            help="Names of the instances: NAME-1 … (default: their host names); with --listen the only name.",
        ),
    ] = None,
    tag: targets.Tags = None,
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen",
            metavar="ADDRESS[:PORT]",
            help="Without a broker: the file is for one machine, and this controller connects to it there by mutual "
            "TLS (port 7433).",
        ),
    ] = None,
    rotate: Annotated[
        bool,
        typer.Option("--rotate", help="With --listen: a new file and key for the instance NAME; the old are refused."),
    ] = False,
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
    """Write a file that installs agents on machines without SSH.

    They have Linux or Windows. Run it there as root or administrator: python3 FILE. As another user, the agent runs all
    scripts as that user. Without --listen the agent dials out to the broker of this home, and assist serve must run
    here meanwhile. To repeat it on a machine is safe, and not counted.
    """
    from assist_cli.cli import server_down
    from assist_cli.operations.fleet import enrolments, listening
    from assist_cli.operations.fleet.enrolments import EnrolmentRequest
    from assist_cli.operations.server import console

    printer = options.printer(context, output)
    if str(out) == "-":
        raise UsageError("cannot write the file to standard output: it is a secret", hint="give a name: --out FILE")
    again = f"assist instance enroll --out {quoted(str(out))}"
    if listen is not None:
        kept = [("--listen", listen), *([("--name", name)] if name else []), *(("--tag", each) for each in tag or ())]
        again += "".join(f" {option} {quoted(value)}" for option, value in kept)
        if (uses, lifetime, dial_proxy, activation) != (None, None, None, None):
            raise UsageError(
                "cannot use --uses, --for, --dial-proxy or --activation together with --listen: its file is for one "
                "machine that does not dial out",
                hint=again,
            )
        if rotate and tag:
            raise UsageError(
                "cannot use both --rotate and --tag: the instance keeps its tags", hint="assist instance tag NAME K=V"
            )
        _enroll_listening(printer, listening.ListeningRequest(listen, name, targets.tags(tag), rotate), out)
        return
    if rotate:
        raise UsageError(
            "cannot use --rotate without --listen: each machine of an enrolment gets a key of its own",
            hint=f"{again}; for a new key of an agent that dials out: assist instance upgrade NAME --rotate",
        )
    if activation is not None and (uses, lifetime, name, tag) != (None, None, None, None):
        raise UsageError(
            "cannot change an activation: --uses, --for, --name and --tag are for a new enrolment",
            hint=f"{again} --activation {quoted(activation)}",
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
    if not code:
        printer.talk(f"On Windows, as an administrator: python {out.name}")
    if url is not None:
        printer.talk(f"The console has it too: curl -fsSo {quoted(out.name)} {url}")
    if warning:
        printer.warn(warning)


def _enroll_listening(printer: Printer, request: ListeningRequest, out: Path) -> None:
    """Write the file for one machine that listens."""
    from assist_cli.operations.fleet import listening

    with open_controller(home()) as controller:
        made, note = listening.write(controller, request, out)
    if note:
        printer.warn(f"note: {note}")
    if printer.is_json:
        printer.document({**documents.instance(made), "File": str(out)})
    else:
        printer.line(f"{escape(made.name)}  {made.id}")
    printer.talk(f"{escape(str(out))} is a secret: it has the key of this instance. Delete it after use.")
    printer.talk(f"On that machine alone, as root: python3 {out.name}")
    printer.talk(f"On Windows, as an administrator: python {out.name}")
    printer.talk(f"Then, here: assist doctor {quoted(made.name)}")


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
    names: Annotated[list[str] | None, typer.Argument(metavar="[TARGET]...", help="Names, ids or targets.")] = None,
    file: bulk.File = None,
    force: Annotated[bool, typer.Option("--force", help="Also while scripts run; their results are lost.")] = False,
    yes: targets.Yes = False,
) -> None:
    """Uninstall agents from their machines, and remove the instances. The history stays.

    Refused while its scripts run. To remove only the instance: assist instance remove
    """
    from assist_cli.operations.fleet import deployment

    printer = options.printer(context)
    with open_controller(home()) as controller:
        found = many_instances.chosen_to_remove(printer, controller, names, file, "uninstall", yes=yes, force=force)
        if len(found) > 1:
            many_instances.uninstall_all(printer, controller, found, force=force)
            return
        for each in found:
            left = deployment.uninstall(controller, each.id, force=force, progress=_progress(printer))
            for path in left:
                printer.talk(f"note: {path} {many_instances.KEPT}")
            printer.talk(f"Uninstalled: {each.name}")


def _progress(printer: Printer) -> Callable[[str], None]:
    def progress(step: str) -> None:
        printer.talk(f"- {step}")

    return progress


def _asker(printer: Printer) -> Callable[[str], str] | None:
    """Return a function that asks for a password, None if nobody can be asked."""
    return functools.partial(printer.ask, hidden=True) if printer.can_ask else None
