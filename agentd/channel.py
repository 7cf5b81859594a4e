"""The channel between the agent and a child process: one order to the child, JSON objects back, one per line."""

import importlib
import json
import os

from agentd.wire import protocol

_BYTES = "\0bytes"  # marks bytes in the JSON of an order; names from a controller cannot contain NUL


class Channel:
    """The child's end. It calls ``release`` to release the agent's lock."""

    def __init__(self, descriptor, release):
        self._descriptor = descriptor
        self._release = release

    def say(self, **words):
        """Send a message to the agent. The child continues if the agent has ended."""
        say(self._descriptor, **words)

    def settle(self):
        """Release the agent's lock. From here on the next agent can find all that this child does."""
        if self._release is not None:
            self._release()
            self._release = None


def say(descriptor, **words):
    """Send one line to the agent, if there is one."""
    try:
        os.write(descriptor, json.dumps(words).encode("ascii") + b"\n")
    except OSError:
        pass


def pack(body, order, **more):
    """Return the line that makes a child call ``body(order, channel)``. ``order`` is a dict that may hold bytes."""
    parcel = dict(more, module=body.__module__, function=body.__name__, order=order)
    return json.dumps(parcel, default=_mark).encode("ascii") + b"\n"


def unpack(line):
    """Return the contents of such a line: the body, the order, and the additional values."""
    parcel = json.loads(line.decode("ascii"), object_hook=_unmark)
    body = getattr(importlib.import_module(parcel.pop("module")), parcel.pop("function"))
    return body, parcel.pop("order"), parcel


def _mark(value):
    return {_BYTES: protocol.pack(value)}


def _unmark(found):
    return protocol.unpack(found[_BYTES]) if _BYTES in found else found
