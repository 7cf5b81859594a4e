"""known_hosts files: the meaning of a line, as ssh-keygen reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from assist_cli.agents.ssh import known_hosts
from assist_cli.errors import FileFailure
from tests.support.programs import need

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIKqWN9bR3n7yW7GSrAMNB5gPW2tMKmVQ4LBdOYkR0JOG"
LINE = f"ssh-ed25519 {KEY}"


@pytest.mark.parametrize(
    ("patterns", "name", "fits"),
    [
        ("web1", "web1", True),
        ("web1", "web10", False),
        ("WEB1", "web1", True),
        ("web1,10.0.0.5", "10.0.0.5", True),
        ("*.example.com", "a.example.com", True),
        ("*.example.com,!b.example.com", "b.example.com", False),
        ("web?", "web12", False),
        ("[web1]:2222", "[web1]:2222", True),
        ("[web1]:2222", "web1", False),
        ("web1", "[web1]:2222", False),
        ("[*]:2222", "[web1]:2222", True),
        ("w", "[web1]:2222", False),
        ("#web1", "#web1", False),
        ("|1|bad", "web1", False),
        ("|1|!!|!!", "web1", False),
    ],
)
def test_patterns(tmp_path: Path, patterns: str, name: str, fits: bool) -> None:
    file = tmp_path / "known"
    file.write_text(f"\n{patterns} {LINE} a comment\n")
    assert bool(known_hosts.find([file], name)) is fits


def test_markers_and_places_are_reported_and_broken_lines_skipped(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text(f"@revoked web1 {LINE}\nweb1\nweb1 ssh-ed25519 ???\n")
    two.write_bytes(f"\xff\n@cert-authority * {LINE}\n".encode("latin-1"))
    found = known_hosts.find([one, tmp_path / "absent", two], "web1")
    assert [(entry.marker, entry.file, entry.line) for entry in found] == [
        ("@revoked", one, 1),
        ("@cert-authority", two, 2),
    ]


@pytest.mark.usefixtures("starts_processes")
@pytest.mark.parametrize("hashed", [False, True])
def test_an_added_key_is_found_by_us_and_by_ssh_keygen(tmp_path: Path, hashed: bool) -> None:
    file = tmp_path / "ssh" / "known_hosts"
    (tmp_path / "ssh").mkdir()
    file.write_text(f"# no end of line\nother {LINE}")
    name = known_hosts.name_of("Web1", 2222)
    entry = known_hosts.find([file], "other")[0]
    known_hosts.add(file, name, entry.kind, entry.key, hashed=hashed)
    assert [found.line for found in known_hosts.find([file], name)] == [3]
    assert ("web1" in file.read_text()) is not hashed
    done = subprocess.run([need("ssh-keygen"), "-F", "[web1]:2222", "-f", file], stdout=subprocess.PIPE, check=True)
    assert KEY in done.stdout.decode()


@pytest.mark.usefixtures("starts_processes")
def test_a_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    file = tmp_path / "known"
    file.write_text(f"web1 {LINE}\n")
    done = subprocess.run([need("ssh-keygen"), "-l", "-f", file], stdout=subprocess.PIPE, check=True)
    assert known_hosts.fingerprint(known_hosts.find([file], "web1")[0].key) in done.stdout.decode()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileFailure, match="cannot write the host key to"):
        known_hosts.add(tmp_path / "file" / "known", "web1", "ssh-ed25519", b"key")
