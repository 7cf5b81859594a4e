"""The fixtures that several tests of the command line share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from tests.support import nats_place
from tests.support.application import Application
from tests.support.nats_place import HomeBroker


@pytest.fixture
def broker(assist: Application, home: Path, starts_processes: None) -> Iterator[HomeBroker]:
    """The running broker of the home."""
    with open_controller(Home(home)) as controller:
        name = controller.id
    with nats_place.running(Home(home), name) as running:
        yield running
