"""Backups of a home: one file, made while everything runs, from which a home is restored on any machine.

A backup has the database and the files without which its agents would not know the controller any more. Secrets of
notifications and access keys are among them, so it is as private as the home.
"""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assist_cli import codes
from assist_cli.errors import Conflict, DatabaseFailure, FileFailure
from assist_cli.model.audit import AuditEntry
from assist_cli.operations.actor import local_actor
from assist_cli.operations.controller import utc_now
from assist_cli.paths import Home, open_private, sync_folder, write_whole
from assist_cli.store import audit, checkup
from assist_cli.store import backup as store
from assist_cli.store.backup import Origin
from assist_cli.store.database import Database, open_database

_AGENT_ID = "agent/instance-id"
_FILES = ("notify.key", _AGENT_ID)  # and all of pki/
_LOCK = "pki/lock"


@dataclass(frozen=True)
class Restored:
    """A home that was restored; ``keeps_local`` tells whether its own agent is still the instance ``local``."""

    origin: Origin
    keeps_local: bool


def write(home: Home, path: Path) -> int:
    """Write a backup of a home to ``path``, whole or not at all, for this user alone; its size in bytes.

    A backup that is there is replaced, and no other file. Raises Conflict, DatabaseFailure, FileFailure, NotPermitted.
    """
    if not home.check() or not home.database.exists():
        raise FileFailure(f"cannot back up '{home.root}': there is no home yet", hint="assist run -- true makes one")
    _refuse_foreign(path)
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        os.close(open_private(draft, os.O_EXCL | os.O_RDWR))
        origin = Origin(str(home.root), platform.node(), _machine(), utc_now())
        with open_database(home.database, migrate=False) as database:
            store.write(database, draft, origin, _files(home))
        descriptor = os.open(draft, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        size = draft.stat().st_size
        draft.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise FileFailure(f"cannot write the backup '{path}': {error.strerror}") from error
    finally:
        for suffix in ("", "-journal"):
            with contextlib.suppress(OSError):
                draft.with_name(draft.name + suffix).unlink()
    return size


def restore(home: Home, path: Path) -> Restored:
    """Make a home of a backup: where there is none, or in an empty folder.

    Nothing is there after a failure. Raises Conflict for a home that is in use, or a file that is no whole backup,
    DatabaseFailure, FileFailure, NotPermitted.
    """
    root = home.root.resolve()
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise Conflict(
            f"cannot restore into '{home.root}': something is there",
            hint="set ASSIST_HOME to a folder that is empty or absent, or move that one away",
            code=codes.INCORRECT_STATE,
        )
    draft = Home(root.with_name(f".{root.name}.{os.urandom(8).hex()}"))
    draft.prepare()
    try:
        _copy(path, draft.database)
        with _opened(path, draft.database) as database:
            origin = store.origin(database)
            keeps_local = _put_files(database, draft, origin)
            with database.transaction() as transaction:
                store.settle(transaction)
                detail = f"a backup of {origin.created:%Y-%m-%dT%H:%M:%SZ} from {origin.host}"
                audit.append(transaction, AuditEntry(utc_now(), local_actor(), "home.restore", str(root), detail))
            database.log_changes()
        draft.root.rename(root)
        sync_folder(root.parent)
    except OSError as error:
        raise FileFailure(f"cannot restore '{home.root}': {error.strerror}") from error
    finally:
        _remove(draft.root)
    return Restored(origin, keeps_local)


def _refuse_foreign(path: Path) -> None:
    """Raise Conflict for a file that is there and no backup, FileFailure for a folder or what cannot be read."""
    try:
        if path.stat().st_size == 0:
            return
        with path.open("rb") as file:
            is_database = file.read(16) == b"SQLite format 3\0"
        if is_database:
            with open_database(path, migrate=False) as database:
                if store.is_backup(database):
                    return
    except FileNotFoundError:
        return
    except OSError as error:
        raise FileFailure(f"cannot write the backup '{path}': {error.strerror}") from error
    except DatabaseFailure:
        pass
    raise Conflict(
        f"cannot write the backup '{path}': it is another file, and no backup",
        hint="give another name",
        code=codes.INCORRECT_STATE,
    )


def _files(home: Home) -> dict[str, bytes]:
    """Return the files that belong to a backup, by their names in the home. Raises FileFailure."""
    names = [*_FILES, *(f"pki/{each.name}" for each in sorted(home.pki.glob("*")))]
    found = {}
    with _certificates_at_rest(home):
        for name in names:
            path = home.root / name
            if name != _LOCK and path.is_file():
                found[name] = path.read_bytes()
    return found


@contextlib.contextmanager
def _certificates_at_rest(home: Home) -> Iterator[None]:
    """Lock the certificates meanwhile, as a key and its certificate belong together."""
    if not home.pki.exists():
        yield
        return
    from assist_cli.deploy import pki  # with cryptography, which few homes need

    with pki.locked(home):
        yield


def _copy(path: Path, target: Path) -> None:
    """Copy a backup to a private file. Raises FileFailure."""
    import shutil

    try:
        with path.open("rb") as source, os.fdopen(open_private(target, os.O_EXCL | os.O_WRONLY), "wb") as copy:
            shutil.copyfileobj(source, copy, 1024 * 1024)
    except OSError as error:
        hint = "give a file that assist backup made"
        raise FileFailure(f"cannot read the backup '{path}': {error.strerror}", hint=hint) from error


@contextlib.contextmanager
def _opened(path: Path, copy: Path) -> Iterator[Database]:
    """Open the copy of a backup, migrated to the schema of this version. Raises Conflict."""

    def refused(why: str) -> Conflict:
        return Conflict(
            f"cannot restore '{path}': {why}", hint="give a file that assist backup made", code=codes.INCORRECT_STATE
        )

    try:
        with open_database(copy, migrate=False) as database:
            if not store.is_backup(database):
                raise refused("it is not a backup of Assist")
            if faults := checkup.faults(database):
                raise refused(f"it is damaged: {faults[0]}")
        with open_database(copy) as database:
            yield database
    except DatabaseFailure as error:
        raise refused(error.message.partition(": ")[2] or error.message) from error


def _put_files(database: Database, home: Home, origin: Origin) -> bool:
    """Write the other files of a backup; whether the agent of this machine keeps its identity."""
    keeps_local = False
    for name, content in store.files(database):
        parts = name.split("/")
        is_known = name in _FILES or (len(parts) == 2 and parts[0] == "pki" and parts[1] not in ("", ".", ".."))
        if not is_known:
            continue  # of a newer Assist
        if name == _AGENT_ID:
            if not _is_same_machine(origin, content):
                continue
            keeps_local = True
        path = home.root / name
        home.folder(path.parent)
        write_whole(path, content)
    return keeps_local


def _is_same_machine(origin: Origin, agent_id: bytes) -> bool:
    """Return True where the home of a backup stood on this machine, and is gone: its agent has no successor yet."""
    if not origin.machine or origin.machine != _machine():
        return False
    try:
        return (Path(origin.home) / _AGENT_ID).read_bytes() != agent_id
    except OSError:
        return True


def _machine() -> str:
    try:
        return Path("/etc/machine-id").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
