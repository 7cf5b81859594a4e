"""Installing, adding, uninstalling and removing several instances, from files, inventories and ~/.ssh/config."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import typer

from assist_cli.cli import bulk, documents, targets
from assist_cli.errors import UsageError
from assist_cli.model import names
from assist_cli.model.folding import fold, folded
from assist_cli.operations.controller import open_controller
from assist_cli.operations.fleet import instances
from assist_cli.operations.runs import refresh
from assist_cli.paths import home

if TYPE_CHECKING:
    from assist_cli.cli.output import Printer
    from assist_cli.model.instance import Instance
    from assist_cli.model.secret import Secret
    from assist_cli.operations.controller import Controller
    from assist_cli.operations.fleet.ansible.hosts import Requests
    from assist_cli.operations.fleet.deployment import Installation, InstallRequest
    from assist_cli.operations.fleet.host_file import AddRequest

KEPT = "does not belong to the agent, and was kept"


@dataclass(frozen=True)
class InstallSource:
    """The origin of the machines to install on; with ``from_ssh_config`` the places are patterns."""

    places: Sequence[str]
    file: str | None
    inventory: str | None
    from_ssh_config: bool

    @property
    def is_many(self) -> bool:
        """True unless one host is named."""
        return self.from_ssh_config or len(self.places) != 1


def source(
    places: Sequence[str] | None, file: str | None, inventory: str | None, *, from_ssh_config: bool, again: bool
) -> InstallSource:
    """Return the source that the options name. Raises UsageError unless it is one."""
    hosts = places and not from_ssh_config
    given = (
        ("HOST", hosts),
        ("-f", file),
        ("--from-ansible", inventory),
        ("--from-ssh-config", from_ssh_config),
        ("--unsuccessful", again),
    )
    ways = [way for way, is_given in given if is_given]
    if len(ways) != 1:
        raise UsageError(
            f"cannot use {' together with '.join(ways)}" if ways else "cannot install: no host given",
            hint="give one of HOST..., -f FILE, --from-ansible FILE, --from-ssh-config or --unsuccessful",
        )
    return InstallSource(places or (), file, inventory, from_ssh_config)


def install_all(
    printer: Printer,
    source: InstallSource,
    given: InstallRequest,
    password: Secret | None,
    proxy: Callable[[str | Secret | None], str | Secret | None],
) -> None:
    """Install on several machines; ``given`` has the options of all of them. Raises typer.Exit after a failure.

    ``password`` is that of sudo, and ``proxy`` reads a reference to a proxy again.
    """
    from assist_cli.operations.fleet import installs

    if given.name is not None:
        raise UsageError("cannot use --name for several hosts", hint="give names in a file: HOST name=NAME")
    with open_controller(home()) as controller:
        requests, origins = _requests(printer, controller, source, proxy)
        if not requests:
            printer.talk("Nothing to do: no install of several hosts has left one without an agent.")
            return
        requests = [installs.merged(request, given) for request in requests]
        if password is not None and not any(request.sudo for request in requests):
            raise unused_password()
        installs.refuse_twice(requests, origins)
        with installs.install_all(controller, requests, password=password, can_ask=printer.can_ask) as many:
            outcomes = bulk.watch(printer, many, "installed", _installed)
    _print_notes_of(printer, [outcome.value for outcome in outcomes if outcome.value is not None])
    if printer.is_json:
        printer.documents(
            documents.installation(*pair) for pair in zip((each.place for each in requests), outcomes, strict=True)
        )
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if errors:
        printer.talk("To install on the others: assist instance install --unsuccessful")
        raise typer.Exit(bulk.status(errors, len(outcomes)))


def add_all(printer: Printer, file: str | None, inventory: str | None, given: Mapping[str, str] | None) -> None:
    """Register the instances of a file or an inventory. Raises typer.Exit after a failure."""
    from assist_cli.cli import scripts
    from assist_cli.operations.fleet import host_file
    from assist_cli.operations.fleet.many import Many

    if inventory is not None:
        requests = _inventory(printer, inventory).to_add()
    else:
        assert file is not None
        requests = host_file.to_add(scripts.read(file, "file"), file)
    more = instances.checked_tags(given or {})

    def work(own: Controller, request: AddRequest, progress: Callable[[str], None]) -> Instance:
        progress(f"connect to {request.address}")
        return instances.add(own, request.name, request.address, {**more, **request.tags} or None)

    with open_controller(home()) as controller:
        many = Many(controller, requests, work, lambda request: request.name)
        many.start()
        outcomes = bulk.watch(printer, many, "added", lambda made: f"{made.address}  {made.id}")
    if printer.is_json:
        printer.documents(documents.instance(each.value) for each in outcomes if each.value is not None)
    errors = [each.error for each in outcomes if each.error is not None]
    if errors:
        raise typer.Exit(bulk.status(errors, len(outcomes)))


def chosen_to_remove(
    printer: Printer,
    controller: Controller,
    words: Sequence[str] | None,
    file: str | None,
    verb: str,
    *,
    yes: bool,
    force: bool = False,
) -> list[Instance]:
    """Return the instances of targets or of a file, after a question if a pattern names them.

    ``force``: also those on which scripts run. Without it, agents are asked first which scripts still run.

    Raises UsageError, NotFound, InvalidParameter, Conflict, FileFailure, Refused and typer.Abort.
    """
    if bool(words) == (file is not None):
        raise UsageError(
            f"cannot {verb} both TARGET and -f FILE" if words else f"cannot {verb}: no instance given",
            hint=f"assist instance {verb} web1; or -f FILE, which names a host in each line",
        )
    if not force:
        refresh.refresh(controller, None)
    if file is None:
        found = instances.chosen_to_remove(controller, words or (), verb, force=force)
        targets.confirm(printer, words or (), found, verb, yes=yes)
        return found
    from assist_cli.cli import scripts
    from assist_cli.operations.fleet import host_file

    named = host_file.registered(controller, scripts.read(file, "file"), file)
    return instances.chosen_to_remove(controller, [each.instance.id for each in named], verb, force=force)


def uninstall_all(printer: Printer, controller: Controller, found: list[Instance], *, force: bool) -> None:
    """Uninstall the agents of several instances. Raises typer.Exit after a failure."""
    from assist_cli.operations.fleet import deployment
    from assist_cli.operations.fleet.many import Many

    def work(own: Controller, instance: Instance, progress: Callable[[str], None]) -> list[str]:
        return deployment.uninstall(own, instance.id, force=force, progress=progress)

    many = Many(controller, found, work, lambda instance: instance.name)
    many.start()
    outcomes = bulk.watch(
        printer, many, "uninstalled", lambda left: "uninstalled" + "".join(f"; note: {path} {KEPT}" for path in left)
    )
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if errors:
        left = fold(each.name for each, outcome in zip(found, outcomes, strict=True) if outcome.error is not None)
        printer.talk(
            f"To uninstall the others: assist instance uninstall {names.quoted(left)} --yes{' --force' * force}"
        )
        raise typer.Exit(bulk.status(errors, len(outcomes)))


def unused_password() -> UsageError:
    """Return the error for a password of sudo that no host needs."""
    return UsageError("cannot use --sudo-password: no host is to use sudo", hint="add --sudo")


def _requests(
    printer: Printer,
    controller: Controller,
    source: InstallSource,
    proxy: Callable[[str | Secret | None], str | Secret | None],
) -> tuple[list[InstallRequest], list[str]]:
    """Return the requests of a source, and the origin of each for messages. Prints notes."""
    from assist_cli.cli import scripts
    from assist_cli.operations.fleet import host_file, installs

    if source.file is not None:
        return host_file.to_install(scripts.read(source.file, "file"), source.file)
    if source.inventory is not None:
        found = _inventory(printer, source.inventory)
        return found.to_install(), found.origins
    if source.from_ssh_config:
        from assist_cli.operations.fleet import ssh_hosts

        listed = ssh_hosts.to_install(controller, source.places)
        _print_notes(printer, listed.notes)
        return listed.requests, listed.origins
    if source.places:
        return (
            [host_file.request_of(place, {}) for place in source.places],
            [f"the host '{place}'" for place in source.places],
        )
    left = installs.unsuccessful(controller.home)
    return [replace(request, dial_proxy=proxy(request.dial_proxy)) for request in left], [each.place for each in left]


def _inventory(printer: Printer, file: str) -> Requests:
    """Return the hosts of an inventory of Ansible, and print its notes. Raises InvalidParameter and FileFailure."""
    from assist_cli.cli import scripts
    from assist_cli.operations.fleet.ansible import hosts, source

    source.refuse_folder(file)
    found = hosts.requests(scripts.read(file, "inventory"), file)
    _print_notes(printer, found.notes)
    return found


def _print_notes(printer: Printer, notes: Sequence[str]) -> None:
    for note in notes:
        printer.warn(f"note: {note}")


def _installed(done: Installation) -> str:
    return f"agent {done.version}, {done.instance.name}  {done.instance.id}"


def _print_notes_of(printer: Printer, installations: Sequence[Installation]) -> None:
    """Print each note one time, with the names of the instances that it is about."""
    about: dict[str, list[str]] = {}
    for done in installations:
        for note in done.notes:
            about.setdefault(note, []).append(done.instance.name)
    for note, of in about.items():
        printer.talk(f"note: {names.some_of(folded(of))}: {note}")
