"""The API as an ASGI application: reads a request, checks its path, host and size, and sends the reply."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from assist_cli.api.actions import ACTIONS
from assist_cli.api.call import Call
from assist_cli.api.faults import Fault
from assist_cli.api.forms import Reply
from assist_cli.api.gateway import Gateway
from assist_cli.http import endpoint

HEAD_BYTES = 1 << 20  # of URL and headers: the SDKs put all parameters into the URL
BODY_BYTES = 1 << 20
DROPPED_BYTES = 16 << 20

_ACTION = re.compile(rb"(?:^|&)Action=(\w+)")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class AsgiApplication:
    """The application. Calls run in threads: read-only ones in ``readers``, all others in ``waiters``.

    A body must arrive within ``timeout`` seconds. ``names`` are the host names of this server.
    """

    def __init__(
        self, gateway: Gateway, readers: Executor, waiters: Executor, names: Collection[str], timeout: float
    ) -> None:
        self._gateway = gateway
        self._readers = readers
        self._waiters = waiters
        self._names = names
        self._timeout = timeout

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request. Send nothing when the client has closed the connection."""
        call = _call(scope)
        try:
            if call.path != "/" or call.method not in ("GET", "POST"):
                raise Fault("InvalidAction.NotFound")
            if _head_bytes(call) > HEAD_BYTES:
                raise head_too_large()
            _check_host(call, self._names)
            body = await asyncio.wait_for(_body(receive), self._timeout)
        except Fault as fault:
            await _send(send, replace(self._gateway.refuse(call, fault), closes=True))
        except asyncio.TimeoutError:
            await _send(send, replace(self._gateway.refuse(call, Fault("RequestTimeout")), closes=True))
        else:
            if body is None:
                return
            threads = self._waiters if _may_wait(scope) else self._readers
            loop = asyncio.get_running_loop()
            await _send(send, await loop.run_in_executor(threads, self._gateway.answer, replace(call, body=body)))


def head_too_large() -> Fault:
    """Return the refusal of a call whose URL and headers are too long."""
    return Fault(
        "RequestTooLarge",
        f"(at most {HEAD_BYTES:,} bytes)",
        status=414,
        message="The URL and the headers of the request are too large.",
    )


def _head_bytes(call: Call) -> int:
    return len(call.path) + len(call.query) + sum(len(name) + len(value) for name, value in call.headers)


async def _body(receive: Receive) -> bytes | None:
    """Return the body, at most 1 MiB; None when the client closed the connection. Raises Fault.

    Some bytes over the limit are read and dropped: a client that is still sending does not read the refusal.
    """
    body = bytearray()
    dropped = 0
    more = True
    while more and dropped <= DROPPED_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        piece = message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) + len(piece) <= BODY_BYTES and not dropped:
            body += piece
        else:
            dropped += len(piece)
    if dropped:
        raise Fault("RequestTooLarge", f"(at most {BODY_BYTES:,} bytes)")
    return bytes(body)


def _may_wait(scope: Message) -> bool:
    """Return True if a call may take long. The action is not authenticated yet; it only selects the thread pool."""
    name = next((value for header, value in scope["headers"] if header == b"x-acs-action"), None)
    if name is None and (found := _ACTION.search(scope["query_string"])):
        name = found[1]
    action = ACTIONS.get((name or b"").decode("latin-1"))
    return action is None or action.waits


def _call(scope: Message) -> Call:
    """Return the call of a request, without its body."""
    return Call(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"],
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
        client=scope["client"][0] if scope["client"] else "",
    )


def _check_host(call: Call, names: Collection[str]) -> None:
    """Raise Fault for a call whose Host header names another server.

    The code is not one of an action: some programs take "forbidden" for "the instance is gone".
    """
    if not endpoint.is_ours(call.header("host"), names):
        detail = "(the header Host names another server)"
        hint = "assist serve --api-name NAME, or a certificate with that name"
        raise Fault("InvalidEndpoint", detail, hint=hint)


async def _send(send: Send, reply: Reply) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body})
