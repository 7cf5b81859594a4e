"""What the folder of a controller has beside the database."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from assist_cli.errors import FileFailure
from assist_cli.paths import LONGEST_LOG, Home


def append(home: Home, data: bytes) -> None:
    descriptor = home.journal("some.log")
    os.write(descriptor, data)
    os.close(descriptor)


def test_a_log_begins_anew_when_it_has_become_long(home: Path) -> None:
    rooms = Home(home)
    first = b"x" * (LONGEST_LOG - 1)
    append(rooms, first)
    append(rooms, b"second\n")
    assert (rooms.logs / "some.log").read_bytes() == first + b"second\n"
    append(rooms, b"third\n")
    assert (rooms.logs / "some.log.1").read_bytes() == first + b"second\n"
    assert (rooms.logs / "some.log").read_bytes() == b"third\n"
    assert stat.S_IMODE((rooms.logs / "some.log").stat().st_mode) == 0o600


def test_a_log_that_cannot_be_written_is_told(home: Path) -> None:
    rooms = Home(home)
    (rooms.folder(rooms.logs) / "some.log").mkdir()
    with pytest.raises(FileFailure, match="cannot write the file"):
        rooms.journal("some.log")
