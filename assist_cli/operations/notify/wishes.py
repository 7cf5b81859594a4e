"""Who is to be told how an invocation ends.

That it is to be told is written with the end itself (``store.notices``). A process of its own delivers it
(``messenger``), so that nobody waits for a slow receiver: whoever meets something that waits sees to it that there is
one. There is one at a time for each home, under a lock that the system lets go of however it dies; what it left undone
the next one does.
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
from dataclasses import dataclass, replace
from pathlib import Path

from assist_cli import codes
from assist_cli.errors import AssistError, FileFailure, InvalidParameter, NotFound
from assist_cli.model.notice import Notice, Occasion, Program, Reference, Target, Webhook, Wish, parse
from assist_cli.operations.controller import Also, Controller
from assist_cli.paths import Home, open_private
from assist_cli.store import notices

DELIVER = ("notify", "deliver")

# The program itself, found where this process has found it, whatever the working directory and the environment hold.
_PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from assist_cli.__main__ import main; main()"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Told:
    """Whom to tell of an invocation, fit to be shown, when, and the newest end that was to be told."""

    where: str
    occasion: Occasion
    notice: Notice | None


def checked(wish: Wish) -> Wish:
    """A wish that can be fulfilled from any working directory. Raises InvalidParameter, NotFound, FileFailure."""
    target = parse(wish.target)
    if isinstance(target, Reference):
        target = Reference(str(Path(target.path).absolute()))
        resolved(target)
    elif isinstance(target, Program):
        target = _found(target)
        return replace(wish, target=shlex.join(target.words))
    return replace(wish, target=wish.target.strip() if isinstance(target, Webhook) else str(target))


def asking(wish: Wish | None) -> Also | None:
    """What writes a wish, which was ``checked``, in the transaction that records an invocation."""
    if wish is None:
        return None
    asked = wish
    return lambda transaction, invocation_id, _: notices.ask(transaction, invocation_id, asked)


def is_wanted(controller: Controller, invocation_id: str) -> bool:
    """Whether somebody is to be told how this invocation ends."""
    return notices.wish(controller.database, invocation_id) is not None


def state(controller: Controller, invocation_id: str) -> Told | None:
    """Whom to tell of an invocation, and what became of that; None when nobody wants to know."""
    wish = notices.wish(controller.database, invocation_id)
    if wish is None:
        return None
    return Told(str(parse(wish.target)), wish.occasion, notices.newest(controller.database, invocation_id))


def hurry(controller: Controller) -> None:
    """See to it that what waits is delivered, by a process in the background; returns at once."""
    if notices.are_waiting(controller.database):
        start(controller.home)


async def keep_telling(controller: Controller) -> None:
    """See to the same again and again, for as long as a server serves."""
    import asyncio

    while True:
        await asyncio.sleep(controller.timeouts.server.notices)
        try:
            if notices.are_waiting(controller.database):
                await asyncio.to_thread(start, controller.home)
        except (AssistError, OSError) as error:
            log.error("cannot notify: %s", error)


def target_of(controller: Controller, text: str | None) -> Target:
    """Where ``text`` says, or else where the newest invocation with a wish goes. Raises as ``checked``."""
    if text is not None:
        return resolved(parse(checked(Wish(text)).target))
    wish = notices.newest_wish(controller.database)
    if wish is None:
        raise NotFound(
            "cannot tell where to send it: nothing was run with --notify yet",
            hint="assist notify test https://hooks.example.com/assist",
        )
    return resolved(parse(wish.target))


@contextlib.contextmanager
def lock(home: Home) -> Iterator[bool]:
    """Be the one that delivers, if nobody is: whether we are."""
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
    """Start the process that delivers, unless there is one; it looks again before it ends.

    A shell between us makes it a child of the system, for whose end nobody waits.
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
    """The webhook or program that is meant. Raises FileFailure, InvalidParameter, NotFound."""
    if not isinstance(target, Reference):
        return target
    try:
        lines = Path(target.path).read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise FileFailure(f"cannot read where to notify from '{target.path}': {why}") from error
    meant = parse(lines[0])
    if isinstance(meant, Reference):
        raise InvalidParameter(
            f"cannot notify as '{target.path}' says: it names another file",
            code=codes.INVALID_NOTIFY,
            hint="its first line is a URL, or a program and its words",
        )
    return _found(meant) if isinstance(meant, Program) else meant


def _found(program: Program) -> Program:
    """The program by the path of its file. Raises NotFound."""
    path = shutil.which(program.words[0])
    if path is None:
        raise NotFound(
            f"cannot find the program '{program.words[0]}' to notify with", hint="give its path, and make it executable"
        )
    return Program((str(Path(path).absolute()), *program.words[1:]))
