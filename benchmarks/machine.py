"""The machine of a measurement: processors, versions, and its speed and load at the moment."""

from __future__ import annotations

import os
import platform
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

VERSIONS = {"OpenSSH": ["ssh", "-V"], "nats-server": ["nats-server", "-v"], "Chromium": ["chromium", "--version"]}
LOOPS = 5
NUMBERS = 500_000


def describe(programs: Sequence[str] = ()) -> str:
    """Processors, system, and versions: of Python, of OpenSSL, and of these programs (keys of ``VERSIONS``)."""
    parts = [
        f"{os.cpu_count()} processors ({_model()})",
        f"{_system()} on {platform.machine()}",
        f"{platform.python_implementation()} {platform.python_version()}{_of_the_system()}",
        " ".join(ssl.OPENSSL_VERSION.split()[:2]),
        *(f"{name} {version}" for name in programs if (version := _version(VERSIONS[name]))),
    ]
    return ", ".join(parts)


def load() -> float:
    """The load average of the last minute."""
    return os.getloadavg()[0]


def speed() -> float:
    """Milliseconds of a fixed loop, the fastest of some: a shared or throttled processor takes longer."""
    taken = []
    for _ in range(LOOPS):
        begin = time.perf_counter()
        sum(range(NUMBERS))
        taken.append(time.perf_counter() - begin)
    return min(taken) * 1000


def _model() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return found[1] if found else platform.processor() or "unknown"


def _of_the_system() -> str:
    """Words for the Python of a distribution, which is often built for speed, while one built by hand is not."""
    return " of the system" if Path(sys.executable).resolve().parent == Path("/usr/bin") else ""


def _system() -> str:
    try:
        release = platform.freedesktop_os_release()
    except OSError:  # macOS has no such file
        return f"{platform.system()} {platform.release()}"
    return f"{release['NAME'].removesuffix(' GNU/Linux')} {release.get('VERSION_ID', '')}".strip()


def _version(words: Sequence[str]) -> str:
    """The version that a program prints; empty if it is not installed."""
    program = shutil.which(words[0], path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        return ""
    done = subprocess.run([program, *words[1:]], capture_output=True, text=True, check=False)
    found = re.search(r"\d[\w.]*", done.stdout or done.stderr)  # ssh prints it to stderr
    return found[0] if found else ""
