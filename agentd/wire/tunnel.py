"""TLS over memory: bytes of the network at one side, plain bytes at the other, as client or as server.

It opens nothing and waits for nothing: ``transport`` puts it on a connection, a test joins two of them.
"""

import enum
import ssl

CHUNK = 16 * 1024  # plain bytes that are read at once: a record of TLS holds no more


class TunnelState(enum.Enum):
    """The states of a Tunnel; those of _MOVES lead from one to the next."""

    HANDSHAKE = "handshake"  # nobody has proved who they are
    OPEN = "open"
    CLOSED = "closed"  # one of the two has said goodbye
    FAILED = "failed"  # an error, of which the other end is told by what is still to be sent


_MOVES = {
    TunnelState.HANDSHAKE: (TunnelState.OPEN, TunnelState.CLOSED, TunnelState.FAILED),
    TunnelState.OPEN: (TunnelState.CLOSED, TunnelState.FAILED),
    TunnelState.CLOSED: (),
    TunnelState.FAILED: (),
}


class Tunnel:
    """One end of a TLS connection. Bytes for the other end are in ``outgoing`` after each call."""

    def __init__(self, context, server_side):
        self.state = TunnelState.HANDSHAKE
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server_side)

    def feed(self, data):
        """Take bytes that came from the other end. What comes after the end means nothing."""
        if _MOVES[self.state]:
            self._incoming.write(data)

    def shake_hands(self):
        """Go on with the handshake as far as the bytes that came allow. Raises ssl.SSLError when it has failed."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError:
            self._become(TunnelState.FAILED)
            raise
        self._become(TunnelState.OPEN)

    def read(self):
        """Return plain bytes; none when more has to come first, or when the other end has said goodbye (CLOSED).

        Raises ssl.SSLError when what came is no TLS, or an alert.
        """
        try:
            data = self._tls.read(CHUNK)
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLError:
            self._become(TunnelState.FAILED)
            raise
        if not data:
            self.close()
        return data

    def write(self, data):
        """Send plain bytes."""
        self._tls.write(data)

    def close(self):
        """Say goodbye, and do not wait for the answer."""
        if self.state is TunnelState.OPEN:
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                pass
        if _MOVES[self.state]:
            self._become(TunnelState.CLOSED)

    def outgoing(self):
        """Return the bytes that are to be sent to the other end, once."""
        return self._outgoing.read()

    def certificate(self):
        """Return the other end's certificate, in the form of the ssl module. Raises ValueError before it is OPEN."""
        return self._tls.getpeercert()

    def subject(self):
        """Return the subject of that certificate: name of the part -> text."""
        return dict(pair for part in self.certificate()["subject"] for pair in part)

    def _become(self, state):
        if state not in _MOVES[self.state]:
            raise ValueError("a tunnel cannot go from %s to %s" % (self.state.value, state.value))
        self.state = state
