"""Files, inventories and ~/.ssh/config that name the machines of an ``assist instance`` verb."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.application import Application
from tests.support.programs import need

ID = "i-01kbdk5g8w3m9v6yx2r4hq7c{}"


@pytest.fixture
def fleet(assist: Application) -> Application:
    """A home with the instances web1, web2 and 10.0.0.5; none is reachable."""
    names = ("web1", "web2", "10.0.0.5")
    rows = [f"{ID.format('n' + letter)},{name},unix:/absent/{name}" for letter, name in zip("abc", names, strict=True)]
    text = "\n".join(["InstanceId,InstanceName,Address", *rows])
    assert assist("instance", "import", "-", input=text.encode()).returncode == 0
    return assist


def tags(assist: Application) -> dict[str, dict[str, str]]:
    return {each["InstanceName"]: each["Tags"] for each in json.loads(assist("instance", "list", "-o", "json").stdout)}


def test_tags_of_a_file_and_of_the_command(fleet: Application) -> None:
    lines = b"# all\nops@web1:22?sudo role=web 'owner=team a'\nroot@10.9.9.9 name=web2 site=x\nroot@10.0.0.5\n"
    done = fleet("instance", "tag", "-f", "-", "site=berlin", input=lines)
    assert done.returncode == 0, done.stderr
    expected = {"web1": {"role": "web", "owner": "team a", "site": "berlin"}, "web2": {"site": "x"}}
    assert tags(fleet) == {**expected, "10.0.0.5": {"site": "berlin"}}
    assert fleet("instance", "tag", "-f", "-", input=b"web1 role= owner=\n").returncode == 0
    assert tags(fleet)["web1"] == {"site": "berlin"}
    assert fleet("instance", "tag", "-f", "-", "--preview", input=lines).stdout == b"web1\nweb2\n10.0.0.5\n"


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"web1 a=1\nweb9 a=1\n", "line 2 of stdin: cannot find an instance 'web9'"),
        (b"web1 a=1\nweb2 name=web1 b=1\n", "line 2 of stdin: cannot use 'web1': it also stands in line 1"),
        (b"web1 a=1\nweb2 b=\n", "line 2 of stdin: cannot remove the tag 'b' from 'web2'"),
        (b"web1 a=1\nweb2 a/b=1\n", "line 2 of stdin: cannot use the tag 'a/b'"),
        (b"web1 a=1\nweb2\n", "line 2 of stdin: no tag given"),
        (b"", "stdin: it names no machine"),
    ],
)
def test_a_bad_line_changes_no_tag(fleet: Application, text: bytes, why: str) -> None:
    done = fleet("instance", "tag", "-f", "-", input=text)
    assert (done.returncode, done.stdout) == (65, b"")
    assert f"cannot use {why}".encode() in done.stderr
    assert tags(fleet) == {"web1": {}, "web2": {}, "10.0.0.5": {}}


def test_the_file_of_an_install_removes_the_instances(fleet: Application) -> None:
    bad = fleet("instance", "remove", "-f", "-", input=b"root@web1 role=web\nroot@web3\n")
    assert bad.returncode == 65
    assert b"line 2 of stdin: cannot find an instance 'web3'" in bad.stderr
    assert len(tags(fleet)) == 3
    done = fleet("instance", "remove", "-f", "-", input=b"root@web1 role=web\nroot@10.0.0.5:2222\n")
    assert (done.returncode, list(tags(fleet))) == (0, ["web2"])


def test_uninstall_reads_the_file_of_an_install(fleet: Application) -> None:
    done = fleet("instance", "uninstall", "-f", "-", input=b"root@web1 role=web\nroot@web2\n")
    assert done.returncode == 69
    assert b"web1: " in done.stderr
    assert b"0 uninstalled, 2 not" in done.stderr
    assert b"To uninstall the others: assist instance uninstall 'web[1-2]' --yes\n" in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("verb", ["uninstall", "remove"])
@pytest.mark.parametrize("words", [[], ["web1", "-f", "-"]])
def test_targets_or_a_file(fleet: Application, verb: str, words: list[str]) -> None:
    assert fleet("instance", verb, *words).returncode == 2


@pytest.mark.usefixtures("starts_processes")
def test_an_inventory_of_ansible_is_installed_on(assist: Application) -> None:
    """Nothing listens there, so each host fails at its login, which its line of the table shows."""
    text = (
        b"localhost ansible_connection=local\n[web]\nw1 ansible_host=127.0.0.1 ansible_port=1 ansible_user=ops\n"
        b"w2 ansible_host=127.0.0.2 ansible_port=1 http_port=80\n"
    )
    done = assist("instance", "install", "--from-ansible", "-", input=text)
    assert done.returncode == 69
    assert re.search(rb"^w1 +log in to ops@127\.0\.0\.1:1", done.stdout, re.MULTILINE), done.stdout
    assert b"note: skipped localhost: it is on this machine" in done.stderr
    assert b"note: not used: 1 variable of plays: http_port\n" in done.stderr
    again = assist("instance", "install", "--unsuccessful", "-o", "json")
    assert [each["Host"] for each in json.loads(again.stdout)] == ["ops@127.0.0.1:1", "127.0.0.2:1"]


@pytest.mark.usefixtures("starts_processes")
def test_an_inventory_of_ansible_is_added(assist: Application) -> None:
    done = assist("instance", "add", "--from-ansible", "-", input=b"w1 ansible_host=127.0.0.1 ansible_port=1\n")
    assert done.returncode == 69
    assert b"connect to ssh:127.0.0.1:1" in done.stdout


@pytest.mark.long
def test_a_folder_is_read_by_ansible(assist: Application, tmp_path: Path) -> None:
    for verb in ("install", "add"):
        done = assist("instance", verb, "--from-ansible", str(tmp_path))
        assert (done.returncode, done.stdout) == (65, b"")
        assert f"cannot use '{tmp_path}': it is a folder".encode() in done.stderr
        assert f"ansible-inventory -i {tmp_path} --list > inventory.json".encode() in done.stderr


def test_an_invalid_inventory_is_refused(assist: Application) -> None:
    done = assist("instance", "install", "--from-ansible", "-", input=b"w1\n[a:b]\n")
    assert (done.returncode, done.stdout) == (65, b"")
    assert b"error: cannot use line 2 of stdin: '[a:b]' is not a section" in done.stderr
    assert b"ansible-inventory -i FILE --list" in done.stderr


@pytest.mark.usefixtures("starts_processes")
def test_the_hosts_of_the_ssh_configuration(assist: Application) -> None:
    need("ssh")
    folder = Path("~/.ssh").expanduser()
    folder.mkdir(mode=0o700)
    (folder / "more").write_text("Host db1 !db2 db2\nHostName 127.0.0.3\nPort 1\n")
    (folder / "config").write_text(
        "Include more\nHost w1 w1.example.com\n  HostName 127.0.0.1\n  Port 1\nMatch exec false\nUser x\n"
        "Host w2\n  HostName 127.0.0.2\n  Port 1\nHost * !x *.example.com w?\n  User ops\n"
    )
    done = assist("instance", "install", "--from-ssh-config", "-o", "json")
    assert done.returncode == 69, done.stderr
    assert [each["Host"] for each in json.loads(done.stdout)] == ["db1", "w1", "w2"]
    assert b"note: skipped w1.example.com (w1): it is the same machine as the one in brackets" in done.stderr
    some = assist("instance", "install", "--from-ssh-config", "w*", "-o", "json")
    assert [each["Host"] for each in json.loads(some.stdout)] == ["w1", "w2"]
    none = assist("instance", "install", "--from-ssh-config", "x*")
    assert (none.returncode, none.stdout) == (66, b"")
    assert b"cannot find a host 'x*' in ~/.ssh/config" in none.stderr


@pytest.mark.parametrize(
    "words", [["web1", "--sudo-password", "env:X"], ["web1", "--sudo", "--sudo-password", "hunter2"]]
)
def test_a_password_of_sudo_is_a_reference_and_for_sudo_only(assist: Application, words: list[str]) -> None:
    done = assist("instance", "install", *words, env={"X": "canary"})
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"canary" not in done.stderr
    assert b"hunter2" not in done.stderr
