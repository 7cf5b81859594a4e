"""Epochs of controllers: of several copies of one controller the agent serves the one that took over last.

A server that takes over raises the epoch of its controller, and sends it in ``agent.hello``. The agent writes the
highest epoch of each controller to disk before it answers. From then on it refuses a lower one, also after a restart.
"""

import asyncio
import json

from agentd import disk

_MOST = 1000  # controllers; the listeners decide who may connect at all


class Replaced(Exception):
    """Another server has taken over from this controller, with a higher ``epoch``."""

    def __init__(self, epoch):
        super(Replaced, self).__init__("another server has taken over from this controller")
        self.epoch = epoch


class Epochs:
    """The highest epoch of each controller, by the controller's name."""

    def __init__(self, path, spawn):
        self._path = path
        self._spawn = spawn  # calls a function in a child process: a disk may be slow, and the agent must not wait
        self._known = {}  # the content of the file
        self._lock = None

    def read(self):
        """Read the file of an earlier agent. Raises OSError. A damaged file counts as an empty one."""
        try:
            found = json.loads(disk.read_whole(self._path).decode("utf-8"))
        except (FileNotFoundError, ValueError):
            return
        if isinstance(found, dict):
            self._known = {name: value for name, value in found.items() if type(value) is int}

    async def admit(self, controller, epoch):
        """Return True if this epoch is new; it is on disk then. Raises Replaced and OSError."""
        if epoch > self._highest(controller):
            if self._lock is None:
                self._lock = asyncio.Lock()  # made here, in the loop that uses it
            async with self._lock:  # one write at a time, so that the last one has all epochs
                if epoch > self._highest(controller):
                    await self._write(controller, epoch)
                    return True
        if epoch < self._highest(controller):
            raise Replaced(self._highest(controller))
        return False

    def _highest(self, controller):
        return self._known.get(controller, 0)

    async def _write(self, controller, epoch):
        """Write one more epoch. Nothing counts until it is on disk. Raises OSError."""
        if len(self._known) >= _MOST and controller not in self._known:
            raise OSError(0, "the epochs of %d controllers are known, which is the limit" % _MOST)
        epochs = dict(self._known)
        epochs[controller] = epoch
        answer = await self._spawn(write, {"path": self._path, "epochs": epochs})
        if answer is None:
            raise OSError(0, "the process that was to write it died, or could not be started")
        if answer["error"]:
            raise OSError(0, answer["error"])
        self._known = epochs


def write(order, channel):
    """Write the epochs, in a child process of the agent.

    The child keeps the agent's lock until then, so that it cannot overwrite the file of a later agent.
    """
    error = ""
    try:
        disk.write_whole(order["path"], json.dumps(order["epochs"], sort_keys=True).encode("ascii"))
    except OSError as failure:
        error = failure.strerror or str(failure)
    return {"error": error}
