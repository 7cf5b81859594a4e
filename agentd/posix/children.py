"""Child processes of the agent, for work that may block (POSIX).

A child is forked from the agent and gets its order over a socket pair. So no content, environment or secret is in a
file or an argv. It answers with a few JSON objects, one per line.

A fork costs several times as much as an order: each page that one of the two writes to later is copied. So a child that
has done its order, and keeps nothing of it, waits for another one. A child works for one agent. When that ends, the
child ends too, immediately or after its order.
"""

import functools
import gc
import itertools
import json
import os
import signal
import socket
import struct
import sys
import traceback

from agentd import channel
from agentd.posix import processes

_IDLE = 1  # children that may wait for longer than _MOMENT without an order
_MOMENT = 1.0  # seconds
_ORDERS = 1000  # after which a child ends: its garbage collection is off
_BLOCK = 64 * 1024
_LOCK = struct.Struct("i")
_OUTPUT = b'{"output": true}\n'

HEARD_TO_END = True  # a child also reports the output and the end of its record


class Children:
    """The children of one agent. ``lock`` is the descriptor of its lock. A child holds it until it has settled."""

    def __init__(self, loop, lock):
        self._loop = loop
        self._lock = lock
        self._idle = []  # children that wait for an order, the last used at the end
        self._generation = 0
        self._trimming = False
        self._unused = 0  # children that got no order since the last trimming: the first ones of ``_idle``

    def spawn(self, body, order, hear=lambda words: None):
        """Have a child call ``body(order, channel)``. Return a future of its first message, a dict, else of what the
        function returns, or of None if the child dies before. Raises OSError.

        ``hear`` is called with each further message. The last one is what the function returns, as ``ended``, or None
        if the child dies before.
        """
        parcel = channel.pack(body, order)
        while self._idle:
            child = self._idle.pop()
            self._unused = min(self._unused, len(self._idle))
            try:
                return child.give(parcel, self._lock, hear)
            except OSError:
                continue  # it was killed while waiting
        return _Child(self._loop, self._generation, self._add_idle, self._drop_idle).give(parcel, self._lock, hear)

    def renew(self):
        """Stop using children that were forked before now: each has a copy of our memory at that time."""
        self._generation += 1
        for child in list(self._idle):
            child.close()

    def _add_idle(self, child):
        """Add a child that waits, for a while more than one: when orders run concurrently, the next ones come soon."""
        if child.generation != self._generation:
            child.close()
            return
        self._idle.append(child)
        self._trim_later()

    def _trim_later(self):
        if len(self._idle) > _IDLE and not self._trimming:
            self._trimming = True
            self._unused = len(self._idle)
            self._loop.call_later(_MOMENT, self._trim)

    def _trim(self):
        self._trimming = False
        for child in self._idle[: min(self._unused, len(self._idle) - _IDLE)]:
            child.close()
        self._trim_later()

    def _drop_idle(self, child):
        if child in self._idle:
            self._idle.remove(child)


def become_child():
    """Do nothing: on POSIX a child is forked, not started as a program."""


class _Child:
    """A child, as the agent sees it. It calls ``waits`` with itself after its order, and ``gone`` at its end."""

    def __init__(self, loop, generation, waits, gone):
        self.generation = generation
        self._loop = loop
        self._waits = waits
        self._gone = gone
        self._future = None  # of its first message about the order
        self._hear = None  # called with the others
        self._heard = b""
        self._unsent = b""
        self._end = _fork()
        loop.add_reader(self._end, self._listen)

    def give(self, parcel, lock, hear):
        """Send the child an order with the lock. Raises OSError if the child has ended."""
        sent = self._end.sendmsg([parcel], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, _LOCK.pack(lock))])
        self._future, self._hear = self._loop.create_future(), hear
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
            self._unsent = b""  # it has ended, which _listen notices
        if not self._unsent:
            self._loop.remove_writer(self._end)

    def _listen(self):
        try:
            data = self._end.recv(_BLOCK)
        except BlockingIOError:
            return
        except OSError:
            data = b""  # it was killed before it read its order
        if not data:
            self.close()
            return
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            words = json.loads(line.decode("ascii"))
            self._tell(words, "ended" in words)
            if words.get("idle"):
                self._waits(self)

    def _tell(self, words, last):
        """Pass on a message about the order, the ``last`` or not; None if the child dies."""
        future, hear = self._future, self._hear
        self._future = None
        if last:
            self._hear = None
        if future is not None:
            future.set_result(words and words["ended"] if last else words)
        elif hear is not None:
            hear(words)

    def close(self):
        """Close the socket: the child has ended, or ends now."""
        self._tell(None, True)
        self._gone(self)
        self._loop.remove_reader(self._end)
        self._loop.remove_writer(self._end)
        self._end.close()


def _fork():
    """Fork a child. Return the agent's end of the socket pair."""
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
    """Run the child. It never returns to the agent's loop."""
    status = 1
    try:
        gc.disable()  # a collection would write to every page shared with the agent, and so copy it
        signal.set_wakeup_fd(-1)
        os.setsid()
        _close_all_but({0, 1, 2, end.fileno()})
        processes.default_signals()
        processes.adopt_orphans()
        _do_orders(end)
        status = 0
    except BaseException:
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
    finally:
        os._exit(status)


def _do_orders(end):
    """Carry out orders while the agent sends them and nothing of the last one is left."""
    take_name = _names()
    for number in itertools.count(1):
        line, lock = _receive(end)
        if not line:
            return
        body, order, _ = channel.unpack(line)
        take_name("agentd-" + body.__name__)
        speech = _Channel(end, functools.partial(os.close, lock))
        last = body(order, speech)
        speech.settle()
        waits = number < _ORDERS and not (order.get("secrets") or _has_children())
        if waits:
            os.umask(0o077)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the order may have changed both; before it is seen to wait
            take_name("agentd-idle")
        speech.say(ended=last, idle=waits)
        if not waits:
            return


class _Channel(channel.Channel):
    """The end of a child on its socket."""

    def __init__(self, end, release):
        super(_Channel, self).__init__(end.fileno(), release)
        self._end = end

    def announce(self):
        """Tell the agent of new output. Return False if there is no agent any more.

        If it reads nothing for long, enough announcements wait for it: this never blocks.
        """
        try:
            self._end.send(_OUTPUT, socket.MSG_DONTWAIT)
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True


def _receive(end):
    """Return the next order, and the descriptor of the agent's lock; an empty order if the agent has ended."""
    data, extra, _, _ = end.recvmsg(_BLOCK, socket.CMSG_SPACE(_LOCK.size))
    parts = [data]
    while parts[-1] and not parts[-1].endswith(b"\n"):
        parts.append(end.recv(_BLOCK))
    if not parts[-1]:
        return b"", None
    return b"".join(parts), _LOCK.unpack(extra[0][2])[0]


def _has_children():
    """Return True if child processes are left that would count as a part of the next order."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _names():
    """Return a function that sets the process name for ``ps`` and ``top``, if the system can."""
    try:
        file = open("/proc/self/comm", "wb", buffering=0)
    except OSError:
        return lambda name: None
    return lambda name: file.write(name.encode("ascii"))


def _close_all_but(keep):
    """Close every descriptor of the agent: listeners, connections, those of the loop."""
    for name in os.listdir("/dev/fd"):
        descriptor = int(name)
        if descriptor not in keep:
            try:
                os.close(descriptor)
            except OSError:
                continue  # the descriptor of this listing
