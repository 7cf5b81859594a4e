"""A script from its file to its exit (POSIX): one loop over both pipes, signals and deadlines."""

import contextlib
import os
import selectors
import signal
import subprocess
import time

from agentd import mask, output
from agentd.ending import Refusal
from agentd.posix import processes, script
from agentd.posix.accounts import Account

DRAIN = 1.0  # seconds to read on when the main process has ended and others still hold its pipes


@contextlib.contextmanager
def alarm():
    """Turn the signals that matter to a Runner into bytes on a descriptor, which is given.

    Done before the record is accepted, so that a stop which follows at once is heard.
    """
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(-1)
        os.close(reading)
        os.close(writing)


class Runner:
    """A script from its file to its exit."""

    def __init__(self, folder, order, path, ending):
        self._folder = folder
        self._order = order
        self._path = path
        self._ending = ending
        self._writer = output.Writer(folder.path)
        self._masks = {stream: mask.Mask(order["secrets"]) for stream in (1, 2)}
        self._selector = selectors.DefaultSelector()
        self._main = None  # the Popen of the main process
        self._status = None  # its exit status, once it has one
        self._cause = None  # why it is being ended: "stop" or "timeout"
        self._asked = set()  # pids that were sent TERM
        self._left = set()  # pids that even KILL did not end

    def run(self, alarm):
        """See it through. Raises Refusal, OSError and SubprocessError when it could not be started."""
        self._alarm = alarm
        with self._selector:
            self._selector.register(alarm, selectors.EVENT_READ, self._on_signals)
            self._start()
            try:
                self._tend()
            finally:
                for stream, hidden in self._masks.items():
                    self._keep(stream, hidden.rest())
                self._writer.close()
                self._main.stdout.close()
                self._main.stderr.close()
        self._conclude()

    def _start(self):
        order = self._order
        account = Account(order["username"])
        folder = script.working_directory(order["directory"], account)
        words = script.command_words(order["type"], order["content"], self._path)
        environment = script.environment(account, order["path"], order["environment"])
        script.write_file(self._path, order["content"], account)
        self._ending.saved = True
        try:
            self._main = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                env=environment,
                bufsize=0,
                start_new_session=True,
                preexec_fn=account.become if account.switch else None,
            )
        except OSError as error:
            if error.filename == folder:
                info = "cannot enter the folder '%s': %s" % (folder, error.strerror)
                raise Refusal("WorkingDirectoryNotExist", info) from None
            raise
        self._ending.started = time.time()
        self._deadline = time.monotonic() + order["timeout"]
        self._folder.note_script(self._main.pid)
        for number, pipe in ((1, self._main.stdout), (2, self._main.stderr)):
            self._selector.register(pipe, selectors.EVENT_READ, number)

    def _tend(self):
        """Read, wait and, when told to, end the tree; returns when the task is over."""
        while True:
            wait = max(self._wake - time.monotonic(), 0) if self._wake is not None else None
            for key, _ in self._selector.select(wait):
                if callable(key.data):
                    key.data()
                else:
                    self._read(key.fileobj, key.data)
            if self._cause is None and self._status is None and time.monotonic() >= self._deadline:
                self._end("timeout")
            if self._status is None and self._cause is None:
                continue
            if self._step():
                return

    @property
    def _wake(self):
        """When to look again without being called (monotonic seconds)."""
        if self._cause is not None:
            return self._next_look
        if self._status is not None:
            return self._drained
        return self._deadline

    def _step(self):
        """One look at a task whose main process has ended or is being ended; True when it is over."""
        now = time.monotonic()
        if self._cause is None:
            return not self._pipes_open() or now >= self._drained
        if now < self._next_look:
            return False
        self._next_look = now + processes.LOOK
        members = self._members()
        if self._status is not None:
            self._ask(members)  # what the main process was just starting; before, it may be what tidies up for it
        if not members and self._status is not None:
            return not self._pipes_open() or self._linger(now)
        if now >= self._kill_at:
            processes.send(members, signal.SIGKILL)
        if now >= self._kill_at + processes.INSIST:
            self._left = members
            return True
        return False

    def _linger(self, now):
        """All are dead: what is still in the pipes ends with them, unless a stranger holds them open."""
        self._drained = min(self._drained, now + DRAIN)
        return now >= self._drained

    def _pipes_open(self):
        return len(self._selector.get_map()) > 1

    def _members(self):
        return processes.descendants(os.getpid(), self._main.pid)

    def _read(self, pipe, stream):
        data = os.read(pipe.fileno(), output.READ)
        if data:
            self._keep(stream, self._masks[stream].feed(data))
        else:
            self._selector.unregister(pipe)

    def _keep(self, stream, data):
        for at in range(0, len(data), output.READ):  # a mask may be longer than what it hides
            self._writer.append(stream, data[at : at + output.READ])
        if data:
            self._folder.announce_output()

    def _on_signals(self):
        numbers = os.read(self._alarm, 4096)
        if signal.SIGCHLD in numbers:
            self._reap()
        if signal.SIGTERM in numbers and self._cause is None and self._status is None:
            self._end("stop")

    def _reap(self):
        """Collect every child that has ended: the main process and orphans that came to us."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._main.pid:
                self._status = status
                self._main.returncode = status
                self._drained = time.monotonic() + DRAIN

    def _end(self, cause):
        """Begin to end the whole tree: TERM now, KILL after the grace."""
        self._cause = cause
        self._next_look = time.monotonic()
        self._kill_at = self._next_look + processes.GRACE
        self._ask(self._members())

    def _ask(self, members):
        """TERM, once for each: the main process first, so that it is not told of its children's end before."""
        new = sorted(members - self._asked, key=lambda pid: pid != self._main.pid)
        self._asked.update(new)
        processes.send(new, signal.SIGTERM)
        processes.send(new, signal.SIGCONT)

    def _conclude(self):
        ending = self._ending
        ending.produced, ending.dropped = self._writer.produced, self._writer.dropped
        if self._status is not None:
            signalled = os.WIFSIGNALED(self._status)
            ending.exit_code = 128 + os.WTERMSIG(self._status) if signalled else os.WEXITSTATUS(self._status)
        if self._cause == "timeout":
            ending.fail_timeout(self._order["timeout"])
        elif self._cause == "stop":
            ending.stop()
        else:
            ending.finish()
        ending.leave(self._left)
