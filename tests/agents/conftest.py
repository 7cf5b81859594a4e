"""The home of a controller, an agent of that controller, and the transports to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from assist_cli.paths import Home
from tests.support.archive import write_archive
from tests.support.place import Place, furnish


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "agentd.pyz"
    write_archive(path)
    return path


@pytest.fixture
def place(starts_processes: None, archive: Path, isolation: Path, no_leaks: None) -> Iterator[Place]:
    """An agent that is installed and not started yet."""
    made = furnish(archive, isolation, Home(isolation / "assist"))
    yield made
    made.agent.close()


@pytest.fixture
def started(place: Place) -> Place:
    place.start()
    return place
