"""This machine and this process (POSIX): paths, names and resource usage."""

import functools
import os
import sys

SCRIPT_FOLDER = "/tmp"
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def prepare():
    """Open closed standard streams before any other file, so that no file gets their numbers."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
            setattr(sys, name, open(descriptor, "w" if descriptor else "r", closefd=False))


def default_home():
    """Return the default folder of an agent: the system's for root, else in the user's state folder."""
    if os.geteuid() == 0:
        return "/var/lib/assist-agentd"
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(state, "assist-agentd")


@functools.lru_cache(maxsize=None)
def boot_id():
    """Return an id that changes at each boot; empty if unknown."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def describe():
    """Return the name of the machine, its system and its processor."""
    system, node, _, _, machine = os.uname()
    return {"hostname": node, "os": system, "arch": machine}


def resident_bytes():
    """Return the resident memory of this process in bytes; None if unknown."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def open_files():
    """Return the number of open descriptors of this process; None if unknown."""
    try:
        return len(os.listdir("/dev/fd"))
    except OSError:
        return None


def free_bytes(folder):
    """Return the free bytes on the disk of ``folder``; None if unknown."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize
