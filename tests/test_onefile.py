"""``dist/assist``: one file that unpacks itself. The real one is built and used by ``make soak``, in a minute."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from assist_cli.deploy.onefile import build
from tests.support import processes

pytestmark = pytest.mark.usefixtures("starts_processes")

ROOT = Path(__file__).parents[1]
HERE = "{}.{}".format(*sys.version_info)
ELSEWHERE = "2.7"


def run(
    archive: Path, *words: str, home: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run it as on a machine without any installation: no environment, an empty HOME, and a Python."""
    clean = {"HOME": str(home), "PATH": os.defpath, **(env or {})}
    return subprocess.run(
        [sys.executable, "-I", archive, *words], env=clean, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )


@pytest.fixture
def archive(isolation: Path) -> Path:
    """A small one, whose program prints its path and its modules."""
    program = b"import other\ndef main():\n    print(other.__file__)\n"
    shared = {"assist_cli/__init__.py": b"", "assist_cli/__main__.py": program}
    trees = {ELSEWHERE: {**shared, "other.py": b"wrong"}, HERE: {**shared, "other.py": b"right = True"}}
    path = isolation / "small"
    path.write_bytes(build.assembled(trees))
    return path


def test_it_unpacks_one_time_and_only_files_for_this_python(archive: Path, isolation: Path) -> None:
    user = isolation / "user"
    first, second = run(archive, home=user), run(archive, home=user)
    assert (first.returncode, first.stderr) == (0, b"")
    assert second.stdout == first.stdout
    other = Path(first.stdout.decode().strip())
    assert other.read_bytes() == b"right = True"
    assert [path.name for path in (user / ".cache/assist").iterdir()] == [other.parent.name]
    assert (user / ".cache/assist").stat().st_mode & 0o777 == 0o700


def test_concurrent_starts_use_one_folder(archive: Path, isolation: Path) -> None:
    env = {"HOME": str(isolation / "user"), "PATH": os.defpath}
    started = [subprocess.Popen([sys.executable, archive], env=env, stdout=subprocess.PIPE) for _ in range(4)]
    assert len({process.communicate()[0] for process in started}) == 1
    assert {process.returncode for process in started} == {0}
    assert len(list((isolation / "user/.cache/assist").iterdir())) == 1


def test_it_reports_a_folder_where_it_cannot_unpack(archive: Path, isolation: Path) -> None:
    (isolation / "file").touch()
    done = run(archive, home=isolation, env={"XDG_CACHE_HOME": str(isolation / "file")})
    assert done.returncode == 74
    assert done.stderr.startswith(b"error: cannot unpack into '")
    assert b"\nhint: set XDG_CACHE_HOME to " in done.stderr


def test_it_does_not_run_from_a_folder_that_is_writable_by_others(archive: Path, isolation: Path) -> None:
    assert run(archive, home=isolation).returncode == 0
    cache = isolation / ".cache" / "assist"
    for folder in (cache, *cache.iterdir()):
        folder.chmod(0o777)
        done = run(archive, home=isolation)
        assert (done.returncode, done.stdout) == (77, b"")
        assert f"'{folder}' can be changed by another user" in done.stderr.decode()
        folder.chmod(0o700)


def test_it_names_its_python(isolation: Path) -> None:
    path = isolation / "small"
    path.write_bytes(build.assembled({ELSEWHERE: {}}))
    done = run(path, home=isolation)
    assert done.returncode == 1
    assert done.stderr.decode() == f"error: cannot run on Python {HERE}: this file is for Python 2.7\n"


def test_the_same_content_gives_the_same_bytes() -> None:
    one, other = {"b": b"2", "a": b"1"}, {"a": b"1", "b": b"2"}
    data = build.assembled({"3.10": one, "3.11": {"a": b"1"}})
    assert data == build.assembled({"3.10": other, "3.11": {"a": b"1"}})
    assert data != build.assembled({"3.10": other, "3.11": {"a": b"2"}})
    with zipfile.ZipFile(io.BytesIO(data)) as outer:
        assert outer.namelist() == ["3.10+3.11.zip", "3.10.zip", "__main__.py"]
        assert outer.testzip() is None


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_the_real_one_runs_without_an_installation(isolation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script on the agent of this machine, which starts from the archive too, and one key, by compiled modules."""
    monkeypatch.delenv("PYTHONWARNINGS")  # pip has some
    user, target = isolation / "user", isolation / "assist"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "uv>=0.11"], check=True)
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", isolation, ROOT], check=True)
    (wheel,) = isolation.glob("*.whl")
    for path in (target, isolation / "again"):
        subprocess.run([sys.executable, "-m", "assist_cli.deploy.onefile.build", wheel, path], check=True)
    assert target.read_bytes() == (isolation / "again").read_bytes()
    agent = user / ".local/share/assist/agent"
    try:
        done = run(target, "run", "--", "echo", "hello", home=user)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")
        done = run(target, "run", "--", "false", home=user)
        assert done.returncode == 1
        done = run(target, "doctor", home=user)
        assert done.returncode == 0, done.stdout
        done = run(target, "catalog", "add", "packages", home=user)
        assert (done.returncode, done.stdout[:10]) == (0, b"packages@1")
        done = run(target, "instance", "add", "web1", "tls:127.0.0.1:1", home=user)
        assert done.returncode == 69
        assert b"cannot reach" in done.stderr
        listeners = [word for name in ("--api", "--metrics", "--web") for word in (name, "127.0.0.1:0")]
        words = [sys.executable, "-I", target, "serve", *listeners]
        with subprocess.Popen(words, env={"HOME": str(user), "PATH": os.defpath}, stderr=subprocess.PIPE) as server:
            assert server.stderr is not None
            said = b"".join(server.stderr.readline() for _ in range(4))
            server.terminate()
        assert [word for word in (b"API", b"metrics", b"console", b"serving") if word not in said] == [], said
    finally:
        processes.stop_agent(agent)
