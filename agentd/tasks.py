"""The table of tasks: running tasks, their watchers, and the records in the spool.

Only running records are in memory, and the last that have ended. All others are read from the spool on demand, so ten
thousand finished records cost nothing. The shim of a running record reports its output and its end to the agent that
has accepted it, and by the wakeup of the record (``spool``) to a later one. The agent sleeps until that happens.
"""

import asyncio
import collections
import functools
import os
import time

from agentd import janitor, output, platform, shim, spool
from agentd.watcher import public_chunk
from agentd.wire import protocol

children = platform.load("children")
processes = platform.load("processes")
system = platform.load("system")
wakeup = platform.load("wakeup")

_CLEAN_UP_DELAY = 1.0  # seconds over which acknowledged records are collected
_MEASURE_EVERY = 86400.0  # seconds between two checks of the age and size of the whole spool
_RETRY = 5.0  # seconds until the start of a process is retried
_HAND_OVERS = (0, 0.1, 0.5)  # seconds before each attempt to hand a record over to a child
_LIST_PAGE = 500
_BLOCK = 4096  # bytes, of most disks
_REMEMBERED = 32  # records that have ended, in memory


class RequestRefused(Exception):
    """The agent refuses a request. ``code`` is the ErrorCode for the wire, ``details`` are further data."""

    def __init__(self, code, info, **details):
        super(RequestRefused, self).__init__(info)
        self.code = code
        self.details = details


class Task:
    """One record: its owner, its state and, after its end, its result."""

    def __init__(self, record, folder, owner, state=protocol.RUNNING):
        self.record = record
        self.folder = folder
        self.owner = owner
        self.state = state
        self.result = None
        self.refusal = None
        self.accepted = None  # a future until it is accepted or refused
        self.wakeup = None  # the WakeupListener while it is running, if its shim is not heard by another way
        self.has_output = True  # False until the shim of a new record reports some
        self.watchers = set()
        self.waiting = []  # futures of requests that wait for the result

    def public(self):
        return {"record": self.record, "state": self.state}

    def started(self):
        """Return the start time of its script; None if it has not started, or the time is unknown."""
        return self.folder.started() if self.result is None else self.result["started"]

    def output(self, offset):
        """Return one page of output from ``offset`` on, in the form of the wire.

        ``next`` is the offset of the next page. On the last page it is None, and ``produced`` is the size of all output
        so far.
        """
        if self.state == protocol.FORGOTTEN:
            return {"output": [], "next": None, "produced": 0}
        end = None if self.result is None else self.result["output_bytes"]
        reader = output.OutputReader(self.folder.path, offset)
        try:
            chunks = reader.read(protocol.PAGE_LIMIT, end)
        finally:
            reader.close()
        more = chunks and reader.offset != end
        return {
            "output": [public_chunk(*chunk) for chunk in chunks],
            "next": reader.offset if more else None,
            "produced": None if more else reader.reached if end is None else end,
        }


class Tasks:
    """The records of one agent. All of this runs on the agent's loop and hardly waits for the disk."""

    def __init__(self, loop, settings, instance, lock, log):
        self.total = 0
        self.spool_bytes = 0
        self.enrolment = None
        self._loop = loop
        self._settings = settings
        self._instance = instance
        self._children = children.Children(loop, lock)
        self._log = log
        self._spool = spool.Spool(settings.spool)
        self._living = {}
        self._ended = collections.OrderedDict()  # the last records that have ended: they are asked for again soon
        self._acknowledged = {}  # records that may be deleted, with their owners
        self._cleaning_up = False
        self._measured = None  # when the spool was last measured (monotonic seconds)

    @property
    def running(self):
        return len(self._living)

    def recover(self):
        """Recover every record without a result: adopt those with a shim, close the others. Raises OSError."""
        self._spool.prepare()
        self.enrolment = self._spool.enrolment()
        for record in self._spool.records():
            folder = self._spool.folder(record)
            if os.path.exists(folder.name("result.json")):
                continue
            has_shim = wakeup.is_held(folder.path)
            if not has_shim and not folder.was_accepted():
                self._log("record %s was never started: dropped" % record)
                folder.remove()
                continue
            journal = folder.read("request.json") or {}
            self._living[record] = task = Task(record, folder, journal.get("peer"), folder.state())
            if has_shim:
                self._log("record %s is running: adopted" % record)
                self._listen(task)
            else:
                self._log("record %s has lost its shim: being closed" % record)
                self._close_orphan(task, journal.get("boot") != system.boot_id())
        self._clean_up_soon()

    def find(self, record, peer):
        """Return the Task of ``record``, running or finished; None if it is unknown.

        Raises RequestRefused (``RecordNotFound``) if it belongs to another peer.
        """
        if not spool.is_record(record):
            return None
        if record in self._acknowledged or self._spool.is_gone(record):
            owner, result = self._spool.gone(record)
            owner = self._acknowledged.get(record) or owner or peer.owner()
            task = Task(record, self._spool.folder(record), owner, protocol.FORGOTTEN)
            task.result = result or task.folder.read("result.json")
        else:
            task = self._living.get(record) or self._ended.get(record) or self._load(record)
        if task is not None and not peer.may_see(task.owner):
            raise RequestRefused("RecordNotFound", "there is no record '%s'" % record)
        return task

    async def get(self, record, peer):
        """Return the Task as ``find`` does, after its acceptance is decided. Raises RequestRefused if it is unknown."""
        task = self.find(record, peer)
        if task is not None and task.accepted is not None:
            await task.accepted
        if task is None or task.refusal is not None:
            raise RequestRefused("RecordNotFound", "there is no record '%s'" % record)
        return task

    def page(self, cursor, peer):
        """Return the records of ``peer`` after ``cursor`` in public form, and the next cursor or None."""
        records = [record for record in self._spool.records() if record > cursor]
        found = []
        for record in records[:_LIST_PAGE]:
            try:
                task = self.find(record, peer)
            except RequestRefused:
                continue
            if task is not None and task.state != protocol.FORGOTTEN:
                found.append(task.public())
        return found, records[_LIST_PAGE - 1] if len(records) > _LIST_PAGE else None

    async def accept(self, body, order, peer):
        """Have a child run ``body`` with ``order``: a dict with the record's id and all its values.

        Return the Task, and True if it was known before. After this the record is in the journal and runs at most once.
        Raises RequestRefused.
        """
        record = order["record"]
        task = self.find(record, peer)
        known = task is not None
        if not known:
            task = self._admit(record, peer)
            order = dict(
                order,
                spool=self._settings.spool,
                script_dir=self._settings.script_dir,
                path=self._settings.path,
                peer=task.owner,
                boot=system.boot_id(),
            )
            try:
                words = await self._hand_over(task, body, order)
            except OSError as error:
                words = {"refused": "ExecutionException", "info": "cannot start a process: %s" % error.strerror}
            self._settle(task, words)
        elif task.accepted is not None:
            await task.accepted
        if task.refusal is not None:
            raise task.refusal
        return task, known

    def _admit(self, record, peer):
        if not spool.is_record(record):
            raise RequestRefused("ExecutionException", "'%s' cannot be a record id" % record[:80])
        if len(self._living) >= self._settings.task_limit:
            info = "the task limit of this instance is reached: %d running" % len(self._living)
            raise RequestRefused("TaskConcurrencyLimit", info)
        task = Task(record, self._spool.folder(record), peer.owner())
        task.accepted = self._loop.create_future()
        task.has_output = False
        self._living[record] = task
        return task

    async def _hand_over(self, task, body, order):
        """Return the answer of a child about accepting the record. Raises OSError.

        A waiting child may be killed just when it gets an order. On Windows a new one ends if another process holds the
        file of its program. While the record is not in the journal it has not started, so another child may take it.
        """
        for pause in _HAND_OVERS:
            if pause:
                await asyncio.sleep(pause)
            words = await self._children.spawn(body, order, functools.partial(self._hear, task))
            if words is not None:
                return words
            if task.folder.was_accepted():
                return {"accepted": True, "orphaned": True}
            task.folder.remove()
        return {"refused": "ExecutionException", "info": "its process died before it started"}

    def _settle(self, task, words):
        """Apply the answer of the child about accepting the record."""
        if words.get("accepted"):
            if "orphaned" in words:
                self._hear(task, None)
            elif not children.HEARD_TO_END:
                self._listen(task)
        else:
            del self._living[task.record]
            task.refusal = RequestRefused(words["refused"], words["info"])
        task.accepted.set_result(None)
        task.accepted = None

    async def ended(self, task):
        """Wait until ``task`` has its result."""
        if task.result is None and task.state != protocol.FORGOTTEN:
            future = self._loop.create_future()
            task.waiting.append(future)
            await future

    def stop(self, task):
        """Begin to end a task. It is Stopping until its whole tree has ended. An ended task does not change."""
        if task.result is None and task.state != protocol.FORGOTTEN:
            pid = task.folder.shim()
            # the result exists, so it has ended; its shim may work on another record
            if pid is not None and not os.path.exists(task.folder.name("result.json")):
                task.folder.mark_stopping()
                processes.interrupt(pid)
                task.state = protocol.STOPPING

    def acknowledge(self, records, peer):
        """Mark results as fetched, so that their space can be freed. Return the finished ones of this peer."""
        dropped = []
        for record in records:
            try:
                task = self.find(record, peer)
            except RequestRefused:
                continue  # like one that does not exist
            if task is not None and task.result is not None:
                self._acknowledged[record] = task.owner
                dropped.append(record)
        if dropped:
            self._clean_up_soon()
        return dropped

    def renew_children(self):
        """Replace waiting children, whose memory may hold what the agent held."""
        self._children.renew()

    def _load(self, record):
        """Return a finished record from the spool."""
        folder = self._spool.folder(record)
        result = folder.read("result.json")
        if result is None:
            return None
        task = Task(record, folder, (folder.read("request.json") or {}).get("peer"), result["state"])
        task.result = result
        return task

    def _listen(self, task):
        """Wait for the wakeup of a record. Without a free descriptor, retry later."""
        try:
            task.wakeup = wakeup.WakeupListener(self._loop, task.folder.path, lambda held: self._on_wakeup(task, held))
        except OSError as error:
            self._log("cannot listen to record %s: %s" % (task.record, error.strerror))
            self._loop.call_later(_RETRY, self._listen, task)

    def _on_wakeup(self, task, held):
        if not held:
            task.wakeup.close()
        self._hear(task, {} if held else None)

    def _hear(self, task, words, pause=0):
        """Handle what the shim of a record reports: more output, or its end (``ended``); None: it is gone.

        ``pause``: the seconds until a record without a result is closed.
        """
        if task.accepted is not None:  # this came with the acceptance, which is handled in this turn of the loop
            self._loop.call_soon(self._hear, task, words)
            return
        if self._living.get(task.record) is not task:
            return  # refused
        task.has_output = True
        if words is not None and "ended" not in words:
            for watcher in task.watchers:
                watcher.wake()
            return
        ended = words and words["ended"]
        result = ended["result"] if ended else task.folder.read("result.json")
        if result is not None:
            self._finish(task, result, _room(ended["room"]) if ended else task.folder.size())
        else:
            self._log("record %s has lost its shim: being closed" % task.record)
            self._loop.call_later(pause, self._close_orphan, task, False)

    def _finish(self, task, result, room):
        task.result = result
        task.state = result["state"]
        del self._living[task.record]
        self._ended[task.record] = task
        if len(self._ended) > _REMEMBERED:
            self._ended.popitem(last=False)
        self.total += 1
        self.spool_bytes += room
        for watcher in task.watchers:
            watcher.wake()
        for future in task.waiting:
            future.set_result(None)
        if self.spool_bytes > self._settings.spool_limit:
            self._clean_up_soon()

    def _close_orphan(self, task, booted):
        """Close a record that lost its shim, in a child; retry until it succeeds."""
        self._loop.create_task(self._try_to_close(task, booted))

    async def _try_to_close(self, task, booted):
        order = {"record": task.record, "spool": self._settings.spool, "booted": booted}
        if await self.spawn(shim.close_orphan, order, functools.partial(self._hear, task, pause=_RETRY)) is None:
            self._loop.call_later(_RETRY, self._close_orphan, task, booted)
        elif not children.HEARD_TO_END:
            self._listen(task)

    async def spawn(self, body, order, *hear):
        """Return the answer of a child, None if it could not be started or died."""
        try:
            return await self._children.spawn(body, order, *hear)
        except OSError as error:
            self._log("cannot start a process: %s" % error.strerror)
            return None

    def _clean_up_soon(self):
        if not self._cleaning_up:
            self._cleaning_up = True
            self._loop.call_later(_CLEAN_UP_DELAY, lambda: self._loop.create_task(self._clean_up()))

    async def _clean_up(self):
        records = sorted(self._acknowledged)
        measure = (
            self._measured is None
            or time.monotonic() > self._measured + _MEASURE_EVERY
            or self.spool_bytes > self._settings.spool_limit
        )
        order = {
            "spool": self._settings.spool,
            "records": records,
            "measure": measure,
            "limit": self._settings.spool_limit,
            "keep_days": self._settings.keep_days,
        }
        words = await self.spawn(janitor.clean_up, order)
        self._cleaning_up = False
        if words is None:
            self._loop.call_later(_RETRY, self._clean_up_soon)
            return
        for record in records:
            self._acknowledged.pop(record, None)
            self._ended.pop(record, None)
        self.spool_bytes = max(self.spool_bytes - words["freed"], 0)
        if measure:
            self._measured, self.spool_bytes = time.monotonic(), words["bytes"]
        if self._acknowledged:
            self._clean_up_soon()


def _room(output):
    """Return about how many bytes a record takes on the disk: its output, and three small files, in whole blocks."""
    return (3 + (output + _BLOCK - 1) // _BLOCK) * _BLOCK
