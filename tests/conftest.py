"""The environment of every test: a home of its own, and a check that it leaves nothing behind.

Each test has its own HOME and ASSIST_HOME. One that leaks a thread, a descriptor or a process fails, and the failure
names it. Fixtures for most tests: ``home`` and ``assist``. A test with the fixture ``starts_processes`` is marked
``process``; any other test fails when it starts one.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support import leaks, processes, programs, starting
from tests.support.application import Application
from tests.support.program import Program

# A slow machine is not an error: pytest's own timeout ends a test that hangs.
hypothesis.settings.register_profile("assist", deadline=None)
hypothesis.settings.register_profile("quick", hypothesis.settings.get_profile("assist"), max_examples=30)
hypothesis.settings.load_profile("assist")

# A shell lets its background processes ignore these, and programs that we start would inherit it.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGQUIT"):
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)

# Any of these would change the output or its place, or make every program compile itself.
_UNWANTED = (
    "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR", "PY_COLORS", "TERMINAL_WIDTH", "TZ",
    "PYTHONDONTWRITEBYTECODE",
    "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME",
)  # fmt: skip


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """The workers of ``-n auto``: two per processor, since a test with processes waits half of its time.

    ``-n logical`` is one for each processor.
    """
    return (os.cpu_count() or 1) * (1 if config.option.numprocesses == "logical" else 2)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--need-programs", action="store_true", help="fail, and do not skip, for want of a program")
    parser.addoption("--pictures", metavar="FOLDER", help="where to write the pictures of the documentation")
    parser.addoption("--windows-python", metavar="WORDS", help="how to start a Python for Windows")


def pytest_configure(config: pytest.Config) -> None:
    programs.required = config.getoption("--need-programs")
    if "not long" in config.option.markexpr:  # fewer examples of each property
        hypothesis.settings.load_profile("quick")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests that may start a process, before markers select them."""
    for item in items:
        if isinstance(item, pytest.Function) and "starts_processes" in item.fixturenames:
            item.add_marker("process")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Forbid processes in every other test, its fixtures included."""
    with contextlib.nullcontext() if item.get_closest_marker("process") else starting.without_processes():
        return (yield)


@pytest.fixture(scope="session")
def starts_processes() -> None:
    """For a test or a fixture that starts a process."""


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest, isolation: Path) -> Iterator[None]:
    """Fail a test that leaves a thread, a descriptor or a process behind."""
    before = leaks.snapshot()
    yield
    left = leaks.since(before)
    if request.node.get_closest_marker("process"):
        left += processes.end_all(isolation)
    if left:
        pytest.fail("the test left behind:\n  " + "\n  ".join(left), pytrace=False)


@pytest.fixture(autouse=True)
def isolation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with all files of this test. HOME exists and is empty, ASSIST_HOME does not exist yet."""
    for name in list(os.environ):
        if name in _UNWANTED or name.startswith(("ASSIST_", "LC_")):
            monkeypatch.delenv(name)
    user_home = tmp_path / "user"
    user_home.mkdir()
    monkeypatch.setenv("HOME", str(user_home))
    monkeypatch.setenv("USERPROFILE", str(user_home))
    monkeypatch.setenv("ASSIST_HOME", str(tmp_path / "assist"))
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    return tmp_path


@pytest.fixture
def home(isolation: Path, no_leaks: None) -> Iterator[Path]:
    """The ASSIST_HOME of this test. An agent that was started in it is stopped at the end."""
    path = isolation / "assist"
    yield path
    processes.stop_agent(path / "agent")


@pytest.fixture
def assist(home: Path) -> Application:
    """The command line of ``assist``, in this process: call it to run a command."""
    return Application(home.parent)


@pytest.fixture
def installed(starts_processes: None, home: Path) -> Iterator[Program]:
    """The installed ``assist``: call it to run it, ``start`` it to interact with it while it runs."""
    with Program("assist", folder=home.parent) as program:
        yield program


@pytest.fixture
def agentd(starts_processes: None, home: Path) -> Iterator[Program]:
    """The installed ``agentd``."""
    with Program("agentd", folder=home.parent) as program:
        yield program
