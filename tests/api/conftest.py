"""One API for all tests of a worker: each uses keys, names and instances of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import api


@pytest.fixture(scope="session")
def service(starts_processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[api.Service]:
    """The API, with a key of each role and the agent of this machine."""
    with api.service(tmp_path_factory.mktemp("api")) as found:
        yield found
