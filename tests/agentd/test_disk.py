"""Changes of names while another process holds the file, as scanners and backups do on Windows: by stand-ins for it."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentd import disk, output, shim, spool
from agentd.windows import file_install, script

SHARING_VIOLATION, ACCESS_DENIED = 32, 5


class Neighbour:
    """Another process, which holds a file during the next attempts of a function of ``os``."""

    def __init__(self, function: Callable[..., Any], attempts: int, winerror: int | None = SHARING_VIOLATION) -> None:
        self._function = function
        self._left = attempts
        self._winerror = winerror

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        if self._left:
            self._left -= 1
            error = PermissionError(errno.EACCES, "held by another process")
            if self._winerror is not None:
                error.winerror = self._winerror  # type: ignore[attr-defined]
            raise error
        return self._function(*arguments, **more)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with nothing else in it."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Hold the files of a function of ``os`` during some attempts."""

    def held(name: str, attempts: int, winerror: int | None = SHARING_VIOLATION) -> None:
        monkeypatch.setattr(os, name, Neighbour(getattr(os, name), attempts, winerror))

    return held


@pytest.mark.parametrize(("name", "winerror"), [("replace", 32), ("replace", 5), ("replace", 33), ("open", 32)])
def test_a_file_is_written_although_it_is_held_for_a_moment(
    place: Path, hold: Callable[..., None], name: str, winerror: int
) -> None:
    path = place / "guard.json"
    path.write_bytes(b"old")
    hold(name, 3, winerror)
    disk.write_whole(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert list(place.iterdir()) == [path]


def test_one_that_is_held_for_ever_is_an_error_and_leaves_the_old_file(place: Path, hold: Callable[..., None]) -> None:
    path = place / "guard.json"
    path.write_bytes(b"old")
    hold("replace", 100)
    with pytest.raises(PermissionError):
        disk.write_whole(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert list(place.iterdir()) == [path]


def test_other_errors_are_not_retried(place: Path, hold: Callable[..., None]) -> None:
    hold("replace", 1, None)
    with pytest.raises(PermissionError):
        disk.write_whole(str(place / "x"), b"new")


def test_what_opens_a_file_on_windows_hides_the_number(
    place: Path, hold: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The C runtime reports EACCES alone, while the calls that change names report the number of Windows too."""
    path = place / "instance-id"
    disk.write_whole(str(path), b"i-1\n")
    hold("open", 1, None)
    with pytest.raises(PermissionError):
        disk.read_whole(str(path))
    monkeypatch.setattr(disk, "_hides_number", True)
    hold("open", 3, None)
    assert disk.read_whole(str(path)) == b"i-1\n"
    hold("open", 100, None)
    with pytest.raises(PermissionError):
        disk.read_whole(str(path))


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows can keep others from a file")
@pytest.mark.parametrize("use", [disk.read_whole, os.unlink, lambda path: disk.write_whole(path, b"new")])
def test_a_real_neighbour_is_waited_for(place: Path, use: Callable[[str], object]) -> None:
    path = str(place / "held")
    disk.write_whole(path, b"old")
    kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined]
    kernel.CreateFileW.restype = ctypes.c_void_p
    handle = kernel.CreateFileW(path, 0x80000000, 0, None, 3, 0, None)  # GENERIC_READ, no sharing, OPEN_EXISTING
    threading.Timer(0.3, kernel.CloseHandle, [ctypes.c_void_p(handle)]).start()
    disk.patiently(use, path)


def test_a_finished_task_stays_finished(place: Path, hold: Callable[..., None]) -> None:
    journal = spool.Spool(str(place / "spool"))
    journal.prepare()
    folder = journal.claim("r-1", {"peer": "x"})
    hold("replace", 3)
    folder.finish({"state": "Finished"})
    folder.release()
    assert folder.read("result.json") == {"state": "Finished"}


def test_a_result_that_cannot_be_read_now_still_counts(place: Path, hold: Callable[..., None]) -> None:
    """Else the agent would close the record as one without a result, and replace that."""
    journal = spool.Spool(str(place / "spool"))
    journal.prepare()
    folder = journal.claim("r-1", {"peer": "x"})
    assert not folder.complete()
    folder.finish({"state": "Finished"})
    folder.release()
    hold("open", 1, None)
    with pytest.raises(PermissionError):
        folder.complete()
    assert folder.complete()


@pytest.mark.parametrize("write", [spool.Folder.reserve, spool.Folder.mark_stopping, lambda each: each.write("x", {})])
def test_a_file_of_the_journal_is_written(
    place: Path, hold: Callable[..., None], write: Callable[[spool.Folder], None]
) -> None:
    hold("open", 3)
    write(spool.Folder(str(place)))
    assert len(list(place.iterdir())) == 1


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_received_file_gets_its_name(place: Path, hold: Callable[..., None], overwrite: bool) -> None:
    hold("replace", 3)
    hold("rename", 3, ACCESS_DENIED)
    order = {"directory": str(place), "name": "a.txt", "content": b"data", "overwrite": overwrite}
    file_install.install(order, ".assist-r.tmp")
    assert [(each.name, each.read_bytes()) for each in place.iterdir()] == [("a.txt", b"data")]


def test_the_file_of_a_script_is_made_and_deleted(place: Path, hold: Callable[..., None]) -> None:
    path = place / "assist-r-1.bat"
    hold("open", 3)
    script.write_file(str(path), b"echo\n", None)
    assert path.read_bytes() == b"echo\r\n"
    hold("unlink", 3)
    shim._remove_file(str(path))
    assert not path.exists()


def test_old_output_is_deleted(place: Path, hold: Callable[..., None]) -> None:
    folder = spool.Folder(str(place / "r-1"))
    (place / "r-1").mkdir()
    (place / "r-1" / (output._NAME % 0)).write_bytes(b"x")
    hold("unlink", 2)
    folder.drop(folder.sizes())
    assert list((place / "r-1").iterdir()) == []


def test_a_file_that_is_being_written_counts_as_missing(tmp_path: Path) -> None:
    folder = spool.Folder(str(tmp_path))
    folder.write("process.json", [4711, 123456, "boot", 1.5], sync=False)
    whole = (tmp_path / "process.json").read_bytes()
    assert folder.started() == 1.5
    for length in range(len(whole)):
        (tmp_path / "process.json").write_bytes(whole[:length])
        assert (folder.read("process.json"), folder.started(), folder.script()) == (None, None, (None, None))
