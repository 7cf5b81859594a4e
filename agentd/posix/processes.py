"""Processes of this machine: who is a child of whom, and how to end a whole tree of them (POSIX).

A tree is found by ancestry, session and process group together. On Linux the caller makes itself a child subreaper
first, so that a process whose parent has died (a double fork, ``setsid``, ``nohup``) comes back to it and is found by
ancestry. A process that lost even that is recognised by a variable in its environment.
"""

import collections
import ctypes
import os
import signal
import subprocess
import time

from agentd.base_runner import GRACE, SURVIVAL

Process = collections.namedtuple("Process", "parent group session zombie start")

LOOK = 0.05  # seconds between two looks at a tree that is being ended

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Become the parent of descendants that lose theirs, where the system can do that (Linux)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def start_time(pid):
    """Return when the process was started, in the system's own unit; None when there is no such process.

    With the boot id it tells a process from a later one that was given the same pid.
    """
    return _look(pid).start


def is_running(pid, start):
    """Return whether the very process that had ``pid`` at ``start`` still lives; not one that waits to be reaped."""
    process = _look(pid)
    return start is not None and process.start == start and not process.zombie


def _look(pid):
    """One Process; _NOBODY when there is none."""
    try:
        with open("/proc/%d/stat" % pid, "rb", buffering=0) as file:
            return _parse_stat(file.read())
    except FileNotFoundError:
        pass
    except (OSError, ValueError, IndexError):
        return _NOBODY
    return _NOBODY if os.path.isdir("/proc/self") else _listing().get(pid, _NOBODY)


def everyone():
    """All processes: pid → Process."""
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
                with open("/proc/%s/stat" % name, "rb") as file:
                    found[int(name)] = _parse_stat(file.read())
            except (OSError, ValueError, IndexError):
                continue  # it ended while we looked
    return found


def _parse_stat(line):
    fields = line[line.rindex(b")") + 2 :].split()
    return Process(int(fields[1]), int(fields[2]), int(fields[3]), fields[0] in (b"Z", b"X"), int(fields[19]))


_NOBODY = Process(0, 0, 0, True, None)


def _listing():
    """The same from ``ps``, for systems without /proc."""
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
    """Living processes below ``ancestor``, and those in the session or group of ``leader``: a set of pids."""
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
    """Living processes whose environment holds ``variable`` (bytes, ``NAME=value``), where that can be read."""
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
    """Send signal ``number`` to each; those that are gone, or not ours to end, are passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def interrupt(pid):
    """Ask a shim to end its task; one that is just ending needs no asking."""
    send([pid], signal.SIGTERM)


def end_orphans(record, leader, start):
    """End the tree of a task that has lost its shim: TERM, the grace, KILL. Returns the pids that survived it.

    ``leader`` is the script's main process, living or dead (its session keeps the number from being used again),
    ``start`` its start time; both None when it is not known.
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
        time.sleep(LOOK)


def default_signals():
    """Give a child the signal handling that programs expect, which the agent, or who started it, has changed.

    All but SIGPIPE and SIGXFSZ, which Python ignores and gives back to the programs it starts: an agent that is killed
    before it was told something, or a limit on the size of files, must not take the child with it.
    """
    for name in ("SIGCHLD", "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None:
            signal.signal(number, signal.SIG_DFL)
