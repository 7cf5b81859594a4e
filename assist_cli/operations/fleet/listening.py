"""Instances that listen and that are installed by a file, without SSH and without a broker.

The instance is registered with its address and its certificate before its agent exists. The file is for one machine:
it has the key. The controller reaches the agent when the file has run there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from assist_cli import codes
from assist_cli.agents import route, tls
from assist_cli.deploy import enrolment_file, pki
from assist_cli.errors import Conflict, InvalidParameter, NotFound
from assist_cli.model import ids
from assist_cli.model.audit import AuditEntry
from assist_cli.model.instance import Instance
from assist_cli.model.names import quoted
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import enrolments, instances
from assist_cli.store import audit
from assist_cli.store import instances as store
from assist_cli.store.database import Reader


@dataclass(frozen=True)
class ListeningRequest:
    """A request for the file of a machine that listens. ``place`` is ADDRESS[:PORT], where the controller reaches it.

    With a numeric address the agent listens on it alone, with a host name on all IPv4 addresses, or on all IPv6
    addresses if the name has no IPv4 address here. The name of the instance defaults to the address. ``rotate``: a new
    file for the instance of this name and address. Only its key is valid from now on.
    """

    place: str
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    rotate: bool = False


class ListeningFile(NamedTuple):
    """A file that was written: its instance, and a note about the address, or an empty text."""

    instance: Instance
    note: str


def write(controller: Controller, request: ListeningRequest, path: Path) -> ListeningFile:
    """Register an instance, and write the file that installs its agent, for this user alone.

    Raises InvalidParameter, QuotaExceeded, Conflict if the name or the address is in use or the file exists, NotFound
    for ``rotate`` without an instance, FileFailure.
    """
    way, now = _route(request.place), controller.now()
    listen, note = _listen(way)
    name = instances.checked_name(request.name or way.host)
    if request.rotate:
        made = _registered(controller.database, name, request.place, str(way))
        issued = now + timedelta(seconds=1)  # later than all that are revoked below
    else:
        made = Instance(
            id=ids.new_id(ids.Kind.INSTANCE, controller.now_ms()),
            name=name,
            address=str(way),
            created=now,
            tags=instances.checked_tags(request.tags),
        )
        issued = now
        _refuse_taken(controller.database, made, request.place)
    with enrolments.new_file(path) as out:
        settings = enrolment_file.ListeningSettings(
            name=made.name,
            instance=made.id,
            address=made.address,
            listen=listen,
            credentials=pki.agent_credentials(controller.home, controller.id, made.id, issued),
        )
        out.write(enrolment_file.build_listening(settings, controller.timeouts.install))
        out.flush()
        with controller.database.transaction() as transaction:
            if not request.rotate:
                _refuse_taken(transaction, made, request.place)
                store.register(transaction, made)
            detail = f"at {made.address}" + (", new key" if request.rotate else "")
            subject = f"{made.name} ({made.id})"
            audit.append(transaction, AuditEntry(now, controller.actor, "instance.enroll", subject, detail))
            if request.rotate:  # last: it cannot be rolled back
                pki.revoke(controller.home, made.id, now, is_closed=False)
    return ListeningFile(made, note)


def _registered(reader: Reader, name: str, place: str, address: str) -> Instance:
    """Return the instance that is to get a new file. Raises NotFound, and Conflict for another address."""
    found = store.by_name(reader, name)
    if found is None:
        raise NotFound(
            f"cannot make a new file for '{name}': there is no such instance",
            hint="without --rotate the file is for a new instance",
            code=codes.INSTANCE_NOT_EXISTS,
        )
    if found.address != address:
        raise Conflict(
            f"cannot make a new file for '{name}' at '{place}': its address is '{found.address}'",
            hint=f"give that address; for another one: assist instance remove {quoted(name)}, and repeat without "
            "--rotate",
            code=codes.INCORRECT_STATE,
        )
    return found


def _refuse_taken(reader: Reader, made: Instance, place: str) -> None:
    """Raise Conflict if another instance has the name or the address."""
    for each in store.registered(reader):
        if each.address == made.address:
            name = quoted(each.name)
            raise Conflict(
                f"cannot make a file for '{place}': the instance '{each.name}' has this address",
                hint=f"for a new file with a new key: assist instance enroll --listen {quoted(place)} --name {name} "
                f"--rotate --out FILE; to free the address: assist instance remove {name}",
                code=codes.INSTANCE_EXISTS,
            )
    instances.refuse_name_of_another(reader, made.name, made.id)


def _route(place: str) -> route.Tls:
    """Return the route of ADDRESS[:PORT]. Raises InvalidParameter."""
    if place.isdigit():
        raise InvalidParameter(
            f"cannot make a file for '{place}': it has no address",
            hint=f"give the address at which this controller reaches the machine: --listen ADDRESS:{place}",
        )
    try:
        way = route.tls(place)
    except ValueError as error:
        raise InvalidParameter(
            f"cannot make a file for '{place}': {error}",
            hint="give the address or the host name of the machine, and a port: 10.0.0.9:7433, [2001:db8::9]:7433, "
            "web9.example.com:7433",
            code=codes.INVALID_ADDRESS,
        ) from None
    try:
        unspecified = ipaddress.ip_address(way.host).is_unspecified
    except ValueError:
        unspecified = False
    if unspecified:
        raise InvalidParameter(
            f"cannot make a file for '{place}': no controller can connect to {way.host}",
            hint="give the address or the host name of the machine",
        )
    return way


def _listen(way: route.Tls) -> tuple[str, str]:
    """Return the ADDRESS:PORT on which the agent listens, and a note if the name has no address here."""
    try:
        number = ipaddress.ip_address(way.host)
    except ValueError:
        pass
    else:
        return f"[{number}]:{way.port}" if number.version == 6 else f"{number}:{way.port}", ""
    versions = tls.versions(way.host)
    everywhere = "[::]" if versions == {6} else "0.0.0.0"  # noqa: S104  the person gives no address of the machine
    note = "" if versions else f"'{way.host}' has no address here yet; this controller connects to it by this name"
    return f"{everywhere}:{way.port}", note
