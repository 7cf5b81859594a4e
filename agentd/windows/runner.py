"""A script from its start to its exit (Windows): one loop over the events of three threads.

One wait for several pipes is not possible here, so a thread reads each, and one more waits for the main process. The
script shares the hidden console of its shim, so that a CTRL_BREAK reaches it.
"""

import os
import queue
import signal
import subprocess
import threading
import time

from agentd import output
from agentd.base_runner import STOP, BaseRunner, RunnerState
from agentd.result import Refusal
from agentd.windows import _kernel, processes, script
from agentd.windows.accounts import Account

_BACKLOG = 16  # blocks that are read before they are written
_NO_FOLDER = 267  # ERROR_DIRECTORY
_MAIN = 0  # the source of an event that is not from a stream


def catch_signals():
    """Keep console keys, which also reach the script, from ending the shim. Return None: a stop is a file."""
    for number in (signal.SIGINT, signal.SIGBREAK):
        signal.signal(number, signal.SIG_IGN)


class Runner(BaseRunner):
    """The Windows runner of a script. ``signals`` is the result of ``catch_signals``."""

    def __init__(self, folder, order, path, result, signals):
        super(Runner, self).__init__(folder, order, path, result)
        self._events = queue.Queue(_BACKLOG)  # (stream, bytes), none at its end; (_MAIN, exit status)
        self._open = {1, 2}  # the streams that have not ended
        self._told = False  # the main process was asked to end

    def run(self):
        self._job = _kernel.ProcessJob(_kernel.KILL_ON_JOB_CLOSE)
        super(Runner, self).run()
        if self._cause is None:
            self._job.release()  # processes that the script left running on purpose continue

    def _start(self):
        words, folder, environment = self._save(script, Account(self._order["username"]))
        environment[script.PATH_VARIABLE] = self._path
        _kernel.speak_utf8()
        try:
            self._main = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                env=environment,
                bufsize=0,
                creationflags=_kernel.CREATE_SUSPENDED | _kernel.CREATE_NEW_PROCESS_GROUP,
            )
        except OSError as error:
            if error.winerror == _NO_FOLDER:
                info = "cannot enter the folder '%s': %s" % (folder, error.strerror)
                raise Refusal("WorkingDirectoryNotExist", info) from None
            raise
        self._resume()
        self._started(time.monotonic())
        self._next_check = time.monotonic()
        for read in (
            lambda: self._read_output(1, self._main.stdout),
            lambda: self._read_output(2, self._main.stderr),
            self._wait_for_exit,
        ):
            threading.Thread(target=read, daemon=True).start()

    def _resume(self):
        """Resume the main process when it is in the job and noted, so that no process of it escapes."""
        handle = int(self._main._handle)
        try:
            self._job.assign(handle)
            self._folder.note_script(self._main.pid, time.time())
            _kernel.resume(handle)
        except BaseException:
            self._main.kill()
            raise

    def _read_output(self, stream, pipe):
        while True:
            data = pipe.read(output.READ)
            self._events.put((stream, data))
            if not data:
                return

    def _wait_for_exit(self):
        self._events.put((_MAIN, self._main.wait()))

    def _follow(self):
        while True:
            self._receive()
            now = time.monotonic()
            if now >= self._next_check:
                self._next_check = now + processes.CHECK_INTERVAL
                if self.state is RunnerState.RUNNING and os.path.exists(self._folder.name("stopping")):
                    self._end(STOP, now)
                if self._advance(now):
                    return

    def _receive(self):
        """Take the next event; wait until the next check at most."""
        try:
            source, thing = self._events.get(timeout=max(self._next_check - time.monotonic(), 0.001))
        except queue.Empty:
            return
        if source == _MAIN:
            self._exited(thing, time.monotonic())
        elif thing:
            self._take(source, thing)
        else:
            self._open.discard(source)
        if self._status is not None and not self._open:
            self._next_check = time.monotonic()  # there may be no more events

    def _pipes_open(self):
        return bool(self._open)

    def _members(self):
        return self._job.members()

    def _terminate(self, members):
        """CTRL_BREAK, once, to the group of the main process."""
        if not self._told:
            self._told = True
            try:
                _kernel.interrupt(self._main.pid)
            except OSError:
                return False
        return True

    def _kill(self, members):
        self._job.end(processes.KILLED)

    def _exit_code(self):
        """Return 32 bits with a sign, as scripts see it."""
        return self._status - (1 << 32) if self._status >= 1 << 31 else self._status
