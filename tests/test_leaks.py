"""The check for leaks, which every other test relies on."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support import leaks, processes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="descriptors and processes are found in /proc")


def test_no_object_is_no_leak() -> None:
    assert leaks.since(leaks.snapshot()) == []


def test_a_thread_is_found() -> None:
    before = leaks.snapshot()
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="left-behind")
    thread.start()
    try:
        assert leaks.since(before, patience=0) == ["thread left-behind"]
    finally:
        release.set()
        thread.join()


def test_a_thread_that_is_about_to_end_is_not_a_leak() -> None:
    before = leaks.snapshot()
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    threading.Timer(0.05, release.set).start()
    assert leaks.since(before) == []


def test_a_descriptor_is_found(tmp_path: Path) -> None:
    before = leaks.snapshot()
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        assert leaks.since(before, patience=0) == [f"descriptor {descriptor}: {tmp_path}"]
    finally:
        os.close(descriptor)


@pytest.mark.usefixtures("starts_processes")
def test_a_child_is_found_alive_and_dead() -> None:
    before = leaks.snapshot()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        assert f"child process {child.pid} cat" in leaks.since(before, patience=0)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert f"child process {child.pid} (defunct)" in leaks.since(before, patience=0)


@pytest.mark.usefixtures("starts_processes")
def test_an_orphaned_process_is_found_and_ended(isolation: Path) -> None:
    words = ["sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"]
    orphan = int(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)
    assert processes.end_all(isolation) == [f"process {orphan} sleep 60"]
    assert processes.end_all(isolation) == []
