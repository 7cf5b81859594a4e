"""``assist`` dies, or its disk fails, during a run on 20 instances: the history is true then, and nothing is lost."""

from __future__ import annotations

import ctypes
import json
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assist_cli.model.status import InvocationStatus
from tests.support import nats_fleet
from tests.support.effects import assert_consistent, assert_true, script, settled
from tests.support.fleet import ROOT, enlisted
from tests.support.program import Program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a fleet needs all of 127.0.0.0/8")

COUNT = 20
KILLS = 6
GUARD = 120.0
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


@pytest.fixture
def effects(home: Path) -> Iterator[Path]:
    """The file where scripts write their lines, while a fleet runs them."""
    path = home.parent / "effects"
    path.touch()
    with enlisted(home, COUNT):
        yield path


def killed_at(number: int, effects: Path) -> int:
    """Run on all instances and die at this boundary. Return the number of boundaries, 0 if it died."""
    count = effects.with_name("count")
    count.unlink(missing_ok=True)
    words = [sys.executable, "-m", "tests.support.killed", str(number), str(count)]
    done = subprocess.run(
        [*words, "run", "--all", "--timeout", "60", "-c", script(effects)],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=GUARD,
    )  # fmt: skip
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return int(count.read_text()) if count.exists() else 0


@pytest.fixture
def dialling_effects(home: Path) -> Iterator[Path]:
    """The same for a fleet behind a broker."""
    with nats_fleet.enlisted(home, COUNT) as fleet:
        yield fleet.effects


@pytest.mark.long
@pytest.mark.usefixtures("starts_processes")
@pytest.mark.timeout(300)
def test_a_kill_at_some_boundaries_leaves_a_true_history(home: Path, effects: Path) -> None:
    die_at_some_boundaries(home, effects)


@pytest.mark.long
@pytest.mark.usefixtures("starts_processes")
@pytest.mark.timeout(300)
def test_a_kill_at_some_boundaries_leaves_a_true_history_behind_a_broker(home: Path, dialling_effects: Path) -> None:
    die_at_some_boundaries(home, dialling_effects)


def die_at_some_boundaries(home: Path, effects: Path) -> None:
    number = killed_at(0, effects)
    assert number > 3 * COUNT
    chance = random.Random(2026)
    step = number // KILLS
    for begin in range(1, number, step):
        killed_at(begin + chance.randrange(step), effects)
        assert_consistent(home)
    found = settled(home)
    assert_true(found, effects)
    assert len(found) > COUNT * KILLS / 2
    assert {record.status for record in found} == {InvocationStatus.FINISHED, InvocationStatus.FAILED}
    assert_consistent(home)


@pytest.mark.soak
@pytest.mark.usefixtures("starts_processes")
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("way", ["effects", "dialling_effects"])
def test_a_kill_at_every_boundary_leaves_a_true_history(home: Path, way: str, request: pytest.FixtureRequest) -> None:
    effects = request.getfixturevalue(way)
    number = killed_at(0, effects)
    for boundary in range(1, number + 1):
        killed_at(boundary, effects)
        assert_consistent(home)
        if boundary % 50 == 0:
            assert_true(settled(home), effects)
    assert_true(settled(home), effects)
    assert_consistent(home)


def failing(installed: Program, prepare: Callable[[], None], *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [installed.path, *words], preexec_fn=prepare, stdin=subprocess.DEVNULL, capture_output=True, timeout=GUARD
    )


def limited(size: int) -> Callable[[], None]:
    """Limit the size of every file; further writes fail, as on a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def without_override() -> None:
    """Make permissions hold for root too."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # without effect for those who are not root


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_record_that_cannot_be_stored_is_not_sent(home: Path, installed: Program, effects: Path) -> None:
    database = home / "assist.db"
    # Too little for the shared memory of SQLite; too little for the records; a file that is read-only.
    for mode, prepare in ((0o600, limited(4096)), (0o600, limited(64 * 1024)), (0o400, without_override)):
        database.chmod(mode)
        done = failing(installed, prepare, "run", "--all", "-c", script(effects))
        database.chmod(0o600)
        assert done.returncode == 74, done.stderr
        assert done.stderr.startswith((b"error: cannot use the database", b"error: cannot write to the file"))
        assert done.stderr.count(b"\n") == 2  # the error, and its hint
    assert settled(home) == []
    assert effects.read_text() == ""
    assert_consistent(home)


@pytest.mark.timeout(300)
def test_a_disk_that_becomes_full_loses_no_result(home: Path, installed: Program, effects: Path) -> None:
    body = "head -c 200000 /dev/zero | tr '\\0' x; echo done"
    done = failing(installed, limited(1024 * 1024), "run", "--all", "-o", "json", "-c", script(effects, body))
    assert done.returncode == 74, done.stderr
    assert json.loads(done.stderr.splitlines()[-1])["Code"] == "DatabaseFailure"
    assert_consistent(home)
    found = settled(home)
    assert len(found) == COUNT
    assert_true(found, effects, b"x" * 200_000 + b"done\n")
    assert len(effects.read_text().split()) > COUNT / 2
