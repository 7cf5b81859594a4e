"""The agent of this machine on Windows: started at boot by a scheduled task, and known by its locks and its log.

It has no local socket. So its guard's report and the log say which version has started, and the folders of its records
say what runs. Guard and agent are ended as processes, never by ending the task, which might take the scripts with it.
"""

import contextlib
import functools
import os
import re
import subprocess
import sys
from typing import Any, Dict, Tuple

from agentd.windows._kernel import (
    CREATE_NEW_PROCESS_GROUP,
    close,
    end,
    has_ended,
    keep_bytes,
    open_alone,
    open_process,
    start_time,
)
from agentd.windows.permissions import is_administrator
from assist_cli.deploy.host.changes import Failure, Steps, put, read
from assist_cli.deploy.host.machine import Machine, Order, Waits, is_ours
from assist_cli.deploy.host.orders import carry_out
from assist_cli.deploy.host.scheduled_task import task_version, task_xml

TASK = "Assist agent"
_DEFINITION = "agentd.xml"
_ENDED = 1  # the exit code of a process that is ended here
_EPOCH = 11644473600  # seconds from 1601, where the clock of Windows begins, to 1970
_TICKS = 10000000.0  # of that clock in a second
_DETACHED = 0x00000008  # DETACHED_PROCESS
_STARTED = re.compile(r" agentd (\S+) of instance \S+ serves on ")
_ADMINISTRATOR = "open a command prompt with 'Run as administrator', and repeat it there"
# Removes names from a folder, and then the folder, when the processes that still use them have ended.
_REMOVE_LATER = """\
import os, shutil, sys, time
home, end = sys.argv[1], time.monotonic() + float(sys.argv[2])
while os.path.isdir(home) and time.monotonic() < end:
    for name in sys.argv[3:]:
        path = os.path.join(home, name)
        try:
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        except OSError:
            pass
    try:
        os.rmdir(home)
    except OSError:
        time.sleep(0.2)
"""


def main(verb: str, order: Order) -> None:
    """Carry out one action and report it. ``sys.argv[1]`` is the agent's folder, if it is not the usual one."""
    keep_bytes()
    carry_out(verb, order, WindowsMachine(order["waits"], sys.argv[1] if len(sys.argv) > 1 else ""))


class WindowsMachine(Machine):
    """The agent of the system. ``home`` is a folder other than the usual one, or empty; then no task starts it."""

    def __init__(self, waits: Waits, home: str = "") -> None:
        usual = os.path.join(os.environ.get("PROGRAMDATA", "C:\\ProgramData"), "assist-agentd")
        home = os.path.abspath(home or usual)
        super(WindowsMachine, self).__init__(waits, home, os.path.normcase(home) == os.path.normcase(usual))

    def check_rights(self) -> None:
        if not self.managed:
            return
        if not is_administrator():
            raise Failure("it needs the rights of an administrator", "CommandNotApplicable", _ADMINISTRATOR)
        profiles = os.path.dirname(os.environ.get("PUBLIC", "C:\\Users\\Public"))
        if os.path.normcase(sys.executable).startswith(os.path.normcase(os.path.join(profiles, ""))):
            raise Failure(
                "%s belongs to a user, and the system runs only what administrators can change" % sys.executable,
                "CommandNotApplicable",
                "install Python for all users, from python.org, and repeat it with that one",
            )

    def lock(self, steps: Steps) -> None:
        for _ in self.moments("start"):
            descriptor = open_alone(self.path("agentd.install"))
            if descriptor is not None:
                steps.can_undo(functools.partial(os.close, descriptor))
                return
        raise Failure("another installation is in progress there")

    def user(self) -> Dict[str, Any]:
        return {"user": os.environ.get("USERNAME", "SYSTEM"), "root": is_administrator(), "lingers": True}

    def version(self) -> str:
        return task_version(read(self.path(_DEFINITION)) or b"")

    def choose(self, archive: str, steps: Steps) -> None:
        settings = self.settings()
        if not settings.get("listen") and not settings.get("dial"):
            raise Failure(
                "it was installed by hand: its agentd.conf has neither 'listen' nor 'dial', which its command line has",
                "IncorrectState",
                "write 'listen = ADDRESS:PORT' into %s, and repeat it" % self.path("agentd.conf"),
            )
        is_new = not self.version()
        if self.managed:
            steps.begin("register the scheduled task '%s'" % TASK)
            steps.can_undo(self._register)
        program, arguments = self._words(archive)
        put(self.path(_DEFINITION), task_xml(program, arguments), 0o600, steps)
        if self.managed:
            self._register()
            self._open_port(settings.get("listen", "").rpartition(":")[2], steps, is_new)

    def _words(self, archive: str) -> Tuple[str, str]:
        """Return the program and the arguments that start the guard."""
        words = ["-I", "-S", self.path(archive), "guard", "--home", self.home, "--log", self.path("agentd.log")]
        return sys.executable, subprocess.list2cmdline(words)

    def _register(self) -> None:
        """Make the scheduled task that of the definition in the folder; without one, there is none."""
        if os.path.exists(self.path(_DEFINITION)):
            self._call("schtasks", "/create", "/tn", TASK, "/xml", self.path(_DEFINITION), "/f")
        else:
            self._call("schtasks", "/delete", "/tn", TASK, "/f")

    def _open_port(self, port: str, steps: Steps, is_new: bool) -> None:
        """Open the port of the agent in the Windows firewall. Print why if that fails: the agent works all the same."""
        self._close_port()
        if port:
            steps.begin("open port %s in the Windows firewall" % port)
            if is_new:
                steps.can_undo(self._close_port)
            words = ["dir=in", "action=allow", "protocol=TCP", "localport=" + port]
            try:
                self._call("netsh", "advfirewall", "firewall", "add", "rule", "name=" + TASK, *words)
            except Failure as failure:
                steps.begin("the port is not opened: %s" % failure)

    def _close_port(self) -> None:
        with contextlib.suppress(Failure):  # there is none
            self._call("netsh", "advfirewall", "firewall", "delete", "rule", "name=" + TASK)

    def _call(self, program: str, *words: str) -> None:
        """Run a program of the system. Raises Failure with its message."""
        path = os.path.join(os.environ.get("SYSTEMROOT", "C:\\Windows"), "System32", program + ".exe")
        done = subprocess.run(
            [path] + list(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if done.returncode:
            said = done.stdout.decode("utf-8", "replace").strip().splitlines()
            raise Failure("%s %s: %s" % (program, words[0], said[-1].strip() if said else "it failed"))

    def start(self) -> None:
        if self.managed:
            for _ in self.moments("start"):
                self._call("schtasks", "/run", "/tn", TASK)
                if self._has_started():
                    return
            raise Failure("the scheduled task '%s' does not start" % TASK)
        program, arguments = self._words("agentd-%s.pyz" % self.version())
        _start('"%s" %s' % (program, arguments))

    def _has_started(self) -> bool:
        """Return True if a guard runs soon. A request gets lost while the Task Scheduler believes that one runs."""
        return any(self._is_held("agentd.guard") for _ in self.moments("task"))

    def stop(self) -> None:
        pid = self.guard()
        if pid:
            handle = open_process(pid)
            try:
                end(handle, _ENDED)  # the system ends its agent with it
            finally:
                close(handle)
        for name in ("agentd.guard", "agentd.lock"):
            for _ in self.moments("stop"):
                if not self._is_held(name):
                    break
            else:
                raise Failure("a process that holds %s does not end" % self.path(name))

    def guard(self) -> int:
        """Return the pid of the agent's guard, 0 without one. Its process started shortly before its report."""
        report = self.report()
        pid, noted = int(report.get("pid", 0)), float(report.get("started", 0.0))
        if not pid or not self._is_held("agentd.guard"):
            return 0
        try:
            handle = open_process(pid)
        except OSError:
            return 0
        try:
            age = noted - (start_time(handle) / _TICKS - _EPOCH)
            return pid if abs(age) < self.waits["report"] and not has_ended(handle) else 0
        finally:
            close(handle)

    def runs(self) -> bool:
        return self._is_held("agentd.guard") or self._is_held("agentd.lock")

    def _is_held(self, name: str) -> bool:
        """Return True if a process holds the lock in this file."""
        path = self.path(name)
        if not os.path.exists(path):
            return False
        try:
            descriptor = open_alone(path)
        except OSError:
            return False
        if descriptor is None:
            return True
        os.close(descriptor)
        return False

    def answers(self) -> str:
        if not self.guard():
            return ""
        _, found, log = self.log().rpartition("guard: started the agent, pid %s\n" % self.report().get("agent_pid"))
        if not found:
            return ""
        started = _STARTED.search(log)
        return started.group(1) if started else ""

    def scripts(self) -> int:
        """Return the number of records without a result."""
        try:
            records = os.listdir(self.path("spool"))
        except OSError:
            return 0
        folders = [self.path("spool", record) for record in records if not record.startswith(".")]
        return sum(not os.path.exists(os.path.join(folder, "result.json")) for folder in folders)

    def retire(self) -> None:
        if self.managed and os.path.exists(self.path(_DEFINITION)):
            self._call("schtasks", "/delete", "/tn", TASK, "/f")  # it ends no process
            self._close_port()
        self.stop()

    def clear(self) -> None:
        """Have the files removed when no process uses them any more: one of those waits for this one."""
        if os.path.isdir(self.home):
            words = [sys.executable, "-I", "-S", "-c", _REMOVE_LATER, self.home, str(self.waits["stop"])]
            _start(subprocess.list2cmdline(words + [name for name in os.listdir(self.home) if is_ours(name)]))


def _start(line: str) -> None:
    """Start a process that needs no console, outlives this one, and keeps no folder in use."""
    subprocess.Popen(
        line,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        creationflags=_DETACHED | CREATE_NEW_PROCESS_GROUP,
        cwd=os.environ.get("SYSTEMROOT", "C:\\Windows"),
    )
