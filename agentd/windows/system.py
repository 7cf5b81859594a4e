"""This machine and this process (Windows): paths, names and resource usage."""

import functools
import os
import re
import sys

from agentd.windows import _kernel

SCRIPT_FOLDER = ""  # the agent's own folder
SEARCH_PATH = ""  # the one that the agent was given
MOST_FILES = 10000  # open handles of a healthy agent: of files, events, threads and much else
# A record id, which is the name of a folder: capitals make no other name here, and names of devices are none.
RECORD = re.compile(r"(?!(?:con|prn|aux|nul|com[0-9]|lpt[0-9])\Z)[a-z0-9][a-z0-9_-]{0,63}\Z")


def prepare():
    """Make files keep bytes as they are; called once, before anything else."""
    _kernel.keep_bytes()


def default_home():
    """Return the default folder of an agent."""
    return os.path.join(os.environ.get("PROGRAMDATA", "C:\\ProgramData"), "assist-agentd")


@functools.lru_cache(maxsize=None)
def boot_id():
    """Return an id that changes at each boot."""
    return _kernel.boot_id()


def describe():
    """Return the name of the machine, its system and its processor."""
    node, machine = os.environ.get("COMPUTERNAME", ""), os.environ.get("PROCESSOR_ARCHITECTURE", "")
    return {"hostname": node, "os": "Windows", "arch": machine}


def facts():
    """Return the facts by which targets select machines, besides those of ``describe``; addresses are not known."""
    version = "%d.%d.%d" % sys.getwindowsversion()[:3]
    return {
        "os": "windows",
        "version": version,
        "kernel": version,
        "cpus": os.cpu_count(),
        "memory": _kernel.memory_bytes(),
        "addresses": [],
    }


def resident_bytes():
    """Return the resident memory of this process in bytes."""
    return _kernel.usage(os.getpid())[0]


def open_files():
    """Return the number of open handles of this process."""
    return _kernel.usage(os.getpid())[2]


def free_bytes(folder):
    """Return the free bytes on the disk of a folder; None if that is unknown."""
    try:
        return _kernel.free_bytes(folder)
    except OSError:
        return None
