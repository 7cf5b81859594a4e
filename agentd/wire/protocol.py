"""The wire: JSON-RPC 2.0, one JSON object a line, on any byte stream.

This module is what both sides share: the codec (bytes in, messages out; it opens nothing and waits for
nothing), the limits, and the way to a socket whose path is too long. Bytes travel as base64 text. Times are
seconds since the epoch, sizes are bytes, offsets count the bytes that a script has produced on both streams.

The first request of a connection is ``agent.hello``. Requests share a connection and may be answered out of
order. Unknown fields are ignored, unknown methods refused.

=============  ============================================================  ====================================
method         params                                                        result
=============  ============================================================  ====================================
agent.hello    protocol [major, minor], client, controller                   protocol, agent, instance, boot,
                                                                             hostname, os, arch, python, started,
                                                                             features
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
task.forget    records                                                       forgotten
file.put       record, invocation, name, directory, content (base64),        record, state, result
               sha256, mode, owner, group, overwrite
=============  ============================================================  ====================================

Notifications of a watch, in the order of the bytes: ``task.output`` (record, stream "stdout" or "stderr", offset,
data), ``task.gap`` (record, offset, bytes: so many from there are gone, beyond the budget, or passed over because
the connection did not take them in time and the ``newest`` are wanted) and, last,
``task.finished`` (record, result). The ``output`` of ``task.get`` is a list of the same objects, without ``record``;
``next`` is the offset of the following page, null when there is none yet. On the last page ``produced`` is the size of
all output so far, else null; ``started`` is null when nothing started or nobody knows when.

A *state* is one of the five of a record: Running, Stopping, Stopped, Finished, Failed; ``known`` tells that the agent
had this record before, ``watching`` that the watch asked for by ``watch`` has begun, as by ``task.watch``. A *result*
has: state, exit_code (null when there is none), error_code and error_info (empty when all went well), started (null
when nothing started), finished, output_bytes (all that was produced) and dropped (those of them that the spool no
longer holds). After ``task.forget`` a record answers with the state "Forgotten" and no result.

An error is a JSON-RPC error whose ``data.code`` is the ErrorCode that a record would carry, or ``RecordNotFound``.
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
FORGOTTEN = "Forgotten"  # no state of a record, but the answer for one that is not kept any more

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
    """The peer sent what is not one JSON object a line; the connection is of no further use. ``number`` says why."""

    def __init__(self, text, number=PARSE_ERROR):
        super(ProtocolError, self).__init__(text)
        self.number = number


class Decoder:
    """Turns the bytes of a stream into messages, one JSON object for each line.

    Feed it what arrives; it keeps an unfinished line for the next call and never more than ``limit`` bytes of it.
    """

    def __init__(self, limit=LINE_LIMIT):
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data):
        """Return the messages (dicts) completed by ``data``.

        Raises ProtocolError on a line over the limit and on one that is no JSON object.
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
        message = json.loads(line.decode("utf-8"), parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("a line is not JSON: %s" % error) from None
    if not isinstance(message, dict):
        raise ProtocolError("a line is not a JSON object", INVALID_REQUEST)
    return message


def _integer(text):
    """Old Pythons take many seconds for a number of a million digits."""
    if len(text) > _DIGITS_LIMIT:
        raise ValueError("a number has more than %d digits" % _DIGITS_LIMIT)
    return int(text)


def is_id(value):
    """Return whether a value can be the id of a request; null stands for none."""
    return value is None or (isinstance(value, (int, str)) and not isinstance(value, bool))


def encode(message):
    """One message as its line of bytes."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def request(number, method, params):
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def notification(method, params):
    return {"jsonrpc": "2.0", "method": method, "params": params}


def response(number, result):
    return {"jsonrpc": "2.0", "id": number, "result": result}


def failure(number, code, message, error_code=None):
    """An error response; ``error_code`` is the ErrorCode for ``data.code``."""
    error = {"code": code, "message": message}
    if error_code:
        error["data"] = {"code": error_code}
    return {"jsonrpc": "2.0", "id": number, "error": error}


def pack(data):
    """Bytes as the text that carries them."""
    return base64.b64encode(data).decode("ascii")


def unpack(text):
    """The bytes that a text carries. Raises ValueError when it is not base64."""
    if not isinstance(text, str):
        raise ValueError("not base64 text")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


@contextlib.contextmanager
def reachable(path):
    """A name of the socket ``path`` that is short enough to bind or connect to.

    The system's limit is 107 bytes (103 on some). A longer path is reached through a link in a private folder of
    its own, which is needed only for the moment of the call.
    """
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        yield path
        return
    import tempfile  # rarely needed, and it brings much along

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
