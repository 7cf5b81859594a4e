"""Bug reports: files in ASSIST_HOME/logs for the developers. This module is loaded only when there is a bug."""

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

_written: dict[str, Path] = {}  # by folder and location of the bug, so that a repeated bug is reported once

log = logging.getLogger(__name__)


def reported(home: Home, error: Exception, what: str) -> AssistError:
    """Report a bug that ends only a part of the work. ``what`` completes the sentence "cannot …".

    A failure of this machine (no process, no descriptor, no memory) is reported too, but not as a bug.
    """
    try:
        where = f"the report is '{write(home, error)}'"
    except (AssistError, OSError):
        log.error("cannot write the report of an error", exc_info=error)
        where = "the report is in the log"
    if isinstance(error, OSError):
        return LocalFailure(f"cannot {what}: {error.strerror or error}", hint=where)
    return InternalError(f"cannot {what}: there is a bug in Assist ({type(error).__name__})", hint=where)


def write(home: Home, error: Exception) -> Path:
    """Write a traceback to a file, without the arguments of the command line, which may be secret.

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
