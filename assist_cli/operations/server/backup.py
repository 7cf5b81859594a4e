"""Backups of a home: one file, written while everything runs, from which the home is restored on any machine.

A backup has the database, and the files without which agents would not know the controller any more. Keys, and the
environment of the service, are among them, so a backup is as secret as the home.
"""

from __future__ import annotations

import contextlib
import os
import platform
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from assist_cli import codes
from assist_cli.errors import Conflict, FileFailure
from assist_cli.operations.controller import utc_now
from assist_cli.paths import Home, open_private, sync_folder
from assist_cli.store import backup as store
from assist_cli.store.backup import Origin
from assist_cli.store.database import open_database

AGENT_ID = "agent/instance-id"
FILES = ("notify.key", "environment", AGENT_ID)
FOLDERS = ("pki", "broker")  # all files in them, except LOCK
LOCK = "lock"
_DRAFT = ".assist-backup-"  # the name of a file that is being written begins so
_ABANDONED = 3600.0  # seconds since the last write to a draft: its process was killed


def write(home: Home, path: Path) -> int:
    """Write a backup of a home to ``path``, for this user only. Return its size in bytes.

    It replaces an older backup of that name, in one step, and no other file. A link is followed. Raises Conflict,
    DatabaseFailure, FileFailure, NotPermitted.
    """
    if not home.check() or not home.database.exists():
        raise FileFailure(f"cannot back up '{home.root}': there is no home yet", hint="assist run -- true creates one")
    with reported(f"write the backup '{path}'"):
        target = _settled(path)
        _refuse_target(home, path, target)
        _remove_abandoned(target.parent)
        draft = target.with_name(f"{_DRAFT}{os.urandom(8).hex()}")
        try:
            os.close(open_private(draft, os.O_EXCL | os.O_RDWR))
            origin = Origin(str(home.root), platform.node(), machine(), utc_now())
            with open_database(home.database, migrate=False) as database:
                store.write(database, draft, path, origin, _files(home))
            _sync(draft)
            size = draft.stat().st_size
            draft.replace(target)
            sync_folder(target.parent)
        finally:
            for suffix in ("", "-journal"):
                with contextlib.suppress(OSError):
                    draft.with_name(draft.name + suffix).unlink()
    return size


@contextlib.contextmanager
def reported(what: str) -> Iterator[None]:
    """Report an error of the system as a FileFailure."""
    try:
        yield
    except OSError as error:
        raise FileFailure(f"cannot {what}: {error.strerror}") from error


def _settled(path: Path) -> Path:
    """Return the path that a link leads to. Raises OSError."""
    try:
        return path.resolve()
    except RuntimeError as error:  # before Python 3.13
        raise OSError(0, "too many links") from error


def _refuse_target(home: Home, path: Path, target: Path) -> None:
    """Raise Conflict for a file that must stay, FileFailure for what is not a file. Raises OSError."""
    if target.is_relative_to(home.root.resolve()):
        raise Conflict(
            f"cannot write the backup '{path}': it is in the home itself",
            hint="give a file outside of it, best on another disk",
            code=codes.INCORRECT_STATE,
        )
    try:
        status = target.stat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a file"
        raise FileFailure(f"cannot write the backup '{path}': it is {kind}", hint="give the name of a file")
    if status.st_size and not store.is_backup_file(target):
        raise Conflict(
            f"cannot write the backup '{path}': there is another file of that name, which is not a backup",
            hint="give another name",
            code=codes.INCORRECT_STATE,
        )


def _remove_abandoned(folder: Path) -> None:
    """Remove the drafts of backups whose processes were killed."""
    with contextlib.suppress(OSError):
        for each in folder.iterdir():
            if each.name.startswith(_DRAFT) and time.time() - each.stat().st_mtime > _ABANDONED:
                each.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files(home: Home) -> dict[str, bytes]:
    """Return the files that belong to a backup, by their names in the home. Raises OSError, FileFailure."""
    names = [*FILES, *(f"{name}/{each.name}" for name in FOLDERS for each in sorted((home.root / name).glob("*")))]
    found = {}
    with _certificates_at_rest(home):
        for name in names:
            path = home.root / name
            if path.name != LOCK and path.is_file():
                found[name] = path.read_bytes()
    return found


@contextlib.contextmanager
def _certificates_at_rest(home: Home) -> Iterator[None]:
    """Keep others from renewing certificates and tokens: a key and its certificate belong together."""
    with contextlib.ExitStack() as stack:
        for folder in (home.pki, home.broker):
            if folder.exists():
                stack.enter_context(home.locked(folder))
        yield


def machine() -> str:
    """Return the id of this machine; empty if it has none."""
    try:
        return Path("/etc/machine-id").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
