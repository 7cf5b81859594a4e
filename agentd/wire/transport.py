"""A Tunnel on asyncio: between a TCP transport and a protocol, neither of which knows about TLS.

asyncio's own TLS keeps a quarter of a MiB for each connection, 250 MiB for a thousand. And when it refuses a
certificate it does not send the alert with the reason.
"""

import asyncio
import ssl

from agentd.wire.tunnel import Tunnel, TunnelState

_BUFFER = memoryview(bytearray(64 * 1024))  # shared by all connections: received bytes are copied out immediately

# without our own buffer, each read maps 256 KiB; Python 3.6, without TLS 1.3, has no BufferedProtocol
_Protocol = getattr(asyncio, "BufferedProtocol", asyncio.Protocol)


class TunnelTransport(_Protocol, asyncio.Transport):
    """The protocol of a TCP transport, and the transport of the protocol given to ``open``.

    Subclasses implement ``established``, called after the handshake, and ``failed``, called at an error of TLS.
    """

    def __init__(self, context: ssl.SSLContext, server_side: bool, host=None, verifier=None) -> None:
        super(TunnelTransport, self).__init__()
        self.tunnel = Tunnel(context, server_side, host, verifier)
        self._below = None
        self._above = None
        self._paused = False
        self._closed = False  # closed by this side

    def established(self) -> None:
        """Handle the end of the handshake: the other end is authenticated."""
        raise NotImplementedError

    def failed(self, error: ssl.SSLError) -> None:
        """Handle this ssl.SSLError. The alert with the reason is sent; the TCP connection is still open."""
        raise NotImplementedError

    def open(self, protocol: asyncio.Protocol) -> None:
        """Pass the connection to ``protocol``. Nothing is read before."""
        self._above = protocol
        protocol.connection_made(self)
        asyncio.get_event_loop().call_soon(self._advance)  # bytes that were received before

    # called by the TCP transport

    def connection_made(self, transport):
        self._below = transport
        self._advance()

    def get_buffer(self, sizehint):
        return _BUFFER

    def buffer_updated(self, nbytes):
        self.tunnel.feed(_BUFFER[:nbytes])
        self._advance()

    def connection_lost(self, error) -> None:
        """End the protocol after all received bytes: the last of them may have the reason."""
        if self._above is not None:
            self._paused = False
            self._advance()
            self._above.connection_lost(error)
            self._above = None  # a cycle would keep the memory of TLS, 40 KB, until the next garbage collection

    def pause_writing(self):
        if self._above is not None:
            self._above.pause_writing()

    def resume_writing(self):
        if self._above is not None:
            self._above.resume_writing()

    # called by the protocol

    def get_extra_info(self, name, default=None):
        return default if self._below is None else self._below.get_extra_info(name, default)

    def write(self, data):
        if not self.is_closing():
            self.tunnel.write(data)
            self._flush()

    def pause_reading(self):
        self._paused = True
        self._below.pause_reading()

    def resume_reading(self):
        if self._paused:
            self._paused = False
            self._below.resume_reading()
            asyncio.get_event_loop().call_soon(self._advance)  # bytes from before the pause

    def is_closing(self):
        return self._below is None or self._below.is_closing()

    def close(self):
        if not self.is_closing():
            self._closed = True
            self.tunnel.close()
            self._flush()
            self._below.close()

    def abort(self) -> None:
        self._closed = True
        if self._below is not None:
            self._below.abort()

    # TLS

    def _advance(self):
        """Process the received bytes as far as possible."""
        if self._closed:
            return
        tunnel = self.tunnel
        try:
            if tunnel.state is TunnelState.HANDSHAKE:
                tunnel.shake_hands()
                if tunnel.state is TunnelState.OPEN:
                    self.established()
            while self._above is not None and not (self._paused or self._closed):
                data = tunnel.read()
                if not data:
                    break
                self._above.data_received(data)
        except ssl.SSLError as error:
            self._flush()
            self.failed(error)
            return
        if tunnel.state is TunnelState.CLOSED:
            self.close()
        elif self._above is not None or tunnel.state is TunnelState.HANDSHAKE:
            self._flush()  # else the end of our handshake is sent only with the first data

    def _flush(self):
        data = self.tunnel.outgoing()
        if data:
            self._below.write(data)
