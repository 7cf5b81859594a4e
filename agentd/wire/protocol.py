"""The wire protocol: JSON-RPC 2.0, one JSON object per line, on any byte stream.

Both sides use this module: the codec (bytes in, messages out; no I/O), the limits, and the way to a socket whose path
is too long. Bytes are sent as base64 text. Times are seconds since the epoch, sizes are bytes, offsets count the
bytes that a script has produced on both streams.

The first request of a connection is ``agent.hello``. Requests share a connection and may be answered out of
order. Unknown fields are ignored, unknown methods refused.

=============  ============================================================  ====================================
method         params                                                        result
=============  ============================================================  ====================================
agent.hello    protocol [major, minor], client, controller, epoch            protocol, agent, instance, enrolment,
                                                                             boot, hostname, os, arch, python,
                                                                             started, features, facts
agent.status   (none)                                                        uptime, running, total, rss, cpu,
                                                                             files, spool, guard, home (its
                                                                             folder), program (its Python),
                                                                             time, free (bytes there)
task.run       record, invocation, command, type, content (base64),          record, state, known, watching;
               directory, timeout, username, environment, secrets,           with watch: then notifications
               keep_script, launcher, ending,
               watch {offset, budget, newest}
task.watch     record, offset, budget (null: everything), newest             record, state; then notifications
task.get       record, offset                                                record, state, result, output, next,
                                                                             produced, started
task.stop      record                                                        record, state
task.list      cursor                                                        tasks [{record, state}], next
task.forget    records                                                       "forgotten"
file.put       record, invocation, name, directory, content (base64),        record, state, result
               sha256, mode, owner, group, overwrite
=============  ============================================================  ====================================

Notifications of a watch, in the order of the bytes: ``task.output`` (record, stream "stdout" or "stderr", offset,
data), ``task.gap`` (record, offset, bytes: the number of missing bytes, which were deleted, are over the budget, or
were skipped for ``newest`` because the connection did not read them in time) and, last, ``task.finished`` (record,
result). The ``output`` of ``task.get`` is a list of the same objects, without ``record``; ``next`` is the offset of
the following page, null if there is none yet. On the last page ``produced`` is the size of all output so far, else
null; ``started`` is null if nothing has started or the time is unknown.

A *state* is one of the five of a record: Running, Stopping, Stopped, Finished, Failed. ``known`` is true if the agent
had this record before; ``watching`` is true if the watch asked for by ``watch`` has begun, as by ``task.watch``. A
*result* has: state, exit_code (null without one), error_code and error_info (empty without an error), started (null
if nothing started), finished, output_bytes (all that was produced) and dropped (those of them that are no longer in the
spool). After ``task.forget`` a record answers with the state "Forgotten" and no result.

An error is a JSON-RPC error whose ``data.code`` is the ErrorCode that a record would have, ``RecordNotFound``, or
``ControllerReplaced`` for an ``epoch`` that is lower than the highest one of this controller (``data.epoch``).
"""

import base64
import binascii
import contextlib
import json
import os

VERSION = (1, 0)

RUNNING = "Running"
STOPPING = "Stopping"
STOPPED = "Stopped"
FINISHED = "Finished"
FAILED = "Failed"
FORGOTTEN = "Forgotten"  # not a state of a record, but the answer for a deleted one

LINE_LIMIT = 1024 * 1024
PAGE_LIMIT = 256 * 1024

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
REFUSED = -32000

SOCKET_PATH_LIMIT = 100
_DIGITS_LIMIT = 100


class ProtocolError(Exception):
    """The peer did not send one JSON object per line. The connection is unusable. ``number`` is the reason."""

    def __init__(self, text, number=PARSE_ERROR):
        super(ProtocolError, self).__init__(text)
        self.number = number


class Decoder:
    """Decodes the bytes of a stream into messages, one JSON object per line.

    Feed it the received bytes. It keeps an incomplete line for the next call, at most ``limit`` bytes of it.
    """

    def __init__(self, limit=LINE_LIMIT):
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data):
        """Return the messages (dicts) completed by ``data``.

        Raises ProtocolError for a line over the limit or one that is not a JSON object.
        """
        self._rest += data
        if b"\n" not in data:
            self._check(len(self._rest))
            return []
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        self._check(len(rest))
        messages = []
        for line in lines:
            self._check(len(line))
            if line.strip():
                messages.append(_message(line))
        return messages

    def _check(self, size):
        if size > self._limit:
            raise ProtocolError("a line is longer than %d bytes" % self._limit)


def _message(line):
    try:
        message = _DECODER.decode(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a line is not JSON: %s" % error) from None
    if not isinstance(message, dict):
        raise ProtocolError("a line is not a JSON object", INVALID_REQUEST)
    return message


def _integer(text):
    """Return an integer of limited length: old Pythons need many seconds for a million digits."""
    if len(text) > _DIGITS_LIMIT:
        raise ValueError("a number has more than %d digits" % _DIGITS_LIMIT)
    return int(text)


_DECODER = json.JSONDecoder(parse_int=_integer)
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def is_id(value):
    """Return True if a value can be the id of a request; null means none."""
    return value is None or (isinstance(value, (int, str)) and not isinstance(value, bool))


def encode(message):
    """Return one message as a line of bytes."""
    return _ENCODER.encode(message).encode("utf-8", "replace") + b"\n"


def request(number, method, params):
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def notification(method, params):
    return {"jsonrpc": "2.0", "method": method, "params": params}


def response(number, result):
    return {"jsonrpc": "2.0", "id": number, "result": result}


def failure(number, code, message, error_code=None, **details):
    """Return an error response; ``error_code`` is the ErrorCode for ``data.code``, ``details`` are further data."""
    error = {"code": code, "message": message}
    if error_code:
        error["data"] = dict(details, code=error_code)
    return {"jsonrpc": "2.0", "id": number, "error": error}


def pack(data):
    """Return bytes as base64 text."""
    return base64.b64encode(data).decode("ascii")


def unpack(text):
    """Return the bytes of a base64 text. Raises ValueError if it is not base64."""
    if not isinstance(text, str):
        raise ValueError("not base64 text")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


@contextlib.contextmanager
def reachable(path):
    """Yield a name of the socket ``path`` that is short enough to bind or connect to.

    The system's limit is 107 bytes (103 on some). A longer path is reached through a link in a private temporary
    folder, which exists only during the call.
    """
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        yield path
        return
    import tempfile  # rarely needed, and a large import

    folder = tempfile.mkdtemp(prefix="assist-", dir="/tmp")
    link = os.path.join(folder, "home")
    try:
        os.symlink(os.path.join(os.getcwd(), os.path.dirname(path)), link)
        try:
            yield os.path.join(link, os.path.basename(path))
        finally:
            os.unlink(link)
    finally:
        os.rmdir(folder)
