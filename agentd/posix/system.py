"""This machine and this process (POSIX): paths, names and resource usage."""

import functools
import os
import re
import socket
import struct
import sys

from agentd import disk

SCRIPT_FOLDER = "/tmp"
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
RECORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")  # a record id, which is the name of a folder
OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")
MOST_ADDRESSES = 64
MOST_FILES = 1000  # open ones of a healthy agent

# rtnetlink(7): a request for all addresses, its messages, and their attributes
_DUMP_ADDRESSES = struct.pack("=IHHIIB3x", 20, 22, 0x301, 1, 0, 0)  # RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP
_CHANGED_ADDRESSES = 0x110  # RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR
_HEADER = struct.Struct("=IHHII")
_ADDRESS = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_NEW_ADDRESS, _DONE, _ERROR = 20, 3, 2
_TEMPORARY = 0x01
_SITE = 200  # the smallest scope but 0; larger ones are a link or the machine itself


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


def facts():
    """Return the facts by which targets select machines, besides those of ``describe``; unknown ones are empty."""
    name, version = _distribution(OS_RELEASE)
    return {
        "os": name,
        "version": version,
        "kernel": _word(os.uname().release),
        "cpus": os.cpu_count(),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "addresses": _addresses(),
    }


def _word(text):
    """Return the text if it is short and printable, else an empty one: a controller accepts no other."""
    return text if len(text) <= 64 and text.isprintable() else ""


def _distribution(paths):
    """Return the name of the system and its version, from the first os-release(5) that can be read."""
    release = _os_release(paths)
    return _word(release.get("ID", "").lower() or os.uname().sysname.lower()), _word(release.get("VERSION_ID", ""))


def _os_release(paths):
    """Return the variables of the first of these files that can be read; none if there is no such file."""
    for path in paths:
        try:
            status = os.stat(path)
            return _variables(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        except OSError:
            continue
    return {}


@functools.lru_cache(maxsize=1)
def _variables(path, *identity):
    """Return the variables in a file; it is read again only if ``identity`` differs. Raises OSError."""
    lines = disk.read_whole(path).decode("utf-8", "replace").splitlines()
    pairs = (line.strip().partition("=") for line in lines)
    return {key: value.strip("\"'") for key, _, value in pairs}


def _addresses():
    """Return the addresses of this machine, without those of loopback, of one link, and temporary ones.

    They are read again only after a change.
    """
    try:
        if _has_changed():
            _read_all_addresses.cache_clear()
        return list(_read_all_addresses())
    except (OSError, AttributeError):  # not Linux, or forbidden
        return []


def _has_changed():
    """Return True if the kernel has reported a change of an address since the last call, or cannot report any."""
    changed = False
    try:
        while _reports().recv(65536, socket.MSG_DONTWAIT):
            changed = True
    except BlockingIOError:
        return changed
    except OSError:  # more than it keeps
        pass
    return True


@functools.lru_cache(maxsize=None)
def _reports():
    """Return the socket on which the kernel reports changes. Raises OSError, AttributeError."""
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    netlink.bind((0, _CHANGED_ADDRESSES))
    return netlink


@functools.lru_cache(maxsize=None)
def _read_all_addresses():
    """Return all these addresses. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        netlink.settimeout(1)
        netlink.send(_DUMP_ADDRESSES)
        found = []
        while _read_addresses(netlink.recv(65536), found):
            pass
    return found[:MOST_ADDRESSES]


def _read_addresses(data, found):
    """Append the addresses in a netlink datagram to ``found``. Return False at the end of the answer."""
    while len(data) >= _HEADER.size:
        length, kind = _HEADER.unpack_from(data)[:2]
        if kind in (_DONE, _ERROR) or length < _HEADER.size:
            return False
        if kind == _NEW_ADDRESS:
            family, _, flags, scope, _ = _ADDRESS.unpack_from(data, _HEADER.size)
            if scope <= _SITE and not (flags & _TEMPORARY and family == socket.AF_INET6):
                attributes = dict(_attributes(data[_HEADER.size + _ADDRESS.size : length]))
                value = attributes.get(2) or attributes.get(1)  # IFA_LOCAL, IFA_ADDRESS
                if value:
                    found.append(socket.inet_ntop(family, value))
        data = data[(length + 3) & ~3 :]
    return True


def _attributes(data):
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            return
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]


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
