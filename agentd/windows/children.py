"""Child processes of the agent, for work that may block (Windows).

Windows has no fork: a child is a new interpreter that runs this program with the argument ``CHILD``. It gets its order
on standard input, so no content, environment or secret is in a file or an argv. It answers on its standard output with
a few JSON objects, one per line.
"""

import functools
import json
import msvcrt
import os
import subprocess
import sys
import traceback

from agentd import channel, program
from agentd.windows import _kernel

_FLAGS = _kernel.CREATE_NO_WINDOW | _kernel.CREATE_NEW_PROCESS_GROUP


HEARD_TO_END = False  # a child sends one message; see ``wakeup`` for the rest


class Children:
    """The children of one agent. ``lock`` is the descriptor of its lock. A child holds it until it has settled."""

    def __init__(self, loop, lock):
        self._loop = loop
        self._lock = msvcrt.get_osfhandle(lock)

    def spawn(self, body, order, hear=None):
        """Have a child call ``body(order, channel)``. Return a future of its first message, a dict, else of what the
        function returns, or of None if the child dies before. The future raises OSError if the process cannot be
        started. ``hear`` is not called.
        """
        parcel = channel.pack(body, order, agent=os.getpid(), lock=self._lock)
        # start and pipe may block, so a thread waits for them
        return self._loop.run_in_executor(None, _converse, parcel)

    def renew(self):
        """Do nothing: no child waits for orders here."""


def _converse(parcel):
    """Start the child, send its order, and return its first message."""
    child = _start()
    try:
        child.stdin.write(parcel)
        child.stdin.close()
    except OSError:
        pass  # it has ended already, without a message
    line = child.stdout.readline()
    child.stdout.close()
    child.returncode = 0  # not waited for: it may outlive us
    words = json.loads(line.decode("ascii")) if line.endswith(b"\n") else {"ended": None}
    return words.get("ended", words)


def _start():
    """Start the child and return its Popen; outside of our job, if that allows it."""
    try:
        return _popen(_FLAGS | _kernel.CREATE_BREAKAWAY_FROM_JOB)
    except PermissionError:
        return _popen(_FLAGS)


def _popen(flags):
    words = program.own_words() + [program.CHILD]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, creationflags=flags)


def become_child():
    """Run the child. It never returns."""
    status = 1
    try:
        body, order, agent = channel.unpack(sys.stdin.buffer.read())
        lock = _kernel.share(agent["agent"], agent["lock"])  # fails, as intended, if the agent has ended
        speech = channel.Channel(1, functools.partial(_kernel.close, lock))
        speech.say(ended=body(order, speech))
        status = 0
    except BaseException:
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
    finally:
        os._exit(status)
