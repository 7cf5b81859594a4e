"""The files of the state. ``ASSIST_HOME`` is their folder; by default it is in the platform's folder for user data.

::

    ASSIST_HOME/            0700
      assist.db             the history and all other data, 0600
      agent/                the agent of this machine: its socket, spool and instance id
      logs/                 agentd.log, logs of background processes, and a report for each bug
      nonces.db             nonces of recent API calls
      senders/              one locked file for each process that is sending (see operations.runs.senders)
      pki/                  the certificate authority of the fleet, and this controller's certificate (see deploy.pki)
      broker/               the broker of agents that dial out, if there is one (see agents.broker_folder)
      notify.key            the key that signs notifications; notify.lock: held while they are delivered
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from assist_cli import codes, folder
from assist_cli.errors import FileFailure, InvalidParameter, NotPermitted

LONGEST_LOG = 1024 * 1024  # bytes

_FOLDERS = ("agent", "broker", "installs", "logs", "pki", "senders")
_FILES = ("assist.db", "assist.db-wal", "assist.db-shm", "nonces.db", "notify.key", "notify.lock")


class Home:
    """One ASSIST_HOME. Its properties create nothing; ``folder`` makes folders."""

    def __init__(self, root: Path) -> None:
        self.root: Final = root

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Home) and self.root == other.root

    def __hash__(self) -> int:
        return hash(self.root)

    @functools.cached_property
    def database(self) -> Path:
        return self.root / "assist.db"

    @functools.cached_property
    def agent(self) -> Path:
        return self.root / "agent"

    @functools.cached_property
    def logs(self) -> Path:
        return self.root / "logs"

    @functools.cached_property
    def senders(self) -> Path:
        return self.root / "senders"

    @functools.cached_property
    def installs(self) -> Path:
        return self.root / "installs"

    @functools.cached_property
    def nonces(self) -> Path:
        return self.root / "nonces.db"

    @functools.cached_property
    def notify_key(self) -> Path:
        return self.root / "notify.key"

    @functools.cached_property
    def notify_lock(self) -> Path:
        return self.root / "notify.lock"

    @functools.cached_property
    def pki(self) -> Path:
        return self.root / "pki"

    @functools.cached_property
    def authority(self) -> Path:
        return self.pki / "ca.pem"

    @functools.cached_property
    def certificate(self) -> Path:
        return self.pki / "controller.pem"

    @functools.cached_property
    def key(self) -> Path:
        return self.pki / "controller.key"

    @functools.cached_property
    def revoked(self) -> Path:
        return self.pki / "revoked.json"

    @functools.cached_property
    def broker(self) -> Path:
        return self.root / "broker"

    def prepare(self) -> None:
        """Make the home if it is absent, and ``check`` it. Raises NotPermitted, FileFailure."""
        if not self.check():
            make_folder(self.root, 0o700)

    def check(self) -> bool:
        """Check that the home and its files are this user's alone. Return False if the home does not exist yet.

        A link is checked by its target. Own files that others can only read are made private. Raises NotPermitted for
        files of another user, files that others can write, and files that cannot be read or made; FileFailure for
        read-only files and wrong kinds of files.
        """
        if not _check(self.root, "home"):
            _missing(self.root)
            return False
        for name in _FOLDERS:
            _check(self.root / name, "folder")
        for name in _FILES:
            _check(self.root / name, "file")
        return True

    def folder(self, path: Path) -> Path:
        """Return ``path`` in this home, made with mode 0700 if it is absent. Raises NotPermitted, FileFailure."""
        if not _check(self.root, "home"):
            make_folder(self.root, 0o700)
        if not _check(path, "folder"):
            make_folder(path, 0o700)
        return path

    @contextlib.contextmanager
    def locked(self, path: Path, *, wait: bool = True) -> Iterator[None]:
        """Lock a folder of this home for one process; it is created first.

        Raises NotPermitted, FileFailure; without ``wait`` BlockingIOError while another process has the lock.
        """
        import fcntl

        lock = self.folder(path) / "lock"
        try:
            descriptor = open_private(lock, os.O_RDWR)
        except OSError as error:
            raise FileFailure(f"cannot use the folder '{path}': {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            yield
        finally:
            os.close(descriptor)

    def journal(self, name: str) -> int:
        """Open a log for appending. A log that is too long is renamed first, and stays beside the new one.

        Raises FileFailure.
        """
        path = self.folder(self.logs) / name
        try:
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_size > LONGEST_LOG:
                    path.replace(path.with_name(f"{name}.1"))
            return open_private(path, os.O_WRONLY | os.O_APPEND)
        except OSError as error:
            raise FileFailure(f"cannot write the file '{path}': {error.strerror}") from error


def home(stated: str | os.PathLike[str] | None = None) -> Home:
    """Return the home at ``stated``; by default that of this process: ``ASSIST_HOME``, or in the folder for user data.

    Raises NotPermitted, FileFailure.
    """
    try:
        return Home(Path(folder.home_folder() if stated is None else folder.settled(os.fspath(stated))))
    except OSError as error:
        raise _unknown("the home is", error, "set ASSIST_HOME to the absolute path of a folder") from error


def user_home() -> Path:
    """Return the user's home folder (see ``folder.user_home``). Raises NotPermitted, FileFailure."""
    try:
        return Path(folder.user_home())
    except OSError as error:
        raise _unknown("your own folder is", error, "set HOME to the absolute path of a folder") from error


def user_data() -> Path:
    """Return the folder for user data (see ``folder.user_data``). Raises NotPermitted, FileFailure."""
    try:
        return Path(folder.user_data())
    except OSError as error:
        raise _unknown("your own data are", error, "set HOME to the absolute path of a folder") from error


def _unknown(what: str, error: OSError, hint: str) -> NotPermitted | FileFailure:
    """Return the error for a path that ``folder`` cannot determine."""
    failure = NotPermitted if error.errno == errno.EPERM else FileFailure
    if error.errno is None:
        why = str(error)
    elif failure is NotPermitted:
        why = str(error.strerror)
    else:
        why = f"it is relative to the current folder, or has '..' in it: {error.strerror}"
    return failure(f"cannot tell where {what}: {why}", hint=hint)


def region() -> str:
    """Return this controller's name for clients of the API and for scripts (``ACS::RegionId``): ``ASSIST_REGION``.

    Raises InvalidParameter for a name that SDKs do not accept.
    """
    name = os.environ.get("ASSIST_REGION") or "local"
    if not all(character.isascii() and (character.isalnum() or character in "-_") for character in name):
        raise InvalidParameter(
            f"cannot use the region {name!r} of ASSIST_REGION: only letters, digits, '-' and '_' are allowed",
            hint="unset ASSIST_REGION, or set it to a name like local",
            code=codes.INVALID_REGION,
        )
    return name


def make_folder(path: Path, mode: int = 0o755) -> None:
    """Make a folder, unless it exists, and those above it with mode 0755, whatever the umask.

    Root makes nothing in another user's folder: that user could not use it. Raises NotPermitted, FileFailure.
    """
    missing = _missing(path)
    try:
        while missing:
            each = missing.pop()
            try:
                each.mkdir(0o700)
            except FileExistsError:
                if not each.is_dir():
                    raise
            else:
                each.chmod(0o755 if missing else mode)
    except OSError as error:
        raise _cannot_make(path, error) from error


def try_folder(path: Path) -> None:
    """Check whether ``make_folder`` could make what is absent, and change nothing. Raises the same errors."""
    for first in _missing(path)[-1:]:
        attempt = first.with_name(f".assist.{os.urandom(8).hex()}")
        try:
            attempt.mkdir(0o700)
            attempt.rmdir()
        except OSError as error:
            raise _cannot_make(path, error) from error


def _missing(path: Path) -> list[Path]:
    """Return the folders to make for a folder to exist, itself first. Raises NotPermitted, FileFailure."""
    missing: list[Path] = []
    try:
        for each in (path, *path.parents):
            try:
                _refuse_another_user(path, each, each.stat())
                if missing and not _may(each, os.W_OK | os.X_OK):
                    is_read_only = os.name == "posix" and os.statvfs(each).f_flag & os.ST_RDONLY
                    number = errno.EROFS if is_read_only else errno.EACCES
                    raise OSError(number, os.strerror(number))
                break
            except FileNotFoundError:
                missing.append(each)
    except OSError as error:
        raise _cannot_make(path, error) from error
    return missing


def _refuse_another_user(path: Path, there: Path, status: os.stat_result) -> None:
    """Raise NotPermitted if root would make ``path`` in another user's folder. A folder like /tmp is allowed."""
    is_public = status.st_mode & stat.S_ISVTX and status.st_mode & stat.S_IWOTH
    if os.name == "posix" and os.geteuid() == 0 and status.st_uid != 0 and not is_public:
        why = folder.refusal(status)
        raise NotPermitted(f"cannot make '{path}' in '{there}': {why}", hint=_remedy(there, status))


def _cannot_make(path: Path, error: OSError) -> NotPermitted | FileFailure:
    failure = NotPermitted if isinstance(error, PermissionError) else FileFailure
    why = "there is a file or a link of that name" if error.errno == errno.EEXIST else error.strerror
    return failure(f"cannot make the folder '{path}': {why}", hint=_ELSEWHERE)


def open_private(path: Path, flags: int) -> int:
    """Open a file for its owner alone, whatever the umask; made if absent. Raises OSError."""
    descriptor = os.open(path, flags | os.O_CREAT, 0o600)
    if os.name == "posix" and stat.S_IMODE(os.fstat(descriptor).st_mode) != 0o600:
        try:
            os.fchmod(descriptor, 0o600)
        except OSError:
            os.close(descriptor)
            raise
    return descriptor


def version_of(path: Path) -> tuple[int, int, int] | None:
    """Return a value that differs after each ``write_whole`` of a file; None if it does not exist. Raises OSError."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def is_exposed(path: Path) -> bool:
    """Return True for a file of this user that others can also use, by ssh(1)'s rule for private keys."""
    try:
        status = path.stat()
    except OSError:
        return False
    is_ours = os.name == "posix" and status.st_uid == os.geteuid()
    return is_ours and stat.S_ISREG(status.st_mode) and bool(status.st_mode & 0o077)


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write ``data`` to ``path`` atomically: readers get the old file or the new one. Raises FileFailure."""
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            draft.chmod(mode)  # whatever the umask
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            draft.replace(path)
            sync_folder(path.parent)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise FileFailure(f"cannot write the file '{path}': {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a power cut, if the system can."""
    with contextlib.suppress(PermissionError):  # Windows cannot open folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


_ELSEWHERE = "set ASSIST_HOME to a folder that you may write to"


def _check(path: Path, kind: str) -> bool:
    """Do ``Home.check`` for one ``home``, ``folder`` or ``file``; False if it does not exist."""
    what = f"the {kind} '{path}'"
    try:
        status = path.stat()
    except FileNotFoundError as error:
        if not path.is_symlink():
            return False
        raise FileFailure(f"cannot use {what}: it is a link to nothing", hint=_ELSEWHERE) from error
    except OSError as error:
        failure = NotPermitted if isinstance(error, PermissionError) else FileFailure
        raise failure(f"cannot use {what}: {error.strerror}", hint=_ELSEWHERE) from error
    is_folder = kind != "file"
    if not (stat.S_ISDIR if is_folder else stat.S_ISREG)(status.st_mode):
        raise FileFailure(f"cannot use {what}: it is not a {'folder' if is_folder else 'file'}", hint=_ELSEWHERE)
    if why := folder.refusal(status):
        raise NotPermitted(f"cannot use {what}: {why}", hint=_remedy(path, status))
    search = os.X_OK if is_folder else 0
    if not _may(path, os.R_OK | os.W_OK | search):
        if not path.exists():  # SQLite deletes its logs at any time
            return False
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        mend = f"chmod u+rw{'x' if is_folder else ''} {_quoted(path)}"
        if not _may(path, os.R_OK | search):
            raise NotPermitted(f"cannot read {what}: its mode is {mode}", hint=mend)
        if status.st_mode & stat.S_IWUSR:
            raise FileFailure(f"cannot write to {what}: the file system is read-only", hint=_ELSEWHERE)
        raise FileFailure(f"cannot write to {what}: it is read-only (mode {mode})", hint=mend)
    if os.name == "posix" and status.st_mode & 0o077:
        if kind == "home" and _holds_others(path):
            raise NotPermitted(
                f"cannot use {what}: others can read it, and it has files that are not Assist's",
                hint="set ASSIST_HOME to a folder of its own",
            )
        try:
            path.chmod(0o700 if is_folder else 0o600)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise FileFailure(f"cannot make {what} private: {error.strerror}", hint=_ELSEWHERE) from error
    return True


def _holds_others(path: Path) -> bool:
    """Return True if a folder without a database has files that no home has: otherwise /etc would be made private."""
    names = {each.name for each in path.iterdir()}
    return "assist.db" not in names and not names <= {*_FOLDERS, *_FILES}


def _may(path: Path, wanted: int) -> bool:
    return os.access(path, wanted, effective_ids=os.access in os.supports_effective_ids)


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def _remedy(path: Path, status: os.stat_result) -> str:
    """Return the hint for a path that ``folder.refusal`` refuses; a new mode only for the files of a home."""
    is_of_a_home = any(os.access(each / "assist.db", os.F_OK) for each in (path, path.parent)) and not path.is_symlink()
    if status.st_uid == os.geteuid() and is_of_a_home:
        return f"check who wrote there, then: chmod go-rwx {_quoted(path)}"
    if os.geteuid() == 0 != status.st_uid:
        return "use root's own home, as sudo -H does; or set ASSIST_HOME to a folder of root's"
    return "set ASSIST_HOME to a folder of your own"
