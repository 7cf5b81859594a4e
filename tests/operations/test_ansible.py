"""Inventories of Ansible, compared with the output of ansible-inventory, and the requests for their hosts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from assist_cli.errors import InvalidParameter
from assist_cli.operations.fleet.ansible import source
from assist_cli.operations.fleet.ansible.documents import Vaulted
from assist_cli.operations.fleet.ansible.hosts import Requests, requests
from assist_cli.operations.fleet.ansible.source import Source

# Made by ansible-core 2.19: the files of each inventory, and the output of ansible-inventory --list.
CASES: dict[str, Any] = json.loads(Path(__file__).parents[1].joinpath("data/ansible.json").read_text("utf-8"))


def of(text: str, name: str = "hosts") -> Requests:
    return requests(text.encode(), name)


def seen(found: Source) -> dict[str, Any]:
    return {host: (connection(found.variables[host]), sorted(found.groups[host])) for host in found.variables}


def connection(variables: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: "vaulted" if isinstance(value, Vaulted) else value
        for name, value in variables.items()
        if name.startswith("ansible_") and name not in ("ansible_group_priority", "ansible_password")
    }


@pytest.mark.parametrize("name", CASES)
def test_ansible_reads_the_same(name: str, tmp_path: Path) -> None:
    for file, text in CASES[name]["files"].items():
        tmp_path.joinpath(file).parent.mkdir(parents=True, exist_ok=True)
        tmp_path.joinpath(file).write_text(text, "utf-8")
    ours = source.read(tmp_path.joinpath(name).read_bytes(), str(tmp_path / name))
    theirs = source.read(json.dumps(CASES[name]["list"]).encode(), "-")
    assert seen(ours) == seen(theirs)


def test_groups_are_tags_and_the_login_is_honoured() -> None:
    found = of(
        "[web]\nw1 ansible_host=10.0.0.1 ansible_port=2222 ansible_user=ops ansible_ssh_private_key_file=~/.ssh/w\n"
        "[prod:children]\nweb\n[prod:vars]\nansible_become=true\n"
    )
    (request,) = found.to_install()
    assert (request.name, request.place) == ("w1", "ops@10.0.0.1:2222?sudo&identity=~/.ssh/w")
    assert (request.tags, request.sudo, request.identity) == ({"prod": "yes", "web": "yes"}, True, "~/.ssh/w")
    (addition,) = found.to_add()
    assert addition.address == "ssh:ops@10.0.0.1:2222?sudo&identity=~/.ssh/w"
    assert found.notes == []


def test_what_is_not_used_is_named_one_line_a_kind() -> None:
    found = of(
        "localhost ansible_connection=local\nhere ansible_connection=local\nwin1 ansible_connection=winrm\n"
        "app ansible_become=yes ansible_become_user=app\nt1 ansible_host={{ip}}\n"
        "w1 http_port=80 size=2\nw2 http_port=81 ansible_password=x ansible_ssh_common_args='-J b'\n"
        "[g*]\nalias ansible_host=w1\nw1\n"
    )
    assert found.names == ["w1", "w2"]
    assert found.notes == [
        "skipped localhost, here: it is on this machine, which needs no installation",
        "skipped win1: its connection is winrm, not SSH",
        "skipped app: it becomes 'app' by sudo, and only root by sudo can be used",
        "skipped t1: its ansible_host is a template",
        "skipped the group 'g*': its name cannot be a tag",
        "skipped alias (w1): it is the same machine as the one in brackets",
        "not used: ansible_password, of w2; use a key",
        "not used: ansible_ssh_common_args, of w2; give --jump, or ProxyJump in ~/.ssh/config",
        "not used: 2 variables of plays: http_port, size",
    ]


def test_a_login_that_is_not_a_text_skips_its_host() -> None:
    found = of(f"w1 ansible_user=0x{'f' * 5000}\nw2 ansible_host=[1]\nw3\n")
    assert found.names == ["w3"]
    assert found.notes == ["skipped w1: its ansible_user is not a text", "skipped w2: its ansible_host is not a text"]


def test_vaulted_values_and_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "group_vars/all").mkdir(parents=True)
    vault = tmp_path / "group_vars/all/vault.yml"
    vault.write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    text = "all:\n  hosts:\n    h1: {password: !vault 'x'}\n    h2: {ansible_user: !vault 'x'}\n"
    found = of(text, str(tmp_path / "hosts.yml"))
    assert found.names == ["h1"]
    assert found.notes == [
        "skipped h2: its ansible_user is vaulted",
        "not used: vaulted values: password, ansible_user, of h1, h2",
        f"not used: {vault}, which is encrypted by ansible-vault",
    ]


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("i.ini", "w1\nw2 port\n", "line 2 of 'i.ini': 'port' is not a variable of a host"),
        ("i.ini", "w1\nw2 a='b\n", "line 2 of 'i.ini': no closing quotation"),
        ("i.ini", "[a:b]\n", r"line 1 of 'i.ini': '\[a:b\]' is not a section"),
        ("i.ini", "w1\n[a b]\n", r"line 2 of 'i.ini': '\[a b\]' is not a section"),
        ("i.ini", "[a:children]\nb\n", "line 2 of 'i.ini': there is no group 'b'"),
        ("i.ini", "[a:vars]\nx=1\n", "line 1 of 'i.ini': there is no group 'a'"),
        ("i.ini", "[a]\nw\n[a:vars]\nx\n", "line 4 of 'i.ini': 'x' is not a variable"),
        ("i.ini", "w[1]\n", r"line 1 of 'i.ini': 'w\[1\]' is not a range"),
        ("i.ini", "w[9:1]\nw[01:5]\n", r"line 2 of 'i.ini': 'w\[01:5\]' is not a range"),
        ("i.ini", "w[1:999999999999]\n", "line 1 of 'i.ini': .* more than 100,000 hosts"),
        ("i.ini", "[a:children]\nb\n[b:children]\na\n", "'i.ini': these groups contain each other: a, b"),
        ("i.ini", "w1 ansible_port=ssh\n", "line 1 of 'i.ini': cannot use the ansible_port 'ssh'"),
        ("i.ini", "w1\nw2 ansible_host='a b'\n", "line 2 of 'i.ini': cannot use 'a b' as a destination"),
        ("i.ini", "w1\n\nlocal\n", "line 3 of 'i.ini': cannot use the name 'local'"),
        ("i.ini", "localhost ansible_connection=local\n", "'i.ini': it names no machine"),
        ("i.ini", "#!/bin/sh\n", "'i.ini': it is a program"),
        ("i.yml", "all:\n  hosts:\n    - w1\n", "line 2 of 'i.yml': the hosts of the group 'all' are not a mapping"),
        ("i.yml", "all:\n  host: {}\n", "line 2 of 'i.yml': 'host' in the group 'all' is not one of"),
        ("i.yml", "all:\n  hosts:\n    w1: {ansible_port: x}\n", "line 3 of 'i.yml': cannot use the ansible_port 'x'"),
        ("i.yml", "all: {\n", "line 2 of 'i.yml': it is not YAML"),
        ("i.yml", "plugin: aws_ec2\n", "line 1 of 'i.yml': it is the configuration of the plugin 'aws_ec2'"),
        ("i.yml", "", "'i.yml': it is not a mapping of groups"),
        ("i.json", '{"a": \n x}', "line 2 of 'i.json': it is not JSON"),
        ("i.json", f'{{"a": {"9" * 5000}}}', "'i.json': it is not JSON"),
        ("-", '{"a": {"hosts": [1]}}', "stdin: the hosts of the group 'a' are not a list of names"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(name: str, text: str, why: str) -> None:
    with pytest.raises(InvalidParameter, match=f"^cannot use {why}"):
        of(text, name)


def test_aliases_of_yaml_that_contain_themselves_are_refused() -> None:
    with pytest.raises(InvalidParameter, match="these groups contain each other: b, c"):
        of("a: &a\n  hosts: {w1: }\n  children: {b: {children: {c: *a}}}\n", "i.yml")
