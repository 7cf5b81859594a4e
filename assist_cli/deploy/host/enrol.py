"""The client in the file of an enrolment: it runs on the machine that enrols, and needs nothing but this Python.

It opens a circuit to the controller through a broker, with TLS inside that trusts only the authority in the file. Then
both ends send lines of JSON::

    machine      {"token", "hostname", "name", "python", "proxy", "new"}
    controller   {"run": "look", "program", "input"}   run this program, with a line on its standard input
    machine      {"line": {…}} …, {"exit": 0}           its output, then its end
    controller   {"done": {"name", "instance", "notes"}}, or {"error", "hint", "retry"}

The programs are those that ``assist instance install`` runs over SSH: ``orders``, with the folder of the agent.
"""

import argparse
import base64
import json
import os
import queue
import random
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from typing import Any, Dict, Optional, TextIO, Tuple

from agentd.wire import circuit, nats
from agentd.wire.circuit import CircuitEnd
from agentd.wire.nats import NatsProtocol
from agentd.wire.protocol import ProtocolError
from agentd.wire.tunnel import Tunnel, TunnelState

CODE = "ASSIST_ACTIVATION_CODE"  # the variable with the token, for a file that has none
MOST_LINE = 4 * 1024 * 1024  # bytes of a line from the controller: an agent is in it
MOST_HEAD = 16 * 1024  # bytes of the answer of a proxy
_UNREACHABLE = 69
_FAILED = 1

Words = Dict[str, Any]


class ControllerUnreachable(Exception):
    """The controller cannot be reached now. The text gives the reason."""


class Rejected(ControllerUnreachable):
    """A broker does not accept this file, or this file does not accept the broker. A retry cannot help."""


class Denied(Exception):
    """The controller refuses this machine, or an installation failed. The text is a line for people."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


def main(settings: Words) -> int:
    """Enrol this machine, and return the exit status. ``settings``: see ``enrolment_file``."""
    parser = argparse.ArgumentParser(
        prog="python3 " + os.path.basename(sys.argv[0]),
        description="Install an Assist agent here, which belongs to the controller that made this file.",
        epilog="Run it as root. It can be repeated. It is valid until %s." % settings["until"],
    )
    parser.add_argument("--name", default="", help="name of this machine (default: the controller chooses one)")
    parser.add_argument(
        "--proxy",
        metavar="URL",
        help="HTTP proxy for this program and the agent, http://HOST:PORT (default: %s); with a password by "
        "env:VARIABLE or @FILE only; none: without" % ("the one in the file" if settings["proxy"] else "none"),
    )
    parser.add_argument(
        "--new",
        action="store_true",
        help="make this machine a new instance: if it is the copy of another one, or its instance was revoked",
    )
    chosen = parser.parse_args()
    settings["new"] = chosen.new
    try:
        _check_python()
        if chosen.proxy is not None:
            settings["proxy"] = _given_proxy(chosen.proxy)
        settings["token"] = settings["token"] or _token()
        done = _enrol(settings, chosen.name)
    except Denied as denied:
        return _fail(str(denied), denied.hint, _FAILED)
    except ControllerUnreachable as error:
        return _fail("cannot enrol this machine: %s" % error, _hint(settings), _UNREACHABLE)
    except KeyboardInterrupt:
        return _fail("interrupted", "run it again: nothing is done twice", 130)
    for note in done.get("notes", ()):
        _say(sys.stdout, "note: %s" % note)
    _say(sys.stdout, "Enrolled as %s (%s)" % (done.get("name"), done.get("instance")))
    return 0


def _fail(text: str, hint: str, status: int) -> int:
    _say(sys.stderr, "error: %s" % text)
    if hint:
        _say(sys.stderr, "hint: %s" % hint)
    return status


def _say(stream: TextIO, text: str) -> None:
    """Print a line for people, without control characters, in any locale."""
    line = "".join(each if each.isprintable() else "?" for each in text) + "\n"
    stream.write(line.encode(stream.encoding or "ascii", "replace").decode(stream.encoding or "ascii"))
    stream.flush()


def _hint(settings: Words) -> str:
    return (
        "on the controller, 'assist serve' must run; from here, a broker must be reachable; the file is valid until "
        "%s, and the clock here shows %s" % (settings["until"], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    )


def _check_python() -> None:
    if sys.version_info < (3, 7) or not getattr(ssl, "HAS_TLSv1_3", False):
        version = "Python %d.%d with %s" % (sys.version_info[0], sys.version_info[1], ssl.OPENSSL_VERSION)
        raise Denied(
            "cannot enrol this machine: TLS 1.3 is needed, and %s has none" % version,
            "use Python 3.7 or newer with OpenSSL 1.1.1 or newer, or reach this machine by SSH: "
            "assist instance install",
        )


def _token() -> str:
    """Return the activation code, for a file that has no token."""
    found = os.environ.pop(CODE, "")
    if not found and sys.stdin.isatty():
        import getpass

        found = getpass.getpass("Activation code: ")
    if not found.strip():
        raise Denied("cannot enrol this machine: no activation code given", "set %s to it" % CODE)
    return found.strip()


def _given_proxy(text: str) -> str:
    """Return the URL of a proxy that a person gives: itself, in a variable, or in a file. Raises Denied."""
    given = text
    try:
        if text.startswith("env:"):
            given = os.environ.pop(text[len("env:") :], "").strip()
        elif text.startswith("@"):
            with open(text[1:], encoding="utf-8") as file:
                given = file.read(MOST_HEAD).strip()
    except (OSError, ValueError) as error:
        raise Denied("cannot read the proxy of '%s': %s" % (text, error)) from None
    if given == "none":
        return given
    try:
        _address_of(given)
    except ValueError:
        raise Denied(
            "cannot use this proxy: it is not http://HOST:PORT", "--proxy http://proxy.example.com:3128"
        ) from None
    if given is text and "@" in text:
        raise Denied(
            "cannot use a proxy with a password on the command line: other users can see it",
            "put http://USER:PASSWORD@HOST:PORT into a file or a variable: --proxy @FILE, --proxy env:VARIABLE",
        )
    return given


def _address_of(proxy: str) -> Tuple[str, int]:
    """Return host and port of http://HOST:PORT or http://USER:PASSWORD@HOST:PORT. Raises ValueError."""
    found = urllib.parse.urlsplit(proxy)
    if found.scheme != "http" or not found.hostname or not found.port or found.path not in ("", "/"):
        raise ValueError(proxy)
    return found.hostname, found.port


def _connect(settings: Words, host: str, port: int) -> socket.socket:
    """Connect to a broker, through the proxy if there is one. Raises OSError, ControllerUnreachable, Denied."""
    proxy, seconds = settings["proxy"], settings["connect_seconds"]
    if proxy in ("", "none"):
        return socket.create_connection((host, port), seconds)
    target = ("[%s]:%d" if ":" in host else "%s:%d") % (host, port)
    request = "CONNECT %s HTTP/1.1\r\nHost: %s\r\n" % (target, target)
    found = urllib.parse.urlsplit(proxy)
    if found.username is not None:
        login = "%s:%s" % (urllib.parse.unquote(found.username), urllib.parse.unquote(found.password or ""))
        request += "Proxy-Authorization: Basic %s\r\n" % base64.b64encode(login.encode("utf-8")).decode("ascii")
    place = "the proxy %s:%d" % _address_of(proxy)
    try:
        made = socket.create_connection(_address_of(proxy), seconds)
    except OSError as error:
        raise ControllerUnreachable("through %s: %s" % (place, error.strerror or error)) from error
    try:
        made.settimeout(seconds)
        made.sendall(request.encode("ascii") + b"\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = made.recv(1)  # not more: the INFO of the broker follows
            head += byte
            if not byte or len(head) > MOST_HEAD:
                raise ControllerUnreachable("%s does not answer as an HTTP proxy" % place)
        status = head.split(b"\r\n")[0]
        if status.split()[1:2] == [b"407"]:
            raise Denied(
                "cannot enrol this machine: %s refuses it without the right user and password" % place,
                "give http://USER:PASSWORD@HOST:PORT by a file or a variable: --proxy @FILE, --proxy env:VARIABLE",
            )
        if not status.startswith(b"HTTP/1.") or status.split()[1:2] != [b"200"]:
            raise ControllerUnreachable("%s answered '%s'" % (place, status[:100].decode("ascii", "replace")))
    except BaseException:
        made.close()
        raise
    return made


def _enrol(settings: Words, name: str) -> Words:
    """Try the brokers in turn until the controller has answered. Raises Denied, ControllerUnreachable."""
    end = time.monotonic() + settings["retry_seconds"]
    brokers = list(settings["brokers"])
    random.shuffle(brokers)
    pause, told = 0.5, False
    while True:
        reasons, may_help = [], False
        for host, port in brokers:
            try:
                link = Link(settings, host, port)
                try:
                    return _talk(link, settings, name)
                finally:
                    link.close()
            except (OSError, ProtocolError, ControllerUnreachable) as error:
                why = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or str(error)
                reasons.append("tls://%s:%d: %s" % (host, port, why))
                may_help = may_help or not isinstance(error, (Rejected, ssl.SSLError))
        if not may_help or time.monotonic() + pause > end:
            raise ControllerUnreachable("; ".join(reasons))
        if not told:
            seconds = settings["retry_seconds"]
            _say(sys.stdout, "- wait for the controller, at most %d s: %s" % (seconds, "; ".join(reasons)))
            told = True
        time.sleep(pause * (0.5 + random.random()))
        pause = min(pause * 2, 10.0)


def _talk(link: "Link", settings: Words, name: str) -> Words:
    """Follow the controller, and return its last answer. Raises Denied, ControllerUnreachable."""
    python = "%d.%d.%d" % sys.version_info[:3]
    hello = {"token": settings["token"], "hostname": socket.gethostname(), "name": name, "python": python}
    link.send(dict(hello, proxy=settings["proxy"], new=settings["new"]))
    while True:
        words = link.receive()
        if isinstance(words.get("done"), dict):
            return words["done"]  # type: ignore[no-any-return]
        if "run" in words:
            _run(link, words)
            settings["new"] = False  # this machine has noted it: a retry continues
        elif words.get("retry"):
            raise ControllerUnreachable(str(words.get("error")))
        else:
            raise Denied(str(words.get("error")), str(words.get("hint") or ""))


def _run(link: "Link", words: Words) -> None:
    """Run a program of the controller, and send its output. It ends also if the connection is lost meanwhile."""
    python = getattr(sys, "_base_executable", None) or sys.executable  # not one of a venv, which may be removed
    process = subprocess.Popen(
        [python, "-I", "-S", "-c", words["program"], os.environ.get("ASSIST_AGENTD_HOME", "")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    lines = queue.Queue()  # type: queue.Queue[Optional[bytes]]
    threading.Thread(target=_read, args=(process, lines), daemon=True).start()
    assert process.stdin is not None
    try:
        process.stdin.write(words["input"].encode("ascii") + b"\n")
        process.stdin.close()
    except OSError:
        pass  # it has ended: its status says so
    lost = None  # type: Optional[Exception]
    while True:
        try:
            line = lines.get(timeout=1.0)
        except queue.Empty:
            line = b""
        try:
            if line:
                _show(line, link)
            elif line is not None and lost is None:
                link.idle()
        except (OSError, ProtocolError, ControllerUnreachable) as error:
            lost = error
        if line is None:
            break
    status = process.wait()
    if lost is not None:
        raise lost
    link.send({"exit": status})


def _read(process: "subprocess.Popen[bytes]", lines: "queue.Queue[Optional[bytes]]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    process.stdout.close()
    lines.put(None)


def _show(line: bytes, link: "Link") -> None:
    """Print a step for people, and send each line."""
    try:
        words = json.loads(line.decode("utf-8", "replace"))
    except ValueError:
        return
    if isinstance(words, dict) and isinstance(words.get("step"), str):
        _say(sys.stdout, "- %s" % words["step"])
    link.send({"line": words})


class Link:
    """A circuit to the controller, in a connection to one broker; raises the errors that ``_enrol`` retries."""

    def __init__(self, settings: Words, host: str, port: int) -> None:
        session = circuit.new_session()
        name = "%s.%s" % (settings["enrolment"], session)
        self._to = "assist.e.%s.%s" % (settings["controller"], name)
        self._from = "assist.m.%s" % name
        self._seconds, self._poll = settings["silence_seconds"], settings["poll_seconds"]
        self._nats = NatsProtocol()
        self._end = CircuitEnd()
        self._plain = bytearray()
        self._greeted = False
        self._socket = _connect(settings, host, port)
        try:
            self._socket.settimeout(settings["connect_seconds"])
            self._begin(settings, host)
            self._tunnel = Tunnel(_inner(settings), False)
            self._tunnel.shake_hands()
            self._flush()
            while self._tunnel.state is TunnelState.HANDSHAKE:
                self._pump()
            if self._tunnel.subject().get("organizationalUnitName") != "enroller":
                raise Rejected("what answers there is not the controller")
            self._socket.settimeout(self._seconds)
        except BaseException:
            self._socket.close()
            raise

    def _begin(self, settings: Words, host: str) -> None:
        """Log in to the broker. Its INFO comes before TLS."""
        while not self._greeted:
            self._take(self._read_socket())
        self._greeted, self._nats = False, NatsProtocol()
        self._socket = _outer(settings).wrap_socket(self._socket, server_hostname=host)
        words = self._nats.connect({"jwt": settings["jwt"], "name": settings["enrolment"]})
        self._socket.sendall(words + self._nats.subscribe(self._from, 1))

    def close(self) -> None:
        try:
            self._end.abort()
            self._publish()
            self._socket.close()
        except OSError:
            pass

    def send(self, words: Words) -> None:
        """Send a line."""
        self._tunnel.write(json.dumps(words).encode("ascii") + b"\n")
        self._flush()

    def receive(self) -> Words:
        """Return the next line."""
        while b"\n" not in self._plain:
            if len(self._plain) > MOST_LINE:
                raise ControllerUnreachable("the controller sent too long a line")
            self._pump()
        line, _, self._plain = self._plain.partition(b"\n")
        try:
            words = json.loads(line.decode("utf-8", "replace"))
        except ValueError:
            words = None
        if not isinstance(words, dict):
            raise ControllerUnreachable("the controller sent a line that is not JSON")
        return words

    def idle(self) -> None:
        """Answer the broker while a program runs."""
        self._socket.settimeout(self._poll)
        try:
            data = self._read_socket()
        except socket.timeout:
            return
        finally:
            self._socket.settimeout(self._seconds)
        self._take(data)

    def _pump(self) -> None:
        """Receive once, and send what follows from it. What came before the end is not lost by it."""
        if self._end.closed:
            raise ControllerUnreachable("the controller closed the connection")
        self._take(self._read_socket())

    def _read_socket(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ControllerUnreachable("the broker closed the connection")
        return data

    def _take(self, data: bytes) -> None:
        for event in self._nats.feed(data):
            if isinstance(event, nats.Info):
                self._greeted = True
            elif isinstance(event, nats.Ping):
                self._socket.sendall(self._nats.pong())
            elif isinstance(event, nats.Error):
                raise Rejected("the broker answered '%s'" % event.text)
            elif isinstance(event, nats.Message):
                if event.status == nats.NO_RESPONDERS:
                    raise ControllerUnreachable("the controller does not answer: its 'assist serve' is not connected")
                self._pass(self._end.feed(event.payload))

    def _pass(self, data: bytes) -> None:
        """Pass bytes of the circuit through TLS."""
        self._end.take_in()
        self._tunnel.feed(data)
        if self._tunnel.state is TunnelState.HANDSHAKE:
            self._tunnel.shake_hands()
        while self._tunnel.state is TunnelState.OPEN:
            plain = self._tunnel.read()
            if not plain:
                break
            self._plain += plain
        self._flush()

    def _flush(self) -> None:
        self._end.send(self._tunnel.outgoing())
        self._publish()

    def _publish(self) -> None:
        for message in self._end.outgoing():
            self._socket.sendall(self._nats.publish(self._to, message, self._from))


def _outer(settings: Words) -> ssl.SSLContext:
    """Return the context for a broker: its certificate has the host name, and ours is the one of the enrolment."""
    context = _inner(settings)
    context.check_hostname = True
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _inner(settings: Words) -> ssl.SSLContext:
    """Return the context for the controller, which is known by the authority and by its role."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=settings["authority"])
    descriptor, path = tempfile.mkstemp()  # 0600; the ssl module reads a key from a file only
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(settings["certificate"] + settings["key"])
        context.load_cert_chain(path)
    finally:
        os.unlink(path)
    return context
