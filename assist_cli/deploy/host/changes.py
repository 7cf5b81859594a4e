"""Changes on the disk that can be undone, and the messages about them.

Each change registers how to undo it. After the first failure all changes are undone.
"""

import json
import os
import shutil
import sys
from typing import Any, Callable, List, Optional

from agentd.disk import patiently, read_whole, sync_folder, write_whole
from agentd.platform import load

permissions = load("permissions")


class Failure(Exception):
    """A step failed. The text is part of a line for people. With a ``code``, the present state does not allow it."""

    def __init__(self, text: str, code: str = "", hint: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.hint = hint


def say(**words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


class Steps:
    """The steps done so far, and how to undo them."""

    def __init__(self) -> None:
        self.current = ""
        self._interrupted = False
        self._undo = []  # type: List[Callable[[], Any]]

    def begin(self, text: str) -> None:
        """Report the next step. Raises Failure after an interruption."""
        self.check()
        self.current = text
        say(step=text)

    def interrupt(self, *_: Any) -> None:
        """Handle a signal. It takes effect between two steps, where everything done is known and can be undone."""
        self._interrupted = True

    def check(self) -> None:
        """Raise Failure after an interruption."""
        if self._interrupted:
            raise Failure("interrupted")

    def can_undo(self, back: Callable[[], Any]) -> None:
        self._undo.append(back)

    def undo(self) -> List[str]:
        """Undo all changes, the newest first. Return what could not be undone."""
        left = []
        while self._undo:
            try:
                self._undo.pop()()
            except (Failure, OSError) as error:
                left.append(str(error))
        return left


def make_folder(path: str, steps: Steps) -> None:
    """Make a folder for its owner alone. An existing one must be the owner's alone. Undo: remove what was made."""
    missing = path
    while not os.path.isdir(os.path.dirname(missing)):
        missing = os.path.dirname(missing)
    new = not os.path.isdir(path)
    _use(permissions.make_private, path)
    if new:
        steps.can_undo(lambda: patiently(shutil.rmtree, missing))


def check_folder(path: str) -> None:
    """Raise Failure if the folder exists and is not its owner's alone. Then nothing in it is read or run."""
    if os.path.lexists(path):
        _use(permissions.check_private, path)


def _use(call: Callable[[str], None], path: str) -> None:
    try:
        call(path)
    except PermissionError as error:
        raise Failure("cannot use the folder %s: %s" % (path, error.strerror)) from None


def put(path: str, content: bytes, mode: int, steps: Steps) -> None:
    """Write a file in one step, with this mode whatever the umask. Undo: restore the old one."""
    old = read(path)
    old_mode = os.stat(path).st_mode & 0o7777 if old is not None else 0
    os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)

    def back() -> None:
        if old is None:
            patiently(os.unlink, path)
        else:
            write_whole(path, old, old_mode)

    write_whole(path, content, mode)
    steps.can_undo(back)


def remove(path: str, steps: Steps) -> None:
    """Remove a file, if it exists. Undo: restore it."""
    old = read(path)
    if old is not None:
        content, mode = old, os.stat(path).st_mode & 0o7777
        patiently(os.unlink, path)
        steps.can_undo(lambda: write_whole(path, content, mode))


def link(path: str, target: str, steps: Steps) -> None:
    """Make or change a symbolic link in one step. Undo: restore its old state."""
    old = os.readlink(path) if os.path.islink(path) else None

    def point(where: str) -> None:
        temporary = "%s.%d.tmp" % (path, os.getpid())
        os.symlink(where, temporary)
        os.replace(temporary, path)
        sync_folder(os.path.dirname(path))

    point(target)
    steps.can_undo((lambda: os.unlink(path)) if old is None else (lambda: point(old)))


def read(path: str) -> Optional[bytes]:
    try:
        content: bytes = read_whole(path)
        return content
    except (FileNotFoundError, NotADirectoryError):
        return None
