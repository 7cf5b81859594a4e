"""Agents over a real sshd: one login for all connections, host and user keys as in ssh(1), and failures."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assist_cli.agents import destination
from assist_cli.agents.answers import Greeting
from assist_cli.agents.destination import Destination
from assist_cli.agents.ssh import bridge, login
from assist_cli.errors import AgentError, ClientAuthFailed, ClientNotOnline, ClientNotRunning, ConnectionLost
from assist_cli.model.timeouts import DEFAULTS
from tests.support import sshd
from tests.support.place import Place
from tests.support.programs import need
from tests.support.sshd import Sshd, launcher

pytestmark = pytest.mark.usefixtures("starts_processes")

GUARD = 30.0


@pytest.fixture
def server(isolation: Path, no_leaks: None) -> Iterator[Sshd]:
    """An sshd on a machine without an agent."""
    with sshd.serving(isolation / "sshd") as running:
        yield running


@pytest.fixture
def installed(started: Place, isolation: Path) -> Iterator[Sshd]:
    """An sshd on a machine with an agent."""
    with sshd.beside(started.agent, isolation / "sshd") as running:
        yield running


def user_file(name: str) -> Path:
    path = Path("~/.ssh").expanduser() / name
    path.parent.mkdir(mode=0o700, exist_ok=True)
    return path


def to(server: Sshd, **more: object) -> Destination:
    return Destination(server.address, server.user, server.port, **more)  # type: ignore[arg-type]


def hello(where: Destination) -> Greeting:
    async def work() -> Greeting:
        client = await bridge.connect(where, DEFAULTS.agent)
        try:
            return await client.greet("c0ffee", "1", DEFAULTS.agent.greeting)
        finally:
            client.close()

    return asyncio.run(asyncio.wait_for(work(), GUARD))


def refusal(where: Destination, **more: object) -> AgentError:
    with pytest.raises(AgentError) as caught:
        login.log_in(where, DEFAULTS.agent, **more)  # type: ignore[arg-type]
    assert caught.value.message.startswith("cannot ")
    return caught.value


# one login


def test_many_connections_are_one_login(installed: Sshd, started: Place) -> None:
    where = to(installed)

    async def work() -> None:
        clients = await asyncio.gather(*(bridge.connect(where, DEFAULTS.agent) for _ in range(5)))
        greetings = await asyncio.gather(*(client.greet("c0ffee", "1", DEFAULTS.agent.greeting) for client in clients))
        assert {greeting.instance for greeting in greetings} == {started.instance}
        for client in clients:
            client.close()

    asyncio.run(asyncio.wait_for(work(), GUARD))
    hello(where)
    assert installed.logins() == 1


def test_a_lost_login_is_repeated(installed: Sshd) -> None:
    async def work() -> None:
        client = await bridge.connect(to(installed), DEFAULTS.agent)
        await client.greet("c0ffee", "1", DEFAULTS.agent.greeting)
        installed.end_sessions()
        with pytest.raises(ConnectionLost):
            while True:
                await client.call("agent.status", {})

    asyncio.run(asyncio.wait_for(work(), GUARD))
    hello(to(installed))
    assert installed.logins() == 2


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_logs_in_again_and_keeps_the_login_of_its_parent_open(server: Sshd) -> None:
    here = login.log_in(to(server), DEFAULTS.agent)
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os._exit(login.log_in(to(server), DEFAULTS.agent).run("exit 42").status or 1)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    assert login.log_in(to(server), DEFAULTS.agent) is here
    assert here.run("echo here").stdout == b"here\n"


def test_the_output_of_a_login_shell_is_skipped(installed: Sshd, started: Place) -> None:
    (installed.home / ".bashrc").write_text('echo "{welcome}"; echo \'{"jsonrpc": "2.0"}\'\n')
    assert hello(to(installed)).instance == started.instance


def test_a_connection_that_nobody_waits_for_is_closed(installed: Sshd) -> None:
    async def work() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(bridge.connect(to(installed), DEFAULTS.agent), 0.01)

    asyncio.run(work())
    login.log_in(to(installed), DEFAULTS.agent)  # waits for the login in progress


# host keys


def test_an_unknown_host_key_is_refused_with_the_command_to_accept_it(isolation: Path, no_leaks: None) -> None:
    with sshd.serving(isolation / "sshd", trusted=False) as server:
        error = refusal(to(server))
        assert isinstance(error, ClientAuthFailed)
        assert "its host key is not known; it is ssh-ed25519 SHA256:" in error.message
        assert f"ssh -p {server.port} {server.user}@{server.address} true" in error.hint
        assert not user_file("known_hosts").exists()
        assert server.logins() == 0


def test_accept_new_writes_an_unknown_host_key_down_for_its_owner_alone(isolation: Path, no_leaks: None) -> None:
    previous = os.umask(0)
    try:
        with sshd.serving(isolation / "sshd", trusted=False) as server:
            login.log_in(to(server), DEFAULTS.agent, accept_new=True)
            login.hang_up()
            login.log_in(to(server), DEFAULTS.agent)
            known = user_file("known_hosts")
            assert len(known.read_text().splitlines()) == 1
            assert known.stat().st_mode & 0o777 == 0o600
            found = subprocess.run(
                [need("ssh-keygen"), "-F", server.known_as, "-f", known], stdout=subprocess.PIPE, check=True
            )
            assert server.host_key in found.stdout.decode()
    finally:
        os.umask(previous)


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_changed_host_key_is_refused_even_with_accept_new(isolation: Path, no_leaks: None, kind: str) -> None:
    other = " ".join(sshd.new_key(isolation / "other", kind=kind).split()[:2])
    with sshd.serving(isolation / "sshd", trusted=False) as server:
        known = user_file("known_hosts")
        known.write_text(f"# mine\n{server.known_as} {other}\n")
        error = refusal(to(server), accept_new=True)
        assert f"its host key is not the one in line 2 of {known}" in error.message
        assert f"ssh-keygen -R '{server.known_as}' -f {known}" in error.hint
        assert len(known.read_text().splitlines()) == 2


def test_an_authority_of_host_certificates_makes_no_host_known(isolation: Path, no_leaks: None) -> None:
    with sshd.serving(isolation / "sshd", trusted=False) as server:
        user_file("known_hosts").write_text(f"@cert-authority * {server.host_key}\n")
        assert "its host key is not known, and certificates of hosts are not checked;" in refusal(to(server)).message


def test_an_alias_of_a_host_key_has_no_port(isolation: Path, no_leaks: None) -> None:
    with sshd.serving(isolation / "sshd", trusted=False) as server:
        user_file("config").write_text(f"Host {server.address}\n  HostKeyAlias Web1\n")
        user_file("known_hosts").write_text(f"web1 {server.host_key}\n")
        login.log_in(to(server), DEFAULTS.agent)


def test_a_revoked_host_key_is_refused(server: Sshd) -> None:
    with user_file("known_hosts").open("a") as file:
        file.write(f"@revoked * {server.host_key}\n")
    assert "revokes its host key" in refusal(to(server)).message


# user keys


def test_a_key_that_others_can_read_is_not_used(server: Sshd) -> None:
    key = user_file("id_ed25519")
    key.chmod(0o640)
    error = refusal(to(server))
    assert isinstance(error, ClientAuthFailed)
    assert f"not used, because others can read it: {key}" in error.message
    assert error.hint == f"make the key private: chmod 600 {key}"
    key.chmod(0o600)
    login.log_in(to(server), DEFAULTS.agent)


def test_a_user_who_is_not_let_in_is_told_which_keys_were_tried(server: Sshd) -> None:
    (server.folder / "authorized_keys").write_text("")
    error = refusal(to(server))
    assert isinstance(error, ClientAuthFailed)
    assert str(user_file("id_ed25519")) in error.message
    assert error.hint.endswith(f"ssh-copy-id -p {server.port} {server.user}@{server.address}")


def test_without_a_key_the_message_names_the_methods_of_sshd(server: Sshd) -> None:
    user_file("id_ed25519").unlink()
    error = refusal(to(server))
    assert "there is no key to try; it accepts publickey" in error.message


def test_a_named_key_is_used(server: Sshd, isolation: Path) -> None:
    public = sshd.new_key(isolation / "keys" / "fleet key")
    (server.folder / "authorized_keys").write_text(public)
    where = destination.parse(str(to(server, identity=str(isolation / "keys" / "fleet key"))))
    assert login.log_in(where, DEFAULTS.agent).by == str(isolation / "keys" / "fleet key")


def test_a_missing_named_key_is_named_in_the_error(server: Sshd, isolation: Path) -> None:
    assert f"{isolation}/none cannot be used (No such file" in refusal(to(server, identity=f"{isolation}/none")).message
    user_file("id_ed25519").unlink()
    assert "give the file of a private key" in refusal(to(server, identity=f"{isolation}/none")).hint


def test_an_encrypted_key_is_used_through_the_ssh_agent_or_its_passphrase_is_asked_for(
    server: Sshd, isolation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = isolation / "locked"
    (server.folder / "authorized_keys").write_text(sshd.new_key(key, passphrase="open sesame"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    error = refusal(to(server, identity=str(key)))
    assert f"locked by a passphrase: {key}" in error.message
    assert error.hint == f"unlock the key: ssh-add {key}"

    with ssh_agent(isolation / "agent.sock", key, "open sesame") as address:
        monkeypatch.setenv("SSH_AUTH_SOCK", address)
        assert login.log_in(to(server, identity=str(key)), DEFAULTS.agent).by == str(key)
        login.hang_up()
        assert login.log_in(to(server), DEFAULTS.agent).by == "locked of the SSH agent"
        login.hang_up()


def test_the_configured_agent_is_used(server: Sshd, isolation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = isolation / "locked"
    (server.folder / "authorized_keys").write_text(sshd.new_key(key, passphrase="open sesame"))
    monkeypatch.setenv("SSH_AUTH_SOCK", "/no/such/agent")
    with ssh_agent(isolation / "agent.sock", key, "open sesame") as address:
        user_file("config").write_text(f"Host {server.address}\n  IdentityAgent {address}\n")
        assert login.log_in(to(server), DEFAULTS.agent).by == "locked of the SSH agent"
        login.hang_up()


@contextlib.contextmanager
def ssh_agent(path: Path, key: Path, passphrase: str) -> Iterator[str]:
    """An SSH agent that holds one key."""
    answer = path.with_name("answer")
    launcher(answer, "echo", passphrase)
    with subprocess.Popen([need("ssh-agent"), "-D", "-a", path], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # the agent prints its address and goes on
            environment = {**os.environ, "SSH_AUTH_SOCK": str(path), "SSH_ASKPASS": str(answer), "DISPLAY": "none"}
            subprocess.run(
                ["setsid", "-w", need("ssh-add"), "-q", key], env=environment, stdin=subprocess.DEVNULL, check=True
            )
            yield str(path)
        finally:
            process.terminate()


# configuration, jump hosts, proxy commands


def test_the_configuration_of_the_user_is_used(server: Sshd, isolation: Path) -> None:
    public = sshd.new_key(isolation / "configured")
    (server.folder / "authorized_keys").write_text(public)
    known = isolation / "known"
    user_file("known_hosts").rename(known)
    user_file("config.d").mkdir()
    user_file("config.d/fleet").write_text(
        f"Host web*\n  HostName {server.address}\n  Port {server.port}\n  User {server.user}\n"
        f"  IdentityFile {isolation}/configured\n  IdentitiesOnly yes\n"
    )
    user_file("config").write_text(f"Include config.d/*\nHost *\n  UserKnownHostsFile {known}\n  User nobody\n")
    assert login.log_in(Destination("web1"), DEFAULTS.agent).by == f"{isolation}/configured"


def test_a_jump_host_is_one_login_for_all_connections_through_it(server: Sshd, isolation: Path) -> None:
    with sshd.serving(isolation / "one") as one, sshd.serving(isolation / "two") as two:
        assert login.log_in(to(one, jump=server.place), DEFAULTS.agent).run("echo one").stdout == b"one\n"
        user_file("config").write_text(f"Host {two.address}\n  ProxyJump {server.place}\n")
        assert login.log_in(to(two), DEFAULTS.agent).run("echo two").stdout == b"two\n"
        assert [each.logins() for each in (server, one, two)] == [1, 1, 1]


RELAY = """\
import os, socket, sys, threading
with open(sys.argv[1], "a") as file:
    print(sys.argv[4:], file=file)
sock = socket.create_connection((sys.argv[2], int(sys.argv[3])))
def out():
    while data := sock.recv(65536): os.write(1, data)
threading.Thread(target=out, daemon=True).start()
while data := os.read(0, 65536): sock.sendall(data)
"""


def test_a_proxy_command_gets_the_same_words_as_from_ssh(server: Sshd, isolation: Path) -> None:
    relay, words = isolation / "relay.py", isolation / "words"
    relay.write_text(RELAY)
    user_file("config").write_text(
        f"Host hidden\n  HostName Hidden.example\n  HostKeyAlias Alias\n  Port 22001\n  User nobody\n"
        f"  ProxyCommand {sys.executable} {relay} {words} {server.address} {server.port}"
        " %h %p %r %n %k 100%% '%h' \"%h $HOME\" ${PATH} ~/x a\\ b # and this\n"
    )
    with user_file("known_hosts").open("a") as file:
        file.write(f"alias {server.host_key}\n")
    where = Destination("hidden", server.user, 22002)
    assert login.log_in(where, DEFAULTS.agent).run("echo here").stdout == b"here\n"
    options = [
        word
        for option in ("BatchMode=yes", f"UserKnownHostsFile={user_file('known_hosts')}")
        for word in ("-o", option)
    ]
    ssh = [need("ssh"), "-F", user_file("config"), "-i", user_file("id_ed25519"), *options]
    said = subprocess.run(
        [*ssh, "-p", "22002", f"{server.user}@hidden", "echo here"], stdout=subprocess.PIPE, check=True
    )
    assert said.stdout == b"here\n"
    ours, by_ssh = words.read_text().splitlines()
    assert ours == by_ssh
    assert f"['hidden.example', '22002', '{server.user}', 'hidden'" in ours


def test_a_proxy_command_ends_with_the_login(server: Sshd, isolation: Path) -> None:
    relay = isolation / "relay.py"
    relay.write_text(RELAY)
    user_file("config").write_text(
        f"Host hidden\n  HostKeyAlias hidden\n"
        f"  ProxyCommand {sys.executable} {relay} /dev/null {server.address} {server.port}\n"
    )
    with user_file("known_hosts").open("a") as file:
        file.write(f"hidden {server.host_key}\n")
    assert login.log_in(Destination("hidden", server.user), DEFAULTS.agent).run("echo here").stdout == b"here\n"


def test_a_proxy_command_that_does_not_start_or_ends_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    user_file("config").write_text("Host hidden\n  ProxyCommand nc %h %p\n")
    monkeypatch.setenv("SHELL", "/no/such/shell")
    error = refusal(Destination("hidden"))
    assert isinstance(error, ClientNotOnline)
    assert "cannot start '/no/such/shell' for its ProxyCommand: No such file" in error.message
    monkeypatch.delenv("SHELL")
    user_file("config").write_text("Host other\n  ProxyCommand sh -c 'exit 3'\n")
    error = refusal(Destination("other", "ann"))
    assert error.message == "cannot talk SSH with 'other' on port 22: its ProxyCommand ended with status 3"
    assert error.hint == "try it: ssh -v ann@other"
    login.hang_up()


def test_a_jump_host_has_its_own_configuration(server: Sshd, isolation: Path) -> None:
    with sshd.serving(isolation / "bastion") as bastion:
        user_file("config").write_text(
            f"Host bastion\n  HostName {bastion.address}\n  Port {bastion.port}\n  User {bastion.user}\n"
            f"Host hidden\n  HostName {server.address}\n  ProxyJump ssh://bastion # by this one\n"
        )
        where = Destination("hidden", server.user, server.port)
        assert login.log_in(where, DEFAULTS.agent).run("echo here").stdout == b"here\n"
        assert bastion.logins() == 1


# failures


def test_a_port_where_nothing_listens() -> None:
    address, port = sshd.free_place()
    error = refusal(Destination(address, port=port))
    assert isinstance(error, ClientNotOnline)
    assert f"nothing listens on port {port}" in error.message


def test_a_machine_that_accepts_and_says_nothing_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began = time.monotonic()
        error = refusal(Destination("127.0.0.1", port=listener.getsockname()[1]), until=began + 0.5)
        assert isinstance(error, ClientNotOnline)
        assert time.monotonic() - began < 3
    login.hang_up()


def test_a_server_that_is_not_sshd() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        where = Destination("127.0.0.1", port=listener.getsockname()[1])

        async def work() -> AgentError:
            with pytest.raises(AgentError) as caught:
                await bridge.connect(where, DEFAULTS.agent)
            return caught.value

        async def both() -> AgentError:
            connecting = asyncio.ensure_future(work())
            loop = asyncio.get_running_loop()
            listener.setblocking(False)
            end, _ = await loop.sock_accept(listener)
            with end:
                await loop.sock_sendall(end, b"HTTP/1.1 400 Bad Request\r\n" * 200)
            return await connecting

        assert isinstance(asyncio.run(asyncio.wait_for(both(), GUARD)), ClientNotOnline)
    login.hang_up()


def test_an_unknown_name() -> None:
    error = refusal(Destination("no-such-machine.invalid"))
    assert isinstance(error, ClientNotOnline)
    assert "the name 'no-such-machine.invalid' cannot be resolved" in error.message
    assert "the name 'a..b' cannot be resolved" in refusal(Destination("a..b")).message
    login.hang_up()


def silence(where: Destination) -> AgentError:
    with pytest.raises(AgentError) as caught:
        hello(where)
    return caught.value


def test_a_machine_without_an_agent_differs_from_one_whose_agent_does_not_run(server: Sshd) -> None:
    error = silence(to(server))
    assert isinstance(error, ClientNotRunning)
    assert error.message == f"cannot reach the agent on '{server.place}': it is not installed"
    assert error.hint == f"install it: assist instance install {server.place}"

    server.agent.mkdir()
    launcher(server.agent / "agentd", "sh", "-c", "echo gone >&2; exit 69")
    error = silence(to(server))
    assert isinstance(error, ClientNotRunning)
    assert error.message == f"cannot reach the agent on '{server.place}': it is not running"


SUDO = """\
#!/bin/sh
[ "$1" = -n ] || exit 9
shift
if [ -e "$HOME/no-sudo" ]; then echo "sudo: a password is required" >&2; exit 1; fi
exec "$@"
"""


def test_sudo_never_asks_and_its_refusal_is_the_message(started: Place, isolation: Path) -> None:
    """A stand-in for sudo with one option: the real one reads the real sudoers of this machine."""
    programs = isolation / "programs"
    programs.mkdir()
    (programs / "sudo").write_text(SUDO)
    (programs / "sudo").chmod(0o755)
    path = f"PATH={programs}:{os.environ['PATH']}"
    with sshd.beside(started.agent, isolation / "sshd", environment=path) as server:
        where = to(server, sudo=True)
        assert hello(where).instance == started.instance
        (server.home / "no-sudo").touch()
        error = silence(where)
        assert isinstance(error, ClientAuthFailed)
        assert error.message == f"cannot become root on '{server.place}': sudo: a password is required"
