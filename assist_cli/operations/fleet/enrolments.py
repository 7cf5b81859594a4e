"""Enrolments: create, list, disable and delete them, make their files, and admit machines by them.

A change and its audit entry are one transaction, and so is the count of a use.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from assist_cli import codes
from assist_cli.agents import broker_folder, revoked
from assist_cli.agents.answers import Greeting
from assist_cli.agents.broker_folder import BrokerSettings
from assist_cli.deploy import enrolment_file, pki
from assist_cli.deploy.broker import admission
from assist_cli.deploy.host_answers import Found
from assist_cli.errors import Conflict, FileFailure, InvalidParameter, NotFound, QuotaExceeded, Refused
from assist_cli.model import enrolment as rules
from assist_cli.model import ids, quotas
from assist_cli.model.audit import AuditEntry
from assist_cli.model.command import checked_description
from assist_cli.model.enrolment import Enrolled, Enrolment
from assist_cli.model.instance import Instance
from assist_cli.model.secret import Secret
from assist_cli.operations.controller import Also, Controller, nothing_more
from assist_cli.operations.fleet import dialling, instances
from assist_cli.paths import open_private
from assist_cli.store import audit
from assist_cli.store import enrolments as store
from assist_cli.store import instances as inventory
from assist_cli.store.database import Reader, Transaction

_AGAIN = "ask for a new file; on the controller: assist instance enroll --out FILE"
_LONGEST_NUMBER = 8  # characters of a number behind a name


@dataclass(frozen=True)
class EnrolmentRequest:
    """A request for an enrolment of ``uses`` machines, which expires in ``seconds``.

    ``name`` is the beginning of the names of its machines; if empty, they have their host names.
    """

    uses: int = 1
    seconds: float = 3600.0
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""


def create(controller: Controller, request: EnrolmentRequest, *, also: Also = nothing_more) -> tuple[Enrolment, Secret]:
    """Create an enrolment, and return it with its token.

    Raises InvalidParameter, QuotaExceeded, and Conflict if this home has no broker of its own.
    """
    made = _made(controller, request)
    _broker(controller)
    return made, _add(controller, made, also)


def _made(controller: Controller, request: EnrolmentRequest) -> Enrolment:
    """Return a new enrolment, which is not written yet. Raises InvalidParameter, QuotaExceeded."""
    now = controller.now()
    return Enrolment(
        id=ids.new_id(ids.Kind.ENROLMENT, controller.now_ms()),
        uses=rules.checked_uses(request.uses),
        created=now,
        expires=now + rules.checked_lifetime(request.seconds),
        name=_checked_beginning(request.name),
        tags=instances.checked_tags(request.tags),
        description=checked_description(request.description),
        creator=str(controller.actor),
    )


def _add(controller: Controller, made: Enrolment, also: Also = nothing_more) -> Secret:
    """Write a new enrolment, and return its token."""
    token = code(controller, made.id)
    with controller.database.transaction() as transaction:
        store.add(transaction, made, _hash(token.reveal()))
        also(transaction, made.id, ())
        detail = f"uses: {made.uses}, until {made.expires:%Y-%m-%d %H:%M}Z"
        _note(controller, transaction, "enrolment.create", made.id, detail)
    return token


def code(controller: Controller, enrolment_id: str) -> Secret:
    """Return the token of an enrolment, which is derived from a key of the home. Raises FileFailure."""
    return admission.enrolment_code(controller.home, enrolment_id)


def listing(controller: Controller) -> list[Enrolment]:
    """All enrolments, the newest first."""
    return store.listing(controller.database)


def sources(controller: Controller, instance_ids: Collection[str]) -> dict[str, str]:
    """Return the ids of the enrolments by which instances joined; those without one are missing."""
    return store.sources(controller.database, instance_ids)


def get(reader: Reader, wanted: str) -> Enrolment:
    """The enrolment of an id or the beginning of one. Raises NotFound."""
    found = store.by_prefix(reader, wanted.lower()) if ids.is_prefix(wanted.lower(), ids.Kind.ENROLMENT) else []
    if len(found) != 1:
        why = f"'{wanted}' is the beginning of several ids" if found else "there is none"
        raise NotFound(f"cannot find an enrolment '{wanted}': {why}", hint="list them: assist enrolment list")
    return found[0]


def disable(controller: Controller, wanted: str, *, also: Also = nothing_more) -> Enrolment:
    """Disable an enrolment: no machine is admitted by it from now on. Its instances stay. Raises NotFound."""
    with controller.database.transaction() as transaction:
        found = get(transaction, wanted)
        also(transaction, found.id, ())
        if not found.disabled:
            store.disable(transaction, found.id)
            _note(controller, transaction, "enrolment.disable", found.id)
    return replace(found, disabled=True)


def delete(controller: Controller, wanted: str, *, unused: bool = False, also: Also = nothing_more) -> Enrolment:
    """Delete an enrolment, which ends it. Its instances stay.

    Raises NotFound, and Conflict for one that was used, if it is to be ``unused``.
    """
    with controller.database.transaction() as transaction:
        found = get(transaction, wanted)
        also(transaction, found.id, ())
        if unused and found.used:
            raise Conflict(
                f"cannot delete the enrolment {found.id}: it was used",
                hint="disable it instead",
                code=codes.INCORRECT_STATE,
            )
        store.delete(transaction, found.id)
        _note(controller, transaction, "enrolment.delete", found.id, f"{found.used} of {found.uses} uses")
    return found


def file(controller: Controller, enrolment: Enrolment, token: Secret, proxy: str | Secret = "") -> bytes:
    """Return the file of an enrolment. With an empty token, the person who runs it gives the token.

    ``proxy`` is for the machines, see ``dialling.proxy``. Raises InvalidParameter for it, Refused (EnrolmentClosed) if
    no machine would be admitted by it, Conflict without a broker, FileFailure.
    """
    home, now = controller.home, controller.now()
    settings = _broker(controller)
    if proxy:
        dialling.proxy(proxy)  # a wrong one is refused here and now
    _refuse_closed(enrolment, controller, is_known=False)
    until = enrolment.expires + rules.GRACE
    made = enrolment_file.EnrolmentSettings(
        brokers=settings.addresses,
        credentials=pki.enrolment_credentials(home, controller.id, enrolment.id, now, until),
        jwt=admission.machine_token(home, settings.controller, enrolment.id, now, until),
        controller=settings.controller,
        enrolment=enrolment.id,
        token=token,
        until=enrolment.expires,
        proxy=proxy if isinstance(proxy, Secret) else Secret(proxy),
    )
    return enrolment_file.build(made, controller.timeouts.enrolment)


def file_of_token(controller: Controller, token: Secret) -> tuple[Enrolment, bytes]:
    """Return the enrolment of a token, and its file, for a person who has the token alone.

    Raises Refused (EnrolmentClosed) also for a token of none; and as ``file``.
    """
    found = store.by_token(controller.database, _hash(token.reveal()))
    if found is None:
        raise _closed("its token is wrong")
    return found, file(controller, found, token)


def write(controller: Controller, request: EnrolmentRequest, path: Path, proxy: str | Secret = "") -> Enrolment:
    """Create an enrolment, and write its file, which may not exist yet, for this user alone.

    Raises Conflict if the file exists or this home has no broker of its own; as ``create`` and ``file``.
    """
    made = _made(controller, request)
    _broker(controller)
    with new_file(path) as out:
        out.write(file(controller, made, code(controller, made.id), proxy))
        out.flush()
        _add(controller, made)
    return made


def write_known(controller: Controller, wanted: str, path: Path, proxy: str | Secret = "") -> Enrolment:
    """Write a file of an enrolment that exists, without its token. Raises NotFound; as ``write``."""
    found = get(controller.database, wanted)
    _broker(controller)
    with new_file(path) as out:
        out.write(file(controller, found, Secret(""), proxy))
    return found


def _broker(controller: Controller) -> BrokerSettings:
    """Return the settings of the broker of this home. Raises Conflict, with the way to do without one."""
    try:
        return admission.owned(controller.home)
    except Conflict as error:
        if not broker_folder.exists(controller.home):
            error.hint += "; without one, for one machine: assist instance enroll --listen ADDRESS:PORT --out FILE"
        raise


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a new file, for this user alone; after an error there is none. Raises Conflict if it exists, FileFailure."""
    try:
        descriptor = open_private(path, os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        raise Conflict(f"cannot write '{path}': it exists", hint="give another name: --out FILE") from None
    except OSError as error:
        raise FileFailure(f"cannot write '{path}': {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield out
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise FileFailure(f"cannot write '{path}': {error.strerror}") from error
        raise


# machines


def check_token(reader: Reader, enrolment_id: str, token: str, controller: Controller) -> Enrolment:
    """Return an enrolment by the token that a machine shows. Raises Refused (EnrolmentClosed). It counts nothing."""
    found = store.by_token(reader, _hash(token))
    if found is None or found.id != enrolment_id:
        raise _closed(
            "its token is wrong, or the enrolment was deleted", "check the activation code, if you gave one; "
        )
    _refuse_closed(found, controller, is_known=True)
    return found


def admit(
    controller: Controller, enrolment_id: str, token: str, machine: str, found: Found, hostname: str, name: str
) -> Enrolled:
    """Admit a machine, and count it, unless it was admitted before. Its name is reserved.

    ``machine`` is its random id; ``found`` is the state there. Raises Refused (EnrolmentClosed), Conflict if it has
    another agent or is revoked, InvalidParameter for its name, FileFailure.
    """
    if not found.belongs_to(pki.authority(controller.home)):
        raise Conflict(
            "cannot enrol this machine: its agent belongs to another controller",
            hint=f"to take it over: rm {found.home}/pki/ca.pem, and repeat",
            code=codes.CLIENT_AUTH_FAILED,
        )
    key, now = _hash(machine), controller.now()
    with controller.database.transaction() as transaction:
        enrolment = check_token(transaction, enrolment_id, token, controller)
        known = store.enrolled(transaction, key)
        instance = known.instance if known else ids.new_id(ids.Kind.INSTANCE, controller.now_ms())
        if found.instance not in (None, instance):
            raise Conflict(
                f"cannot enrol this machine: it has an agent already, of the instance {found.instance}",
                hint="from its controller: assist instance upgrade NAME --rotate; to make it a new instance: run this "
                "file with --new",
                code=codes.INSTANCE_EXISTS,
            )
        if known is not None:
            _refuse_revoked(controller, known)
            return known
        _refuse_closed(enrolment, controller, is_known=False)
        chosen = _free_name(transaction, enrolment, instance, hostname, name)
        admitted = Enrolled(instance, enrolment.id, chosen)
        store.admit(transaction, key, admitted, now)
        detail = f"use {enrolment.used + 1} of {enrolment.uses}: {chosen} ({instance}), host {hostname}"
        _note(controller, transaction, "enrolment.use", enrolment.id, detail)
    return admitted


def register(controller: Controller, enrolment: Enrolment, admitted: Enrolled, greeting: Greeting) -> Instance:
    """Register the instance of an admitted machine, whose agent has answered.

    One that is registered keeps its name and its tags.
    """
    now = controller.now()
    with controller.database.transaction() as transaction:
        known = inventory.registered_by_id(transaction, admitted.instance)
        name = known.name if known else _unique(transaction, admitted.name, admitted.instance)
        made = Instance(
            id=admitted.instance,
            name=name,
            address=f"nats:{admitted.instance}",
            os_type=greeting.os.lower(),
            created=known.created if known else now,
            heard=now,
            tags=known.tags if known else enrolment.tags,
            enrolment=greeting.enrolment,
        )
        inventory.register(transaction, made)
        store.note_registered(transaction, made.id, now)
        detail = f"agent {greeting.agent} at {made.address}, by enrolment {enrolment.id}"
        _note(controller, transaction, "instance.enroll", f"{made.name} ({made.id})", detail)
    return made


def _refuse_closed(enrolment: Enrolment, controller: Controller, *, is_known: bool) -> None:
    """Raise Refused if no machine is admitted. One that ``is_known`` may repeat its enrolment if all uses are used."""
    state = enrolment.state(controller.now())
    if state == rules.USED_UP and not is_known:
        raise _closed(f"it is used up, {enrolment.used:,} of {enrolment.uses:,} machines have enrolled")
    if state in (rules.EXPIRED, rules.DISABLED):
        expired = state == rules.EXPIRED
        raise _closed(f"it expired at {enrolment.expires:%Y-%m-%d %H:%M}Z" if expired else "it is disabled")


def _closed(why: str, first: str = "") -> Refused:
    return Refused(f"cannot use this enrolment: {why}", hint=first + _AGAIN, code=codes.ENROLMENT_CLOSED)


def _refuse_revoked(controller: Controller, known: Enrolled) -> None:
    found = revoked.read(controller.home).get(known.instance)
    if found is not None and found.is_closed:
        raise Conflict(
            f"cannot enrol this machine: its instance {known.instance} is revoked",
            hint="to make it a new instance: run this file with --new; or on the controller: assist instance install",
            code=codes.CLIENT_AUTH_FAILED,
        )


def _checked_beginning(name: str) -> str:
    if name:
        quotas.check_length(quotas.NAME, name + "-" * _LONGEST_NUMBER)
        instances.checked_name(f"{name}-1")
    return name


def _free_name(transaction: Transaction, enrolment: Enrolment, instance: str, hostname: str, name: str) -> str:
    """Return the name of a new machine: that of its person, the next number of its enrolment, or its host name.

    Raises InvalidParameter, with a hint for the machine.
    """
    if enrolment.name and not name:
        taken, digits = store.taken_names(transaction, instance), len(str(enrolment.uses))
        numbers = range(enrolment.used + 1, enrolment.used + 2 + len(taken))
        return next(each for each in (f"{enrolment.name}-{n:0{digits}}" for n in numbers) if each not in taken)
    try:
        return _unique(transaction, instances.checked_name(name or hostname), instance)
    except (InvalidParameter, QuotaExceeded, Conflict) as error:
        raise InvalidParameter(error.message, hint="give another one: --name NAME", code=error.code) from error


def _unique(transaction: Transaction, name: str, instance: str) -> str:
    """Return a name, with a number behind it if another instance has it."""
    taken = store.taken_names(transaction, instance)
    if name not in taken:
        return name
    short = name[: quotas.NAME.limit - _LONGEST_NUMBER]
    return next(each for each in (f"{short}-{n}" for n in range(2, len(taken) + 3)) if each not in taken)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _note(controller: Controller, transaction: Transaction, action: str, subject: str, detail: str = "") -> None:
    audit.append(transaction, AuditEntry(controller.now(), controller.actor, action, subject, detail))
