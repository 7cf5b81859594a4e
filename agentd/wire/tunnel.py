"""TLS over memory: network bytes on one side, plain bytes on the other, as client or as server.

It does no I/O: ``transport`` connects it to a network, a test joins two of them.
"""

import enum
import ssl

CHUNK = 16 * 1024  # plain bytes in one read: the limit of a TLS record


class TunnelState(enum.Enum):
    """The states of a Tunnel. _MOVES has the allowed changes."""

    HANDSHAKE = "handshake"  # not authenticated yet
    OPEN = "open"
    CLOSED = "closed"  # one side has closed it
    FAILED = "failed"  # an error; the alert in ``outgoing`` reports it


_MOVES = {
    TunnelState.HANDSHAKE: (TunnelState.OPEN, TunnelState.CLOSED, TunnelState.FAILED),
    TunnelState.OPEN: (TunnelState.CLOSED, TunnelState.FAILED),
    TunnelState.CLOSED: (),
    TunnelState.FAILED: (),
}


def subject_of(certificate):
    """Return the subject of a certificate in the form of the ssl module: name of the part -> text."""
    return dict(pair for part in certificate["subject"] for pair in part)


class Tunnel:
    """One end of a TLS connection. Bytes for the other end are in ``outgoing`` after each call.

    ``host`` is the name (bytes, ASCII) that the certificate of a server must have, if the context checks it. A server
    may have another context as its ``verifier``. Then ``context`` has no authority: OpenSSL sends an authority that it
    knows with its own certificate, and a client takes a fifth of the handshake to parse it.
    """

    def __init__(self, context, server_side, host=None, verifier=None):
        self._verifier = verifier  # until it is in use
        self.state = TunnelState.HANDSHAKE
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=server_side, server_hostname=host)

    def feed(self, data):
        """Add bytes from the other end. Bytes after its end are ignored."""
        if _MOVES[self.state]:
            self._incoming.write(data)

    def shake_hands(self):
        """Continue the handshake with the received bytes. Raises ssl.SSLError if it fails."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            if self._verifier is not None and self._outgoing.pending:  # our certificate is sent
                self._tls.context, self._verifier = self._verifier, None
            return
        except ssl.SSLError:
            self._become(TunnelState.FAILED)
            raise
        self._become(TunnelState.OPEN)

    def read(self):
        """Return plain bytes; none if more must arrive first, or if the other end has closed (CLOSED).

        Raises ssl.SSLError for bytes that are not TLS, or for an alert.
        """
        if not (self._incoming.pending or self._tls.pending()):
            return b""  # OpenSSL would say the same by an exception, which takes longer than reading a message
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
        """Send a close notification, without waiting for the answer."""
        if self.state is TunnelState.OPEN:
            try:
                self._tls.unwrap()
            except ssl.SSLError:
                pass
        if _MOVES[self.state]:
            self._become(TunnelState.CLOSED)

    def outgoing(self):
        """Return the bytes to send to the other end, each once."""
        return self._outgoing.read()

    def certificate(self):
        """Return the other end's certificate, in the form of the ssl module. Raises ValueError before it is OPEN."""
        return self._tls.getpeercert()

    def subject(self):
        """Return the subject of that certificate: name of the part -> text."""
        return subject_of(self.certificate())

    def _become(self, state):
        if state not in _MOVES[self.state]:
            raise ValueError("a tunnel cannot go from %s to %s" % (self.state.value, state.value))
        self.state = state
