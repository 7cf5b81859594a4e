"""Instances that listen and that are installed by a file, without SSH and without a broker.

The instance is registered with its address and its certificate before its agent exists. The file is for one machine:
it has the key. The controller reaches the agent when the file has run there.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from assist_cli.agents import route
from assist_cli.deploy import enrolment_file, pki
from assist_cli.errors import InvalidParameter
from assist_cli.model import ids
from assist_cli.model.audit import AuditEntry
from assist_cli.model.instance import Instance
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import enrolments, instances
from assist_cli.store import audit
from assist_cli.store import instances as store


@dataclass(frozen=True)
class ListeningRequest:
    """A request for the file of a machine that listens. ``place`` is ADDRESS:PORT, where the controller reaches it.

    With a numeric address the agent listens on it alone, with a host name on all addresses. The name of the instance
    defaults to the address.
    """

    place: str
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


def write(controller: Controller, request: ListeningRequest, path: Path) -> Instance:
    """Register an instance, and write the file that installs its agent, for this user alone.

    Raises InvalidParameter, QuotaExceeded, Conflict if the name is in use or the file exists, FileFailure.
    """
    way = _route(request.place)
    name, tags = instances.checked_name(request.name or way.host), instances.checked_tags(request.tags)
    instances.refuse_name_of_another(controller.database, name, "")
    made = Instance(
        id=ids.new_id(ids.Kind.INSTANCE, controller.now_ms()),
        name=name,
        address=str(way),
        created=controller.now(),
        tags=tags,
    )
    with enrolments.new_file(path) as out:
        settings = enrolment_file.ListeningSettings(
            name=made.name,
            instance=made.id,
            address=made.address,
            listen=_listen(way),
            credentials=pki.agent_credentials(controller.home, controller.id, made.id, controller.now()),
        )
        out.write(enrolment_file.build_listening(settings, controller.timeouts.install))
        out.flush()
        with controller.database.transaction() as transaction:
            instances.refuse_name_of_another(transaction, name, made.id)
            store.register(transaction, made)
            entry = AuditEntry(
                controller.now(), controller.actor, "instance.enroll", f"{made.name} ({made.id})", f"at {made.address}"
            )
            audit.append(transaction, entry)
    return made


def _route(place: str) -> route.Tls:
    """Return the route of ADDRESS:PORT. Raises InvalidParameter."""
    if place.isdigit():
        raise InvalidParameter(
            f"cannot make a file for '{place}': it has no address",
            hint=f"give the address at which this controller reaches the machine: --listen ADDRESS:{place}",
        )
    way = route.parse(f"tls:{place}")
    assert isinstance(way, route.Tls)
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


def _listen(way: route.Tls) -> str:
    """Return the ADDRESS:PORT on which the agent listens."""
    try:
        number = ipaddress.ip_address(way.host)
    except ValueError:
        return f"0.0.0.0:{way.port}"
    return f"[{number}]:{way.port}" if number.version == 6 else f"{number}:{way.port}"
