"""Installing, upgrading and uninstalling agents.

Installation uses SSH. An installed agent is upgraded by a script that it runs itself, over any kind of connection. Like
every script, this one runs under its shim, and survives the replacement of guard and agent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

from assist_cli import __version__, codes
from assist_cli.agents import broker_folder, route
from assist_cli.agents import destination as destinations
from assist_cli.agents.client import Client
from assist_cli.deploy import host_answers, host_requests, pki
from assist_cli.deploy import install as deploy
from assist_cli.deploy.host.boot import boot_notes
from assist_cli.deploy.host_requests import DialProxy
from assist_cli.errors import (
    AgentError,
    AssistError,
    ClientNotOnline,
    ClientNotRunning,
    Conflict,
    ConnectionLost,
    InstallFailed,
    InvalidAnswer,
    InvalidParameter,
)
from assist_cli.model import ids
from assist_cli.model.audit import AuditEntry
from assist_cli.model.instance import LOCAL, Instance
from assist_cli.model.names import quoted
from assist_cli.model.secret import Secret
from assist_cli.model.target import Selection
from assist_cli.model.timeouts import InstallTimeouts
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import concurrency, dialling, instances
from assist_cli.operations.fleet.connection import AgentConnection
from assist_cli.operations.fleet.sudo_password import Attempt, SudoPassword
from assist_cli.operations.fleet.unrecorded import UnrecordedTask
from assist_cli.store import audit
from assist_cli.store import instances as store

T = TypeVar("T")

Progress = Callable[[str], None]
Ask = Callable[[str], str]


@dataclass(frozen=True)
class InstallRequest:
    """A request to install an agent. ``place`` is [USER@]HOST[:PORT]; ``listen`` is [ADDRESS:]PORT, None for SSH.

    ``dial``: the agent dials out to the broker of the home, through ``dial_proxy`` if one is given (see
    ``dialling.proxy``). ``rotate``: the machine becomes a new instance, even if it has an agent. ``accept_new`` trusts
    an unknown host key. The name defaults to that of the registered instance, then to the host.
    """

    place: str
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    listen: str | None = None
    dial: bool = False
    dial_proxy: str | Secret | None = None
    rotate: bool = False
    sudo: bool = False
    port: int | None = None
    identity: str | None = None
    jump: str | None = None
    accept_new: bool = False


@dataclass(frozen=True)
class Installation:
    """The outcome of an installation. ``before``: the previous version. ``notes``: steps left to the administrator."""

    instance: Instance
    version: str
    before: str | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Upgrade:
    """The outcome of the upgrade of one instance: its versions before and after, or the error."""

    instance: Instance
    before: str | None = None
    after: str | None = None
    error: AssistError | None = None


def install(
    controller: Controller,
    request: InstallRequest,
    *,
    progress: Progress,
    ask: Ask | None,
    sudo: SudoPassword | None = None,
) -> Installation:
    """Install an agent, or repair or upgrade an installed one, and register it.

    ``progress`` gets each step. ``ask`` gets a prompt and returns a password of SSH; None if nobody can be asked.
    ``sudo`` has a password, if sudo there asks for one. Raises InvalidParameter, Conflict, Refused (nothing was
    changed), AgentError, InstallFailed.
    """
    from assist_cli.agents.ssh.login import log_in

    destination, tags, listen, proxy = checked(controller, request)
    progress(f"log in to {destination.place}")
    login = log_in(destination, controller.timeouts.agent, accept_new=request.accept_new, ask=ask)
    host = deploy.Host(login, controller.timeouts.install, sudo=destination.sudo)
    progress("find Python")
    with_password = False

    def unlock(attempt: Attempt) -> None:
        nonlocal with_password
        assert sudo is not None
        progress("become root by sudo with a password")
        sudo.prove(destination.place, attempt)
        with_password = True

    python = host.check(None if sudo is None else unlock)
    found = host.look()
    progress(f"found Python {python}" + (f" and agent {found.version}" if found.version else ""))
    instance = (None if request.rotate else found.instance) or ids.new_id(ids.Kind.INSTANCE, controller.now_ms())
    known = store.registered_by_id(controller.database, instance)
    name = known.name if known and not request.name else instances.checked_name(request.name or destination.host)
    instances.refuse_name_of_another(controller.database, name, instance)
    instances.refuse_another_name(name, known)
    dials = request.dial or (listen is None and isinstance(_address_of(known), route.Nats))
    if with_password and not (listen or dials or _address_of(known) or host.has_sudo_without_password()):
        raise Conflict(
            f"cannot install the agent of root on '{destination.place}' to be reached over SSH: sudo asks for a "
            "password there, and later runs cannot give one",
            hint="add --listen PORT or --dial, so that sudo is needed only now; or allow the bridge in sudoers: "
            f"{destination.user or 'USER'} ALL=(root) NOPASSWD: {found.home}/agentd bridge",
        )
    if (listen or dials) and not found.tls:
        what, option = ("dial out", "--dial") if dials else ("listen", "--listen")
        raise Conflict(
            f"cannot make the agent on '{destination.place}' {what}: its Python {python} has no TLS 1.3",
            hint=f"repeat without {option}: the agent is reached over SSH",
            code=codes.COMMAND_NOT_APPLICABLE,
        )
    credentials = pki.agent_credentials(controller.home, controller.id, instance, controller.now(), dials=dials)
    if not found.belongs_to(credentials.authority):
        raise Conflict(
            f"cannot install the agent on '{destination.place}': it belongs to another controller",
            hint=f"register it unchanged: assist instance add {quoted(name)} {quoted(str(route.Ssh(destination)))}; "
            f"or take it over: rm {found.home}/pki/ca.pem there, and repeat",
            code=codes.CLIENT_AUTH_FAILED,
        )
    dial = None
    if dials:
        progress("connect to the broker")
        dialling.check_broker(controller)
        dial = dialling.settings(controller, instance, proxy)
    elif proxy is not None:
        raise InvalidParameter(
            f"cannot use a proxy: the agent on '{destination.place}' does not dial out", hint="give --dial too"
        )
    done = host.install(
        found,
        instance=instance,
        credentials=credentials,
        listen=listen,
        dial=dial,
        only=bool(listen or request.dial or request.rotate),
        rotate=request.rotate,
        progress=progress,
    )

    address = _address_of(known) or route.Ssh(destination)
    if dials:
        address = route.Nats(instance)
    elif listen:
        address = _listening(controller, destination, listen)
    progress(f"connect to {address}")
    try:
        if dials:
            asyncio.run(dialling.wait_for(controller, str(address)))
        registered = instances.add(controller, name, str(address), tags or None)
    except AgentError as error:
        raise InstallFailed(
            f"cannot register '{name}' after its installation: {error.message}",
            hint=f"{error.hint}; then: assist instance add {quoted(name)} {address}",
            code=error.code,
        ) from error
    _note(controller, "instance.install", registered, f"agent {done.version} at {address}")
    return Installation(registered, done.version, done.before, notes(found, login.by))


def checked(
    controller: Controller, request: InstallRequest
) -> tuple[destinations.Destination, dict[str, str], str | None, DialProxy | None]:
    """Return the destination, the tags, the listen address and the proxy of a request. Connects to nothing.

    Raises InvalidParameter, QuotaExceeded, Conflict.
    """
    destination = _destination(request)
    instances.checked_name(request.name or destination.host)
    tags = instances.checked_tags(request.tags)
    listen = listen_address(request.listen) if request.listen else None
    proxy = None if request.dial_proxy is None else dialling.proxy(request.dial_proxy)
    if request.dial:
        dialling.check(controller, listen)
    return destination, tags, listen, proxy


def upgrade(
    controller: Controller, selection: Selection, *, rotate: bool, heard: Callable[[Upgrade], None]
) -> list[Upgrade]:
    """Upgrade the agents of these instances to this version; with ``rotate`` also renew their keys and certificates.

    An agent that has this version is skipped, unless it gets a new key. ``heard`` gets each outcome as it arrives.
    Raises NotFound and InvalidParameter for the selection. A failure on an instance is its outcome.
    """
    chosen = [each for each in instances.listing(controller, selection) if each.name != LOCAL]
    return asyncio.run(upgrade_all(controller, chosen, rotate=rotate, heard=heard))


async def upgrade_all(
    controller: Controller, chosen: Sequence[Instance], *, rotate: bool, heard: Callable[[Upgrade], None]
) -> list[Upgrade]:
    """Upgrade the agents of resolved instances, as ``upgrade`` does."""

    async def one(instance: Instance) -> Upgrade:
        try:
            with AgentConnection(controller, instance) as connection:
                outcome = await _upgrade(controller, connection, instance, rotate=rotate)
        except AssistError as error:
            outcome = Upgrade(instance, error=error)
        except Exception as error:
            from assist_cli import bug_report

            outcome = Upgrade(
                instance, error=bug_report.reported(controller.home, error, f"upgrade the agent of '{instance.name}'")
            )
        heard(outcome)
        return outcome

    outcomes = await concurrency.each(chosen, one)
    for outcome in outcomes:
        if outcome.error is None and (rotate or outcome.before != outcome.after):
            detail = f"agent {outcome.before} to {outcome.after}" + (", new key" if rotate else "")
            await controller.change(_note, "instance.upgrade", outcome.instance, detail)
    return outcomes


def uninstall(controller: Controller, name: str, *, force: bool, progress: Progress) -> list[str]:
    """Stop the agent of an instance, uninstall it, and remove the instance. Its history stays, its key is revoked.

    Refused while its scripts run. With ``force`` they continue, and their results are lost. Returns the remaining files
    of its folder there, which are not the agent's. Raises NotFound, Conflict, AgentError, InstallFailed.
    """
    instance = instances.get(controller, name)
    instances.refuse_in_use(controller.database, instance, "uninstall", force=force)
    way = route.parse(instance.address)
    if isinstance(way, route.Local):
        raise Conflict(
            "cannot uninstall the agent of this machine: it is a part of Assist", hint="it stops when it is idle"
        )
    try:
        if isinstance(way, route.Ssh):
            left = _uninstall_over_ssh(controller, way.destination, force=force, progress=progress)
        else:
            progress("run the uninstall script on the agent")
            left = asyncio.run(_uninstall_by_itself(controller, instance, force=force))
    except (ClientNotOnline, ClientNotRunning) as error:
        error.hint += f"; if the machine no longer exists: assist instance remove {instance.name}"
        raise
    instances.remove(controller, instance.id, force=force)
    if controller.home.authority.exists():
        pki.revoke(controller.home, instance.id, controller.now(), is_closed=False)
    _note(controller, "instance.uninstall", instance, f"at {instance.address}")
    return left


def listen_address(text: str) -> str:
    """Return the ADDRESS:PORT of [ADDRESS:]PORT on which an agent listens; without an address, on all addresses."""
    import ipaddress

    address, _, port = text.rpartition(":")
    try:
        number = ipaddress.ip_address(address.strip("[]") or "0.0.0.0")  # noqa: S104  a port alone means all addresses
        if port.isascii() and port.isdigit() and 0 < int(port) < 65536:
            return f"[{number}]:{int(port)}" if number.version == 6 else f"{number}:{int(port)}"
    except ValueError:
        pass
    raise InvalidParameter(
        f"cannot make an agent listen on '{text}'", hint="give a port or ADDRESS:PORT, like 7433 or 10.0.0.5:7433"
    )


def _destination(request: InstallRequest) -> destinations.Destination:
    destination = destinations.parse(request.place)
    if request.port is not None and destination.port not in (None, request.port):
        raise InvalidParameter(f"cannot use both port {destination.port} and port {request.port}", hint="give one")
    flagged = replace(
        destination,
        sudo=request.sudo or destination.sudo,
        port=request.port or destination.port,
        identity=request.identity or destination.identity,
        jump=request.jump or destination.jump,
    )
    return destinations.parse(str(flagged))


def _listening(controller: Controller, destination: destinations.Destination, listen: str) -> route.Tls:
    """The address of an agent that listens on ADDRESS:PORT. If it listens on all addresses, that of its SSH server."""
    from ipaddress import ip_address

    from assist_cli.agents.ssh import config

    address, _, port = listen.rpartition(":")
    number = ip_address(address.strip("[]"))
    if not number.is_unspecified:
        return route.Tls(str(number), int(port))
    until = time.monotonic() + controller.timeouts.agent.connect
    return route.Tls(config.settings(destination, until).host, int(port))


def _address_of(known: Instance | None) -> route.Route | None:
    """The address of an instance that already listens or dials out. A repair does not change it."""
    way = route.parse(known.address) if known else None
    return way if isinstance(way, (route.Tls, route.Nats)) else None


def notes(found: host_answers.Found, by: str = "") -> tuple[str, ...]:
    """The steps left to the administrator: to start the agent at boot, and to log in without a password."""
    notes = boot_notes(vars(found))
    if by == "password":
        notes.append("to connect over SSH later, install your key with ssh-copy-id: only this command asks a password")
    return tuple(notes)


async def _upgrade(controller: Controller, connection: AgentConnection, instance: Instance, *, rotate: bool) -> Upgrade:
    client = await connection.client()
    before = client.greeting.agent
    if before == __version__ and not rotate:
        return Upgrade(instance, before, before)
    credentials = None
    timeouts = controller.timeouts.install
    place = await _place_of(controller, client, instance)
    dial = None
    now = controller.now()
    if rotate:
        is_brokered = isinstance(route.parse(instance.address), route.Nats)
        dials = is_brokered or (place.dials and broker_folder.exists(controller.home))
        made = now + timedelta(seconds=1)  # later than all that are revoked below
        credentials = pki.agent_credentials(controller.home, controller.id, instance.id, made, dials=dials)
        dial = dialling.settings(controller, instance.id) if dials else None
    order = host_requests.install_order(instance=instance.id, credentials=credentials, listen=None, dial=dial)
    job = UnrecordedTask(controller, place.script("install", order, timeouts))
    await _within(timeouts.script, _run_with_retry(connection, job), instance, "upgrade")
    host_requests.read_answers(bytes(job.written), instance.name, "upgrade")
    connection.close()  # it may lead to the replaced agent
    after = await _within(timeouts.start, connection.retry(_version, restarts=True), instance, "upgrade")
    if rotate:
        pki.revoke(controller.home, instance.id, now, is_closed=False)
    return Upgrade(instance, before, after)


async def _version(client: Client) -> str:
    return client.greeting.agent


@dataclass(frozen=True)
class _AgentPlace:
    """The place of an installed agent: its system (an os.name), its folder and its Python; and if it dials out."""

    system: str
    home: str
    program: str
    dials: bool

    def script(self, verb: str, order: Mapping[str, Any], timeouts: InstallTimeouts) -> host_requests.ActionScript:
        """Return the script that the agent runs to carry out an action on itself."""
        return host_requests.script(self.system, self.home, self.program, verb, order, timeouts)


async def _place_of(controller: Controller, client: Client, instance: Instance) -> _AgentPlace:
    """Ask an agent where it is. Raises AgentError."""
    state = await _within(controller.timeouts.agent.health, client.call("agent.status", {}), instance, "question")
    if state["home"] is None or state["program"] is None:
        raise InvalidAnswer(
            f"cannot change the agent of '{instance.name}': it does not report where it is installed",
            hint="install it again: assist instance install",
        )
    system = "nt" if client.greeting.os == "Windows" else "posix"
    return _AgentPlace(system, state["home"], state["program"], state.get("dial") is not None)


async def _within(seconds: float, work: Awaitable[T], instance: Instance, what: str) -> T:
    """Wait up to ``seconds`` for an agent to do ``work``. Raises ClientNotOnline."""
    try:
        return await asyncio.wait_for(work, seconds)
    except asyncio.TimeoutError:
        raise ClientNotOnline(
            f"cannot reach '{instance.name}' since its {what} began", hint=f"assist doctor {quoted(instance.name)}"
        ) from None


async def _run_with_retry(connection: AgentConnection, job: UnrecordedTask) -> None:
    await connection.retry(job.deliver)
    await connection.retry(job.follow, restarts=True)


def _uninstall_over_ssh(
    controller: Controller, destination: destinations.Destination, *, force: bool, progress: Progress
) -> list[str]:
    from assist_cli.agents.ssh.login import log_in

    progress(f"log in to {destination.place}")
    login = log_in(destination, controller.timeouts.agent)
    host = deploy.Host(login, controller.timeouts.install, sudo=destination.sudo)
    host.check()
    return host.uninstall(force=force, progress=progress)


async def _uninstall_by_itself(controller: Controller, instance: Instance, *, force: bool) -> list[str]:
    """Run a script on the agent that stops and removes it. It has succeeded if the connection is lost.

    Its result is lost too, so another script finds the files that stay before.
    """
    with AgentConnection(controller, instance) as connection:
        place = await _place_of(controller, await connection.client(), instance)
        timeouts = controller.timeouts.install
        order = {"force": force, "own": 1}
        check = UnrecordedTask(controller, place.script("uninstall", {**order, "check": True}, timeouts))
        await _within(timeouts.script, _run_with_retry(connection, check), instance, "removal")
        left: list[str] = host_requests.read_answers(bytes(check.written), instance.name, "uninstall")["left"]
        job = UnrecordedTask(controller, place.script("uninstall", order, timeouts))
        await _within(timeouts.script, connection.retry(job.deliver), instance, "removal")
        if not await _within(timeouts.script, _until_lost(connection, job), instance, "removal"):
            host_requests.read_answers(bytes(job.written), instance.name, "uninstall")
        return left


async def _until_lost(connection: AgentConnection, job: UnrecordedTask) -> bool:
    """Follow the script. Return True if the connection is lost before it ends."""
    try:
        await job.follow(await connection.client())
    except (ConnectionLost, ClientNotOnline, ClientNotRunning):
        return True
    return False


def _note(controller: Controller, action: str, instance: Instance, detail: str) -> None:
    with controller.database.transaction() as transaction:
        subject = f"{instance.name} ({instance.id})"
        audit.append(transaction, AuditEntry(controller.now(), controller.actor, action, subject, detail))
