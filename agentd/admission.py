"""Admission: how many may be connected by one listener, and who makes room.

Whoever has not greeted is a stranger. Strangers have a limit of their own, so that nobody who says nothing takes the
place of somebody who has something to say: when there are too many, the oldest one makes room, first of the address
that has the most of them. Each listener has its own Admission, so the unix socket stays free whatever the network does.
"""

import collections
import socket


class Admission:
    """Counts the connections of one listener; at most ``limit`` have greeted, and as many have not."""

    def __init__(self, limit):
        self.limit = max(limit, 1)
        self._strangers = collections.OrderedDict()  # connection → address, the oldest first
        self._greeted = set()

    def everybody(self):
        """Return all that are connected."""
        return list(self._strangers) + list(self._greeted)

    def enter(self, connection, address=None):
        """Count a stranger from an address. Returns the one that makes room for it, None mostly; abort that one."""
        address = _network(address)
        loser = None
        if address is not None and list(self._strangers.values()).count(address) >= max(self.limit // 2, 1):
            loser = self._oldest(address)
        elif len(self._strangers) >= self.limit:
            loser = self._oldest(collections.Counter(self._strangers.values()).most_common(1)[0][0])
        if loser is not None:
            del self._strangers[loser]
        self._strangers[connection] = address
        return loser

    def _oldest(self, address):
        return next(each for each, where in self._strangers.items() if where == address)

    def greet(self, connection):
        """Count it as one that has greeted; False when there are too many of those."""
        if len(self._greeted) >= self.limit:
            return False
        self._strangers.pop(connection, None)
        self._greeted.add(connection)
        return True

    def leave(self, connection):
        """Count it no longer."""
        self._strangers.pop(connection, None)
        self._greeted.discard(connection)


def _network(address):
    """The part of an address that one caller has to itself: of IPv6 the first half."""
    if address is None or ":" not in address:
        return address
    packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    return packed[12:] if packed.startswith(b"\0" * 10 + b"\xff\xff") else packed[:8]
