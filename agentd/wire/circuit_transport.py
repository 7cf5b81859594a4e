"""A circuit on asyncio: the transport of a protocol, which is usually a TunnelTransport."""

import asyncio

from agentd.wire.circuit import CircuitEnd
from agentd.wire.protocol import ProtocolError


class CircuitTransport(asyncio.Transport):
    """One circuit over a connection to a broker.

    ``publish`` is called with each message for the other end, ``ended`` with the circuit when it is over. ``peer`` is
    the name of the other end, given to the protocol as its address. The protocol is a BufferedProtocol.
    """

    def __init__(self, publish, ended, peer):
        super(CircuitTransport, self).__init__(extra={"peername": (peer, 0)})
        self._publish = publish
        self._ended = ended
        self._loop = asyncio.get_event_loop()
        self.heard = self._loop.time()  # the time of the last message of the other end
        self._end = CircuitEnd()
        self._protocol = None
        self._reading = True
        self._blocked = False  # the broker does not read
        self._told = False  # the protocol has paused writing
        self._closing = False
        self._lost = False
        self._error = None  # the reason of the end

    def open(self, protocol):
        """Give the circuit to ``protocol``. It may have ended already."""
        protocol.connection_made(self)
        if self._ended is None:
            self._loop.call_soon(protocol.connection_lost, self._error)
        else:
            self._protocol = protocol

    # called by the connection to the broker

    def receive(self, payload):
        """Process a message from the other end. One that violates the window or the form ends the circuit."""
        self.heard = self._loop.time()
        try:
            data = self._end.feed(payload)
        except ProtocolError as error:
            self._over(error)
            return
        if data and not self._closing:
            self._protocol.get_buffer(len(data))[: len(data)] = data
            self._protocol.buffer_updated(len(data))
            if self._reading:
                self._end.take_in()
        self._flush()

    def block(self, blocked):
        """Note that the connection to the broker can take no more for now, or can again."""
        self._blocked = blocked
        self._flush()

    def probe(self):
        """Send a message that changes nothing: the broker reports if the other end is gone."""
        self._end.probe()
        self._flush()

    def lose(self, error=None):
        """End the circuit without a message: the other end or the broker is gone."""
        self._lost = True
        self._over(error)

    # called by the protocol

    def write(self, data):
        self._end.send(data)
        self._flush()

    def pause_reading(self):
        self._reading = False

    def resume_reading(self):
        self._reading = True
        self._end.take_in()
        self._flush()

    def is_closing(self):
        return self._closing

    def can_write_eof(self):
        return False

    def close(self):
        self._closing = True
        self._end.close()
        self._flush()

    def abort(self):
        self._over(None)

    def _flush(self):
        if not self._blocked and not self._lost:
            for message in self._end.outgoing():
                self._publish(message)
        if self._end.closed:
            self._over(None)
        elif self._told is not (self._blocked or self._end.is_full) and self._protocol is not None:
            self._told = not self._told
            self._protocol.pause_writing() if self._told else self._protocol.resume_writing()

    def _over(self, error):
        """End now. The other end gets the rest of its messages, if it is still there."""
        if self._ended is None:
            return
        ended, self._ended = self._ended, None
        self._closing, self._error = True, error
        self._end.abort()
        for message in self._end.outgoing():
            if not self._lost:
                self._publish(message)
        ended(self)
        if self._protocol is not None:
            self._loop.call_soon(self._protocol.connection_lost, error)
            self._protocol = None  # see TunnelTransport.connection_lost
