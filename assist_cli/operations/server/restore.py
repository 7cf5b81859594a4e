"""Restoring a home from a backup: the whole home, or nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assist_cli import codes
from assist_cli.errors import Conflict, DatabaseFailure, FileFailure
from assist_cli.model.audit import AuditEntry
from assist_cli.operations.actor import local_actor
from assist_cli.operations.controller import utc_now
from assist_cli.operations.server.backup import AGENT_ID, FILES, FOLDERS, machine, reported
from assist_cli.paths import Home, open_private, sync_folder, write_whole
from assist_cli.store import audit, checkup
from assist_cli.store import backup as store
from assist_cli.store.backup import Origin
from assist_cli.store.database import Database, open_database

_DRAFT = ".assist-restore-"  # the name of a folder that is being restored begins so
_ANOTHER = "give a file that assist backup wrote"


@dataclass(frozen=True)
class Restored:
    """A restored home. If it ``loses_local``, the instance ``local`` of the backup is not the agent of this home."""

    origin: Origin
    loses_local: bool


def restore(home: Home, path: Path) -> Restored:
    """Restore a home from a backup, where there is none, or into an empty folder.

    After a failure there is nothing. Raises Conflict for a home that is in use and for a file that is not a complete
    backup, FileFailure, NotPermitted.
    """
    with reported(f"restore '{home.root}'"), _draft(home) as (draft, root):
        _copy(path, draft.database)
        with _opened(path, draft.database) as database:
            origin = store.origin(database)
            loses_local = _put_files(database, draft, origin)
            with database.transaction() as transaction:
                store.settle(transaction)
                detail = f"a backup of {origin.created:%Y-%m-%dT%H:%M:%SZ} from {origin.host}"
                audit.append(transaction, AuditEntry(utc_now(), local_actor(), "home.restore", str(root), detail))
            database.log_changes()
        sync_folder(draft.root)
        _put_in_place(draft, root)
    return Restored(origin, loses_local)


@contextlib.contextmanager
def _draft(home: Home) -> Iterator[tuple[Home, Path]]:
    """Create a folder to restore into, and yield it with the root of the home. It is removed at the end.

    If the root exists, the folder is in it: the root may be a mount point, or its parent another user's. Else it is
    beside it. It is locked, so that a later restore can tell the draft of a process that was killed, and remove it.
    Raises Conflict unless the root is empty or absent.
    """
    exists = home.check()
    root = home.root.resolve()
    if exists:
        _empty(home, root)
    else:
        _remove_drafts(root.parent)
    draft = Home((root if exists else root.parent) / f"{_DRAFT}{os.urandom(8).hex()}")
    draft.prepare()
    lock = _locked(draft.root)
    try:
        yield draft, root
    finally:
        os.close(lock)
        shutil.rmtree(draft.root, ignore_errors=True)


def _locked(folder: Path) -> int:
    """Lock a folder, where its file system can. Return a descriptor. Raises BlockingIOError if another process has."""
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        pass
    return descriptor


def _is_locked(folder: Path) -> bool:
    try:
        os.close(_locked(folder))
    except BlockingIOError:
        return True
    return False


def _remove_drafts(folder: Path) -> None:
    """Remove what killed processes have left in a folder."""
    with contextlib.suppress(OSError):
        for each in folder.iterdir():
            if each.name.startswith(_DRAFT) and not _is_locked(each):
                _remove(each)


def _empty(home: Home, root: Path) -> None:
    """Remove what a killed restore has left in the root. Raises Conflict if there is anything else."""
    found = list(root.iterdir())
    drafts = [each for each in found if each.name.startswith(_DRAFT)]
    rest = {each.name for each in found if each not in drafts}
    is_half = bool(drafts) and rest <= {name.partition("/")[0] for name in (*FILES, *FOLDERS)}
    if (rest and not is_half) or any(map(_is_locked, drafts)):
        raise Conflict(
            f"cannot restore into '{home.root}': it is not empty",
            hint="set ASSIST_HOME to a folder that is empty or absent",
            code=codes.INCORRECT_STATE,
        )
    for each in found:
        _remove(each)


def _put_in_place(draft: Home, root: Path) -> None:
    """Give a restored home its name. In a root that exists the database comes last: with it the home is complete."""
    if draft.root.parent != root:
        draft.root.rename(root)
        sync_folder(root.parent)
        return
    moved: list[Path] = []
    try:
        for each in sorted(draft.root.iterdir(), key=lambda each: each == draft.database):
            moved.append(each.rename(root / each.name))
    except OSError:
        for each in moved:
            _remove(each)
        raise
    sync_folder(root)


def _copy(path: Path, target: Path) -> None:
    """Copy a backup to a private file. Raises FileFailure, OSError."""
    try:
        source = path.open("rb")
    except OSError as error:
        raise FileFailure(f"cannot read the backup '{path}': {error.strerror}", hint=_ANOTHER) from error
    with source, os.fdopen(open_private(target, os.O_EXCL | os.O_WRONLY), "wb") as copy:
        shutil.copyfileobj(source, copy, 1024 * 1024)


@contextlib.contextmanager
def _opened(path: Path, copy: Path) -> Iterator[Database]:
    """Open the copy of a backup, and migrate it to the schema of this version. Raises Conflict, FileFailure."""
    try:
        with store.readable(path, copy), open_database(copy, migrate=False) as database:
            if not store.is_backup(database):
                raise DatabaseFailure("it is not a backup of Assist")
            if faults := checkup.faults(database):
                raise DatabaseFailure(f"it is damaged: {faults[0]}")
        with store.readable(path, copy), open_database(copy) as database:
            yield database
    except DatabaseFailure as error:
        raise Conflict(
            f"cannot restore '{path}': {error.message}", hint=_ANOTHER, code=codes.INCORRECT_STATE
        ) from error


def _put_files(database: Database, home: Home, origin: Origin) -> bool:
    """Write the other files of a backup. Return True without the identity of the agent, which is another machine's."""
    loses_local = False
    for name, content in store.files(database):
        parts = name.split("/")
        is_known = name in FILES or (len(parts) == 2 and parts[0] in FOLDERS and parts[1] not in ("", ".", ".."))
        if not is_known:
            continue  # of a newer Assist
        if name == AGENT_ID:
            loses_local = not _is_same_machine(origin, content)
            if loses_local:
                continue
        path = home.root / name
        home.folder(path.parent)
        write_whole(path, content)
    return loses_local


def _is_same_machine(origin: Origin, agent_id: bytes) -> bool:
    """Return True if the home of a backup was on this machine, and is gone: then no other agent has this id."""
    if not origin.machine or origin.machine != machine():
        return False
    try:
        return (Path(origin.home) / AGENT_ID).read_bytes() != agent_id
    except OSError:
        return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
