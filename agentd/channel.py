"""The channel between the agent and a child of it: an order to the one, one JSON object a line back from it."""

import importlib
import json
import os

from agentd.wire import protocol

_BYTES = "\0bytes"  # marks bytes in the JSON of an order; no name that a controller gives can hold a NUL


class Channel:
    """The child's end. ``let_go`` gives up the agent's lock."""

    def __init__(self, descriptor, let_go):
        self._descriptor = descriptor
        self._let_go = let_go

    def say(self, **words):
        """Tell the agent; an agent that is gone is no reason to stop."""
        say(self._descriptor, **words)

    def settle(self):
        """Release the agent's lock: from here on its successor can find all that this child does."""
        if self._let_go is not None:
            self._let_go()
            self._let_go = None


def say(descriptor, **words):
    """One line to the agent, if there is one."""
    try:
        os.write(descriptor, json.dumps(words).encode("ascii") + b"\n")
    except OSError:
        pass


def pack(body, order, **more):
    """One line of bytes that has a child call ``body(order, channel)``; ``order`` is a dict that may hold bytes."""
    parcel = dict(more, module=body.__module__, function=body.__name__, order=order)
    return json.dumps(parcel, default=_mark).encode("ascii") + b"\n"


def unpack(line):
    """The same back: the body, the order, and what was put in beside them."""
    parcel = json.loads(line.decode("ascii"), object_hook=_unmark)
    body = getattr(importlib.import_module(parcel.pop("module")), parcel.pop("function"))
    return body, parcel.pop("order"), parcel


def _mark(value):
    return {_BYTES: protocol.pack(value)}


def _unmark(found):
    return protocol.unpack(found[_BYTES]) if _BYTES in found else found
