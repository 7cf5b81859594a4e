"""The socket for callers on this machine (Windows): there is none, they come by TLS."""

AVAILABLE = False


async def listen(loop, path, make_connection, backlog):
    """Return None: there is nothing to listen at."""


def caller(transport):
    """Return None: nobody comes this way."""
