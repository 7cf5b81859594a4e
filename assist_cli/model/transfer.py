"""A file that is sent: its name, its target directory, its owner and mode (docs/rules.md section 7).

Its content is not part of the history, since files contain keys and passwords. The history has the size and the
SHA-256, by which a sent file can be recognised.
"""

import re
from typing import NamedTuple

from assist_cli import codes
from assist_cli.errors import InvalidParameter
from assist_cli.model import names, quotas

DEFAULT_MODE = "0644"
DEFAULT_TIMEOUT = 60

_MODE = re.compile(r"0?[0-7]{3,4}", re.ASCII)


class Transfer(NamedTuple):
    """The file. ``directory`` is absolute on the instance, ``mode`` octal in four digits, ``size`` in bytes.

    ``owner`` and ``group`` None are the agent's own. ``sha256`` is in hexadecimal.
    """

    name: str
    directory: str
    size: int
    sha256: str
    mode: str = DEFAULT_MODE
    owner: str | None = None
    group: str | None = None
    overwrite: bool = False

    @property
    def path(self) -> str:
        """Return the path on the instance."""
        is_windows = "\\" in self.directory and not self.directory.startswith("/")
        separator = "\\" if is_windows else "/"
        return self.directory.rstrip(separator) + separator + self.name


def checked(
    content: bytes,
    name: str,
    directory: str,
    *,
    mode: str = DEFAULT_MODE,
    owner: str | None = None,
    group: str | None = None,
    overwrite: bool = False,
) -> Transfer:
    """Return the transfer of a file with this content. Raises InvalidParameter and QuotaExceeded."""
    import hashlib  # imported here: it takes 8 ms, and only a new transfer needs it

    quotas.check_file(len(content))
    _check_name(name)
    _check_directory(directory)
    _check_account(owner, "owner")
    _check_account(group, "group")
    return Transfer(
        name=name,
        directory=directory,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        mode=_checked_mode(mode),
        owner=owner,
        group=group,
        overwrite=overwrite,
    )


def _check_name(name: str) -> None:
    quotas.check_length(quotas.FILE_NAME, name)
    if name in ("", ".", "..") or "/" in name or "\\" in name or not name.isprintable():
        raise InvalidParameter(
            f"cannot send a file under the name {name!r}: it is not a file name",
            code=codes.FILE_NAME_INVALID,
            hint="give a name without slashes and control characters: --name app.conf",
        )


def _check_directory(directory: str) -> None:
    quotas.check_length(quotas.TARGET_DIR, directory)
    if not names.is_absolute_path(directory):
        raise InvalidParameter(
            f"cannot send a file to {directory!r}: it is not an absolute path",
            code=codes.FILE_PATH_INVALID,
            hint="give an absolute path: --to /etc/app",
        )


def _checked_mode(mode: str) -> str:
    if not _MODE.fullmatch(mode):
        raise InvalidParameter(
            f"cannot give a file the mode {mode!r}: it is not an octal number of three or four digits",
            code=codes.FILE_AUTHORITY_INVALID,
            hint="as for chmod: --mode 0640",
        )
    return f"{int(mode, 8):04o}"


def _check_account(name: str | None, what: str) -> None:
    if name is None:
        return
    quotas.check_length(quotas.USERNAME, name)
    if not names.is_account(name):
        raise InvalidParameter(
            f"cannot give a file to the {what} {name!r}: it is not a {'user' if what == 'owner' else 'group'} name",
            code=codes.INVALID_USERNAME,
            hint=f"give the name of a {'user' if what == 'owner' else 'group'} on the instance",
        )
