"""Children of the agent: processes that may block, so that the agent need not (POSIX).

A child is forked from the agent, so what it works on reaches it through memory: no content, environment or secret is
in a file or an argv. It says a few things back through a pipe, one JSON object a line, and ends by ``os._exit``.
"""

import gc
import json
import os
import signal
import sys
import traceback

from agentd import processes
from agentd.channel import Channel


def spawn(loop, body, order, lock):
    """Run ``body(order, channel)`` in a process of its own. Returns a future for the first thing that it says, a
    dict; None when it ends without a word.

    ``lock`` is the descriptor of the agent's lock, which the child holds until it has settled. Raises OSError.
    """
    future = loop.create_future()
    heard = bytearray()
    descriptor = _fork(body, order, lock)

    def listen():
        data = os.read(descriptor, 4096)
        heard.extend(data)
        if not data or b"\n" in data:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            future.set_result(json.loads(heard.decode("ascii")) if b"\n" in heard else None)

    loop.add_reader(descriptor, listen)
    return future


def _fork(body, order, lock):
    """Start the child. Returns the descriptor that it speaks on."""
    reading, writing = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    if pid == 0:
        _live(body, order, writing, lock)
    os.close(writing)
    os.set_blocking(reading, False)
    return reading


def _live(body, order, writing, lock):
    """The whole life of the child; it never returns into the agent's loop."""
    status = 1
    try:
        gc.disable()  # a collection would write to, and so copy, every page shared with the agent
        signal.set_wakeup_fd(-1)
        processes.default_signals()
        os.setsid()
        _close_all_but({0, 1, 2, writing, lock})
        _take_name("agentd-" + body.__name__)
        body(order, Channel(writing, lambda: os.close(lock)))
        status = 0
    except BaseException:
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
    finally:
        os._exit(status)


def _take_name(name):
    """Be told apart from the agent in ``ps`` and ``top``, where the system can do that."""
    try:
        with open("/proc/self/comm", "w", encoding="ascii") as file:
            file.write(name)
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
