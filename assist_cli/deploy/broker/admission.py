"""The keys and tokens in ``broker/`` of a home, which admit agents and controllers to its brokers.

The token of FLEET has the revocations, so they are part of every backup, and of the configuration of each broker.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from assist_cli import codes
from assist_cli.agents import broker_folder
from assist_cli.agents.broker_folder import ENROLL, FLEET, SYSTEM, BrokerAddress, BrokerSettings
from assist_cli.deploy import pki
from assist_cli.deploy.broker import configuration, jwts
from assist_cli.deploy.broker.jwts import Permissions
from assist_cli.deploy.broker.nkeys import Key, KeyKind
from assist_cli.errors import Conflict, FileFailure
from assist_cli.model.secret import Secret
from assist_cli.paths import Home, open_private, sync_folder, write_whole

_FILES = {SYSTEM: "system", FLEET: "fleet", ENROLL: "enroll"}
_RESTORE = "restore broker/ from a backup"


def create(home: Home, controller: str, addresses: Sequence[BrokerAddress], now: datetime) -> None:
    """Make operator, accounts and the tokens of this controller.

    Raises Conflict if there are some or the home has joined a broker, FileFailure.
    """
    with home.locked(home.broker):
        if broker_folder.exists(home):
            owned(home)
            places = ", ".join(map(str, broker_folder.settings(home).addresses))
            raise Conflict(
                f"cannot make a broker: this home has one already, at {places}",
                hint="to write its files again: assist broker init --renew; to remove it: assist broker uninstall",
                code=codes.INCORRECT_STATE,
            )
        keys = {name: Key.new(KeyKind.ACCOUNT) for name in _FILES}
        for name, key in keys.items():
            _write(home, f"{_FILES[name]}.seed", key.seed)
        _write(home, "operator.seed", Key.new(KeyKind.OPERATOR).seed)
        _write(home, "cluster.password", secrets.token_urlsafe(24))
        _sign(home, controller, now, {name: {} for name in _FILES})
        accounts = {name: key.public for name, key in keys.items()}
        broker_folder.write(home, BrokerSettings(tuple(addresses), controller, accounts))  # last: it is complete


def renew(home: Home, now: datetime) -> None:
    """Sign all tokens again. Raises Conflict in a home that has joined, FileFailure."""
    settings = owned(home)
    with home.locked(home.broker):
        _sign(home, settings.controller, now, {name: revocations(home, name) for name in _FILES})


def prepare(home: Home, now: datetime) -> None:
    """Make sure that this controller's tokens are not about to expire. It reads two small files. Raises FileFailure."""
    if broker_folder.has_joined(home) or all(
        end - now > pki.NEAR_END for name, end in ends(home).items() if name in ("controller", "monitor")
    ):
        return
    with home.locked(home.broker):
        _sign_users(home, broker_folder.settings(home).controller, now)


def owned(home: Home) -> BrokerSettings:
    """Return the settings of a broker that this home has made. Raises Conflict for one that it has joined, or none."""
    settings = broker_folder.settings(home)
    if broker_folder.has_joined(home):
        raise Conflict(
            "cannot run or change the broker, or install agents for it: this home has joined it",
            hint="do that in the home that made the broker",
        )
    return settings


def agent_token(home: Home, instance: str, now: datetime) -> str:
    """Return a token for the agent of an instance, also when an older one is revoked. Raises FileFailure."""
    return user_token(home, instance, Permissions.of_agent(instance), now, now + pki.LIFETIME)


def controller_token(home: Home, name: str, now: datetime) -> str:
    """Return a token for another controller. Raises FileFailure."""
    return user_token(home, name, Permissions.of_controller(name), now, now + pki.LIFETIME)


def machine_token(home: Home, controller: str, enrolment: str, now: datetime, until: datetime) -> str:
    """Return a token for the machines of an enrolment. Raises FileFailure."""
    permissions = Permissions.of_machine(controller, enrolment)
    return user_token(home, enrolment, permissions, now, until, account=ENROLL)


def enrolment_code(home: Home, enrolment: str) -> Secret:
    """Return the code that admits machines by an enrolment. Raises FileFailure."""
    return Secret(_key(home, ENROLL).secret(enrolment))


def enroller_token(home: Home, controller: str, now: datetime) -> str:
    """Return a token with which a server hears machines that enrol. Raises FileFailure."""
    permissions = Permissions.of_enroller(controller)
    return user_token(home, controller, permissions, now, now + pki.LIFETIME, account=ENROLL)


def monitor_token(home: Home, name: str, now: datetime, *, owns: bool = False) -> str:
    """Return a token for the queries of a controller about the brokers; one that ``owns`` them may change accounts.

    Raises FileFailure.
    """
    permissions = Permissions.of_owner() if owns else Permissions.of_monitor()
    return user_token(home, name, permissions, now, now + pki.LIFETIME, account=SYSTEM)


def user_token(
    home: Home, name: str, permissions: Permissions, now: datetime, until: datetime, *, account: str = FLEET
) -> str:
    """Return a token for a user of an account, signed after the user's last revocation. Raises FileFailure."""
    key = _key(home, account)
    since = revocations(home, account).get(key.user(name).public)
    if since is not None and now.timestamp() < since + 1:
        now = now + timedelta(seconds=since + 1 - int(now.timestamp()))
    return jwts.user(key, name, permissions, now, until)


def revoke(home: Home, name: str, now: datetime) -> None:
    """Revoke the tokens of an agent or a controller that were signed until now. Raises FileFailure."""
    with home.locked(home.broker):
        for account in _FILES:
            key = _key(home, account)
            revoked = {**revocations(home, account), key.user(name).public: int(now.timestamp())}
            _sign_account(home, account, key, now, revoked)


def revocations(home: Home, account: str) -> dict[str, int]:
    """Return the revocations of an account: public key of a user -> second. Raises FileFailure."""
    try:
        return jwts.revoked_in(broker_folder.token(home, _FILES[account]))
    except ValueError as error:
        raise FileFailure(f"cannot use the token of {account} in '{home.broker}': {error}", hint=_RESTORE) from None


def account_token(home: Home, account: str) -> str:
    """Return the token of an account. Raises FileFailure."""
    return broker_folder.token(home, _FILES[account])


def ends(home: Home) -> dict[str, datetime]:
    """Return the expiry times of the tokens that exist, by their names. Raises FileFailure."""
    found = {}
    for name in ("operator", *_FILES.values(), "controller", "monitor"):
        if (home.broker / f"{name}.jwt").exists():
            try:
                found[name] = jwts.end_of(broker_folder.token(home, name))
            except ValueError as error:
                path = home.broker / f"{name}.jwt"
                raise FileFailure(f"cannot use '{path}': {error}", hint=_RESTORE) from None
    return found


def certificate_ends(home: Home) -> dict[str, datetime]:
    """Return the expiry times of the brokers' certificates that were made here, by their addresses."""
    found = {}
    for address in broker_folder.settings(home).addresses:
        end = pki.end_of(server_folder(home, address) / configuration.CERTIFICATE)
        if end is not None:
            found[str(address)] = end
    return found


def server_folder(home: Home, address: BrokerAddress) -> Path:
    return broker_folder.servers(home) / broker_folder.folder_name(address)


def write_servers(home: Home, now: datetime, *, renew: bool = False) -> None:
    """Write the files of each broker. A certificate stays until it is near its end, or with ``renew`` not at all.

    Raises FileFailure.
    """
    settings = owned(home)
    password = _read(home, "cluster.password")
    for address in settings.addresses:
        folder = home.folder(home.folder(broker_folder.servers(home)) / broker_folder.folder_name(address))
        end = pki.end_of(folder / configuration.CERTIFICATE)
        if renew or end is None or end - now <= pki.NEAR_END or not (folder / configuration.KEY).exists():
            made = pki.broker_credentials(home, settings.controller, address.host, now)
            write_whole(folder / configuration.KEY, made.key)
            write_whole(folder / configuration.CERTIFICATE, made.certificate)
        for name, content in configuration.files(
            address,
            settings.addresses,
            authority=home.authority.read_bytes(),
            accounts=_accounts(home, settings),
            password=password,
        ).items():
            write_whole(folder / name, content)


@contextlib.contextmanager
def running(home: Home, address: BrokerAddress) -> Iterator[None]:
    """Hold the files of one broker while it runs from here. Raises Conflict if it does already, FileFailure."""
    import fcntl

    path = home.folder(home.folder(broker_folder.servers(home)) / broker_folder.folder_name(address)) / "running"
    try:
        descriptor = open_private(path, os.O_RDWR)
    except OSError as error:
        raise FileFailure(f"cannot use the file '{path}': {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Conflict(
            f"cannot use the broker '{address}': it runs from this home",
            hint="end its assist broker up, with Ctrl-C or SIGTERM",
        ) from None
    finally:
        os.close(descriptor)


def note_controller(home: Home, name: str) -> None:
    """Note that another controller has credentials. Raises FileFailure."""
    with home.locked(home.broker):
        settings = owned(home)
        others = tuple(sorted({*settings.others, name}))
        broker_folder.write(home, settings.replace(others=others))


def remove(home: Home) -> None:
    """Remove all of ``broker/``. Raises FileFailure."""
    import shutil

    try:
        (home.broker / "broker.json").unlink(missing_ok=True)  # first: without it there is no broker
        shutil.rmtree(home.broker)
        sync_folder(home.root)
    except OSError as error:
        raise FileFailure(f"cannot remove '{home.broker}': {error.strerror}") from error


def _accounts(home: Home, settings: BrokerSettings) -> str:
    tokens = {settings.accounts[name]: account_token(home, name) for name in _FILES}
    return configuration.accounts(broker_folder.token(home, "operator"), settings.accounts[SYSTEM], tokens)


def _sign(home: Home, controller: str, now: datetime, revoked: Mapping[str, Mapping[str, int]]) -> None:
    """Sign all tokens; ``revoked`` has the revocations of each account.

    That of the operator stays until it is near its end: nats-server would have to be restarted for a new one.
    """
    end = ends(home).get("operator")
    if end is None or end - now <= pki.NEAR_END or not broker_folder.exists(home):
        until = now + pki.AUTHORITY_LIFETIME
        _write(home, "operator.jwt", jwts.operator(_key(home, "operator"), _key(home, SYSTEM), now, until))
    for name in _FILES:
        _sign_account(home, name, _key(home, name), now, revoked[name])
    _sign_users(home, controller, now)


def _sign_account(home: Home, name: str, key: Key, now: datetime, revoked: Mapping[str, int]) -> None:
    token = jwts.account(_key(home, "operator"), key, name, now, now + pki.AUTHORITY_LIFETIME, revoked)
    _write(home, f"{_FILES[name]}.jwt", token)


def _sign_users(home: Home, controller: str, now: datetime) -> None:
    _write(home, "controller.jwt", controller_token(home, controller, now))
    _write(home, "monitor.jwt", monitor_token(home, controller, now, owns=True))


def _key(home: Home, name: str) -> Key:
    """Return the key of the operator or of an account. Raises FileFailure."""
    path = home.broker / f"{_FILES.get(name, name)}.seed"
    try:
        return Key.from_seed(_read(home, path.name))
    except ValueError as error:
        raise FileFailure(f"cannot use '{path}': {error}", hint=_RESTORE) from None


def _read(home: Home, name: str) -> str:
    path = home.broker / name
    try:
        return path.read_text("ascii").strip()
    except OSError as error:
        raise FileFailure(f"cannot read '{path}': {error.strerror}", hint=_RESTORE) from error
    except UnicodeDecodeError:
        raise FileFailure(f"cannot use '{path}': it is not ASCII", hint=_RESTORE) from None


def _write(home: Home, name: str, text: str) -> None:
    write_whole(home.folder(home.broker) / name, text.encode("ascii") + b"\n")
