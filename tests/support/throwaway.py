"""A throw-away root: the files of this machine below a layer in memory, in which a script changes nothing outside.

It has namespaces of its own for mounts and for the host name. Linux only, and for root.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support import programs

MOUNT = """
set -eu
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" none "$1/root"
mount -t proc none "$1/root/proc"
mount --bind /dev "$1/root/dev"
mkdir -p "$1/root/kept"
mount --bind "$2" "$1/root/kept"
rm -rf "$1/root/run/systemd"
exec chroot "$1/root" "${@:3}"
"""


class ThrowAway:
    """``root.run(script)`` runs a shell script in a new root. ``/kept`` in it is ``kept`` outside."""

    def __init__(self, folder: Path) -> None:
        for name in ("unshare", "mount", "chroot", "bash"):
            programs.need(name)
        self._mount = folder / "mount"
        self._mount.mkdir()
        self.kept = folder / "kept"
        self.kept.mkdir()
        if os.geteuid() or self._start("true").returncode:
            programs.lack("root, with the right to mount an overlay")

    def run(self, script: str, *, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a script of ``/bin/sh`` to its end."""
        return self._start(script, env or {})

    def _start(self, script: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        words = ("unshare", "--mount", "--uts", "bash", "-c", MOUNT, "bash", self._mount, self.kept, "/bin/sh", "-c")
        return subprocess.run(
            [*words, script],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
