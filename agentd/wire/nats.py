"""The client side of the NATS protocol: bytes in, events out; commands as bytes. It does no input or output.

A server sends ``INFO`` first, in clear text even if TLS follows. Only the commands that circuits need are here: NATS
core with headers, which a server uses to report that nobody receives a subject (status 503).
"""

import collections
import json
import re

from agentd.wire.protocol import ProtocolError

LINE_LIMIT = 4 * 1024
INFO_LIMIT = 64 * 1024  # it has the addresses of a whole cluster
PAYLOAD_LIMIT = 1024 * 1024

NO_RESPONDERS = 503

Info = collections.namedtuple("Info", "options")
Message = collections.namedtuple("Message", "subject reply payload status")  # reply may be None; status 0: none
Ping = collections.namedtuple("Ping", "")
Pong = collections.namedtuple("Pong", "")
Ok = collections.namedtuple("Ok", "")
Error = collections.namedtuple("Error", "text")

_END = b"\r\n"
_SUBJECT = re.compile(rb"\S{1,%d}\Z" % (LINE_LIMIT // 4))
_VERSION = b"NATS/1.0"


class NatsProtocol:
    """One connection to a server. ``max_payload`` is the limit of a message in bytes, without the server's headers.

    The INFO of the server can lower this limit for ``publish``. Methods that return bytes return a command to send.
    """

    def __init__(self, max_payload=PAYLOAD_LIMIT):
        self._limit = self._their_limit = max_payload
        self._rest = bytearray()
        self._head = None  # of a message whose payload is not complete: subject, reply, size of headers, size

    def feed(self, data):
        """Return the events completed by ``data``. Raises ProtocolError; the connection is then unusable."""
        self._rest += data
        events, at = [], 0
        while True:
            event, end = self._line(at) if self._head is None else self._message(at)
            if end == at:
                del self._rest[:at]
                return events
            if event is not None:
                events.append(event)
            at = end

    def _line(self, at):
        """Return the event of the line at ``at``, and the end of the line; ``at`` if it is not complete."""
        end = self._rest.find(_END, at)
        limit = INFO_LIMIT if self._rest[at : at + 4].upper() == b"INFO" else LINE_LIMIT
        if (len(self._rest) if end < 0 else end) - at > limit:
            raise ProtocolError("a line is longer than %d bytes" % limit)
        if end < 0:
            return None, at
        word, _, rest = bytes(self._rest[at:end]).partition(b" ")
        parse = _PARSERS.get(word.upper())
        if parse is None:
            raise ProtocolError("the server sent '%s'" % _text(word[:20]))
        return parse(self, rest.strip()), end + len(_END)

    def _message(self, at):
        """Return the message whose payload begins at ``at``, and its end; ``at`` if it is not complete."""
        subject, reply, headers, size = self._head
        end = at + size + len(_END)
        if len(self._rest) < end:
            return None, at
        if self._rest[end - len(_END) : end] != _END:
            raise ProtocolError("a message is longer than its size")
        self._head = None
        status = _status(bytes(self._rest[at : at + headers])) if headers else 0
        return Message(subject, reply, bytes(self._rest[at + headers : at + size]), status), end

    def _info(self, rest):
        try:
            options = json.loads(_text(rest))
        except (ValueError, RecursionError):
            options = None
        if not isinstance(options, dict):
            raise ProtocolError("the INFO of the server is not a JSON object")
        limit = options.get("max_payload")
        if type(limit) is int and limit > 0:
            self._their_limit = min(limit, self._limit)
        return Info(options)

    def _begin(self, rest, sizes):
        """Keep the head of a message: subject, sid, perhaps a reply, and one or two sizes."""
        words = rest.split()
        if len(words) not in (2 + sizes, 3 + sizes):
            raise ProtocolError("the head of a message has %d words" % len(words))
        *headers, size = [_number(word) for word in words[-sizes:]]
        before = headers[0] if headers else 0
        if before > min(size, LINE_LIMIT) or size - before > self._limit:
            raise ProtocolError("a message has %d bytes, of which %d are headers" % (size, before))
        reply = _text(words[2]) if len(words) == 3 + sizes else None
        self._head = _text(words[0]), reply, before, size

    # commands

    def connect(self, options):
        """Log in, with these options (``jwt``, ``name``)."""
        fixed = {"verbose": False, "pedantic": False, "lang": "assist", "version": "1", "protocol": 1}
        words = dict(fixed, headers=True, no_responders=True, **options)
        return b"CONNECT " + json.dumps(words).encode("ascii") + _END

    def subscribe(self, subject, sid):
        """Receive a subject, which may have wildcards. ``sid`` is a number that the client chooses."""
        return b"SUB %s %d\r\n" % (_subject(subject), sid)

    def unsubscribe(self, sid):
        return b"UNSUB %d\r\n" % sid

    def publish(self, subject, payload, reply=None):
        """Send a message. Raises ProtocolError if it is larger than the server allows, or for a bad subject."""
        if len(payload) > self._their_limit:
            raise ProtocolError("the server allows at most %d bytes in a message" % self._their_limit)
        words = [b"PUB", _subject(subject), b"%d" % len(payload)]
        if reply is not None:
            words.insert(2, _subject(reply))
        return b" ".join(words) + _END + payload + _END

    def ping(self):
        return b"PING\r\n"

    def pong(self):
        return b"PONG\r\n"


_PARSERS = {
    b"INFO": NatsProtocol._info,
    b"MSG": lambda nats, rest: nats._begin(rest, 1),
    b"HMSG": lambda nats, rest: nats._begin(rest, 2),
    b"PING": lambda nats, rest: Ping(),
    b"PONG": lambda nats, rest: Pong(),
    b"+OK": lambda nats, rest: Ok(),
    b"-ERR": lambda nats, rest: Error(_text(rest).strip("' ")),
}


def _text(data):
    return data.decode("utf-8", "replace")


def _number(word):
    if not word.isdigit() or len(word) > 10:
        raise ProtocolError("'%s' is not a size" % _text(word[:20]))
    return int(word)


def _status(headers):
    """Return the status in the first line of the headers; 0 if there is none."""
    words = headers.split(_END, 1)[0].split()
    if not words or words[0] != _VERSION or not headers.endswith(_END * 2):
        raise ProtocolError("a message has invalid headers")
    return _number(words[1]) if len(words) > 1 else 0


def _subject(subject):
    data = subject.encode("utf-8")
    if _SUBJECT.match(data) is None:
        raise ProtocolError("'%s' is not a subject" % subject[:80])
    return data
