"""The channel between the agent and a child process: one order to the child, JSON objects back, one per line.

A record is first accepted or refused. Then there is a message ``output`` for new output. The last message about each
order is ``ended``: the value that its function returned.
"""

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
        try:
            os.write(self._descriptor, json.dumps(words).encode("ascii") + b"\n")
        except OSError:
            pass

    def announce(self):
        """Return False: this agent is not told of new output."""
        return False

    def settle(self):
        """Release the agent's lock. From here on the next agent can find all that this child does."""
        if self._release is not None:
            self._release()
            self._release = None


def pack(body, order, **more):
    """Return the line that makes a child call ``body(order, channel)``. ``order`` is a dict that may hold bytes."""
    parcel = dict(more, module=body.__module__, function=body.__name__, order=order)
    return _ENCODER.encode(parcel).encode("ascii") + b"\n"


def unpack(line):
    """Return the contents of such a line: the body, the order, and the additional values."""
    parcel = _DECODER.decode(line.decode("ascii"))
    body = getattr(importlib.import_module(parcel.pop("module")), parcel.pop("function"))
    return body, parcel.pop("order"), parcel


def _mark(value):
    return {_BYTES: protocol.pack(value)}


def _unmark(found):
    return protocol.unpack(found[_BYTES]) if _BYTES in found else found


_ENCODER, _DECODER = json.JSONEncoder(default=_mark), json.JSONDecoder(object_hook=_unmark)
