"""A circuit: a stream of bytes in both directions between a controller and an agent, in messages of a broker.

A message is ``D`` and bytes of the stream, ``A`` and the number of bytes taken in so far (8 bytes, big-endian), or
``C``: closed. The first ``D`` opens the circuit. Each end may send WINDOW bytes more than the other has acknowledged,
so a slow reader never fills the broker. There are no sequence numbers: TLS, which runs inside, notices loss and
forgery. This module does no input or output.
"""

import os
import re
import struct

from agentd.wire.protocol import ProtocolError

WINDOW = 128 * 1024
DATA_LIMIT = 64 * 1024  # bytes of the stream in one message
MESSAGE_LIMIT = DATA_LIMIT + 1

CLOSED = b"C"

_COUNT = struct.Struct(">Q")
_QUARTER = WINDOW // 4
_DIGITS = b"0123456789abcdefghjkmnpqrstvwxyz"
_SESSION = re.compile("[%s]{13}\\Z" % _DIGITS.decode("ascii"))


def new_session():
    """Return the random name of a new circuit: 13 letters and digits, 65 bits."""
    return os.urandom(13).translate(_DIGITS * 8).decode("ascii")


def is_session(text):
    return _SESSION.match(text) is not None


def opens(payload):
    """Return True if a message can be the first of a circuit."""
    return payload[:1] == b"D"


class CircuitEnd:
    """One end of a circuit. Messages for the other end are in ``outgoing`` after each call."""

    def __init__(self):
        self.closed = False  # nothing is sent or received any more
        self._closing = False  # closed here, when everything is sent
        self._unsent = bytearray()
        self._sent = self._confirmed = 0  # bytes sent, and those of them that the other end has taken in
        self._received = self._taken = self._told = 0  # bytes received, taken in here, and acknowledged
        self._replies = []

    @property
    def is_full(self):
        """True while the writer should pause: as much as a window is not sent yet."""
        return len(self._unsent) >= WINDOW

    def feed(self, payload):
        """Return the bytes of the stream in a message from the other end; none from others.

        Raises ProtocolError for a message that is none of a circuit, or is over the window.
        """
        kind, rest = payload[:1], payload[1:]
        if self.closed:
            return b""
        if kind == b"D" and 0 < len(rest) <= DATA_LIMIT:
            self._received += len(rest)
            if self._received - self._told > WINDOW:
                raise ProtocolError("more than %d bytes came without an acknowledgement" % WINDOW)
            return b"" if self._closing else rest
        if kind == b"A" and len(rest) == _COUNT.size:
            (count,) = _COUNT.unpack(rest)
            if not self._confirmed <= count <= self._sent:
                raise ProtocolError("%d of %d bytes are acknowledged" % (count, self._sent))
            self._confirmed = count
        elif payload == CLOSED:
            self._end()
        else:
            raise ProtocolError("a message of %d bytes is none of a circuit" % len(payload))
        return b""

    def take_in(self):
        """Note that all received bytes are taken in. They are acknowledged by quarters of a window."""
        self._taken = self._received
        if self._taken - self._told >= _QUARTER:
            self._acknowledge()

    def probe(self):
        """Send the count of bytes taken in, also if it is the same: an end that is gone is reported by the broker.

        Before the first bytes were sent, the other end does not know the circuit, and would close it.
        """
        if self._sent:
            self._acknowledge()

    def _acknowledge(self):
        if not self.closed:
            self._told = self._taken
            self._replies.append(b"A" + _COUNT.pack(self._told))

    def send(self, data):
        """Add bytes to the stream. They are sent as the window allows."""
        if not (self.closed or self._closing):
            self._unsent += data

    def close(self):
        """Close the circuit when everything is sent."""
        self._closing = True

    def abort(self):
        """Close the circuit now. Bytes that are not sent yet are dropped."""
        if not self.closed:
            self._end()
            self._replies.append(CLOSED)

    def outgoing(self):
        """Return the messages to send now, each once."""
        messages, self._replies = self._replies, []
        at = 0
        while at < len(self._unsent):
            size = min(len(self._unsent) - at, DATA_LIMIT, self._confirmed + WINDOW - self._sent)
            if size <= 0:
                break
            messages.append(b"D" + self._unsent[at : at + size])
            at += size
            self._sent += size
        del self._unsent[:at]
        if self._closing and not (self._unsent or self.closed):
            self._end()
            messages.append(CLOSED)
        return messages

    def _end(self):
        self.closed = True
        self._unsent, self._replies = bytearray(), []
