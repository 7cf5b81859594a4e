"""Admission: the connection limits of one listener.

A connection that has not greeted is a stranger. Strangers have their own limit, so that silent ones do not block
controllers. Over the limit, the oldest stranger is closed, of the address with the most strangers. Each listener has
its own Admission, so the network cannot block the unix socket.
"""

import collections
import socket


class Admission:
    """The connections of one listener: at most ``limit`` that have greeted, and as many that have not."""

    def __init__(self, limit):
        self.limit = max(limit, 1)
        self._strangers = collections.OrderedDict()  # connection → address, oldest first
        self._greeted = set()

    def everybody(self):
        """Return all connections."""
        return list(self._strangers) + list(self._greeted)

    def enter(self, connection, address=None):
        """Add a stranger from an address. Return the stranger to abort in its place, usually None."""
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
        """Count a connection as greeted. Return False if there are too many."""
        if len(self._greeted) >= self.limit:
            return False
        self._strangers.pop(connection, None)
        self._greeted.add(connection)
        return True

    def leave(self, connection):
        """Remove a connection."""
        self._strangers.pop(connection, None)
        self._greeted.discard(connection)


def _network(address):
    """Return the part of an address that identifies one caller: for IPv6 the first half."""
    if address is None or ":" not in address:
        return address
    packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    return packed[12:] if packed.startswith(b"\0" * 10 + b"\xff\xff") else packed[:8]
