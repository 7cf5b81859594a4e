"""Real installations of agents: over a real sshd, into a folder of the test, on this machine."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import os
import shlex
import stat
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from assist_cli import __version__
from assist_cli.agents import broker_folder
from assist_cli.agents.destination import Destination
from assist_cli.agents.ssh import login
from assist_cli.deploy import bundle, pki
from assist_cli.deploy import host_requests as deploy
from assist_cli.deploy.broker import admission
from assist_cli.deploy.install import Host
from assist_cli.errors import AssistError, Conflict, InstallFailed, Refused
from assist_cli.model.command import CommandType
from assist_cli.model.instance import Instance
from assist_cli.model.secret import Secret
from assist_cli.model.target import Selection
from assist_cli.model.timeouts import DEFAULTS
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.operations.fleet import deployment, instances
from assist_cli.operations.fleet.connection import AgentConnection
from assist_cli.operations.fleet.deployment import Installation, InstallRequest
from assist_cli.operations.runs import recording
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.paths import Home
from tests.support import interpreters, processes, sshd
from tests.support.agent import eventually
from tests.support.place import free_port
from tests.support.programs import lack
from tests.support.sshd import Sshd, launcher

SECRET = b"PRIVATE KEY"


@pytest.fixture
def controller(isolation: Path, no_leaks: None) -> Iterator[Controller]:
    with open_controller(Home(isolation / "assist")) as made:
        yield made


@pytest.fixture
def server(starts_processes: None, isolation: Path, no_leaks: None) -> Iterator[Sshd]:
    """A machine without an agent; an agent that was installed there is stopped at the end."""
    with sshd.serving(isolation / "sshd") as running:
        yield running
        processes.stop_guarded(running.agent)


def install(controller: Controller, server: Sshd, steps: list[str] | None = None, **more: Any) -> Installation:
    request = InstallRequest(server.place, **{"name": "web1", **more})
    return deployment.install(controller, request, progress=(steps if steps is not None else []).append, ask=None)


def refusal(work: Callable[[], object]) -> AssistError:
    with pytest.raises(AssistError) as caught:
        work()
    assert caught.value.message.startswith("cannot ")
    return caught.value


def run(controller: Controller, instance: Instance, script: str) -> bytes:
    """Return the output of a script on an instance."""

    async def work() -> bytes:
        with AgentConnection(controller, instance) as line:
            job = deployment.UnrecordedTask(controller, shell(script))
            await line.retry(job.deliver)
            await line.retry(job.follow)
            return bytes(job.written)

    return asyncio.run(asyncio.wait_for(work(), 60))


def everything(folder: Path) -> dict[str, tuple[int, bytes | str]]:
    """Every name below a folder with its mode and content, without sockets and files that a running agent writes."""
    passing = ("agentd.sock", "agentd.lock", "agentd.log", "guard.json", "spool")
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in sorted(folder.rglob("*")):
        if path.relative_to(folder).parts[0] not in passing:
            held = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
            found[str(path.relative_to(folder))] = (path.lstat().st_mode, held)
    return found


def test_an_agent_is_installed_used_repaired_and_uninstalled(controller: Controller, server: Sshd) -> None:
    steps: list[str] = []
    done = install(controller, server, steps, tags={"role": "web"})
    assert (done.version, done.before, done.instance.name) == (__version__, None, "web1")
    assert done.instance.tags == {"role": "web"}
    assert done.instance.address == f"ssh:{server.place}"
    assert [step.split()[0] for step in steps] == ["log", "find", "found", "copy", "write", "start", "connect"]
    assert f"@reboot {server.agent}/agentd guard --log {server.agent}/agentd.log" in done.notes[0]
    assert run(controller, done.instance, "echo here") == b"here\n"
    assert run(controller, done.instance, "umask") == run(controller, done.instance, "umask")

    processes.stop_guarded(server.agent)
    (server.agent / "agentd").unlink()
    again = install(controller, server, name=None)
    assert (again.instance.id, again.before, again.notes) == (done.instance.id, __version__, ())
    assert again.instance.tags == {"role": "web"}
    assert run(controller, again.instance, "echo again") == b"again\n"

    (server.agent / "mine").touch()
    assert deployment.uninstall(controller, "web1", force=False, progress=steps.append) == [f"{server.agent}/mine"]
    assert [path.name for path in server.agent.iterdir()] == ["mine"]
    assert instances.listing(controller, Selection()) == []
    assert server.logins() == 1


@pytest.mark.long
def test_two_installations_share_no_secret_and_the_archive_has_none(
    controller: Controller, server: Sshd, isolation: Path
) -> None:
    with sshd.serving(isolation / "other") as other:
        first, second = install(controller, server), install(controller, other, name="web2")
        assert first.instance.id != second.instance.id
        keys = [(machine.agent / "pki" / "agent.key").read_bytes() for machine in (server, other)]
        assert SECRET in keys[0]
        assert keys[0] != keys[1]
        processes.stop_guarded(other.agent)
    archive = zipfile.ZipFile(io.BytesIO(bundle.build()))
    assert not any(SECRET in archive.read(name) for name in archive.namelist())
    for machine in (server, other):
        held = b"".join(path.read_bytes() for path in machine.agent.rglob("*") if path.is_file())
        assert (controller.home.pki / "ca.key").read_bytes() not in held


@pytest.mark.long
@pytest.mark.parametrize("umask", ["000", "077"])
def test_installed_files_belong_to_their_user_and_are_not_writable_by_others(
    controller: Controller, server: Sshd, umask: str
) -> None:
    (server.home / ".bashrc").write_text(f"umask {umask}\n")
    done = install(controller, server)
    run(controller, done.instance, "true")
    paths = [server.agent, *server.agent.rglob("*")]
    for path in paths:
        status = path.lstat()
        assert status.st_uid == os.geteuid()
        if not stat.S_ISLNK(status.st_mode):
            assert not status.st_mode & 0o022, path
    for name in ("pki/agent.key", "agentd.conf", "instance-id"):
        assert (server.agent / name).stat().st_mode & 0o777 == 0o600
    assert server.agent.stat().st_mode & 0o777 == 0o700


# A title, words without a line end, and lines that look like answers, before every command.
TALKATIVE = """printf '\\033]0;title\\007'; echo '{"result": {"left": ["nonsense"]}}'; echo '{}'; printf 'Welcome! '"""


@pytest.mark.long
def test_the_output_of_a_login_shell_is_skipped(controller: Controller, server: Sshd) -> None:
    (server.home / ".bashrc").write_text(TALKATIVE)
    steps: list[str] = []
    done = install(controller, server, steps)
    assert [step.split()[0] for step in steps] == ["log", "find", "found", "copy", "write", "start", "connect"]
    assert run(controller, done.instance, "echo here") == b"here\n"
    assert deployment.uninstall(controller, "web1", force=False, progress=lambda _: None) == []


@pytest.mark.usefixtures("starts_processes")
@pytest.mark.parametrize(("uid", "hint"), [("0", "you are root there"), ("7", "install sudo there")])
def test_a_machine_without_sudo_is_reported(isolation: Path, no_leaks: None, uid: str, hint: str) -> None:
    programs = isolation / "programs"
    programs.mkdir()
    (programs / "sh").symlink_to("/bin/sh")
    launcher(programs / "id", "/bin/echo", uid)
    with sshd.serving(isolation / "sshd", environment=f"PATH={programs}") as server:
        (server.home / ".bashrc").write_text(TALKATIVE)
        error = refusal(lambda: host_of(server, sudo=True))
    assert error.message == f"cannot install anything on '{server.place}': sudo is not installed"
    assert error.hint.startswith(hint)


SUDO = """\
#!/bin/sh
if [ "$1" = -n ]; then echo "sudo: a password is required" >&2; exit 1; fi
[ "$1 $2 $3 $4" = "-k -S -p " ] || exit 9
shift 4
while read -r line; do
  echo "$line" >> "$HOME/attempts"
  [ "$line" != right ] || exec "$@"
  echo "Sorry, try again." >&2
done
echo "sudo: no password was provided" >&2
exit 1
"""


@pytest.mark.usefixtures("starts_processes")
def test_sudo_gets_its_password_on_stdin_and_a_wrong_one_is_one_attempt(isolation: Path, no_leaks: None) -> None:
    """A stand-in that reads lines as sudo does: the real one reads the real sudoers of this machine."""
    programs = isolation / "programs"
    programs.mkdir()
    (programs / "sudo").write_text(SUDO)
    (programs / "sudo").chmod(0o755)
    refusals = []

    def unlock(attempt: Callable[[Secret], str]) -> None:
        refusals.append(attempt(Secret("wrong")))
        assert (server.home / "attempts").read_text() == "wrong\n"
        refusals.append(attempt(Secret("right")))

    with sshd.serving(isolation / "sshd", environment=f"PATH={programs}:{os.environ['PATH']}") as server:
        logged_in = login.log_in(Destination(server.address, server.user, server.port), DEFAULTS.agent)
        host = Host(logged_in, DEFAULTS.install, sudo=True)
        assert host.check(unlock).startswith("3.")
        assert host.look().home == str(server.agent)
    assert refusals == ["sudo: no password was provided", ""]


def test_a_shell_that_refuses_logins_is_named_as_the_cause(server: Sshd) -> None:
    (server.home / ".bashrc").write_text("echo 'This account is currently not available.'; exit 1\n")
    error = refusal(lambda: host_of(server))
    assert error.message.endswith(": This account is currently not available.")


HOSTILE = "$(touch pwned) `touch pwned`; touch pwned #'\"\\ %i"


@pytest.mark.long
def test_no_name_tag_or_folder_reaches_a_shell(controller: Controller, server: Sshd, isolation: Path) -> None:
    folder = isolation / HOSTILE
    (server.home / ".bashrc").write_text(f"export ASSIST_AGENTD_HOME={shlex.quote(str(folder))}\n")
    done = install(controller, server, name=HOSTILE, tags={HOSTILE: HOSTILE})
    assert (folder / "agentd.pyz").exists()
    assert run(controller, done.instance, "echo safe") == b"safe\n"
    assert deployment.upgrade(controller, Selection((HOSTILE,)), rotate=True, heard=lambda _: None)[0].error is None
    assert deployment.uninstall(controller, HOSTILE, force=False, progress=lambda _: None) == []
    assert not folder.exists()
    assert list(isolation.rglob("pwned")) == []
    assert not (Path.home() / "pwned").exists()
    assert not Path("/pwned").exists()


# refusals and rollbacks


def host_of(server: Sshd, *, sudo: bool = False) -> Host:
    host = Host(
        login.log_in(Destination(server.address, server.user, server.port), DEFAULTS.agent),
        DEFAULTS.install,
        sudo=sudo,
    )
    host.check()
    return host


def shell(text: str) -> deploy.ActionScript:
    return deploy.ActionScript(CommandType.SHELL, text.encode())


def order(server: Sshd, **changes: Any) -> dict[str, Any]:
    made = deploy.install_order(instance="i-01kbdk5g8w3m9v6yx2r4hq7cne", credentials=None, listen=None)
    return {**made, **changes}


def send(server: Sshd, verb: str, words: dict[str, Any]) -> dict[str, Any]:
    """Execute an order on the machine, unchanged."""
    script = server.folder / "order.sh"
    made = deploy.script("posix", str(server.agent), "/usr/bin/python3", verb, words, DEFAULTS.install)
    script.write_bytes(made.content)
    done = subprocess.run(["sh", script], stdout=subprocess.PIPE, check=True)
    return deploy.read_answers(done.stdout, "web1", verb)


def of_version(version: str) -> dict[str, Any]:
    """The changes in an order for an agent of another version: the archive itself has the version."""
    source, changed = zipfile.ZipFile(io.BytesIO(bundle.build())), io.BytesIO()
    with zipfile.ZipFile(changed, "w") as archive:
        for name in source.namelist():
            text = source.read(name)
            if name == "agentd/__init__.py":
                text = text.replace(f'"{__version__}"'.encode(), f'"{version}"'.encode())
            archive.writestr(name, text)
    data = changed.getvalue()
    return {
        "version": version,
        "archive": base64.b64encode(data).decode(),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


@pytest.mark.parametrize("damage", ["altered", "truncated"])
def test_an_archive_with_a_wrong_digest_is_refused(server: Sshd, damage: str) -> None:
    good = base64.b64decode(order(server)["archive"])
    bad = good[:-1] if damage == "truncated" else good[:-1] + bytes([good[-1] ^ 1])
    error = refusal(lambda: send(server, "install", order(server, archive=base64.b64encode(bad).decode())))
    assert "its SHA-256 differs" in error.message
    assert error.hint == "nothing was changed there"
    assert not server.agent.exists()


def test_an_archive_that_does_not_start_is_refused(server: Sshd) -> None:
    data = b"#!/usr/bin/env python3\nno archive"
    words = {"archive": base64.b64encode(data).decode(), "sha256": hashlib.sha256(data).hexdigest()}
    error = refusal(lambda: send(server, "install", order(server, **words)))
    assert isinstance(error, InstallFailed)
    assert "cannot run the archive: " in error.message
    assert not server.agent.exists()


def test_an_older_version_is_refused(server: Sshd) -> None:
    send(server, "install", order(server, **of_version("7.10.0")))
    before = everything(server.agent)
    error = refusal(lambda: send(server, "install", order(server, **of_version("7.9.0"))))
    assert isinstance(error, Conflict)
    assert error.code == "ClientNeedUpgrade"
    assert "version 7.10.0 is installed, and 7.9.0 is older" in error.message
    assert everything(server.agent) == before


def test_a_new_agent_that_does_not_start_is_removed_again(controller: Controller, server: Sshd) -> None:
    """192.0.2.1 (TEST-NET-1) is an address of no machine, so nothing can listen on it."""
    error = refusal(lambda: install(controller, server, listen="192.0.2.1:7433"))
    assert isinstance(error, InstallFailed)
    assert "at the step 'start the agent'" in error.message
    assert error.hint == "nothing was changed there"
    assert not server.agent.exists()
    assert instances.listing(controller, Selection()) == []


def test_a_failed_change_keeps_the_agent_as_it_was(controller: Controller, server: Sshd) -> None:
    done = install(controller, server)
    (server.agent / "agentd.conf").write_text("task_limit = 7  # mine\n")
    before = everything(server.agent)
    refusal(lambda: install(controller, server, listen="192.0.2.1:7433"))
    assert everything(server.agent) == before
    assert run(controller, done.instance, "echo still here") == b"still here\n"


@pytest.mark.long
def test_settings_of_the_owner_are_kept(controller: Controller, server: Sshd) -> None:
    install(controller, server)
    (server.agent / "agentd.conf").write_text("task_limit = 7  # mine\nlisten = 127.0.0.1:9\n")
    port = free_port()
    install(controller, server, listen=f"127.0.0.1:{port}")
    assert (server.agent / "agentd.conf").read_text() == f"task_limit = 7  # mine\nlisten = 127.0.0.1:{port}\n"


def test_an_agent_that_listens_is_reached_by_tls_and_uninstalls_itself(controller: Controller, server: Sshd) -> None:
    port = free_port()
    done = install(controller, server, listen=f"{server.address}:{port}")
    assert done.instance.address == f"tls:{server.address}:{port}"
    assert run(controller, done.instance, "echo by tls") == b"by tls\n"
    assert install(controller, server).instance.address == done.instance.address
    assert refusal(lambda: install(controller, server, name="web2")).code == "InstanceExists"
    (server.agent / "mine").touch()
    assert deployment.uninstall(controller, "web1", force=False, progress=lambda _: None) == [f"{server.agent}/mine"]
    eventually(lambda: [path.name for path in server.agent.iterdir()] == ["mine"])


@pytest.mark.long
def test_an_error_of_the_disk_is_told_in_words(controller: Controller, server: Sshd) -> None:
    server.agent.mkdir(mode=0o700)
    (server.agent / f"agentd-{__version__}.pyz").mkdir()
    error = refusal(lambda: install(controller, server))
    assert "Is a directory" in error.message
    assert "[Errno" not in error.message


def test_an_agent_of_another_controller_is_not_changed(controller: Controller, server: Sshd, isolation: Path) -> None:
    install(controller, server)
    before = everything(server.agent)
    with open_controller(Home(isolation / "second")) as second:
        error = refusal(lambda: install(second, server))
    assert isinstance(error, Conflict)
    assert "it belongs to another controller" in error.message
    assert f"rm {server.agent}/pki/ca.pem" in error.hint
    assert everything(server.agent) == before


def test_a_taken_name_is_refused_before_anything_is_done(controller: Controller, server: Sshd, isolation: Path) -> None:
    install(controller, server)
    with sshd.serving(isolation / "other") as other:
        assert refusal(lambda: install(controller, other)).code == "InstanceNameExists"
        assert not other.agent.exists()


STRIPPED = """#!/bin/sh
shift
exec {python} -c 'import sys
sys.modules["ssl"] = sys.modules["asyncio"] = None
code = sys.argv.pop(1)
exec(code)' "$@"
"""
OLD = """#!/bin/sh
shift
exec {python} -c 'import sys
sys.version_info = (3, 5, 3)
code = sys.argv.pop(1)
exec(code)' "$@"
"""


@pytest.mark.usefixtures("starts_processes")
@pytest.mark.parametrize(
    ("kind", "why"),
    [(STRIPPED, "has no asyncio, ssl"), (OLD, "is 3.5.3"), (None, "none is installed")],
    ids=["python3-minimal", "too old", "none"],
)
def test_an_unsuitable_python_is_reported_with_the_package_to_install(
    isolation: Path, no_leaks: None, kind: str | None, why: str
) -> None:
    programs = isolation / "programs"
    programs.mkdir()
    for name in ("sh", "uname"):
        (programs / name).symlink_to(f"/bin/{name}")
    launcher(programs / "apt-get", "true")
    if kind:
        (programs / "python3").write_text(kind.format(python="/usr/bin/python3"))
        (programs / "python3").chmod(0o755)
    with sshd.serving(isolation / "sshd", environment=f"PATH={programs}") as server:
        host = Host(
            login.log_in(Destination(server.address, server.user, server.port), DEFAULTS.agent),
            DEFAULTS.install,
            sudo=False,
        )
        error = refusal(host.check)
        assert isinstance(error, Refused)
        assert why in error.message
        assert error.hint == "there, as root: apt-get install -y python3"
        assert "\n" not in error.message
        if kind is None:
            (programs / "apt-get").unlink()
            assert refusal(host.check).hint == "there, as root: install Python 3.6 or newer"


@pytest.mark.parametrize(("more", "what"), [({"listen": "7433"}, "listen"), ({"dial": True}, "dial out")])
def test_a_python_without_tls_1_3_neither_listens_nor_dials(
    controller: Controller, isolation: Path, starts_processes: None, more: dict[str, Any], what: str
) -> None:
    """Nothing is changed on its machine."""
    programs = isolation / "programs"
    programs.mkdir()
    (programs / "python3").symlink_to(interpreters.find("3.6") or lack("Python 3.6"))
    pki.prepare(controller.home, controller.id, controller.now())
    address = broker_folder.parse("tls://broker.example.com")
    admission.create(controller.home, controller.id, [address], controller.now())
    with sshd.serving(isolation / "sshd", environment=f"PATH={programs}:/usr/bin:/bin") as server:
        error = refusal(lambda: install(controller, server, **more))
        assert f" {what}: its Python 3.6." in error.message
        assert error.message.endswith("has no TLS 1.3")
        assert error.hint.endswith("the agent is reached over SSH")
        assert not server.agent.exists()


# upgrades


def test_a_script_during_an_upgrade_loses_nothing(controller: Controller, server: Sshd) -> None:
    done = install(controller, server)
    processes.stop_guarded(server.agent)
    for name in server.agent.glob("agentd*.pyz"):
        name.unlink()
    send(server, "install", order(server, **of_version("0.0.9")))
    key = (server.agent / "pki" / "agent.key").read_bytes()
    gate = server.home / "gate"
    os.mkfifo(gate)

    async def work() -> tuple[bytes, list[deployment.Upgrade]]:
        with AgentConnection(controller, done.instance) as line:
            assert (await line.client()).greeting.agent == "0.0.9"
            job = deployment.UnrecordedTask(controller, shell(f"echo before; read word < '{gate}'; echo $word"))
            await line.retry(job.deliver)
            outcomes = await deployment.upgrade_all(controller, [done.instance], rotate=True, heard=lambda _: None)
            gate.write_text("after\n")
            await line.retry(job.follow)
            return bytes(job.written), outcomes

    written, (outcome,) = asyncio.run(asyncio.wait_for(work(), 60))
    assert outcome.error is None
    assert (outcome.before, outcome.after) == ("0.0.9", __version__)
    assert written == b"before\nafter\n"
    assert (server.agent / "pki" / "agent.key").read_bytes() != key
    assert (server.agent / "python").resolve() == Path("/usr/bin/python3").resolve()
    assert sorted(path.name for path in server.agent.glob("agentd-*")) == [
        "agentd-0.0.9.pyz",
        f"agentd-{__version__}.pyz",
    ]


def test_a_failed_upgrade_is_an_outcome_and_delays_no_other(controller: Controller, server: Sshd) -> None:
    done = install(controller, server)
    lost = done.instance._replace(id="i-01kbdk5g8w3m9v6yx2r4hq7cnf", name="lost", address="tls:127.0.0.1:9")
    outcomes = asyncio.run(
        deployment.upgrade_all(controller, [lost, done.instance], rotate=False, heard=lambda _: None)
    )
    assert [outcome.error and outcome.error.code for outcome in outcomes] == ["ClientNotRunning", None]
    assert outcomes[1].after == __version__


def test_uninstall_is_refused_while_scripts_run_without_force(controller: Controller, server: Sshd) -> None:
    done = install(controller, server)
    gate = server.home / "gate"
    os.mkfifo(gate)

    async def begin() -> None:
        with AgentConnection(controller, done.instance) as line:
            job = deployment.UnrecordedTask(
                controller, shell(f"read word < '{gate}'; echo $word > '{server.home}/said'")
            )
            await line.retry(job.deliver)

    asyncio.run(begin())
    error = refusal(lambda: deployment.uninstall(controller, "web1", force=False, progress=lambda _: None))
    assert isinstance(error, Conflict)
    assert "1 of its scripts are still running" in error.message
    assert run(controller, done.instance, "echo up") == b"up\n"
    with recording.recorded(controller, RunRequest(b"true", targets=Selection(("web1",)))):
        error = refusal(lambda: deployment.uninstall(controller, "web1", force=False, progress=lambda _: None))
        assert (type(error), "invocations in progress: 1" in error.message) == (Conflict, True)
        assert deployment.uninstall(controller, "web1", force=True, progress=lambda _: None) == []
    gate.write_text("to the end\n")  # waits until the script reads it


def test_the_input_of_the_host_script_is_one_line_of_json() -> None:
    words = {"a": "'\nORDER\n"}
    script = deploy.script("posix", "/var/lib/it's here", "/usr/bin/python3", "look", words, DEFAULTS.install)
    first, second, last, end = script.content.split(b"\n", 1)[1].split(b"\n")
    assert json.loads(second)[1:] == ["look", {"a": "'\nORDER\n", "waits": DEFAULTS.install.as_dict()}]
    assert (first[:5], last, end) == (b"exec ", b"ORDER", b"")
