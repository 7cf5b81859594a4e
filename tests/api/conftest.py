"""One API for all tests of a worker: each uses keys, names and instances of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import api
from tests.support.calls import Calls
from tests.support.calls import calls as in_process


@pytest.fixture(scope="session")
def service(starts_processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[api.Service]:
    """The API, with a key of each role and the agent of this machine."""
    with api.service(tmp_path_factory.mktemp("api")) as found:
        yield found


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calls]:
    """The API in the process of the test, with two instances which nobody answers for."""
    with in_process(tmp_path_factory.mktemp("calls")) as found:
        yield found
