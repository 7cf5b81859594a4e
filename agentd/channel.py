"""What a child of the agent says to it: one JSON object a line, on a pipe."""

import json
import os


class Channel:
    """The child's end. ``let_go`` gives up the agent's lock."""

    def __init__(self, descriptor, let_go):
        self._descriptor = descriptor
        self._let_go = let_go

    def say(self, **words):
        """Tell the agent; an agent that is gone is no reason to stop."""
        try:
            os.write(self._descriptor, json.dumps(words).encode("ascii") + b"\n")
        except OSError:
            pass

    def settle(self):
        """Let go of the agent's lock: from here on its successor can find all that this child does."""
        self._let_go()
