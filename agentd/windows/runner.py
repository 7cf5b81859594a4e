"""A script from its file to its exit (Windows): one loop over what three threads bring.

Pipes cannot be waited for together here, so each is read by a thread, and one more waits for the main process. The
script shares the console of its shim, which nobody sees: that is how a CTRL_BREAK reaches it.
"""

import contextlib
import os
import queue
import signal
import subprocess
import threading
import time

from agentd import mask, output
from agentd.ending import Refusal
from agentd.windows import _kernel, processes, script
from agentd.windows.accounts import Account

DRAIN = 1.0  # seconds to read on when the main process has ended and others still hold its pipes

_BACKLOG = 16  # blocks that are read ahead of the disk
_NO_FOLDER = 267  # ERROR_DIRECTORY
_MAIN = 0  # where what is brought comes from, when it is none of the streams


@contextlib.contextmanager
def alarm():
    """Let no key of the console, which is the script's too, end the shim. A stop is a file, so nothing is given."""
    for number in (signal.SIGINT, signal.SIGBREAK):
        signal.signal(number, signal.SIG_IGN)
    yield


class Runner:
    """A script from its file to its exit."""

    def __init__(self, folder, order, path, ending):
        self._folder = folder
        self._order = order
        self._path = path
        self._ending = ending
        self._writer = output.Writer(folder.path)
        self._masks = {stream: mask.Mask(order["secrets"]) for stream in (1, 2)}
        self._brought = queue.Queue(_BACKLOG)  # (stream, bytes), none at its end; (_MAIN, exit status)
        self._open = {1, 2}  # the streams that have not ended
        self._main = None  # the Popen of the main process
        self._status = None  # its exit status, once it has one
        self._cause = None  # why it is being ended: "stop" or "timeout"
        self._left = set()  # pids that even the end of the job did not end

    def run(self, alarm):
        """See it through. Raises Refusal, OSError and SubprocessError when it could not be started."""
        self._job = _kernel.Job(_kernel.KILL_ON_JOB_CLOSE)
        self._start()
        try:
            self._tend()
        finally:
            for stream, hidden in self._masks.items():
                self._keep(stream, hidden.rest())
            self._writer.close()
        self._conclude()

    def _start(self):
        order = self._order
        account = Account(order["username"])
        folder = script.working_directory(order["directory"], account)
        words = script.command_words(order["type"], order["content"], self._path)
        environment = script.environment(account, order["path"], order["environment"])
        script.write_file(self._path, order["content"], account)
        self._ending.saved = True
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
        self._release()
        self._ending.started = time.time()
        self._deadline = time.monotonic() + order["timeout"]
        self._next_look = time.monotonic()
        for bring in (
            lambda: self._bring_output(1, self._main.stdout),
            lambda: self._bring_output(2, self._main.stderr),
            self._bring_status,
        ):
            threading.Thread(target=bring, daemon=True).start()

    def _release(self):
        """Let the main process run, once it is in the job and noted: so nothing that it starts escapes."""
        handle = int(self._main._handle)
        try:
            self._job.assign(handle)
            self._folder.note_script(self._main.pid)
            _kernel.resume(handle)
        except BaseException:
            self._main.kill()
            raise

    def _bring_output(self, stream, pipe):
        while True:
            data = pipe.read(output.READ)
            self._brought.put((stream, data))
            if not data:
                return

    def _bring_status(self):
        self._brought.put((_MAIN, self._main.wait()))

    def _tend(self):
        """Take what is brought and, when told to, end the tree; returns when the task is over."""
        while True:
            self._take()
            now = time.monotonic()
            if self._cause is None and self._status is None and now >= self._deadline:
                self._end("timeout")
            if now >= self._next_look:
                self._next_look = now + processes.LOOK
                if self._look(now):
                    return

    def _take(self):
        """The next thing that is brought; waits until it is time to look."""
        try:
            source, thing = self._brought.get(timeout=max(self._next_look - time.monotonic(), 0.001))
        except queue.Empty:
            return
        if source == _MAIN:
            self._status = thing
            self._drained = time.monotonic() + DRAIN
        elif thing:
            self._keep(source, self._masks[source].feed(thing))
        else:
            self._open.discard(source)
        if self._status is not None and not self._open:
            self._next_look = time.monotonic()  # there may be no more to wait for

    def _look(self, now):
        """One look at the task; True when it is over."""
        if self._cause is None and self._status is None:
            if os.path.exists(self._folder.name("stopping")):
                self._end("stop")
            return False
        if self._cause is None:
            return not self._open or now >= self._drained
        members = self._job.members()
        if not members and self._status is not None:
            return not self._open or now >= self._drained
        if now >= self._kill_at:
            self._job.end(processes.KILLED)
        if now >= self._kill_at + processes.INSIST:
            self._left = members
            return True
        return False

    def _keep(self, stream, data):
        for at in range(0, len(data), output.READ):  # a mask may be longer than what it hides
            self._writer.append(stream, data[at : at + output.READ])
        if data:
            self._folder.announce_output()

    def _end(self, cause):
        """Begin to end the whole tree: CTRL_BREAK now, the end of the job after the grace."""
        self._cause = cause
        self._kill_at = time.monotonic() + processes.GRACE
        try:
            _kernel.interrupt(self._main.pid)
        except OSError:
            self._kill_at = time.monotonic()  # it cannot hear us

    def _conclude(self):
        ending = self._ending
        ending.produced, ending.dropped = self._writer.produced, self._writer.dropped
        if self._status is not None:
            ending.exit_code = _signed(self._status)
        if self._cause == "timeout":
            ending.fail_timeout(self._order["timeout"])
        elif self._cause == "stop":
            ending.stop()
        else:
            ending.finish()
            self._job.release()  # what the script has left running on purpose goes on
        ending.leave(self._left)


def _signed(status):
    """An exit status as scripts see it: 32 bits with a sign."""
    return status - (1 << 32) if status >= 1 << 31 else status
