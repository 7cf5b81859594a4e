"""Querying the brokers, and changing their accounts while they run."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from assist_cli import codes
from assist_cli.agents import broker, broker_folder
from assist_cli.agents.broker import BrokerConnection
from assist_cli.agents.broker_folder import FLEET, BrokerAddress
from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission, jwts
from assist_cli.errors import AgentError, Conflict, InvalidAnswer, NotFound
from assist_cli.model import ids
from assist_cli.model.instance import LOCAL
from assist_cli.model.presence import BrokerLink
from assist_cli.operations.broker.setup import note
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import instances

PAGE = 1024  # connections in one answer, each with less than 3 KB

T = TypeVar("T")


@dataclass(frozen=True)
class BrokerStatus:
    """The status of one broker, or the error if it did not answer.

    ``connections`` are those of agents and controllers, ``links`` those of agents by instance id, oldest first;
    ``uptime`` is in seconds. ``certificate_ends``: the expiry time of the certificate that it uses now.
    """

    address: BrokerAddress
    version: str = ""
    connections: int = 0
    links: Mapping[str, Sequence[BrokerLink]] = field(default_factory=dict)
    uptime: float = 0.0
    certificate_ends: datetime | None = None
    error: AgentError | None = None


@dataclass(frozen=True)
class Push:
    """The outcome of a change at one running broker."""

    address: BrokerAddress
    error: AgentError | None = None


@dataclass(frozen=True)
class Revoked:
    """The outcome of a revocation: its subject, as text, and what each broker did."""

    subject: str
    is_instance: bool
    pushes: list[Push]


async def status(controller: Controller, seconds: float | None = None) -> list[BrokerStatus]:
    """Query each broker of this home, for at most ``seconds``. Raises Conflict without a broker, FileFailure."""
    account = broker_folder.settings(controller.home).accounts[FLEET]

    async def ask(connection: BrokerConnection) -> BrokerStatus:
        server = str(connection.info.get("server_id"))
        found = _data(connection, await connection.request(f"$SYS.REQ.SERVER.{server}.VARZ"))
        connections = await _connections(connection, server, account)
        try:
            uptime = (_moment(found["now"]) - _moment(found["start"])).total_seconds()
            links = _links(str(connection.address), connections)
            version, ends = str(found["version"]), connection.certificate_ends
            return BrokerStatus(connection.address, version, len(connections), links, uptime, ends)
        except (KeyError, TypeError, ValueError):
            raise _invalid(connection) from None

    return await _each(controller, ask, lambda address, error: BrokerStatus(address, error=error), seconds)


def push(controller: Controller) -> list[Push]:
    """Give each running broker the present tokens of the accounts. Raises Conflict, FileFailure."""
    home = controller.home
    accounts = admission.owned(home).accounts
    tokens = {key: admission.account_token(home, name) for name, key in accounts.items()}

    async def update(connection: BrokerConnection) -> Push:
        for account, token in tokens.items():
            answer = await connection.request(f"$SYS.REQ.ACCOUNT.{account}.CLAIMS.UPDATE", token.encode("ascii"))
            if answer.get("error") or "data" not in answer:
                raise InvalidAnswer(
                    f"cannot change the accounts of the broker at '{connection.address}': it answered "
                    f"{json.dumps(answer.get('error'))}",
                    hint="copy accounts.conf to it, and reload it",
                )
        return Push(connection.address)

    return asyncio.run(_each(controller, update, Push))


def revoke(controller: Controller, name: str) -> Revoked:
    """Shut an instance, or another controller, out: its tokens, its connections and its certificates.

    The configuration of each broker is written again, so that the revocation survives a restart once it is copied.
    Raises NotFound for the name, Conflict for the agent or the controller of this machine, FileFailure.
    """
    home, now = controller.home, controller.now()
    settings = admission.owned(home)
    if name in (LOCAL, settings.controller):
        raise Conflict(f"cannot revoke '{name}': it is this machine's own", hint="assist broker uninstall")
    is_instance = name not in settings.others
    user, subject = _instance(controller, name) if is_instance else (name, name)
    if is_instance:
        pki.revoke(home, user, now)
    admission.revoke(home, user, now)
    admission.write_servers(home, now)
    note(controller, "broker.revoke", subject)
    return Revoked(subject, is_instance, push(controller))


def _instance(controller: Controller, name: str) -> tuple[str, str]:
    """Return the id of an instance, and how to name it. A whole id may be of one that is not registered any more."""
    try:
        found = instances.get(controller, name)
    except NotFound:
        if len(name) == ids.LENGTH and ids.is_prefix(name, ids.Kind.INSTANCE):
            return name, name
        others = admission.owned(controller.home).others
        raise NotFound(
            f"cannot find an instance or a second controller '{name}'",
            hint=f"assist instance list shows the instances; controllers: {', '.join(others) or 'none'}",
            code=codes.INSTANCE_NOT_EXISTS,
        ) from None
    return found.id, f"{found.name} ({found.id})"


async def _each(
    controller: Controller,
    work: Callable[[BrokerConnection], Awaitable[T]],
    failed: Callable[[BrokerAddress, AgentError], T],
    seconds: float | None = None,
) -> list[T]:
    """Do some work at each broker concurrently, for at most ``seconds``. A failure is the outcome of one of them."""
    home, timeouts = controller.home, controller.timeouts.agent
    pki.prepare(home, controller.id, controller.now())
    admission.prepare(home, controller.now())
    token = broker_folder.token(home, "monitor")

    async def visit(address: BrokerAddress) -> T:
        connection = await broker.connect(home, address, token, timeouts.connect)
        try:
            return await asyncio.wait_for(work(connection), timeouts.health)
        finally:
            connection.close()

    async def one(address: BrokerAddress) -> T:
        try:
            return await asyncio.wait_for(visit(address), seconds)
        except AgentError as error:
            return failed(address, error)
        except (OSError, asyncio.TimeoutError) as error:
            return failed(address, broker.failure(address, error, seconds or timeouts.health))

    return list(await asyncio.gather(*map(one, broker_folder.settings(home).addresses)))


async def _connections(connection: BrokerConnection, server: str, account: str) -> list[dict[str, Any]]:
    """Return the connections of an account at one broker."""
    found: list[dict[str, Any]] = []
    while True:
        options = {"acc": account, "auth": True, "offset": len(found), "limit": PAGE}
        answer = await connection.request(f"$SYS.REQ.SERVER.{server}.CONNZ", json.dumps(options).encode())
        page = _data(connection, answer).get("connections")
        if not isinstance(page, list) or not all(isinstance(each, dict) for each in page):
            raise _invalid(connection)
        found += page
        if len(page) < PAGE:
            return found


def _links(broker: str, connections: Sequence[dict[str, Any]]) -> dict[str, list[BrokerLink]]:
    """Return the connections of agents by instance id. Raises KeyError, TypeError, ValueError for other answers."""
    found: dict[str, list[BrokerLink]] = {}
    by_number = {each["cid"]: each for each in connections}  # pages may overlap when connections end meanwhile
    for each in by_number.values():
        if instance := _instance_of(each):
            ip, port = str(each["ip"]), int(each["port"])
            origin = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
            link = BrokerLink(_moment(each["start"]), origin, broker, _end_of_token(each.get("jwt")))
            found.setdefault(instance, []).append(link)
    return {instance: sorted(links) for instance, links in found.items()}


def _end_of_token(token: object) -> datetime | None:
    with contextlib.suppress(ValueError, OverflowError, OSError):
        return jwts.end_of(str(token))
    return None


def _instance_of(connection: dict[str, Any]) -> str:
    """Return the instance id in the certificate of an agent's connection; empty for a connection of another kind."""
    certificates = connection.get("tls_peer_certs")
    if not isinstance(certificates, list) or not certificates or not isinstance(certificates[0], dict):
        return ""
    parts = str(certificates[0].get("subject", "")).split(",")
    return next((part[3:] for part in parts if part.startswith("CN=")), "") if "OU=agent" in parts else ""


def _data(connection: BrokerConnection, answer: dict[str, Any]) -> dict[str, Any]:
    found = answer.get("data")
    if not isinstance(found, dict):
        raise _invalid(connection)
    return found


def _moment(text: str) -> datetime:
    """Return the time in an answer, which has nanoseconds, to the second."""
    return datetime.fromisoformat(text[:19] + "+00:00")


def _invalid(connection: BrokerConnection) -> InvalidAnswer:
    return InvalidAnswer(
        f"cannot use the answer of the broker at '{connection.address}': it is not one of nats-server",
        hint="check which program listens there",
    )
