"""The packages for Debian and RPM systems: built twice, installed, upgraded and removed in a root of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assist_cli import __version__
from assist_cli.deploy import bundle, packages
from assist_cli.deploy.packages import Package
from tests.support.programs import need

pytestmark = [pytest.mark.long, pytest.mark.timeout(600), pytest.mark.usefixtures("starts_processes")]

ROOT = Path(__file__).parents[2]
NEWER = "99.0.0"

Build = Callable[..., Path]


@pytest.fixture
def agent() -> Package:
    return packages.agent(bundle.build(), b"the license")


@pytest.fixture
def controller() -> Package:
    return packages.controller(b"#!/bin/sh\necho assist\n", ROOT, b"the license")


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A bare root of Debian with Python."""
    if os.geteuid() != 0:
        pytest.skip("needs root, for a root of its own")
    root = tmp_path_factory.mktemp("debian") / "root"
    words = [need("debootstrap"), "--variant=minbase", "--include=python3", "bookworm", root]
    if subprocess.run(words, stdout=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("debootstrap cannot make a root here")
    yield root
    subprocess.run(["rm", "-rf", "--one-file-system", root], check=True)


def inside(root: Path, *words: str | Path) -> str:
    """Run a program in the root, and return its output."""
    done = subprocess.run(["chroot", root, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    return done.stdout


@pytest.mark.parametrize(("build", "tool"), [(packages.debian, "dpkg-deb"), (packages.rpm, "rpmbuild")])
def test_the_same_files_give_the_same_bytes(tmp_path: Path, agent: Package, build: Build, tool: str) -> None:
    need(tool)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = build(agent, tmp_path / "one")
    usual = os.umask(0o077)
    try:
        second = build(agent, tmp_path / "two")
    finally:
        os.umask(usual)
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_a_debian_package_is_installed_upgraded_and_removed(
    tmp_path: Path, debian: Path, agent: Package, controller: Package
) -> None:
    home = debian / "var/lib/assist-agentd"
    for package in (agent, controller):
        for version in (__version__, NEWER):
            built = packages.debian(package, tmp_path, version)
            (debian / built.name).write_bytes(built.read_bytes())
            # the program in machine code may need a newer libc6 than this root has
            inside(debian, "dpkg", "--force-depends", "-i", f"/{built.name}")
            assert inside(debian, "dpkg-query", "-W", "-f", "${Version} ${Status}", package.name) == (
                f"{version} install ok installed"
            )
            if package is agent:
                assert inside(debian, "agentd", "--version") == f"agentd {__version__}\n"
                home.mkdir(mode=0o700, exist_ok=True)
                (home / "instance-id").write_text("i-1\n")
    assert inside(debian, "assist") == "assist\n"
    assert (debian / "usr/share/man/man1/assist-run.1.gz").is_file()
    inside(debian, "dpkg", "--remove", agent.name, controller.name)
    assert not (debian / "usr/bin/agentd").exists()
    assert not (debian / "usr/lib/assist-agentd").exists()
    assert (home / "instance-id").read_text() == "i-1\n"
    inside(debian, "dpkg", "--purge", agent.name)
    assert not home.exists()


def test_a_debian_package_leaves_the_agent_of_a_controller_alone(tmp_path: Path, debian: Path, agent: Package) -> None:
    """And one that was removed starts again when it is installed again."""
    manager, calls, home = debian / "usr/bin/systemctl", debian / "calls", debian / "var/lib/assist-agentd"
    manager.write_text('#!/bin/sh\necho "$@" >>/calls\n')
    manager.chmod(0o755)
    (debian / "run/systemd/system").mkdir(parents=True)
    (debian / "agent.deb").write_bytes(packages.debian(agent, tmp_path).read_bytes())

    def dpkg(*words: str) -> list[str]:
        """Run dpkg, and return what the service manager was told to do with the agent."""
        calls.write_text("")
        inside(debian, "dpkg", *words)
        told = [line.split() for line in calls.read_text().splitlines()]
        return [line[0] for line in told if line[-1] == "assist-agentd.service"]

    assert dpkg("-i", "/agent.deb") == ["enable", "start"]
    assert dpkg("-r", agent.name) == ["stop"]
    assert dpkg("-i", "/agent.deb") == ["is-enabled", "restart"]
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "agentd.pyz").write_text("of a controller")
    for words in (("-r", agent.name), ("-i", "/agent.deb"), ("-r", agent.name), ("-P", agent.name)):
        assert dpkg(*words) == []
    assert (home / "agentd.pyz").exists()
    (home / "agentd.pyz").unlink()
    assert dpkg("-i", "/agent.deb") == ["enable", "start"]
    assert dpkg("-P", agent.name) == ["stop"]
    assert not home.exists()
    manager.unlink()
    (debian / "run/systemd/system").rmdir()


def test_an_rpm_package_is_installed_upgraded_and_removed(
    tmp_path: Path, debian: Path, agent: Package, controller: Package
) -> None:
    """In a root of Debian, so without its dependencies: Python is not in the database of rpm there."""
    rpm = need("rpm")
    need("rpmbuild")

    def run(*words: str | Path) -> str:
        done = subprocess.run([rpm, "--root", debian, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done  # on Debian it warns of itself
        return done.stdout

    for package in (agent, controller):
        for version in (__version__, NEWER):
            run("--upgrade", "--nodeps", packages.rpm(package, tmp_path, version))
            assert run("--query", "--queryformat", "%{VERSION}", package.name) == version
    assert inside(debian, "agentd", "--version") == f"agentd {__version__}\n"
    assert inside(debian, "assist") == "assist\n"
    assert (debian / "usr/share/zsh/site-functions/_assist").is_file()
    home = debian / "var/lib/assist-agentd"
    home.mkdir(mode=0o700)
    run("--erase", "--nodeps", agent.name, controller.name)
    assert not (debian / "usr/bin/agentd").exists()
    assert not (debian / "usr/lib/assist-agentd").exists()
    assert home.exists()
