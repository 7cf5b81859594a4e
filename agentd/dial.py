"""Connect to a broker, and stay connected. Loaded only by an agent whose settings have ``dial``.

The brokers are tried in turn. After a loss the agent waits up to a quarter of ``dial_seconds`` before it connects
again, and after each failure up to 1 s, 2, 4 … ``dial_seconds``: the actual pause is random, so that a fleet does not
return in the same moment. Each attempt reads certificates and JWT again, because they may have been renewed.
"""

import asyncio
import binascii
import os
import re
import signal
import socket
import time

from agentd import config, disk, listeners
from agentd.broker import DialConnection, DialError, DialTransport, outer_context

_ADDRESS = re.compile(r"(tls|http)://(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9_.-]+)):([0-9]{1,5})/?\Z")
_CONNECT_SECONDS = 40  # a broker takes its time when a whole fleet returns
_LOOKUP_SECONDS = 30
_LONGEST_REASON = 2000  # characters


class Dialler:
    """Keeps an agent connected to one of its brokers. Raises ConfigError for settings that cannot be used."""

    def __init__(self, server):
        if not listeners.has_tls():
            raise config.ConfigError("cannot dial: this Python has no TLS 1.3; reach this agent by SSH")
        self._server = server
        self._brokers, self._proxy = read(server.settings)
        self._pause = max(server.settings.dial_seconds, 1)
        self._next = int(_chance() * len(self._brokers))  # the broker to begin with
        self._connection = None
        self._broker = None  # the text of its address, while connected
        self._since = time.time()  # the time of the last connect or loss
        self._failures = {}  # text of an address → reason of the last attempt
        self._task = server.loop.create_task(self._run())

    def report(self):
        """Return the state for ``agent.status``."""
        why = "; ".join("%s: %s" % each for each in self._failures.items())
        return {"broker": self._broker, "since": self._since, "error": why[:_LONGEST_REASON] or None}

    def close(self):
        self._task.cancel()
        if self._connection is not None:
            self._connection.close()

    async def _run(self):
        failures = 0
        while True:
            if await self._one_round():
                failures, pause = 0, self._pause / 4.0
            else:
                failures, pause = failures + 1, min(self._pause, 1 << min(failures, 16))
            await asyncio.sleep(_chance() * pause)

    async def _one_round(self):
        """Try each broker. Return True when a connection was made, and lost; False if none can be made."""
        first = self._next
        for number in range(first, first + len(self._brokers)):
            text, host, port = self._brokers[number % len(self._brokers)]
            try:
                await asyncio.wait_for(self._connect(host, port), _CONNECT_SECONDS)
            except asyncio.CancelledError:  # an Exception up to Python 3.7
                raise
            except Exception as error:
                why = _reason(error)
                if self._proxy:
                    why = "through the proxy %s: %s" % (self._proxy[0], why)
                if self._failures.get(text) != why:
                    self._failures[text] = why
                    self._server.refuse("unreachable", "cannot connect to the broker %s: %s" % (text, why))
                continue
            self._next = (number + 1) % len(self._brokers)
            self._change(text)
            self._server.refuse("connected", "connected to the broker %s" % text)
            why = await self._connection.ended
            self._change(None)
            self._failures[text] = why
            self._server.refuse("lost", "lost the broker %s: %s" % (text, why))
            return True
        return False

    def _change(self, broker):
        self._broker, self._since, self._failures = broker, time.time(), {}

    async def _connect(self, host, port):
        """Connect to one broker. Raises OSError, DialError, ConfigError."""
        server, pki = self._server, self._server.settings.pki
        self._connection = None
        jwt = disk.read_whole(os.path.join(pki, "agent.jwt")).decode("ascii", "replace").strip()
        inner, outer = self._contexts(pki)
        connection = DialConnection(server, inner, jwt, self._pause)
        _, to_host, to_port = self._proxy or (None, host, port)
        request = None
        if self._proxy:
            target = ("[%s]:%d" if ":" in host else "%s:%d") % (host, port)
            head = "CONNECT %s HTTP/1.1\r\nHost: %s\r\n" % (target, target)
            request = head.encode("ascii") + _authorization(pki) + b"\r\n"
        transport = DialTransport(outer, host, request, connection)
        self._connection = connection
        *others, last = await self._addresses(to_host)
        try:
            for address in others:
                try:
                    await server.loop.create_connection(lambda: transport, address, to_port)
                    break
                except OSError:
                    continue
            else:
                await server.loop.create_connection(lambda: transport, last, to_port)
            await connection.connected
        except BaseException:
            transport.abort()
            raise

    def _contexts(self, pki):
        """Return the contexts for controllers, and the one for the broker, from the files of now.

        A method, so that thousands of simulated agents on one machine can have theirs ready. Raises ConfigError.
        """
        return listeners.tls_contexts(pki), outer_context(pki)

    async def _addresses(self, host):
        """Return the numeric addresses of a host, at least one. The lookup runs in a child: it may block."""
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                socket.inet_pton(family, host)
            except OSError:
                continue
            return [host]
        answer = await asyncio.shield(self._server.tasks.spawn(look_up, {"host": host}))
        if not answer or answer["error"]:
            raise DialError("cannot resolve %s: %s" % (host, answer["error"] if answer else "no answer"))
        return answer["addresses"]


def look_up(order, channel):
    """Resolve a name, in a child of the agent."""
    channel.settle()
    if hasattr(signal, "alarm"):
        signal.alarm(_LOOKUP_SECONDS)  # it ends the child
    try:
        found = socket.getaddrinfo(order["host"], None, type=socket.SOCK_STREAM)
    except OSError as error:
        return {"error": error.strerror or str(error)}
    finally:
        if hasattr(signal, "alarm"):
            signal.alarm(0)
    addresses = [address[0] for *_, address in found if "%" not in address[0]]  # none of one link only
    error = "" if addresses else "it has no address"
    return {"error": error, "addresses": sorted(set(addresses), key=addresses.index)[:8]}


def read(settings):
    """Return the brokers and the proxy in the settings, each as its text, host and port. Raises ConfigError."""
    brokers = [_address("dial", "tls", each.strip()) for each in settings.dial.split(",")]
    return brokers, _address("dial_proxy", "http", settings.dial_proxy) if settings.dial_proxy else None


def _authorization(pki):
    """Return the header for a proxy that demands a login: USER:PASSWORD in ``pki/proxy-login``, if that exists."""
    try:
        login = disk.read_whole(os.path.join(pki, "proxy-login")).strip(b"\r\n")
    except FileNotFoundError:
        return b""
    return b"Proxy-Authorization: Basic " + binascii.b2a_base64(login, newline=False) + b"\r\n"


def _address(setting, scheme, text):
    found = _ADDRESS.match(text)
    if "@" in text:  # the text has a password, so it is not quoted
        raise config.ConfigError("cannot use '%s': put USER:PASSWORD into the file pki/proxy-login" % setting)
    if not found or found.group(1) != scheme or not 0 < int(found.group(4)) < 65536:
        wanted = "an address like %s://example.com:%d" % (scheme, 4222 if scheme == "tls" else 3128)
        raise config.ConfigError("cannot use '%s' for '%s': it must be %s" % (text, setting, wanted))
    return text, found.group(2) or found.group(3), int(found.group(4))


def _chance():
    """Return a random number from 0 to 1; the module random would cost half a MiB."""
    return int.from_bytes(os.urandom(4), "big") / 4294967296.0


def _reason(error):
    """Return a failure as text for people."""
    if isinstance(error, asyncio.TimeoutError):
        return "no answer in %d s" % _CONNECT_SECONDS
    if isinstance(error, OSError):
        text = os.strerror(error.errno) if error.errno else str(error)
        return "%s: %s" % (error.filename, text) if error.filename else text
    if isinstance(error, (DialError, config.ConfigError)):
        return str(error)
    return "a bug: %s: %s" % (type(error).__name__, error)
