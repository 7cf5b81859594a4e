"""An agent for each test: under the newest Python there is, or under the oldest supported one where that may differ."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import interpreters
from tests.support.agent import Agent, Client
from tests.support.archive import write_archive
from tests.support.programs import lack

OLDEST, NEWEST = "3.6", "3.13"
OTHERS = ("3.7", "3.8", "3.9", "3.10", "3.11", "3.12", NEWEST)

# For tests that may differ between Pythons: the oldest always (the newest where there is none), the others when they
# are asked for.
EVERY_PYTHON = [
    pytest.param(OLDEST if interpreters.find(OLDEST) else None, id="oldest"),
    *(pytest.param(version, marks=pytest.mark.soak) for version in OTHERS),
]


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``agentd.pyz``, as an installation leaves it."""
    path = tmp_path_factory.mktemp("archive") / "agentd.pyz"
    write_archive(path, interpreters.find(NEWEST) or Path(sys.executable))
    path.parent.chmod(0o755)
    return path


@pytest.fixture
def python(request: pytest.FixtureRequest) -> Path:
    """The interpreter of the agent of this test: the newest one, unless the test is parametrised by interpreter."""
    version = getattr(request, "param", None)
    if version:
        return interpreters.need(version)
    return interpreters.find(NEWEST) or Path(sys.executable)


MakeAgent = Callable[..., Agent]


@pytest.fixture
def make_agent(
    starts_processes: None, archive: Path, python: Path, isolation: Path, no_leaks: None
) -> Iterator[MakeAgent]:
    """Return agents that are not started yet; those that still run at the end are stopped."""
    made: list[Agent] = []

    def make(folder: Path = isolation, **settings: object) -> Agent:
        made.append(Agent(archive, python, folder, settings))
        return made[-1]

    yield make
    for agent in made:
        agent.close()


@pytest.fixture
def agent(make_agent: MakeAgent) -> Agent:
    """An agent with its usual settings, listening."""
    return make_agent().start()


@pytest.fixture(scope="session")
def common_agents(
    starts_processes: None, archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Path, Agent]]:
    """An agent for each interpreter, shared by all tests that need none of their own."""
    pythons = {found for version in (OLDEST, NEWEST) if (found := interpreters.find(version))}
    agents = {python: Agent(archive, python, tmp_path_factory.mktemp("common")).start() for python in pythons}
    yield agents
    for agent in agents.values():
        agent.close()


@pytest.fixture
def client(
    request: pytest.FixtureRequest, python: Path, common_agents: dict[Path, Agent], no_leaks: None
) -> Iterator[Client]:
    """A connection to the agent of this test, or to a common agent if the test asks for none."""
    own = "agent" in request.fixturenames or python not in common_agents
    agent = request.getfixturevalue("agent") if own else common_agents[python]
    with agent.connect() as client:
        yield client
        if not own:
            client.end_all()


@pytest.fixture
def root() -> None:
    """For tests that mount, change user or give files away."""
    if os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that other users can enter; those of pytest are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="assist-public-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def shared(root: None) -> Iterator[Path]:
    """A folder like /tmp: everybody may write, and nobody may touch the files of others."""
    with tempfile.TemporaryDirectory(prefix="assist-shared-") as name:
        Path(name).chmod(0o1777)
        yield Path(name)


@pytest.fixture(scope="session")
def python_of_all() -> Path:
    """An interpreter that other users may start; one in a home folder is not."""
    found = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
    if found is None:
        lack("a Python that every user may start")
    return Path(found)


@pytest.fixture
def somebody(root: None) -> int:
    """A uid that no user has."""
    return 1_000_000 + os.getpid()


@pytest.fixture
def agent_of_somebody(make_agent: MakeAgent, archive: Path, public: Path, somebody: int, python_of_all: Path) -> Agent:
    """An agent, not started yet, whose folder belongs to that user."""
    agent = make_agent(public)
    agent.python = python_of_all
    agent.archive = public / archive.name
    shutil.copy(archive, agent.archive)
    for path in (public, agent.home, agent.scripts, *agent.home.iterdir()):
        os.chown(path, somebody, somebody)
    return agent


@pytest.fixture
def mounts(starts_processes: None, root: None, isolation: Path) -> None:
    """For tests that mount: in a container even root may be forbidden to."""
    place = isolation / "mount-probe"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("this root may not mount")
    subprocess.run(["umount", place], check=True)
