"""Fixtures for tests of a fleet behind a broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.nats_user import programs
from tests.support.programs import lack


@pytest.fixture(params=["debian", "wheel"])
def server(request: pytest.FixtureRequest, starts_processes: None) -> Path:
    """The path of nats-server, for each version that is here."""
    return programs().get(request.param) or lack(f"the nats-server of {request.param}")
