"""One connection of a controller: its messages, and its authenticated peer."""

import asyncio
import collections

from agentd.wire import protocol

_PENDING_LIMIT = 64  # unanswered requests of one connection


class Peer:
    """The other end of a connection: the uid of a unix socket, or the subject of a TLS certificate.

    ``controller`` is the name that the controller gives; over TLS the certificate has it.
    ``epoch`` tells copies of one controller apart, see ``epochs``.
    """

    def __init__(self, uid=None, controller=None):
        self.uid = uid
        self.controller = controller
        self.epoch = 0

    def owner(self):
        """Return the owner for a record's journal."""
        return {"controller": self.controller, "uid": self.uid}

    def may_see(self, owner):
        """Return True if the peer made the record, or is root on the unix socket."""
        if self.uid == 0:
            return True
        if not owner or owner["controller"] != self.controller:
            return False
        return self.uid is None or owner["uid"] is None or self.uid == owner["uid"]


class Connection(asyncio.Protocol):
    """The protocol of one peer.

    While a peer does not read its answers, its requests are not read and its watchers wait. So it costs no memory and
    does not delay others.
    """

    def __init__(self, server, admission, identify):
        self.loop = server.loop
        self.peer = None
        self.greeted = False
        self.writable = True
        self.watchers = set()
        self._queue = collections.deque()  # futures of requests that wait for the peer to read
        self._pending = 0
        self._reading = True
        self._server = server
        self._admission = admission
        self._identify = identify
        self._decoder = protocol.Decoder()
        self._transport = None
        self._greeting_timer = None

    def connection_made(self, transport):
        self._transport = transport
        self.peer = self._identify(transport)
        if self.peer is None:
            text = "this agent does not serve your user"
            self.send(protocol.failure(None, protocol.REFUSED, text, "ClientAuthFailed"))
            transport.close()
            return
        address = transport.get_extra_info("peername")
        make_room(self._server, self._admission, self, address[0] if isinstance(address, tuple) else None)
        self._greeting_timer = self.loop.call_later(self._server.settings.greeting_seconds, self._end_ungreeted)

    def connection_lost(self, error):
        if self._greeting_timer is not None:
            self._greeting_timer.cancel()
        for watcher in list(self.watchers):
            watcher.close()
        self._admit_all()
        self._admission.leave(self)
        self._server.note_end()

    def greet(self):
        """Count the peer as greeted. Return False if there are too many, which ends the connection, or it has ended."""
        if self._transport.is_closing():
            return False
        if not self.greeted and not self._admission.greet(self):
            text = "refused a connection: the limit of %d is reached" % self._admission.limit
            self._server.refuse("limit", text)
            self.send(protocol.failure(None, protocol.REFUSED, text, "ClientNotOnline"))
            self.close()
            return False
        self.greeted = True
        return True

    def abort(self):
        self._transport.abort()

    def _end_ungreeted(self):
        if not self.greeted:
            self._server.refuse("silent", "closed a connection: no valid message in time")
            self._transport.abort()

    def data_received(self, data):
        if self._transport.is_closing():
            return  # refused, or closed for an invalid message
        try:
            messages = self._decoder.feed(data)
        except protocol.ProtocolError as error:
            self._server.refuse("broken", "closed a connection: it violates the protocol: %s" % error)
            self.send(protocol.failure(None, error.number, str(error)))
            self._transport.close()
            return
        for message in messages:
            self._server.handle(self, message)

    def begin(self):
        """Count a request in progress."""
        self._pending += 1
        self._regulate()

    def answer(self, message):
        """Send the answer to a request; none to a request without an id."""
        self._pending -= 1
        if message["id"] is not None:
            self.send(message)
        self._regulate()

    def pause_writing(self):
        self.writable = False
        self._regulate()

    def resume_writing(self):
        self.writable = True
        self._regulate()
        for watcher in self.watchers:
            watcher.wake()
        self._admit_all()

    def _admit_all(self):
        while self._queue:
            future = self._queue.popleft()
            if not future.done():
                future.set_result(None)

    async def room(self):
        """Wait until the peer has read enough to get more."""
        while not self.writable and not self._transport.is_closing():
            future = self.loop.create_future()
            self._queue.append(future)
            await future

    def _regulate(self):
        """Read only while the peer reads its answers, and has few requests in progress."""
        read = self.writable and self._pending < _PENDING_LIMIT
        if read is self._reading or self._transport.is_closing():
            return
        self._reading = read
        if read:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def send(self, *messages):
        if messages and not self._transport.is_closing():
            self._transport.write(b"".join(map(protocol.encode, messages)))

    def close(self):
        self._transport.close()


def make_room(server, admission, connection, address):
    """Admit a stranger. Close the stranger that loses its place, if any."""
    loser = admission.enter(connection, address)
    if loser is not None:
        text = "closed the oldest connection from %s: too many sent no valid message yet"
        server.refuse("crowd", text % (address or "this machine"))
        loser.abort()
