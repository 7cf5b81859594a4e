"""The shim: one process for each task, which owns it from accept to exit and outlives the agent.

It writes the journal, saves the script, starts the interpreter in a session of its own, reads both pipes into the
spool, keeps the timeout by the monotonic clock, ends the whole tree when asked to (SIGTERM) and writes the result.
"""

import hashlib
import os
import selectors
import signal
import subprocess
import time

from agentd import config, mask, output, processes, script, spool

GRACE = 5.0  # seconds between TERM and KILL
INSIST = 10.0  # seconds of KILL before a process that survives it is reported
DRAIN = 1.0  # seconds to read on when the main process has ended and others still hold its pipes
LOOK = 0.05  # seconds between two looks at a tree that is being ended

_SECRETS = ("content", "environment", "secrets")


def accept(order, journal, channel):
    """Claim the record of ``order`` with ``journal`` and say so. Returns its Folder, None when it is refused."""
    try:
        folder = spool.Spool(order["spool"]).claim(order["record"], journal)
    except spool.Claimed:
        channel.say(refused="ExecutionException", info="this record was accepted before")
        return None
    except OSError as error:
        channel.say(refused="ExecutionException", info="the agent cannot keep its journal: %s" % error.strerror)
        return None
    channel.settle()
    channel.say(accepted=True)
    return folder


def run(order, channel):
    """Take ``order`` (a dict: the params of task.run and the settings it needs) from accept to exit."""
    signals = _hear(signal.SIGCHLD, signal.SIGTERM)
    journal = {key: value for key, value in order.items() if key not in _SECRETS}
    journal["content_sha256"] = hashlib.sha256(order["content"]).hexdigest()
    journal["script"] = script.file_path(order["script_dir"], order["record"], order["type"])
    folder = accept(order, journal, channel)
    if folder is None:
        return
    processes.adopt_orphans()
    os.umask(0o022)  # the script's; our own files are given their modes one by one
    ending = Ending()
    try:
        _Task(folder, order, journal["script"], ending).run(signals)
    except script.Refusal as refusal:
        ending.fail(refusal.code, str(refusal))
    except (OSError, subprocess.SubprocessError) as error:
        ending.fail("ExecutionException", "cannot start the script: %s" % error)
    if ending.saved and not order["keep_script"]:
        script.remove_file(journal["script"])
    folder.finish(ending.document())


def _hear(*numbers):
    """Turn these signals into bytes on a descriptor, which is returned."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in numbers:
        signal.signal(number, lambda *_: None)
    return reading


class Ending:
    """What will be the result of a record."""

    def __init__(self):
        self.state = spool.FAILED
        self.exit_code = None
        self.error_code = self.error_info = ""
        self.started = None
        self.produced = self.dropped = 0
        self.saved = False

    def fail(self, code, info):
        self.state, self.error_code, self.error_info = spool.FAILED, code, info

    def document(self):
        return {
            "state": self.state,
            "exit_code": self.exit_code,
            "error_code": self.error_code,
            "error_info": self.error_info[:1000],
            "started": self.started,
            "finished": time.time(),
            "output_bytes": self.produced,
            "dropped": self.dropped,
        }


class _Task:
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
        self._left = set()  # pids that even KILL did not end

    def run(self, signals):
        self._signals = signals
        self._selector.register(signals, selectors.EVENT_READ, self._on_signals)
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
        account = script.Account(order["username"])
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
                raise script.Refusal("WorkingDirectoryNotExist", info) from None
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
        self._next_look = now + LOOK
        members = self._members()
        if not members and self._status is not None:
            return not self._pipes_open() or self._linger(now)
        if now >= self._kill_at:
            processes.send(members, signal.SIGKILL)
        if now >= self._kill_at + INSIST:
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
            self._folder.ring(spool.PROGRESS)

    def _on_signals(self):
        numbers = os.read(self._signals, 4096)
        if signal.SIGCHLD in numbers:
            self._reap()
        if signal.SIGTERM in numbers and self._cause is None and self._status is None:
            self._folder.mark_stopping()
            self._folder.ring(spool.PROGRESS)
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
        self._kill_at = self._next_look + GRACE
        members = self._members()
        processes.send(members, signal.SIGTERM)
        processes.send(members, signal.SIGCONT)

    def _conclude(self):
        ending = self._ending
        ending.produced, ending.dropped = self._writer.produced, self._writer.dropped
        if self._status is not None:
            signalled = os.WIFSIGNALED(self._status)
            ending.exit_code = 128 + os.WTERMSIG(self._status) if signalled else os.WEXITSTATUS(self._status)
        if self._cause == "timeout":
            ending.fail("ExecutionTimeout", "it was still running after its timeout of %d s" % self._order["timeout"])
        elif self._cause == "stop":
            ending.state, ending.error_code = spool.STOPPED, "ExecutionInterrupted"
            ending.error_info = "it was stopped"
        else:
            ending.state = spool.FINISHED
        if self._left:
            ending.error_info += "; still alive after KILL: pid %s" % ", ".join(map(str, sorted(self._left)))


def bury(order, channel):
    """End what is left of a record whose shim is gone without a result, and write that result.

    ``order``: record, spool, booted (whether the machine was restarted since). Called when an agent finds the record.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a stop has nothing to add to this
    folder = spool.Spool(order["spool"]).folder(order["record"])
    folder.open_bell()
    folder.note_shim()
    channel.settle()
    channel.say(accepted=True)
    journal = folder.read("request.json") or {}
    left = set() if order["booted"] else _end_orphans(folder, order["record"])
    if journal.get("script") and not journal.get("keep_script"):
        script.remove_file(journal["script"])
    ending = Ending()
    reader = output.Reader(folder.path)
    while True:
        chunks = reader.read(output.SEGMENT)
        if not chunks:
            break
        ending.dropped += sum(data for stream, _, data in chunks if stream is None)
    ending.produced = reader.offset
    if order["booted"]:
        ending.fail("InstanceRestarted", "the instance was restarted while it ran")
    else:
        ending.fail("ExecutionInterrupted", "the process that tended it vanished; its exit code is not known")
    if left:
        ending.error_info += "; still alive after KILL: pid %s" % ", ".join(map(str, sorted(left)))
    folder.finish(ending.document())


def _end_orphans(folder, record):
    """TERM, grace, KILL for the tree of a task that nobody tends. Returns the pids that survived."""
    mark = b"ASSIST_RECORD_ID=" + record.encode("ascii")
    begun = time.monotonic()
    number = signal.SIGTERM
    while True:
        members = processes.marked(mark)
        leader = _orphaned_leader(folder)
        if leader is not None:
            members |= processes.descendants(leader, leader) | ({leader} & set(processes.everyone()))
        if not members or time.monotonic() > begun + GRACE + INSIST:
            return members
        if number is not None:
            processes.send(members, number)
            number = None
        elif time.monotonic() > begun + GRACE:
            processes.send(members, signal.SIGKILL)
        time.sleep(LOOK)


def _orphaned_leader(folder):
    """The pid of the script's main process, living or dead: its session keeps the number from being used again."""
    noted = folder.read("process.json")
    if noted is None or noted[2] != config.boot_id():
        return None
    return noted[0] if processes.start_time(noted[0]) in (None, noted[1]) else None


def sweep(order, channel):
    """Remove what the controllers have acknowledged; with ``measure`` also what is too old and, oldest first, what
    is over the limit.

    ``order``: spool, records (acknowledged), measure, limit (bytes), keep_days. Says the bytes that became free and,
    when it measured, those that are still used.
    """
    channel.settle()
    journal = spool.Spool(order["spool"])
    freed = 0
    for record in order["records"]:
        freed += journal.folder(record).size()
        journal.forget(record)
    total = _thin_out(journal, order["limit"], order["keep_days"]) if order["measure"] else None
    channel.say(freed=freed, bytes=total)


def _thin_out(journal, limit, days):
    """Bring the spool under ``limit`` bytes and ``days`` of age, finished records only. Returns its bytes then."""
    journal.forget_for_good(days)
    finished = []
    total = 0
    for record in journal.records():
        folder = journal.folder(record)
        if journal.is_gone(record):
            journal.forget(record)  # a sweep before this one was cut short
            continue
        size = folder.size()
        total += size
        try:
            finished.append((os.stat(folder.name("result.json")).st_mtime, size, record))
        except FileNotFoundError:
            continue  # it is still running
    oldest = time.time() - days * 86400
    for ended, size, record in sorted(finished):
        if total <= limit and ended >= oldest:
            break
        journal.forget(record)
        total -= size
    return total
