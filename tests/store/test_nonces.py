"""The file of the nonces of API calls."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from assist_cli.store.nonces import Nonces

NOW = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
LATER = NOW + timedelta(minutes=15)
CALLS = [hashlib.sha256(bytes([number])).digest() for number in range(200)]


def test_a_call_is_known_after_a_restart(tmp_path: Path) -> None:
    for is_new in (True, False):
        with contextlib.closing(Nonces(tmp_path / "nonces.db")) as nonces:
            assert [nonces.add(each, LATER, NOW) for each in CALLS] == [is_new] * len(CALLS)


def test_expired_calls_are_deleted(tmp_path: Path) -> None:
    path = tmp_path / "nonces.db"
    with contextlib.closing(Nonces(path)) as nonces:
        for each in CALLS[:150]:
            nonces.add(each, LATER, NOW)
        for each in CALLS[150:]:
            nonces.add(each, LATER + timedelta(hours=1), LATER + timedelta(seconds=1))
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT count(*) FROM nonces").fetchone() == (50,)
            plan = connection.execute("EXPLAIN QUERY PLAN SELECT digest FROM nonces WHERE expires < 1").fetchone()[3]
        assert "INDEX" in plan, "a million of them would stop all calls for a tenth of a second"


@pytest.mark.parametrize("begin", [0, 4096])
def test_a_damaged_file_is_replaced(tmp_path: Path, begin: int, caplog: pytest.LogCaptureFixture) -> None:
    """A loss of power can leave it so: nothing waits for the disk."""
    path = tmp_path / "nonces.db"
    with contextlib.closing(Nonces(path)) as nonces:
        for each in CALLS:
            nonces.add(each, LATER, NOW)
    whole = path.read_bytes()
    path.write_bytes(whole[:begin] + b"\xff" * (len(whole) - begin))
    with contextlib.closing(Nonces(path)) as nonces:
        assert nonces.add(CALLS[0], LATER, NOW)
        assert not nonces.add(CALLS[0], LATER, NOW)
    assert "damaged" in caplog.text
