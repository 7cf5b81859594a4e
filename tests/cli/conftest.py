"""The fixtures that several tests of the command line share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from tests.support import nats_place
from tests.support.application import Application
from tests.support.archive import write_archive
from tests.support.nats_place import HomeBroker
from tests.support.place import Place, furnish


@pytest.fixture
def broker(assist: Application, home: Path, starts_processes: None) -> Iterator[HomeBroker]:
    """The running broker of the home."""
    with open_controller(Home(home)) as controller:
        name = controller.id
    with nats_place.running(Home(home), name) as running:
        yield running


@pytest.fixture
def pos1(assist: Application, broker: HomeBroker, tmp_path: Path) -> Iterator[Place]:
    """A registered instance whose agent is connected to the broker."""
    write_archive(tmp_path / "agentd.pyz")
    with open_controller(broker.home) as controller:
        name = controller.id
    made = furnish(tmp_path / "agentd.pyz", tmp_path / "pos1", broker.home, name)
    nats_place.equip(made, broker, name)
    made.agent.start()
    nats_place.wait_until_connected(made)
    done = assist("instance", "add", "pos1", f"nats:{made.instance}")
    assert done.returncode == 0, done.stderr
    yield made
    made.agent.close()
