"""Making and removing a broker, and the credentials of a second controller."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assist_cli import codes
from assist_cli.agents import broker_folder
from assist_cli.agents.broker_folder import CONTROLLER_NAME, BrokerAddress, BrokerSettings
from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission, configuration
from assist_cli.deploy.pki import Credentials
from assist_cli.errors import Conflict, FileFailure, InvalidParameter
from assist_cli.model import ids
from assist_cli.model.audit import AuditEntry
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.paths import Home, make_folder, open_private, write_whole
from assist_cli.store import audit, instances
from assist_cli.units import count

FOLDER = configuration.FOLDER

_OURS = {*configuration.FILES, "running"}
_VERSION = 1  # of the file of credentials


@dataclass(frozen=True)
class BrokerFiles:
    """One broker of this home, and the folder with its files."""

    address: BrokerAddress
    folder: Path


def init(controller: Controller, words: Sequence[str], out: Path | None) -> list[BrokerFiles]:
    """Make a broker at these addresses: its keys, and the files for each machine; ``out`` gets a copy of the files.

    Raises InvalidParameter for an address, Conflict if there is a broker or ``out`` has other files, FileFailure.
    """
    addresses = _addresses(words)
    _refuse_foreign(out, addresses)
    pki.prepare(controller.home, controller.id, controller.now())
    admission.create(controller.home, controller.id, addresses, controller.now())
    made = _write_servers(controller, out)
    note(controller, "broker.init", ", ".join(map(str, addresses)))
    return made


def servers(home: Home) -> list[BrokerFiles]:
    """Return the brokers of this home. Raises Conflict without a broker, FileFailure."""
    addresses = broker_folder.settings(home).addresses
    return [BrokerFiles(address, admission.server_folder(home, address)) for address in addresses]


def ports(addresses: Sequence[BrokerAddress]) -> str:
    """Return which ports the firewall of each broker must allow."""
    texts = [f"port {address.port} of {address.host} for agents and controllers" for address in addresses]
    if len(addresses) > 1:
        offset = configuration.CLUSTER_OFFSET
        texts += [f"port {address.port + offset} of {address.host} for the other brokers" for address in addresses]
    return "; ".join(texts)


def renew(controller: Controller, out: Path | None) -> list[BrokerFiles]:
    """Sign all tokens and certificates of the broker again, and write its files. Raises Conflict, FileFailure."""
    settings = admission.owned(controller.home)
    _refuse_foreign(out, settings.addresses)
    pki.prepare(controller.home, controller.id, controller.now())
    admission.renew(controller.home, controller.now())
    made = _write_servers(controller, out, renew=True)
    note(controller, "broker.renew", ", ".join(map(str, settings.addresses)))
    return made


def credentials(controller: Controller, name: str, path: Path) -> None:
    """Write the credentials of another controller of this fleet to a new file, for this user alone.

    Raises InvalidParameter for the name, Conflict if the file exists or there is no broker, FileFailure.
    """
    home, now = controller.home, controller.now()
    settings = admission.owned(home)
    if not re.fullmatch(CONTROLLER_NAME, name) or name == settings.controller or ids.is_prefix(name, ids.Kind.INSTANCE):
        why = "it is the name of this one" if name == settings.controller else "it is not a name for one"
        raise InvalidParameter(
            f"cannot make credentials for the controller '{name}': {why}",
            hint="at most 64 letters, digits, '-' and '_', like night-shift",
            code=codes.INVALID_NAME,
        )
    certificate = pki.controller_credentials(home, controller.id, name, now)
    document = {
        "version": _VERSION,
        "broker": broker_folder.document(settings.replace(controller=name, others=())),
        "controller.jwt": admission.controller_token(home, name, now),
        "monitor.jwt": admission.monitor_token(home, name, now),
        **{
            key: base64.b64encode(value).decode("ascii")
            for key, value in (
                ("certificate", certificate.certificate),
                ("key", certificate.key),
                ("authority", certificate.authority),
            )
        },
    }
    try:
        with os.fdopen(open_private(path, os.O_EXCL | os.O_WRONLY), "w", encoding="ascii") as file:
            json.dump(document, file, indent=2)
            file.write("\n")
    except FileExistsError:
        raise Conflict(f"cannot write '{path}': it exists", hint="give another name: --out FILE") from None
    except OSError as error:
        raise FileFailure(f"cannot write '{path}': {error.strerror}") from error
    admission.note_controller(home, name)
    note(controller, "broker.credentials", name)


def join(home: Home, path: Path) -> BrokerSettings:
    """Make a home of the credentials in a file: a second controller of another home's fleet.

    Raises Conflict for a home that is in use, InvalidParameter for another file, FileFailure, NotPermitted.
    """
    is_new = not home.check() or not home.database.exists()
    document = _read_credentials(path)
    try:
        settings = broker_folder.from_document(document["broker"])
        tokens = {name: str(document[name]).encode("ascii") + b"\n" for name in ("controller.jwt", "monitor.jwt")}
        pem = Credentials(*(base64.b64decode(document[name]) for name in ("certificate", "key", "authority")))
    except (KeyError, TypeError, ValueError, InvalidParameter):
        raise _not_credentials(path) from None
    with open_controller(home) as controller:
        if not is_new and controller.id != settings.controller:
            raise Conflict(
                f"cannot join a fleet from '{home.root}': this home is in use",
                hint="set ASSIST_HOME to a folder that is empty or absent",
                code=codes.INCORRECT_STATE,
            )
        with controller.database.transaction() as transaction:
            transaction.set("controller", settings.controller)
        pki.join(home, pem)
        for name, token in {**tokens, "joined": b""}.items():
            write_whole(home.folder(home.broker) / name, token)
        broker_folder.write(home, settings)
        note(controller, "broker.join", ", ".join(map(str, settings.addresses)))
    return settings


def removal(controller: Controller) -> list[str]:
    """Return what ``uninstall`` would remove, a line for each thing. Raises Conflict without a broker."""
    home = controller.home
    settings = broker_folder.settings(home)
    has_joined = broker_folder.has_joined(home)
    lines = [f"{home.broker}: {'the credentials' if has_joined else 'keys and tokens'} for the broker"]
    if has_joined:
        lines.append(f"{home.pki}: the certificate of this controller")
    reached = sum(each.address.startswith("nats:") for each in instances.registered(controller.database))
    if reached:
        lines.append(f"the way to {count(reached, 'instance')}: they stay registered, and cannot be reached any more")
    elif settings.others:
        lines.append(f"the way of other controllers: {', '.join(settings.others)}")
    return lines


def uninstall(controller: Controller) -> None:
    """Remove the broker from this home. Raises Conflict while one runs from here, FileFailure."""
    home = controller.home
    settings = broker_folder.settings(home)
    for address in settings.addresses:
        with admission.running(home, address):
            pass
    if broker_folder.has_joined(home):
        for name in ("controller.key", "controller.pem", "ca.pem"):
            (home.pki / name).unlink(missing_ok=True)
    admission.remove(home)
    note(controller, "broker.uninstall", ", ".join(map(str, settings.addresses)))


def note(controller: Controller, action: str, subject: str, detail: str = "") -> None:
    """Write an entry of the audit log."""
    with controller.database.transaction() as transaction:
        audit.append(transaction, AuditEntry(controller.now(), controller.actor, action, subject, detail))


def _addresses(words: Sequence[str]) -> list[BrokerAddress]:
    addresses = [broker_folder.parse(word) for word in words]
    for address in addresses:
        if addresses.count(address) > 1:
            raise InvalidParameter(f"cannot make a broker: '{address}' is given twice", hint="give each address once")
        if len(addresses) > 1 and address.port + configuration.CLUSTER_OFFSET > 65535:
            raise InvalidParameter(
                f"cannot make a cluster with '{address}': brokers connect to each other at a port that is "
                f"{configuration.CLUSTER_OFFSET} higher, and {address.port + configuration.CLUSTER_OFFSET} is not one",
                hint=f"give a port up to {65535 - configuration.CLUSTER_OFFSET}",
            )
    return addresses


def _write_servers(controller: Controller, out: Path | None, *, renew: bool = False) -> list[BrokerFiles]:
    addresses = broker_folder.settings(controller.home).addresses
    admission.write_servers(controller.home, controller.now(), renew=renew)
    made = servers(controller.home)
    if out is None:
        return made
    copies = [BrokerFiles(each.address, _copy_of(out, each.address, addresses)) for each in made]
    for original, copy in zip(made, copies, strict=True):
        make_folder(copy.folder, 0o700)
        for name in configuration.FILES:
            write_whole(copy.folder / name, (original.folder / name).read_bytes())
    return copies


def _copy_of(out: Path, address: BrokerAddress, addresses: Sequence[BrokerAddress]) -> Path:
    """Return the folder for a copy of one broker's files: ``out`` itself if there is only one broker."""
    return out if len(addresses) == 1 else out / broker_folder.folder_name(address)


def _refuse_foreign(out: Path | None, addresses: Sequence[BrokerAddress]) -> None:
    """Raise Conflict if there are other files in ``out``, FileFailure if it is not a folder."""
    if out is None:
        return
    for folder in {out, *(_copy_of(out, each, addresses) for each in addresses)}:
        allowed = set(map(broker_folder.folder_name, addresses)) if len(addresses) > 1 and folder == out else _OURS
        try:
            others = sorted(each.name for each in folder.iterdir() if each.name not in allowed)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise FileFailure(f"cannot write into '{folder}': {error.strerror}", hint="give another --out") from error
        if others:
            raise Conflict(
                f"cannot write the files of a broker into '{folder}': it has other files, such as '{others[0]}'",
                hint="give a folder that is empty or absent",
                code=codes.INCORRECT_STATE,
            )


def _read_credentials(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise FileFailure(f"cannot read '{path}': {error.strerror}") from error
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise _not_credentials(path)
    return document


def _not_credentials(path: Path) -> InvalidParameter:
    return InvalidParameter(
        f"cannot join with '{path}': it is not a file that assist broker credentials wrote",
        hint="in the home that made the broker: assist broker credentials NAME",
        code=codes.INVALID_DOCUMENT,
    )
