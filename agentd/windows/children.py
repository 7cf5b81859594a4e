"""Children of the agent: processes that may block, so that the agent need not (Windows).

There is no fork here: a child is a new interpreter that runs this program with the word ``CHILD``. What it works on
reaches it through its standard input, so no content, environment or secret is in a file or an argv. It says a few
things back on its standard output, one JSON object a line.
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


class Children:
    """The children of one agent. ``lock`` is the descriptor of its lock, which a child holds until it has settled."""

    def __init__(self, loop, lock):
        self._loop = loop
        self._lock = msvcrt.get_osfhandle(lock)

    def spawn(self, body, order):
        """Have a child call ``body(order, channel)``. Returns a future for the first thing that it says, a dict;
        None when it ends without a word. The future raises OSError when there can be no such process.
        """
        parcel = channel.pack(body, order, agent=os.getpid(), lock=self._lock)
        # a start takes long enough, and its pipe holds little enough, to be waited for in a thread
        return self._loop.run_in_executor(None, _converse, parcel)

    def renew(self):
        """Have none wait that was started before: none ever waits here."""


def _converse(parcel):
    """Start the child, give it its order, and return what it says first."""
    child = _start()
    try:
        child.stdin.write(parcel)
        child.stdin.close()
    except OSError:
        pass  # it died already, and so says nothing
    line = child.stdout.readline()
    child.stdout.close()
    child.returncode = 0  # nobody waits for it: it may live longer than we
    return json.loads(line.decode("ascii")) if line.endswith(b"\n") else None


def _start():
    """The child as a Popen, outside of the job that we are in when that lets it go."""
    try:
        return _popen(_FLAGS | _kernel.CREATE_BREAKAWAY_FROM_JOB)
    except PermissionError:
        return _popen(_FLAGS)


def _popen(flags):
    words = program.own_words() + [program.CHILD]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, creationflags=flags)


def become_child():
    """The whole life of the child; it never returns."""
    status = 1
    try:
        body, order, agent = channel.unpack(sys.stdin.buffer.read())
        lock = _kernel.share(agent["agent"], agent["lock"])  # fails, as it must, when the agent is gone
        body(order, channel.Channel(1, functools.partial(_kernel.close, lock)))
        status = 0
    except BaseException:
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
    finally:
        os._exit(status)
