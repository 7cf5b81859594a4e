"""TLS between a TCP connection and those who know nothing of it.

It stands on the TLS of the standard library without a socket (``wrap_bio``). asyncio's own keeps a quarter of a MiB
for each connection, and when it refuses a certificate it does not send the alert that tells the other end why.
"""

import asyncio
import socket
import ssl

_HANDSHAKE_SECONDS = 10
_CHUNK = 64 * 1024
_BUFFER = memoryview(bytearray(_CHUNK))  # for all: what comes is taken out of it at once

# without a buffer of ours, each piece that comes costs a mapping of 256 KiB; Python 3.6, which cannot listen, has none
_Protocol = getattr(asyncio, "BufferedProtocol", asyncio.Protocol)


class Tunnel(_Protocol):
    """The protocol of a TCP transport, and after the handshake the transport of a Connection.

    It counts as a connection from its first moment, and has little time. A caller that is refused is told so, and is
    given the rest of that time to hang up, because what it still sends would undo the telling.
    """

    def __init__(self, server, context, make_connection):
        self._server = server
        self._make_connection = make_connection
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._below = None
        self._above = None
        self._deadline = None
        self._refused = False
        self._paused = False

    # what the TCP transport calls

    def connection_made(self, transport):
        self._below = transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._server.admit(self):
            self._deadline = self._server.loop.call_later(_HANDSHAKE_SECONDS, self._give_up)
        else:
            transport.abort()

    def get_buffer(self, hint):
        return _BUFFER

    def buffer_updated(self, size):
        if not self._refused:
            self._incoming.write(_BUFFER[:size])
            self._advance()

    def connection_lost(self, error):
        if self._deadline is not None:
            self._deadline.cancel()
        self._server.farewell(self)
        if self._above is not None:
            self._above.connection_lost(error)

    def pause_writing(self):
        if self._above is not None:
            self._above.pause_writing()

    def resume_writing(self):
        if self._above is not None:
            self._above.resume_writing()

    # what the Connection calls

    def subject(self):
        """The subject of the caller's certificate: name of the part -> text."""
        certificate = self._tls.getpeercert() or {}
        return dict(pair for part in certificate.get("subject", ()) for pair in part)

    def write(self, data):
        if not self.is_closing():
            self._tls.write(data)
            self._flush()

    def pause_reading(self):
        self._paused = True
        self._below.pause_reading()

    def resume_reading(self):
        if self._paused:
            self._paused = False
            self._below.resume_reading()
            self._server.loop.call_soon(self._advance)  # what came before the pause

    def is_closing(self):
        return self._below.is_closing()

    def close(self):
        if not self.is_closing():
            try:
                self._tls.unwrap()  # says goodbye and does not wait for the answer
            except ssl.SSLError:
                pass
            self._flush()
            self._below.close()

    def abort(self):
        self._below.abort()

    # TLS

    def _advance(self):
        """Do what can be done with the bytes that have come."""
        if self.is_closing():
            return
        try:
            if self._above is None:
                self._tls.do_handshake()
                self._flush()
                self._hand_over()
            while not self._paused and not self.is_closing():
                data = self._tls.read(_CHUNK)
                if not data:
                    self.close()
                    return
                self._above.data_received(data)
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            self._refuse(error)

    def _hand_over(self):
        self._deadline.cancel()
        self._server.farewell(self)
        self._above = self._make_connection()
        self._above.connection_made(self)

    def _refuse(self, error):
        address = self._below.get_extra_info("peername")
        why = error.reason or getattr(error, "verify_message", None) or str(error)
        self._server.log("refused %s: %s" % (address[0] if address else "a caller", why))
        self._refused = True
        self._flush()
        if self._above is None and self._below.can_write_eof():
            self._below.write_eof()
        else:
            self._below.abort()

    def _give_up(self):
        if not self._refused:
            self._server.log("a handshake took too long: closed")
        self._below.abort()

    def _flush(self):
        if self._outgoing.pending:
            self._below.write(self._outgoing.read())
