"""A web server for notifications: it keeps requests, and answers as set by the test."""

from __future__ import annotations

import queue
import ssl
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

GUARD = 60.0  # seconds


@dataclass(frozen=True)
class Delivery:
    """One request: its path, its headers (names in lower case), and its body."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """A context manager. ``statuses`` are answered one after the other, the last one for good.

    While ``gate`` is clear, requests are accepted and not answered. With a ``certificate``
    (a file that has the key too) it uses TLS.
    """

    def __init__(self, *statuses: int, location: str = "", certificate: Path | None = None) -> None:
        self.deliveries: queue.Queue[Delivery] = queue.Queue()
        self.gate = threading.Event()
        self.gate.set()
        self._statuses = list(statuses or (200,))
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.deliveries.put(Delivery(self.path, headers, body))
                assert receiver.gate.wait(GUARD)
                self.send_response(receiver._statuses.pop(0) if len(receiver._statuses) > 1 else receiver._statuses[0])
                if location:
                    self.send_header("Location", location)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Drop the log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a caller that disconnects is a case
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self.scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def port(self) -> int:
        return self._server.server_port

    def url(self, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}/hook?key=abc"

    def next(self) -> Delivery:
        """Return the next request, waiting for it if needed."""
        return self.deliveries.get(timeout=GUARD)

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
