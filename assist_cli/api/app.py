"""The application of the API: reads a request, checks its path, host and size, and returns the reply."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from assist_cli.api.call import Call
from assist_cli.api.faults import Fault
from assist_cli.api.forms import Reply
from assist_cli.api.gateway import Gateway
from assist_cli.http import endpoint

HEAD_BYTES = 1 << 20  # of URL and headers: the SDKs put all parameters into the URL
BODY_BYTES = 1 << 20
DROPPED_BYTES = 16 << 20
SMALL_BYTES = 64 << 10  # a larger request is parsed in a thread

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class Application:
    """The application, with scope and messages of a request as in ASGI.

    What may take long runs in threads: reads in ``readers``, all else in ``waiters``. ``names`` are the host names of
    this server.
    """

    def __init__(self, gateway: Gateway, readers: Executor, waiters: Executor, names: frozenset[str]) -> None:
        self._gateway = gateway
        self._readers = readers
        self._waiters = waiters
        self._names = names

    async def __call__(self, scope: Message, receive: Receive) -> Reply | None:
        """Return the reply to one request; None when the client has closed the connection."""
        call = _call(scope)
        try:
            if call.path != "/" or call.method not in ("GET", "POST"):
                raise Fault("InvalidAction.NotFound")
            if call.head_bytes > HEAD_BYTES:
                raise head_too_large()
            _check_host(call, self._names)
            body = await _body(receive)
        except Fault as fault:
            return self._gateway.refuse(call, fault)._replace(closes=True)
        if body is None:
            return None
        return await self._answer(replace(call, body=body) if body else call)

    async def _answer(self, call: Call) -> Reply:
        loop = asyncio.get_running_loop()
        if call.head_bytes + len(call.body) > SMALL_BYTES:
            return await loop.run_in_executor(self._waiters, self._gateway.answer, call)
        begun = self._gateway.begin(call)
        if isinstance(begun, Reply):
            return begun
        threads = self._waiters if begun.action.waits else self._readers
        return await loop.run_in_executor(threads, self._gateway.finish, begun)


def head_too_large() -> Fault:
    """Return the refusal of a call whose URL and headers are too long."""
    return Fault(
        "RequestTooLarge",
        f"(at most {HEAD_BYTES:,} bytes)",
        status=414,
        message="The URL and the headers of the request are too large.",
    )


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


def _call(scope: Message) -> Call:
    """Return the call of a request, without its body."""
    return Call(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"],
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
        client=scope["client"][0] if scope["client"] else "",
    )


def _check_host(call: Call, names: frozenset[str]) -> None:
    """Raise Fault for a call whose Host header names another server.

    The code is not one of an action: some programs take "forbidden" for "the instance is gone".
    """
    if not endpoint.is_ours(call.header("host"), names):
        detail = "(the header Host names another server)"
        hint = "assist serve --api-name NAME, or a certificate with that name"
        raise Fault("InvalidEndpoint", detail, hint=hint)
