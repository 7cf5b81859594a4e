"""Reports of bugs: what happened, kept in ASSIST_HOME/logs for whoever mends it. Loaded only when there is a bug."""

from __future__ import annotations

import logging
import os
import platform
import traceback
from datetime import datetime, timezone
from pathlib import Path

from assist_cli import __version__
from assist_cli.errors import AssistError, InternalError, LocalFailure
from assist_cli.paths import Home, open_private

_written: dict[str, Path] = {}  # by folder and place of the bug: one that is met a thousand times is reported once

log = logging.getLogger(__name__)


def reported(home: Home, error: Exception, what: str) -> AssistError:
    """Report a bug that ends a part of the work and no more; ``what`` completes the sentence "cannot …".

    A failure of this machine (no process, no descriptor, no memory) is reported too, and is no bug.
    """
    try:
        where = f"the report is '{write(home, error)}'"
    except (AssistError, OSError):
        log.error("cannot write the report of an error", exc_info=error)
        where = "the report stands in the log"
    if isinstance(error, OSError):
        return LocalFailure(f"cannot {what}: {error.strerror or error}", hint=where)
    return InternalError(f"cannot {what}: there is a bug in Assist ({type(error).__name__})", hint=where)


def write(home: Home, error: Exception) -> Path:
    """Keep a traceback; without the words of the command line, which may hold what nobody else should read.

    Raises AssistError and OSError.
    """
    place = f"{home.logs} {''.join(traceback.format_tb(error.__traceback__))} {type(error).__name__}"
    if place not in _written:
        now = datetime.now(timezone.utc)
        name = f"bug-{now:%Y%m%dT%H%M%S}-{os.getpid()}" + (f"-{len(_written)}" if _written else "")
        path = home.folder(home.logs) / f"{name}.txt"
        descriptor = open_private(path, os.O_WRONLY | os.O_EXCL)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(
                f"assist {__version__}, Python {platform.python_version()}, {platform.system()} {platform.release()} "
                f"{platform.machine()}, {now:%Y-%m-%dT%H:%M:%SZ}\n\n" + "".join(traceback.format_exception(error))
            )
        _written[place] = path
    return _written[place]
