"""This machine and this process (Windows): where things are, what they are called, what they use."""

import functools
import os

from agentd.windows import _kernel

SCRIPT_FOLDER = ""  # in the agent's own folder
SEARCH_PATH = ""  # the one that the agent was given


def prepare():
    """Do what has to be done once, before anything else: files hold what is written to them, byte by byte."""
    _kernel.keep_bytes()


def default_home():
    """Return the folder of an agent that was told none."""
    return os.path.join(os.environ.get("PROGRAMDATA", "C:\\ProgramData"), "assist-agentd")


@functools.lru_cache(maxsize=None)
def boot_id():
    """Return what changes with every start of the machine."""
    return _kernel.boot_id()


def describe():
    """Return the names of the machine, of its system and of its processor."""
    node, machine = os.environ.get("COMPUTERNAME", ""), os.environ.get("PROCESSOR_ARCHITECTURE", "")
    return {"hostname": node, "os": "Windows", "arch": machine}


def resident_bytes():
    """Return the memory that this process has."""
    return _kernel.usage(os.getpid())[0]


def open_files():
    """Return the number of handles of this process."""
    return _kernel.usage(os.getpid())[2]


def free_bytes(folder):
    """Return None: the room on a disk is not looked at here."""
