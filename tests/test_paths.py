"""The files of a controller beside the database."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from assist_cli.errors import FileFailure
from assist_cli.paths import LONGEST_LOG, Home, is_exposed, make_folder, open_private


def append(home: Home, data: bytes) -> None:
    descriptor = home.journal("some.log")
    os.write(descriptor, data)
    os.close(descriptor)


def test_a_long_log_is_shortened(home: Path) -> None:
    rooms = Home(home)
    first = b"x" * (LONGEST_LOG - 1)
    append(rooms, first)
    append(rooms, b"second\n")
    assert (rooms.logs / "some.log").read_bytes() == first + b"second\n"
    append(rooms, b"third\n")
    assert (rooms.logs / "some.log.1").read_bytes() == first + b"second\n"
    assert (rooms.logs / "some.log").read_bytes() == b"third\n"
    assert stat.S_IMODE((rooms.logs / "some.log").stat().st_mode) == 0o600


def test_a_log_that_is_not_writable_is_reported(home: Path) -> None:
    rooms = Home(home)
    (rooms.folder(rooms.logs) / "some.log").mkdir()
    with pytest.raises(FileFailure, match="cannot write the file"):
        rooms.journal("some.log")


def test_a_private_file_has_its_mode_for_any_umask_and_any_old_mode(isolation: Path) -> None:
    before = os.umask(0o777)
    try:
        for name in ("new", "old"):
            path = isolation / name
            if name == "old":
                path.touch()
                path.chmod(0o664)
            os.close(open_private(path, os.O_RDWR))
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_a_folder_is_not_created_in_place_of_a_file(isolation: Path) -> None:
    (isolation / "link").symlink_to(isolation / "nothing")
    with pytest.raises(FileFailure, match="there is a file or a link of that name"):
        make_folder(isolation / "link")


def test_a_key_is_exposed_if_it_is_our_file_and_others_may_use_it(isolation: Path) -> None:
    key = isolation / "key"
    key.touch()
    for mode, exposed in ((0o600, False), (0o640, True), (0o604, True), (0o400, False)):
        key.chmod(mode)
        assert is_exposed(key) == exposed
    assert not is_exposed(isolation)
    assert not is_exposed(isolation / "nothing")
    assert not is_exposed(Path("/dev/null"))
