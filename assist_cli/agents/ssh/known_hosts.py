"""The host keys that a user trusts: known_hosts files in OpenSSH's form (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).

A line is ``[@MARKER] PATTERNS TYPE KEY``; patterns are a comma list with ``*``, ``?`` and ``!``, or one hashed name.
A line is appended only when a person asks for it. Existing lines are never changed.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from assist_cli.errors import FileFailure
from assist_cli.paths import make_folder

SSH_PORT = 22


@dataclass(frozen=True)
class KnownHost:
    """One line for the host. ``marker`` is "", "@revoked" or "@cert-authority"."""

    marker: str
    kind: str
    key: bytes
    file: Path
    line: int


def name_of(host: str, port: int) -> str:
    """Return the name of a host's key in known_hosts: with the port only if it is not 22."""
    return host.lower() if port == SSH_PORT else f"[{host.lower()}]:{port}"


def fingerprint(key: bytes) -> str:
    """Return the fingerprint of a key as ssh shows it: ``SHA256:…``."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode("ascii").rstrip("=")


def find(files: Iterable[Path], name: str) -> list[KnownHost]:
    """Return every entry for ``name``, in the order of the files. Missing files and other lines are ignored."""
    return [entry for file in files for entry in _entries(file, name)]


def add(file: Path, name: str, kind: str, key: bytes, *, hashed: bool = False) -> None:
    """Append a line. If absent, the file and its folder are made, for their owner alone.

    Raises FileFailure, NotPermitted.
    """
    shown = _hash(name, os.urandom(20)) if hashed else name
    line = f"{shown} {kind} {base64.b64encode(key).decode('ascii')}\n".encode()
    make_folder(file.parent, 0o700)
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            os.write(descriptor, line)  # in one call, so that lines of two programs do not mix
        finally:
            os.close(descriptor)
    except OSError as error:
        raise FileFailure(f"cannot write the host key to '{file}': {error.strerror}") from error


def _entries(file: Path, name: str) -> Iterator[KnownHost]:
    try:
        lines = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for number, line in enumerate(lines, 1):
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#") or not _matches(words[0], name):
            continue
        try:
            key = base64.b64decode(words[2], validate=True)
        except binascii.Error:
            continue
        yield KnownHost(marker, words[1], key, file, number)


def _matches(patterns: str, name: str) -> bool:
    if patterns.startswith("|1|"):
        salt = patterns.split("|")[2]
        try:
            return hmac.compare_digest(_hash(name, base64.b64decode(salt, validate=True)), patterns)
        except binascii.Error:
            return False
    return fits_patterns(patterns.lower().split(","), name)


def fits_patterns(patterns: Iterable[str], name: str) -> bool:
    """Return True if a pattern fits, and none that begins with ``!``: ssh_config(5), PATTERNS."""
    found = False
    for pattern in patterns:
        if _fits(pattern.removeprefix("!"), name):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def _fits(pattern: str, name: str) -> bool:
    # for fnmatch a bracket begins a set of characters; here it is part of a name with a port
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def _hash(name: str, salt: bytes) -> str:
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode('ascii')}|{base64.b64encode(digest).decode('ascii')}"
