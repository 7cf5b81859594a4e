"""A script from its start to its exit (POSIX): one loop over both pipes, signals and deadlines."""

import functools
import math
import os
import select
import signal
import subprocess
import time

from agentd import output
from agentd.base_runner import STOP, BaseRunner, RunnerState
from agentd.posix import processes, script
from agentd.posix.accounts import Account
from agentd.result import Refusal

_PAUSE = 1  # milliseconds without more output after which it is announced
_LATEST = 0.02  # seconds after which it is announced anyway
_READER = ["cat"]  # reads stdin and discards it


def catch_signals():
    """Turn the signals for a Runner into bytes on a descriptor, and return it.

    Called before the record is accepted, so that an immediate stop is not missed.
    """
    reading = _signals()
    try:
        while os.read(reading, 4096):  # of the order before
            pass
    except BlockingIOError:
        pass
    signal.signal(signal.SIGTERM, _ignore)
    return reading


@functools.lru_cache(maxsize=None)
def _signals():
    """Return the descriptor, the same for all orders of this process."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    signal.signal(signal.SIGCHLD, _ignore)
    return reading


def _ignore(*_):
    """Handle a signal: its number is in the pipe."""


class Runner(BaseRunner):
    """The POSIX runner of a script. ``signals`` is the result of ``catch_signals``."""

    def __init__(self, folder, order, path, result, signals):
        super(Runner, self).__init__(folder, order, path, result)
        self._signals = signals
        self._streams = {}  # descriptor of an open pipe → stream
        self._poll = select.poll()
        self._poll.register(signals, select.POLLIN)
        self._asked = set()  # pids that were sent TERM
        self._next_check = 0.0  # next check of a tree that is being ended
        self._unannounced = None  # when the first output was read that the agent was not told of

    def _start(self):
        account = Account(self._order["username"])
        words, folder, environment = self._save(script, account)
        try:
            self._main = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=None if account.switch else folder,
                env=environment,
                bufsize=0,
                start_new_session=True,
                preexec_fn=functools.partial(account.become, folder) if account.switch else None,
            )
        except OSError as error:
            if error.filename == folder:
                info = "cannot enter the folder '%s': %s" % (folder, error.strerror)
                raise Refusal("WorkingDirectoryNotExist", info) from None
            raise
        self._started(time.monotonic())
        self._folder.note_script(self._main.pid, self._result.started)
        for stream, pipe in ((1, self._main.stdout), (2, self._main.stderr)):
            self._streams[pipe.fileno()] = stream
            self._poll.register(pipe, select.POLLIN)

    def _follow(self):
        with self._main.stdout, self._main.stderr:
            self._follow_to_end()
            self._leave_readers()

    def _follow_to_end(self):
        while True:
            for descriptor, _ in self._wait():
                if descriptor == self._signals:
                    self._on_signals()
                else:
                    self._read(descriptor)
            now = time.monotonic()
            if now < self._next_check:
                continue
            if self._advance(now):
                return
            if self.state in (RunnerState.ENDING, RunnerState.KILLING):
                self._next_check = now + processes.CHECK_INTERVAL

    def _wait(self):
        """Return the next events. New output is announced when no more comes immediately: often the end does."""
        now = time.monotonic()
        if self._unannounced is not None:
            found = self._poll.poll(_PAUSE) if now < self._unannounced + _LATEST else []
            if found:
                return found
            self._folder.announce_output()
            self._unannounced = None
        return self._poll.poll(math.ceil(max(self._wake() - now, 0) * 1000))

    def _leave_readers(self):
        """Leave a reader at each pipe that another process holds: a daemon that prints later must not die of SIGPIPE.

        The reader is a program, not a fork, which would take megabytes. It outlives shim and agent, and ends with the
        last holder of the pipe.
        """
        for pipe in self._streams:
            try:
                subprocess.Popen(
                    _READER,
                    stdin=pipe,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    cwd="/",
                    env={"PATH": self._order["path"]},
                    start_new_session=True,
                )
            except OSError:
                return  # no process can be started, or no such program

    def _wake(self):
        """Return the time of the next check."""
        if self.state is RunnerState.RUNNING:
            return self._deadline
        if self.state is RunnerState.DRAINING:
            return self._drained
        return self._next_check

    def _read(self, pipe):
        data = os.read(pipe, output.READ)
        if data:
            self._take(self._streams[pipe], data)
            self._unannounced = self._unannounced or time.monotonic()
        else:
            self._poll.unregister(pipe)
            del self._streams[pipe]

    def _on_signals(self):
        numbers = os.read(self._signals, 4096)
        if signal.SIGCHLD in numbers:
            self._reap()
        if signal.SIGTERM in numbers and self.state is RunnerState.RUNNING:
            self._end(STOP, time.monotonic())

    def _reap(self):
        """Reap every child that has ended: the main process and adopted orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._main.pid:
                self._main.returncode = status
                self._exited(status, time.monotonic())

    def _pipes_open(self):
        return bool(self._streams)

    def _members(self):
        return processes.descendants(os.getpid(), self._main.pid)

    def _terminate(self, members):
        """Send TERM once to each: the main process first, so that it does not see its children end before."""
        new = sorted(members - self._asked, key=lambda pid: pid != self._main.pid)
        self._asked.update(new)
        processes.send(new, signal.SIGTERM)
        processes.send(new, signal.SIGCONT)
        return True

    def _kill(self, members):
        processes.send(members, signal.SIGKILL)

    def _exit_code(self):
        if os.WIFSIGNALED(self._status):
            return 128 + os.WTERMSIG(self._status)
        return os.WEXITSTATUS(self._status)
