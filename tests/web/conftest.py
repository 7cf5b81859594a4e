"""One console for all tests of a module: each uses users of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.console import Console
from tests.support.console import console as in_process


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with in_process(tmp_path_factory.mktemp("console")) as found:
        yield found
