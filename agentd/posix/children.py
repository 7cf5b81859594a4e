"""Children of the agent: processes that may block, so that the agent need not (POSIX).

A child is forked from the agent, and all that it works on reaches it through a socket that the two share: no content,
environment or secret is in a file or an argv. It says a few things back, one JSON object a line.

A fork costs several times what an order does: every page that either of the two touches afterwards is copied. So a
child that has done its order, and keeps nothing of it, waits for another one. It works for one agent at most: when that
is gone it ends, at once or when its order is done.
"""

import functools
import gc
import json
import os
import signal
import socket
import struct
import sys
import traceback

from agentd import channel
from agentd.posix import processes

_IDLE = 1  # children that may wait for longer than a moment
_MOMENT = 1.0  # seconds
_ORDERS = 100  # after which a child ends: it does not look for circles in its memory
_BLOCK = 64 * 1024
_LOCK = struct.Struct("i")


class Children:
    """The children of one agent. ``lock`` is the descriptor of its lock, which a child holds until it has settled."""

    def __init__(self, loop, lock):
        self._loop = loop
        self._lock = lock
        self._idle = []  # those who wait for an order, the last of them the one that was busy last
        self._generation = 0
        self._trimming = False

    def spawn(self, body, order):
        """Have a child call ``body(order, channel)``. Returns a future for the first thing that it says, a dict;
        None when it ends without a word. Raises OSError.
        """
        parcel = channel.pack(body, order)
        while self._idle:
            try:
                return self._idle.pop().give(parcel, self._lock)
            except OSError:
                continue  # it was killed while it waited
        return _Child(self._loop, self._generation, self._add_idle, self._drop_idle).give(parcel, self._lock)

    def renew(self):
        """Have none wait that was forked before: each has a copy of what our memory held then."""
        self._generation += 1
        for child in list(self._idle):
            child.close()

    def _add_idle(self, child):
        """It waits for an order. Where many are at work at once the next one comes soon."""
        if child.generation != self._generation:
            child.close()
            return
        self._idle.append(child)
        if len(self._idle) > _IDLE and not self._trimming:
            self._trimming = True
            self._loop.call_later(_MOMENT, self._end_surplus)

    def _end_surplus(self):
        self._trimming = False
        while len(self._idle) > _IDLE:
            self._idle[0].close()

    def _drop_idle(self, child):
        if child in self._idle:
            self._idle.remove(child)


def become_child():
    """Do nothing: a child is forked here, and no program is started."""


class _Child:
    """One of them, as the agent sees it. It calls ``waits`` with itself when its order is done, and ``gone`` after."""

    def __init__(self, loop, generation, waits, gone):
        self.generation = generation
        self._loop = loop
        self._waits = waits
        self._gone = gone
        self._future = None  # for the first thing that it says about its order
        self._heard = b""
        self._unsent = b""
        self._end = _fork()
        loop.add_reader(self._end, self._listen)

    def give(self, parcel, lock):
        """Hand it an order, and the lock with it. Raises OSError when it is gone."""
        sent = self._end.sendmsg([parcel], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, _LOCK.pack(lock))])
        self._future = self._loop.create_future()
        self._unsent = parcel[sent:]
        if self._unsent:
            self._loop.add_writer(self._end, self._send)
        return self._future

    def _send(self):
        try:
            self._unsent = self._unsent[self._end.send(self._unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._unsent = b""  # it is gone, which is heard as well
        if not self._unsent:
            self._loop.remove_writer(self._end)

    def _listen(self):
        try:
            data = self._end.recv(_BLOCK)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # it was killed before it took its order
        if not data:
            self.close()
            return
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            words = json.loads(line.decode("ascii"))
            if "idle" in words:
                self._tell(None)
                self._waits(self)
            else:
                self._tell(words)

    def _tell(self, words):
        if self._future is not None:
            self._future.set_result(words)
            self._future = None

    def close(self):
        """Forget it: it is gone, or will be when it sees that we are."""
        self._tell(None)
        self._gone(self)
        self._loop.remove_reader(self._end)
        self._loop.remove_writer(self._end)
        self._end.close()


def _fork():
    """Start a child. Returns the agent's end of the socket between the two."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            raise
        if pid == 0:
            _run(theirs)
    ours.setblocking(False)
    return ours


def _run(end):
    """The whole life of the child; it never returns into the agent's loop."""
    status = 1
    try:
        gc.disable()  # a collection would write to, and so copy, every page shared with the agent
        signal.set_wakeup_fd(-1)
        os.setsid()
        _close_all_but({0, 1, 2, end.fileno()})
        processes.adopt_orphans()
        _do_orders(end)
        status = 0
    except BaseException:
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
    finally:
        os._exit(status)


def _do_orders(end):
    """Do one order after the other, as long as the agent has some and nothing of the last one is left."""
    for number in range(_ORDERS):
        os.umask(0o077)
        processes.default_signals()
        if number:
            _take_name("agentd-idle")
            channel.say(end.fileno(), idle=True)
        line, lock = _receive(end)
        if not line:
            return
        body, order, _ = channel.unpack(line)
        _take_name("agentd-" + body.__name__)
        speech = channel.Channel(end.fileno(), functools.partial(os.close, lock))
        body(order, speech)
        speech.settle()
        if order.get("secrets") or _has_children():
            return


def _receive(end):
    """The next order, and the descriptor of the agent's lock; an empty one when the agent is gone."""
    data, extra, _, _ = end.recvmsg(_BLOCK, socket.CMSG_SPACE(_LOCK.size))
    parts = [data]
    while parts[-1] and not parts[-1].endswith(b"\n"):
        parts.append(end.recv(_BLOCK))
    if not parts[-1]:
        return b"", None
    return b"".join(parts), _LOCK.unpack(extra[0][2])[0]


def _has_children():
    """Return whether something is left that would be taken for a part of the next order."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _take_name(name):
    """Be told apart from the agent in ``ps`` and ``top``, where the system can do that."""
    try:
        with open("/proc/self/comm", "wb", buffering=0) as file:
            file.write(name.encode("ascii"))
    except OSError:
        pass


def _close_all_but(keep):
    """Close every descriptor that the agent had open: listeners, connections, the loop's own."""
    for name in os.listdir("/dev/fd"):
        descriptor = int(name)
        if descriptor not in keep:
            try:
                os.close(descriptor)
            except OSError:
                continue  # the one that listed the folder
