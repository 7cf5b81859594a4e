"""Where state lives. ``ASSIST_HOME`` overrides all of it; else it is the platform's folder for a user's data.

::

    ASSIST_HOME/            0700
      assist.db             the history and everything else that is remembered, 0600
      agent/                the embedded agent: its socket, spool and instance id
      logs/                 agentd.log, those of processes in the background, and a report for each bug that was met
      nonces.db             calls of the API that were answered a moment ago
      senders/              one locked file for each process that is sending (see operations.runs.senders)
      pki/                  the certificate authority of the fleet
      notify.key            what notifications are signed with; notify.lock: held by whoever delivers them
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from assist_cli import codes
from assist_cli.errors import FileFailure, InvalidParameter
from assist_cli.folder import home_folder

LONGEST_LOG = 1024 * 1024  # bytes


@dataclass(frozen=True)
class Home:
    """One ASSIST_HOME. Naming a path creates nothing; the folders that are asked for by ``folder`` are made."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "assist.db"

    @property
    def agent(self) -> Path:
        return self.root / "agent"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def senders(self) -> Path:
        return self.root / "senders"

    @property
    def nonces(self) -> Path:
        return self.root / "nonces.db"

    @property
    def notify_key(self) -> Path:
        return self.root / "notify.key"

    @property
    def notify_lock(self) -> Path:
        return self.root / "notify.lock"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    def folder(self, path: Path) -> Path:
        """``path``, made with mode 0700 when it is absent. Raises FileFailure when it cannot be made."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise FileFailure(
                f"cannot make the folder '{path}': {error.strerror}",
                hint="set ASSIST_HOME to a folder that you may write to",
            ) from error
        return path

    def journal(self, name: str) -> int:
        """A descriptor that appends to a log; one that has become long begins anew, and what it was stays beside it.

        Raises FileFailure.
        """
        path = self.folder(self.logs) / name
        try:
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_size > LONGEST_LOG:
                    path.replace(path.with_name(f"{name}.1"))
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise FileFailure(f"cannot write the file '{path}': {error.strerror}") from error


def home() -> Home:
    """The home that this process uses: ``ASSIST_HOME``, or the platform's folder for user data."""
    return Home(Path(home_folder()))


def region() -> str:
    """The name of this controller to clients of the API and to scripts (``ACS::RegionId``): ``ASSIST_REGION``.

    Raises InvalidParameter for one that SDKs do not take.
    """
    name = os.environ.get("ASSIST_REGION") or "local"
    if not all(character.isascii() and (character.isalnum() or character in "-_") for character in name):
        raise InvalidParameter(
            f"cannot use the region {name!r} of ASSIST_REGION: only letters, digits, '-' and '_' may stand in it",
            hint="unset ASSIST_REGION, or set it to a name like local",
            code=codes.INVALID_REGION,
        )
    return name


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Put ``data`` at ``path``: the old file or the new one is seen, never a piece. Raises FileFailure."""
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
            _sync_folder(path.parent)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise FileFailure(f"cannot write the file '{path}': {error.strerror}") from error


def _sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a power cut, where the system lets one."""
    with contextlib.suppress(PermissionError):  # Windows opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
