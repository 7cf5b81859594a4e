"""Epochs of controllers: of two copies of one controller the agent serves the one that took over last.

A server that takes over raises the epoch of its controller, and says it in ``agent.hello``. The highest of each
controller is on the disk before the answer, so a copy with a lower one is refused from then on, also by a later agent.
"""

import json

from agentd import disk

_MOST = 1000  # controllers; who may connect at all is decided elsewhere


class Replaced(Exception):
    """Another server has taken over from this controller."""


class Epochs:
    """The highest epoch of each controller, by its name."""

    def __init__(self, path, spawn):
        self._path = path
        self._spawn = spawn  # has a child call a function: a disk may be slow, and the agent must not wait for it
        self._known = {}

    def read(self):
        """Read what earlier agents have written. Raises OSError; what is damaged counts as nothing."""
        try:
            with open(self._path, encoding="utf-8") as file:
                found = json.load(file)
        except (FileNotFoundError, ValueError):
            return
        if isinstance(found, dict):
            self._known = {name: value for name, value in found.items() if type(value) is int}

    async def admit(self, controller, epoch):
        """Return True when this epoch is a new one, which is on the disk now. Raises Replaced and OSError."""
        highest = self._known.get(controller, 0)
        if epoch < highest:
            raise Replaced("another server has taken over (its epoch is %d, and this one has %d)" % (highest, epoch))
        if epoch == highest:
            return False
        if len(self._known) >= _MOST and controller not in self._known:
            raise OSError(0, "the epochs of %d controllers are known" % _MOST)
        self._known[controller] = epoch  # a lower one is refused from now on
        said = await self._spawn(write, {"path": self._path, "epochs": self._known})
        if not said or said["error"]:
            self._known[controller] = highest
            raise OSError(0, said["error"] if said else "no process can be started")
        return True


def write(order, channel):
    """Write the epochs, in a child of the agent."""
    channel.settle()
    try:
        disk.write_whole(order["path"], json.dumps(order["epochs"], sort_keys=True).encode("ascii"))
    except OSError as error:
        channel.say(error=error.strerror or str(error))
    else:
        channel.say(error="")
