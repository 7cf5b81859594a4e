"""``agentd status``: query the agent of this machine, and print its state for people or as JSON."""

import json
import os
import select
import socket
import time

from agentd.bridge import Unreachable
from agentd.wire import protocol

_PATIENCE = 10.0


def show(path, as_json):
    """Print the state of the agent that listens on ``path``. Raises Unreachable, and OSError from writing."""
    hello, status = _ask(path)
    if as_json:
        _print(json.dumps(dict(hello, **status), indent=2, sort_keys=True) + "\n")
    else:
        _print("".join("%-10s %s\n" % line for line in _lines(hello, status)))


def _print(text):
    """Write all bytes to standard output, even to a non-blocking pipe."""
    data = text.encode("utf-8")
    while data:
        try:
            data = data[os.write(1, data) :]
        except BlockingIOError:
            select.select([], [1], [])


def _ask(path):
    """Return the results of ``agent.hello`` and ``agent.status``."""
    hello = {"protocol": list(protocol.VERSION), "client": "agentd status", "controller": "status"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
        agent.settimeout(_PATIENCE)
        try:
            with protocol.reachable(path) as name:
                agent.connect(name)
            agent.sendall(protocol.encode(protocol.request(1, "agent.hello", hello)))
            agent.sendall(protocol.encode(protocol.request(2, "agent.status", {})))
            decoder, answers = protocol.Decoder(), {}
            while len(answers) < 2:
                data = agent.recv(65536)
                if not data:
                    raise Unreachable("it closed the connection")
                answers.update((message["id"], message["result"]) for message in decoder.feed(data))
        except socket.timeout:
            raise Unreachable("no answer in %d s" % _PATIENCE) from None
        except OSError as error:
            raise Unreachable(error.strerror) from None
        except (protocol.ProtocolError, KeyError):
            raise Unreachable("its answer is not that of an agent") from None
    return answers[1], answers[2]


def _lines(hello, status):
    yield "agent", "%s, protocol %d.%d, Python %s" % (hello["agent"], *hello["protocol"], hello["python"])
    yield "instance", "%s on %s (%s, %s)" % (hello["instance"], hello["hostname"], hello["os"], hello["arch"])
    yield "up", _duration(status["uptime"])
    yield "tasks", "%d running, %d done" % (status["running"], status["total"])
    yield "memory", _bytes(status["rss"])
    yield "cpu", "%.2f s" % status["cpu"]
    yield "files", "%s open" % status["files"]
    yield "spool", _bytes(status["spool"])
    yield "guard", _guard_words(status["guard"])
    if status["dial"]:
        yield "broker", _dial_words(status["dial"])


def _guard_words(guard):
    if not guard:
        return "none"
    restarts = guard["restarts"]
    words = "pid %d, %d restart%s" % (guard["pid"], restarts, "" if restarts == 1 else "s")
    last = guard["last_restart"]
    if last:
        words += "; the last %s ago: %s" % (_duration(time.time() - last["time"]), last["why"])
    return words


def _dial_words(dial):
    since = _duration(time.time() - dial["since"])
    if dial["broker"]:
        return "%s, connected for %s" % (dial["broker"], since)
    return "not connected for %s: %s" % (since, dial["error"] or "connecting")


def _bytes(number):
    if number is None:
        return "unknown"
    for size, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if number >= size:
            return "%.1f %s" % (number / float(size), unit)
    return "%d bytes" % number


def _duration(seconds):
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return "%.1f %s" % (seconds / float(size), unit)
    return "%d s" % seconds
