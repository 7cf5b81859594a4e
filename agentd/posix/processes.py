"""The processes of this machine: find and end a whole tree of them (POSIX).

A tree is found by ancestry, session and process group. On Linux the caller first becomes a child subreaper. Then a
process whose parent has died (a double fork, ``setsid``, ``nohup``) becomes its child, and is found by ancestry. All
others are recognised by a variable in their environment.
"""

import collections
import ctypes
import os
import signal
import subprocess
import time

from agentd import disk
from agentd.base_runner import GRACE, SURVIVAL

Process = collections.namedtuple("Process", "parent group session zombie start")

CHECK_INTERVAL = 0.05  # seconds between two checks of a tree that is being ended

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Become the parent of descendants whose parents end, if the system can do that (Linux)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def start_time(pid):
    """Return the start time of a process, in the system's own unit; None if it does not exist.

    With the boot id it distinguishes a process from a later one with the same pid.
    """
    return _read(pid).start


def is_running(pid, start):
    """Return True if the process with ``pid`` and this start time still lives. A zombie does not."""
    process = _read(pid)
    return start is not None and process.start == start and not process.zombie


def _read(pid):
    """Return a Process; _NOBODY if it does not exist."""
    try:
        return _parse_stat(disk.read_whole("/proc/%d/stat" % pid))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, IndexError):
        return _NOBODY
    return _NOBODY if os.path.isdir("/proc/self") else _listing().get(pid, _NOBODY)


def everyone():
    """Return all processes: pid → Process."""
    try:
        names = os.listdir("/proc") if os.path.isdir("/proc/self") else None
    except OSError:
        names = None
    if names is None:
        return _listing()
    found = {}
    for name in names:
        if name.isdigit():
            try:
                found[int(name)] = _parse_stat(disk.read_whole("/proc/%s/stat" % name))
            except (OSError, ValueError, IndexError):
                continue  # it ended meanwhile
    return found


def _parse_stat(line):
    fields = line[line.rindex(b")") + 2 :].split()
    return Process(int(fields[1]), int(fields[2]), int(fields[3]), fields[0] in (b"Z", b"X"), int(fields[19]))


_NOBODY = Process(0, 0, 0, True, None)


def _listing():
    """Return the same from ``ps``, for systems without /proc."""
    words = ["ps", "-A", "-o", "pid=,ppid=,pgid=,sess=,stat=,lstart="]
    found = {}
    listing = subprocess.run(words, stdout=subprocess.PIPE, check=False).stdout
    for line in listing.decode("ascii", "replace").splitlines():
        fields = line.split(None, 5)
        if len(fields) == 6:
            session = int(fields[3], 16) if fields[3].strip("0") else 0
            found[int(fields[0])] = Process(
                int(fields[1]), int(fields[2]), session, fields[4].startswith("Z"), fields[5].strip()
            )
    return found


def descendants(ancestor, leader=None, processes=None):
    """Return the pids of the living processes below ``ancestor``, or in the session or group of ``leader``."""
    processes = everyone() if processes is None else processes
    children = collections.defaultdict(list)
    for pid, process in processes.items():
        children[process.parent].append(pid)
    found = set()
    todo = list(children.get(ancestor, ()))
    if leader is not None:
        todo += [pid for pid, process in processes.items() if leader in (process.session, process.group)]
    while todo:
        pid = todo.pop()
        if pid not in found:
            found.add(pid)
            todo += children.get(pid, ())
    return {pid for pid in found if not processes[pid].zombie} - {os.getpid(), ancestor}


def marked(variable):
    """Return the living processes whose readable environment has ``variable`` (bytes, ``NAME=value``)."""
    found = set()
    for pid, process in everyone().items():
        try:
            with open("/proc/%d/environ" % pid, "rb") as file:
                if not process.zombie and variable in file.read().split(b"\0"):
                    found.add(pid)
        except OSError:
            continue
    return found - {os.getpid()}


def send(pids, number):
    """Send signal ``number`` to each. Ignore processes that have ended, or are not ours to signal."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def interrupt(pid):
    """Ask a shim to stop its task. Ignore a shim that is ending."""
    send([pid], signal.SIGTERM)


def end_orphans(record, leader, start):
    """End the tree of a task whose shim has ended: TERM, the grace period, KILL. Return the pids that survived.

    ``leader`` is the script's main process, living or dead (its session keeps the pid from being reused), ``start`` its
    start time; both None if unknown.
    """
    mark = b"ASSIST_RECORD_ID=" + record.encode("ascii")
    if leader is not None and start_time(leader) not in (None, start):
        leader = None
    begun = time.monotonic()
    asked = set()
    while True:
        members = marked(mark)
        if leader is not None:
            members |= descendants(leader, leader) | ({leader} if is_running(leader, start) else set())
        if not members or time.monotonic() > begun + GRACE + SURVIVAL:
            return members
        if time.monotonic() > begun + GRACE:
            send(members, signal.SIGKILL)
        elif not asked or leader is None or not is_running(leader, start):
            new = members - asked
            asked |= new
            send(new, signal.SIGTERM)
            send(new, signal.SIGCONT)
        time.sleep(CHECK_INTERVAL)


def default_signals():
    """Restore the default signal handling in a child, which the agent or its parent has changed.

    SIGPIPE and SIGXFSZ stay ignored here: Python restores them in the programs that it starts. So neither a killed
    agent nor a file size limit kills the child.
    """
    for name in ("SIGCHLD", "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_DFL)
