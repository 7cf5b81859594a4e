"""This machine and this process (POSIX): where things are, what they are called, what they use."""

import functools
import os
import sys

SCRIPT_FOLDER = "/tmp"
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def prepare():
    """Open the standard streams that are closed, once and before anything else: no file may get their numbers."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
            setattr(sys, name, open(descriptor, "w" if descriptor else "r", closefd=False))


def default_home():
    """Return the folder of an agent that was told none: the system's for root, else the user's state folder."""
    if os.geteuid() == 0:
        return "/var/lib/assist-agentd"
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(state, "assist-agentd")


@functools.lru_cache(maxsize=None)
def boot_id():
    """Return what changes with every start of the machine; empty where the system does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def describe():
    """Return the names of the machine, of its system and of its processor."""
    system, node, _, _, machine = os.uname()
    return {"hostname": node, "os": system, "arch": machine}


def resident_bytes():
    """Return the memory that this process has; None when it cannot be seen."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


def open_files():
    """Return the number of descriptors of this process; None when it cannot be seen."""
    try:
        return len(os.listdir("/dev/fd"))
    except OSError:
        return None


def free_bytes(folder):
    """Return the room on the disk of ``folder``; None when it cannot be seen."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize
