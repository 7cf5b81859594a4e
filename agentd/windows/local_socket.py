"""The socket for callers on this machine (Windows): none. Callers use TLS."""

AVAILABLE = False


async def listen(loop, path, make_connection, backlog):
    """Return None: there is no such socket."""


def caller(transport):
    """Return None: no caller connects here."""
