"""The scripts of the catalog, run for real, most of them in a throw-away root."""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import http.server
import io
import re
import shutil
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from assist_cli.model import parameters
from assist_cli.model.secret import Secret
from assist_cli.operations.commands import catalog
from tests.support.programs import need
from tests.support.throwaway import ThrowAway

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("starts_processes")]

HOSTILE = (
    "x; touch /tmp/hostile",
    "$(touch /tmp/hostile)",
    "`touch /tmp/hostile`",
    "x\ntouch /tmp/hostile",
    "'; touch /tmp/hostile; '",
    '"; touch /tmp/hostile; "',
    "--help",
    "-x",
    " ",
    "../../etc",
    "/srv/../etc",
    "/srv/a\n/etc",
    "x && touch /tmp/hostile",
    "*",
    "~",
    "é\u202e",
)
RUNNING = [value for value in HOSTILE if "touch" in value]
ANY_TEXT = ("archive-deploy", "archive-rollback", "log-rotate", "password-set", "process-wait", "script-run")


class Rendered(NamedTuple):
    """A script with its values, and its environment."""

    script: str
    env: dict[str, str]


def rendered(name: str, /, **given: str) -> Rendered:
    """The newest script of the catalog, as an agent gets it. Raises InvalidParameter for a refused value."""
    version = catalog.versions(name)[-1].version
    secret = {each.key for each in version.definitions if each.secret}
    values = {key: Secret(value) if key in secret else value for key, value in given.items()}
    resolved = parameters.resolve(version.signature(), values)
    plain = {key: value.reveal() if isinstance(value, Secret) else value for key, value in resolved.items()}
    script = parameters.render(version.template(), plain).decode()
    return Rendered(script, {parameters.environment_name(key): value for key, value in plain.items()})


@pytest.fixture
def root(tmp_path: Path) -> ThrowAway:
    return ThrowAway(tmp_path)


def run(name: str, /, **given: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the catalog on this machine; for those that change only the given files."""
    made = rendered(name, **given)
    return subprocess.run(
        ["/bin/sh", "-c", made.script],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **made.env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", catalog.names())
def test_an_entry_is_a_valid_command(name: str) -> None:
    (*_, newest) = catalog.versions(name)
    assert newest.name == name
    assert newest.description.endswith(".")
    assert newest.version.parameters_enabled
    assert len(newest.version.definitions) == len(newest.version.stated())
    script = re.sub(rb"\{\{[a-z0-9]+\|sh\}\}", b"x", newest.version.content)
    for shell in ("dash", "bash"):
        subprocess.run([need(shell), "-n"], input=script, check=True, timeout=60)


@pytest.mark.parametrize("name", catalog.names())
def test_hostile_values_are_refused_or_stay_one_word(name: str) -> None:
    version = catalog.versions(name)[-1].version
    assert not parameters.bare_keys(version.template())
    assert not parameters.keys_inside_quotes(version.template())
    for definition in version.definitions:
        assert definition.description
        assert definition.choices or definition.pattern
        for value in HOSTILE:
            if value in definition.choices or not re.fullmatch(definition.pattern or "(?!)", value):
                continue
            assert name in ANY_TEXT
            assert "\n" not in value


def test_hostile_values_run_nothing(tmp_path: Path) -> None:
    """The scripts themselves, without the patterns of their parameters."""
    marker = Path("/tmp/hostile")
    marker.unlink(missing_ok=True)
    for name in catalog.names():
        if name in ("packages", "service", "hostname-set", "password-set"):
            continue  # these change the machine: below
        version = catalog.versions(name)[-1].version
        for definition in version.definitions:
            for value in RUNNING:
                values = {
                    each.key: "0" if each.key in ("keep", "seconds") else "/nowhere" for each in version.definitions
                }
                script = parameters.render(version.template(), {**values, definition.key: value})
                subprocess.run(["/bin/sh", "-c", script], cwd=tmp_path, capture_output=True, stdin=subprocess.DEVNULL)
                assert not marker.exists(), (name, definition.key, value)


def test_hostile_values_change_no_machine(root: ThrowAway) -> None:
    scripts = []
    for name in ("packages", "service", "hostname-set", "password-set"):
        version = catalog.versions(name)[-1].version
        defaults = {"packages": {"action": "remove", "packages": ""}, "service": {"action": "status", "service": "x"}}
        for definition in version.definitions:
            for value in HOSTILE:
                values = {each.key: "x" for each in version.definitions} | defaults.get(name, {})
                scripts.append(parameters.render(version.template(), {**values, definition.key: value}).decode())
                (root.kept / f"{len(scripts)}.sh").write_text(scripts[-1])
    before = "cat /etc/passwd /etc/shadow /etc/group | sha256sum"
    done = root.run(
        f"{before} >/one; export ASSIST_PARAM_PASSWORD=a; "
        "for each in /kept/*.sh; do sh $each; done >/dev/null 2>&1 </dev/null; "
        f"{before} | cmp - /one && [ ! -e /tmp/hostile ] && echo good",
    )
    assert done.stdout == "good\n", done.stderr


# archives


class Served(NamedTuple):
    """A folder, and its URL."""

    folder: Path
    url: str


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A real HTTP server on the loopback address."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """The test needs no log."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield Served(folder, f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


def archive(path: Path, text: str) -> str:
    """Write an archive with one file, and return its SHA-256."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as zipped:
            zipped.writestr("app.txt", text)
    else:
        with tarfile.open(path, f"w:{path.suffix.removeprefix('.').removeprefix('tar')}") as packed:
            entry = tarfile.TarInfo("app.txt")
            entry.size = len(text)
            entry.uid = 12345
            packed.addfile(entry, io.BytesIO(text.encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_archive_is_deployed_and_rolled_back(served: Served, tmp_path: Path) -> None:
    need("curl")
    place = tmp_path / "with space" / "app"
    digests = [archive(served.folder / name, name) for name in ("1.tar", "2.gz", "3.xz", "4.bz2")]
    deploy = functools.partial(run, "archive-deploy", dir=str(place))

    def text() -> str:
        return (place / "current/app.txt").read_text()

    wrong = deploy(url=f"{served.url}/1.tar", sha256="0" * 64)
    assert wrong.returncode == 1
    assert f"its SHA-256 is {digests[0]}, not {'0' * 64}" in wrong.stderr
    absent = deploy(url=f"{served.url}/0.tar", sha256="0" * 64)
    assert absent.returncode == 1
    assert "error: cannot fetch" in absent.stderr
    assert not list((place / "releases").iterdir())
    assert not (place / "current").exists()

    none = run("archive-rollback", dir=str(place))
    assert (none.returncode, "nothing is deployed" in none.stderr) == (1, True)

    for number, name in enumerate(("1.tar", "2.gz", "3.xz", "4.bz2")):
        done = deploy(url=f"{served.url}/{name}", sha256=digests[number].upper(), keep="2")
        assert (done.returncode, done.stderr) == (0, "")
        assert text() == name
        again = deploy(url=f"{served.url}/{name}", sha256=digests[number], keep="2")
        assert (again.returncode, "already" in again.stdout) == (0, True)
    kept = {digest[:16] for digest in digests[2:]}
    assert {each.name for each in (place / "releases").iterdir()} == kept
    assert (place / "current/app.txt").stat().st_uid != 12345

    back = run("archive-rollback", dir=str(place))
    assert (back.returncode, text()) == (0, "3.xz")
    no_further = run("archive-rollback", dir=str(place))
    assert (no_further.returncode, text()) == (1, "3.xz")
    assert "there is no earlier release" in no_further.stderr
    named = run("archive-rollback", dir=str(place), release=digests[3][:16])
    assert (named.returncode, text()) == (0, "4.bz2")
    unknown = run("archive-rollback", dir=str(place), release="0" * 16)
    assert (unknown.returncode, text()) == (1, "4.bz2")

    (served.folder / "bad.gz").write_bytes(b"no archive")
    bad = deploy(url=f"{served.url}/bad.gz", sha256=hashlib.sha256(b"no archive").hexdigest())
    assert (bad.returncode, text()) == (1, "4.bz2")
    assert {each.name for each in (place / "releases").iterdir()} == kept


def test_a_zip_file_is_deployed(served: Served, tmp_path: Path) -> None:
    need("unzip")
    digest = archive(served.folder / "a.zip", "zipped")
    done = run("archive-deploy", url=f"{served.url}/a.zip", sha256=digest, dir=str(tmp_path / "app"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "app/current/app.txt").read_text() == "zipped"


# logs, scripts, processes, disks


def test_logs_are_rotated(isolation: Path) -> None:
    tmp_path = isolation / "logs"
    tmp_path.mkdir()
    log, small = tmp_path / "a b.log", tmp_path / "small.log"
    small.write_text("x")
    (tmp_path / "other.log").symlink_to(small)
    with log.open("a") as writer:
        for number in range(1, 5):
            writer.write(f"line {number}\n" * 10)
            writer.flush()
            done = run("log-rotate", files=f"{tmp_path}/a?b.log", keep="2", bytes="10")
            assert (done.returncode, done.stderr) == (0, "")
            assert log.stat().st_size == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "a b.log", "a b.log.1.gz", "a b.log.2.gz", "other.log", "small.log",
    ]  # fmt: skip
    assert gzip.decompress((tmp_path / "a b.log.1.gz").read_bytes()) == b"line 4\n" * 10
    assert gzip.decompress((tmp_path / "a b.log.2.gz").read_bytes()) == b"line 3\n" * 10

    done = run("log-rotate", files=f"{tmp_path}/*", bytes="10")
    assert done.returncode == 1
    assert "other.log': it is not a file" in done.stderr
    assert done.stderr.count("error:") == 1
    assert small.read_text() == "x"
    done = run("log-rotate", files=f"{tmp_path}/none*")
    assert (done.returncode, "there is no such file" in done.stderr) == (1, True)
    log.write_text("x")
    tmp_path.chmod(0o777)
    done = run("log-rotate", files=str(log))
    assert (done.returncode, "everybody can write" in done.stderr, log.read_text()) == (1, True, "x")


def test_a_script_runs_with_its_arguments_and_exit_code(tmp_path: Path) -> None:
    script = tmp_path / "a script.sh"
    script.write_text('#!/bin/sh\nprintf "<%s>" "$0" "$@"\nexit 7\n')
    hostile = "$(id) `id` ; * 'x"
    for mode, digest in ((0o755, ""), (0o644, hashlib.sha256(script.read_bytes()).hexdigest())):
        script.chmod(mode)
        done = run("script-run", script=str(script), arguments=hostile, sha256=digest)
        assert done.stdout == f"<{script}>" + "".join(f"<{word}>" for word in hostile.split())
        assert done.returncode == 7
    changed = run("script-run", script=str(script), sha256="0" * 64)
    assert (changed.returncode, changed.stdout) == (127, "")
    assert "its SHA-256 is" in changed.stderr
    absent = run("script-run", script=str(tmp_path / "none"))
    assert (absent.returncode, "there is no such file" in absent.stderr) == (127, True)


def test_a_process_is_polled(tmp_path: Path) -> None:
    name = "assist (test) x9"  # longer than the 15 bytes that the kernel keeps
    program = tmp_path / name
    program.symlink_to("/bin/sleep")
    done = run("process-wait", process=name, seconds="0")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not running after 0 s" in done.stderr
    with subprocess.Popen([program, "60"]) as process:
        try:
            # Popen returns after exec, so the name is the program's
            done = run("process-wait", process=name, seconds="5")
            assert (done.returncode, done.stdout) == (0, f"{name} is running: {process.pid}\n")
            done = run("process-wait", process=name, state="ended", seconds="1")
            assert (done.returncode, f"is still running after 1 s: {process.pid}" in done.stderr) == (1, True)
        finally:
            process.kill()
        # it is a zombie until the end of this block, or gone
        done = run("process-wait", process=name, state="ended", seconds="5")
        assert (done.returncode, done.stdout) == (0, f"{name} is not running.\n")
    done = run("process-wait", process="sh", seconds="0", state="running")
    assert done.returncode in (0, 1)


def test_disks_and_memory_are_checked() -> None:
    good = run("disk-memory-check", disk="100", memory="100")
    assert (good.returncode, good.stderr) == (0, "")
    assert "OVER" not in good.stdout
    assert "MiB available" in good.stdout
    bad = run("disk-memory-check", disk="0", memory="0")
    assert bad.returncode == 1
    assert "memory" in bad.stdout
    assert "OVER 0%" in bad.stdout


# in a throw-away root


def execute(root: ThrowAway, steps: list[tuple[str, Rendered]], after: str = ":") -> str:
    """Return a script that runs these ones, each followed by ``after``, and prints the exit codes after their names."""
    lines = []
    for number, (title, (script, env)) in enumerate(steps):
        (root.kept / f"{number}.sh").write_text(script)
        with contextlib.suppress(KeyError):
            (root.kept / f"{number}.env").write_text(env["ASSIST_PARAM_PASSWORD"])
        secret = f'ASSIST_PARAM_PASSWORD="$(cat /kept/{number}.env 2>/dev/null)"'
        lines.append(f"{secret} sh /kept/{number}.sh </dev/null; code=$?; {after}; echo '{title}:' $code")
    return "\n".join(lines)


WATCHING = """#!/bin/sh
cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -qF -f /kept/0.env && echo "seen in an argument list"
env | grep -qF -f /kept/0.env && echo "seen in the environment"
exec /usr/sbin/chpasswd
"""


def test_a_password_is_set(root: ThrowAway) -> None:
    need("chpasswd")
    need("perl")
    steps = execute(
        root,
        [
            ("set", rendered("password-set", user="somebody", password="pa$$ `id` '\"\\:ss")),
            ("again", rendered("password-set", user="somebody", password="pa$$ `id` '\"\\:ss")),
            ("nobody", rendered("password-set", user="no-such-user", password="x")),
        ],
    )
    (root.kept / "chpasswd").write_text(WATCHING)
    bad = catalog.versions("password-set")[-1].version
    (root.kept / "bad.sh").write_bytes(parameters.render(bad.template(), {"user": "somebody", "password": ""}))
    done = root.run(
        f"""useradd somebody
        install -m 755 /kept/chpasswd /usr/local/sbin/chpasswd
        PATH=/usr/local/sbin:$PATH
        grep '^root:' /etc/shadow >/before
        {steps}
        ASSIST_PARAM_PASSWORD='x
root:hacked' sh /kept/bad.sh; echo "two lines: $?"
        grep '^root:' /etc/shadow | cmp - /before && echo "root is unchanged"
        stored=$(grep '^somebody:' /etc/shadow | cut -d: -f2)
        perl -e 'print crypt($ARGV[0], $ARGV[1]) eq $ARGV[1] ? "same\\n" : "other\\n"' "$(cat /kept/0.env)" "$stored"
        """
    )
    assert done.stdout.splitlines() == [
        "The password of somebody is set.",
        "set: 0",
        "The password of somebody is set.",
        "again: 0",
        "nobody: 1",
        "two lines: 1",
        "root is unchanged",
        "same",
    ], done.stderr
    assert "there is no such user" in done.stderr
    assert "it has a line end" in done.stderr
    assert "pa$$" not in done.stdout + done.stderr


def test_the_host_name_is_set(root: ThrowAway) -> None:
    steps = execute(root, [("set", rendered("hostname-set", name="web01.example.com"))] * 2)
    done = root.run(
        f"""hostname old
        printf '127.0.0.1  localhost\\n127.0.1.1 old.example.com old alias # kept\\n' >/etc/hosts
        chmod 640 /etc/hosts
        {steps}
        uname -n; cat /etc/hostname /etc/hosts; stat -c %a /etc/hosts; ls /etc | grep -E "^host(s|name)([.]......)?$"
        """
    )
    assert done.stdout.splitlines() == [
        "The host name is web01.example.com (before: old).",
        "set: 0",
        "The host name is web01.example.com (before: web01.example.com).",
        "set: 0",
        "web01.example.com",
        "web01.example.com",
        "127.0.0.1  localhost",
        "127.0.1.1 old.example.com web01.example.com web01 alias # kept",
        "640",
        "hostname",
        "hosts",
    ], done.stderr


INIT = """#!/bin/sh
case $1 in
start) touch /run/toy; echo started ;;
stop) rm -f /run/toy; echo stopped ;;
restart) touch /run/toy; echo restarted ;;
status) [ -e /run/toy ] && echo running || { echo down; exit 3; } ;;
*) exit 2 ;;
esac
"""


def test_a_service_is_started_and_stopped(root: ThrowAway) -> None:
    need("service")
    actions = ("status", "start", "start", "status", "restart", "stop", "status")
    steps = execute(root, [(each, rendered("service", action=each, service="toy")) for each in actions])
    (root.kept / "toy").write_text(INIT)
    (root.kept / "none.sh").write_text(rendered("service", action="start", service="none").script)
    done = root.run(f"install -m 755 /kept/toy /etc/init.d/toy\n{steps}\nsh /kept/none.sh; echo none: $?")
    assert done.stdout.split("\n") == [
        *("down", "status: 3", "started", "start: 0", "started", "start: 0", "running", "status: 0"),
        *("restarted", "restart: 0", "stopped", "stop: 0", "down", "status: 3", "none: 4", ""),
    ], done.stderr
    assert "there is no such service" in done.stderr


def test_a_service_of_systemd_is_started(root: ThrowAway) -> None:
    """With a stand-in for systemctl, because a chroot has no systemd."""
    stand_in = """#!/bin/sh
echo "systemctl $*" >>/calls
case $1 in
show) [ "$4" = toy ] && echo LoadState=loaded || echo LoadState=not-found ;;
is-active) echo active ;;
status) exit 3 ;;
esac
"""
    (root.kept / "systemctl").write_text(stand_in)
    steps = execute(
        root,
        [
            ("start", rendered("service", action="start", service="toy")),
            ("status", rendered("service", action="status", service="toy")),
            ("none", rendered("service", action="stop", service="none")),
        ],
    )
    done = root.run(
        f"mkdir -p /run/systemd/system; install -m 755 /kept/systemctl /usr/local/bin/systemctl; "
        f"export PATH=/usr/local/bin:$PATH\n{steps}\ncat /calls"
    )
    assert done.stdout.splitlines() == [
        "toy: active",
        "start: 0",
        "status: 3",
        "none: 4",
        "systemctl show --property=LoadState -- toy",
        "systemctl start -- toy",
        "systemctl is-active -- toy",
        "systemctl show --property=LoadState -- toy",
        "systemctl status --no-pager --full -- toy",
        "systemctl show --property=LoadState -- none",
    ], done.stderr


# packages


def package(folder: Path, name: str, version: str) -> None:
    """Build a Debian package with one file."""
    tree = folder / f"{name}-{version}"
    (tree / "DEBIAN").mkdir(parents=True)
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Test <t@example.com>\n"
    (tree / "DEBIAN/control").write_text(control + "Description: a toy\n")
    (tree / "usr/share/toys").mkdir(parents=True)
    (tree / f"usr/share/toys/{name}").write_text(version)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, folder], check=True, capture_output=True)
    shutil.rmtree(tree)


def repository(folder: Path, suite: str) -> None:
    """Write the index of a repository."""
    done = subprocess.run(["dpkg-scanpackages", "-m", "."], cwd=folder, check=True, capture_output=True)
    (folder / "Packages").write_bytes(done.stdout)
    digest = hashlib.sha256(done.stdout).hexdigest()
    release = f"Origin: Toys\nLabel: Toys\nSuite: {suite}\nCodename: {suite}\n"
    (folder / "Release").write_text(
        f"{release}Date: Sun, 29 Nov 2026 00:00:00 UTC\nSHA256:\n {digest} {len(done.stdout)} Packages\n"
    )


@pytest.mark.timeout(600)
def test_packages_are_managed_with_apt(root: ThrowAway) -> None:
    need("dpkg-deb")
    need("dpkg-scanpackages")
    repositories = {
        "stable": (("toy-a", "1.0"), ("toy-b", "1.0"), ("toy-b", "2.0"), ("toy-c++", "1.0"), ("toyxa", "1.0")),
        "stable-security": (("toy-a", "2.0"),),
    }
    for suite, packages in repositories.items():
        folder = root.kept / suite
        folder.mkdir()
        for name, version in packages:
            package(folder, name, version)
        repository(folder, suite)
    sources = "".join(f"deb [trusted=yes] file:/kept/{suite} ./\n" for suite in repositories)
    (root.kept / "sources.list").write_text(sources)

    def step(title: str, action: str, packages: str = "") -> tuple[str, Rendered]:
        return title, rendered("packages", action=action, packages=packages)

    state = "dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version}\\n' 'toy*' | sed -n 's/^ii */has /p'"
    steps = execute(
        root,
        [
            step("install", "install", "toy-a=1.0 toy-b=1.0 toy-c++"),
            step("twice", "install", "toy-c++"),
            step("pattern", "install", "toy.a"),
            step("unknown", "install", "no-such-toy"),
            step("security", "security"),
            step("security twice", "security"),
            step("update", "update", "toy-b"),
            step("update all", "update"),
            step("remove", "remove", "toy-a  toy-c++ no-such-toy"),
            step("remove twice", "remove", "toy-a"),
        ],
        after=state,
    )
    done = root.run(
        f"""rm -rf /etc/apt/sources.list.d /var/lib/apt/lists/*; cp /kept/sources.list /etc/apt/sources.list
        echo 'APT::Sandbox::User "root";' >/etc/apt/apt.conf.d/99test
        {steps}
        mv /kept/stable-security /kept/away
        sh /kept/4.sh; echo "lost: $?"
        """
    )
    told = [line for line in done.stdout.splitlines() if re.match(r"has |[a-z ]+: \d+$|No security|Nothing to", line)]
    assert told == [
        *("has toy-a 1.0", "has toy-b 1.0", "has toy-c++ 1.0", "install: 0"),
        *("has toy-a 1.0", "has toy-b 1.0", "has toy-c++ 1.0", "twice: 0"),
        *("has toy-a 1.0", "has toy-b 1.0", "has toy-c++ 1.0", "pattern: 100"),
        *("has toy-a 1.0", "has toy-b 1.0", "has toy-c++ 1.0", "unknown: 100"),
        *("has toy-a 2.0", "has toy-b 1.0", "has toy-c++ 1.0", "security: 0"),
        *("No security updates.", "has toy-a 2.0", "has toy-b 1.0", "has toy-c++ 1.0", "security twice: 0"),
        *("has toy-a 2.0", "has toy-b 2.0", "has toy-c++ 1.0", "update: 0"),
        *("has toy-a 2.0", "has toy-b 2.0", "has toy-c++ 1.0", "update all: 0"),
        *("has toy-b 2.0", "remove: 0"),
        *("Nothing to remove: not installed.", "has toy-b 2.0", "remove twice: 0"),
        "lost: 100",
    ], done.stdout + done.stderr


@pytest.mark.parametrize("program", ["dnf", "yum"])
def test_packages_are_managed_with_dnf(root: ThrowAway, program: str) -> None:
    """With a stand-in that prints its arguments."""
    (root.kept / program).write_text('#!/bin/sh\necho "$0" "$@"\n')
    actions = (("install", "a b"), ("remove", "a"), ("update", ""), ("security", ""), ("security", "a"))
    steps = execute(root, [(each, rendered("packages", action=each, packages=names)) for each, names in actions])
    needed = "sh cat tr"
    done = root.run(
        f"mkdir /tools; for each in {needed}; do ln -s $(command -v $each) /tools; done; "
        f"install -m 755 /kept/{program} /tools/{program}; PATH=/tools\n{steps}"
    )
    path = f"/tools/{program} -y"
    assert done.stdout.splitlines() == [
        *(f"{path} install a b", "install: 0", f"{path} remove a", "remove: 0", f"{path} upgrade", "update: 0"),
        *(f"{path} upgrade --security", "security: 0", f"{path} upgrade --security a", "security: 0"),
    ], done.stderr
