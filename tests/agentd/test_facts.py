"""The facts of a machine, which its agent reports."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentd.posix import system
from tests.support.programs import lack, need


@pytest.fixture(autouse=True)
def no_reports_later() -> Iterator[None]:
    """Close the socket on which the kernel reports changes."""
    yield
    with contextlib.suppress(OSError, AttributeError):  # no Linux
        system._reports().close()
    system._reports.cache_clear()
    system._read_all_addresses.cache_clear()


def test_the_facts_of_this_machine() -> None:
    facts = system.facts()
    assert set(facts) == {"os", "version", "kernel", "cpus", "memory", "addresses"}
    assert facts["os"] == facts["os"].lower() != ""
    assert facts["kernel"] == os.uname().release
    assert facts["memory"] > 1 << 20
    for address in facts["addresses"]:
        assert not address.startswith(("127.", "fe80:"))
        assert address != "::1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'NAME="Debian"\nID=debian\nVERSION_ID="12"\n', ("debian", "12")),
        (b"ID='Alinux'\nVERSION_ID='3.2104'\n", ("alinux", "3.2104")),
        (b"# nothing\n\nID\n=x\n", ("linux", "")),
        (b"ID=\xff\x00\x1b[2J\nVERSION_ID=" + b"1" * 65, ("", "")),
    ],
)
def test_the_system_of_os_release(tmp_path: Path, text: bytes, expected: tuple[str, str]) -> None:
    (tmp_path / "os-release").write_bytes(text)
    assert system._distribution((str(tmp_path / "missing"), str(tmp_path / "os-release"))) == expected


def test_a_new_version_is_reported_immediately(tmp_path: Path) -> None:
    path = tmp_path / "os-release"
    for version in ("8.9", "9.0"):
        path.with_suffix(".new").write_text(f"ID=x\nVERSION_ID={version}\n")
        path.with_suffix(".new").rename(path)
        assert system._distribution((str(path),)) == ("x", version)


NEW_ADDRESS = """
import subprocess
from agentd.posix import system
print(system.facts()["addresses"], system.facts()["addresses"])
for change in ("add", "del"):
    subprocess.run(["ip", "address", change, "192.0.2.7/32", "dev", "lo"], check=True)
    print(system.facts()["addresses"], system.facts()["addresses"])
"""


@pytest.mark.usefixtures("starts_processes")
def test_a_new_address_is_reported_immediately() -> None:
    """In a network of its own, which has none."""
    need("ip")
    words = [need("unshare"), "--net", sys.executable, "-c", NEW_ADDRESS]
    run = subprocess.run(words, capture_output=True, text=True, check=False)
    if "unshare failed" in run.stderr:
        lack("the right to make a network")
    assert run.stdout.splitlines() == ["[] []", "['192.0.2.7'] ['192.0.2.7']", "[] []"]


def message(kind: int, family: int, scope: int, flags: int, *attributes: tuple[int, bytes]) -> bytes:
    """A message of rtnetlink."""
    rest = b"".join(struct.pack("=HH", 4 + len(value), name) + value for name, value in attributes)
    return (
        struct.pack("=IHHII", 24 + len(rest), kind, 0, 1, 1) + struct.pack("=BBBBI", family, 24, flags, scope, 2) + rest
    )


def test_addresses_of_other_scopes_and_temporary_ones_are_skipped() -> None:
    six = socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    data = b"".join(
        [
            message(20, socket.AF_INET, 254, 0, (1, bytes([127, 0, 0, 1]))),
            message(20, socket.AF_INET, 0, 0, (1, bytes([10, 0, 0, 9])), (2, bytes([10, 0, 0, 5]))),
            message(20, socket.AF_INET6, 0, 1, (1, six)),
            message(20, socket.AF_INET6, 253, 0, (1, six)),
            message(20, socket.AF_INET6, 0, 0, (1, six)),
        ]
    )
    found: list[str] = []
    assert system._read_addresses(data, found)
    assert found == ["10.0.0.5", "2001:db8::1"]
    assert not system._read_addresses(struct.pack("=IHHII", 16, 3, 0, 1, 1), found)


@pytest.mark.parametrize(
    "data", [struct.pack("=IHHII", 0, 20, 0, 1, 1), message(20, socket.AF_INET, 0, 0)[:20] + b"\0" * 4]
)
def test_an_odd_answer_of_the_kernel_ends(data: bytes) -> None:
    found: list[str] = []
    system._read_addresses(data, found)
    assert found == []
