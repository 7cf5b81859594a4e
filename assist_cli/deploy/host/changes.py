"""Changes on the disk that can be taken back, and the words by which they are told of.

An installation is done or undone: each change says how it is taken back, and the first failure takes back all of them.
"""

import json
import os
import shutil
import sys
from typing import Any, Callable, List, Optional

from agentd.posix.permissions import UntrustedPath, check_private, make_private


class Failure(Exception):
    """It cannot be done; the text is part of a line for people. With a ``code``, the state of things forbids it."""

    def __init__(self, text: str, code: str = "", hint: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.hint = hint


def say(**words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


class Steps:
    """What was done so far, and how to take it back."""

    def __init__(self) -> None:
        self.current = ""
        self._undo = []  # type: List[Callable[[], Any]]

    def begin(self, text: str) -> None:
        self.current = text
        say(step=text)

    def can_undo(self, back: Callable[[], Any]) -> None:
        self._undo.append(back)

    def undo(self) -> List[str]:
        """Take everything back, the newest first. Returns what could not be."""
        left = []
        while self._undo:
            try:
                self._undo.pop()()
            except (Failure, OSError) as error:
                left.append(str(error))
        return left


def make_folder(path: str, steps: Steps) -> None:
    """Make a folder for its owner alone; one that is there must be the owner's alone. Undone: what was made goes."""
    missing = path
    while not os.path.isdir(os.path.dirname(missing)):
        missing = os.path.dirname(missing)
    new = not os.path.isdir(path)
    _use(make_private, path)
    if new:
        steps.can_undo(lambda: shutil.rmtree(missing))


def check_folder(path: str) -> None:
    """Raise Failure when the folder is there and is not its owner's alone. Nothing in such a one is read or run."""
    if os.path.lexists(path):
        _use(check_private, path)


def _use(call: Callable[[str], None], path: str) -> None:
    try:
        call(path)
    except UntrustedPath as error:
        raise Failure("cannot use the folder %s: %s" % (path, error.strerror)) from None


def put(path: str, content: bytes, mode: int, steps: Steps) -> None:
    """Write a file whole, with this mode whatever the umask. Undone: the old one is back."""
    old = read(path)
    old_mode = os.stat(path).st_mode & 0o7777 if old is not None else 0
    folder = os.path.dirname(path)
    os.makedirs(folder, 0o755, exist_ok=True)

    def back() -> None:
        if old is None:
            os.unlink(path)
        else:
            write(path, old, old_mode)

    write(path, content, mode)
    steps.can_undo(back)


def write(path: str, content: bytes, mode: int) -> None:
    temporary = "%s.%d.tmp" % (path, os.getpid())
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync(os.path.dirname(path))


def link(path: str, target: str, steps: Steps) -> None:
    """Make a symbolic link, or let it point elsewhere, in one moment. Undone: it is as it was."""
    old = os.readlink(path) if os.path.islink(path) else None

    def point(where: str) -> None:
        temporary = "%s.%d.tmp" % (path, os.getpid())
        os.symlink(where, temporary)
        os.replace(temporary, path)
        sync(os.path.dirname(path))

    point(target)
    steps.can_undo((lambda: os.unlink(path)) if old is None else (lambda: point(old)))


def sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: str) -> Optional[bytes]:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
