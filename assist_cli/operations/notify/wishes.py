"""Notifications: the receiver of an invocation's outcome.

The transaction that ends an invocation also queues its notification (``store.notices``). A process in the background
delivers it (``messenger``), so that nothing waits for a slow receiver. Each process that finds queued notifications
starts a delivery process if none runs. A lock allows one per home. The system releases it when its holder dies, and the
next process continues.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from assist_cli import codes
from assist_cli.errors import AssistError, FileFailure, InvalidParameter, NotFound
from assist_cli.model.notice import Notice, Occasion, Program, Reference, Target, Webhook, Wish, parse
from assist_cli.operations.controller import Also, Controller
from assist_cli.paths import Home, open_private
from assist_cli.store import notice_rows, notices
from assist_cli.structs import Struct

DELIVER = ("notify", "deliver")

# Runs Assist with the module path of this process, whatever the working directory and the environment contain.
_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from assist_cli.__main__ import main; main()"

log = logging.getLogger(__name__)


class Told(Struct):
    """The notification of an invocation: receiver (safe to print), occasion, and the newest notice."""

    where: str
    occasion: Occasion
    notice: Notice | None


def checked(wish: Wish) -> Wish:
    """Validate a wish, and make its paths absolute. Raises InvalidParameter, NotFound, FileFailure."""
    target = parse(wish.target)
    if isinstance(target, Reference):
        target = Reference(str(Path(target.path).absolute()))
        resolved(target)
    elif isinstance(target, Program):
        target = _found(target)
        return wish._replace(target=shlex.join(target.words))
    return wish._replace(target=wish.target.strip() if isinstance(target, Webhook) else str(target))


def asking(wish: Wish | None) -> Also | None:
    """A function that writes a ``checked`` wish in the transaction that records an invocation; None without one."""
    if wish is None:
        return None
    given = wish
    return lambda transaction, invocation_id, _: notice_rows.ask(transaction, invocation_id, given)


def is_wanted(controller: Controller, invocation_id: str) -> bool:
    """True if this invocation has a notification."""
    return notice_rows.wish(controller.database, invocation_id) is not None


def state(controller: Controller, invocation_id: str) -> Told | None:
    """The notification of an invocation and its outcome; None if it has none."""
    wish = notice_rows.wish(controller.database, invocation_id)
    if wish is None:
        return None
    return Told(str(parse(wish.target)), wish.occasion, notice_rows.newest(controller.database, invocation_id))


def hurry(controller: Controller) -> None:
    """Start the delivery of queued notifications in the background, if there are any. Returns immediately."""
    if notices.are_waiting(controller.database):
        start(controller.home)


async def keep_delivering(controller: Controller) -> None:
    """Start the delivery of queued notifications periodically, while the server runs."""
    import asyncio

    from assist_cli.operations import periodic

    while True:
        await periodic.pause(controller.timeouts.server.notices)
        try:
            if notices.are_waiting(controller.database):
                await asyncio.to_thread(start, controller.home)
        except (AssistError, OSError) as error:
            log.error("cannot deliver notifications: %s", error)


def target_of(controller: Controller, text: str | None) -> Target:
    """The receiver ``text``, or that of the newest invocation with a notification. Raises the errors of ``checked``."""
    if text is not None:
        return resolved(parse(checked(Wish(text)).target))
    wish = notice_rows.newest_wish(controller.database)
    if wish is None:
        raise NotFound(
            "no receiver given, and no invocation with --notify exists",
            hint="assist notify test https://hooks.example.com/assist",
        )
    return resolved(parse(wish.target))


@contextlib.contextmanager
def lock(home: Home) -> Iterator[bool]:
    """Try to take the lock of the delivery process. Gives True if this process holds it now."""
    import fcntl

    try:
        descriptor = open_private(home.notify_lock, os.O_RDWR)
    except OSError as error:
        raise FileFailure(f"cannot use the file '{home.notify_lock}': {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def start(home: Home) -> None:
    """Start the delivery process, unless one runs: that one checks for new notifications before it exits.

    A shell in between makes it a child of init, so that this process need not wait for it.
    """
    with lock(home) as held:
        if not held:
            return
    import subprocess

    from assist_cli.agents.embedded import IN_BACKGROUND

    program = [sys.executable, "-I", "-c", _PROGRAM, json.dumps(sys.path), *DELIVER]
    journal = home.journal("notify.log")
    try:
        subprocess.run(
            ["/bin/sh", "-c", IN_BACKGROUND, "sh", *program],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=journal,
            env={**os.environ, "ASSIST_HOME": str(home.root)},
            cwd="/",
            start_new_session=True,
            check=True,
        )
    finally:
        os.close(journal)


def resolved(target: Target) -> Target:
    """Resolve a reference to its webhook or program. Raises FileFailure, InvalidParameter, NotFound."""
    if not isinstance(target, Reference):
        return target
    try:
        lines = Path(target.path).read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise FileFailure(f"cannot read the receiver of notifications from '{target.path}': {why}") from error
    named = parse(lines[0])
    if isinstance(named, Reference):
        raise InvalidParameter(
            f"cannot use the receiver of notifications in '{target.path}': it is another file",
            code=codes.INVALID_NOTIFY,
            hint="write a URL, or a program and its arguments, in its first line",
        )
    return _found(named) if isinstance(named, Program) else named


def _found(program: Program) -> Program:
    """The program with the absolute path of its file. Raises NotFound."""
    path = shutil.which(program.words[0])
    if path is None:
        raise NotFound(
            f"cannot find the program '{program.words[0]}' for notifications",
            hint="give its path, and make it executable",
        )
    return Program((str(Path(path).absolute()), *program.words[1:]))
