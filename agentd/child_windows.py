"""Children of the agent: processes that may block, so that the agent need not (Windows).

There is no fork here: a child is a new interpreter that runs this program with the word ``child``. What it works on
reaches it through its standard input, so no content, environment or secret is in a file or an argv. It says a few
things back on its standard output, one JSON object a line.
"""

import importlib
import json
import msvcrt
import os
import subprocess
import sys
import traceback

from agentd import config, kernel_windows, protocol
from agentd.channel import Channel

_BYTES = "\0bytes"  # marks bytes in the JSON of an order; no name that a controller gives can hold a NUL
_FLAGS = kernel_windows.CREATE_NO_WINDOW | kernel_windows.CREATE_NEW_PROCESS_GROUP


def spawn(loop, body, order, lock):
    """Run ``body(order, channel)`` in a process of its own. Returns a future for the first thing that it says, a
    dict; None when it ends without a word. The future raises OSError when there can be no such process.

    ``lock`` is the descriptor of the agent's lock, which the child holds until it has settled.
    """
    # a start takes long enough, and its pipe holds little enough, to be waited for in a thread
    return loop.run_in_executor(None, _converse, body, order, msvcrt.get_osfhandle(lock))


def _converse(body, order, lock):
    """Start the child, give it its order, and return what it says first."""
    parcel = {
        "module": body.__module__,
        "function": body.__name__,
        "agent": os.getpid(),
        "lock": lock,
        "order": order,
    }
    text = json.dumps(parcel, default=lambda value: {_BYTES: protocol.pack(value)})
    child = _start()
    try:
        child.stdin.write(text.encode("ascii"))
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
        return _popen(_FLAGS | kernel_windows.CREATE_BREAKAWAY_FROM_JOB)
    except PermissionError:
        return _popen(_FLAGS)


def _popen(flags):
    words = config.own_words() + ["child"]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, creationflags=flags)


def live():
    """The whole life of the child; it never returns."""
    status = 1
    try:
        parcel = json.loads(sys.stdin.buffer.read().decode("ascii"), object_hook=_unpack)
        lock = kernel_windows.share(parcel["agent"], parcel["lock"])  # fails, as it must, when the agent is gone
        body = getattr(importlib.import_module(parcel["module"]), parcel["function"])
        body(parcel["order"], Channel(1, lambda: kernel_windows.close(lock)))
        status = 0
    except BaseException:
        traceback.print_exc(file=sys.stderr)
        sys.stderr.flush()
    finally:
        os._exit(status)


def _unpack(found):
    return protocol.unpack(found[_BYTES]) if _BYTES in found else found
