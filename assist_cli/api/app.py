"""Bytes in, bytes out: the one route of the API as an ASGI application, and what is refused before a call is one."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Collection
from concurrent.futures import Executor

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from assist_cli.api.call import Call
from assist_cli.api.faults import Fault
from assist_cli.api.forms import Reply
from assist_cli.api.gateway import Gateway

BODY_BYTES = 1 << 20
BODY_SECONDS = 30.0
DROPPED_BYTES = 16 << 20


def application(gateway: Gateway, threads: Executor, names: Collection[str]) -> Starlette:
    """The application; what may block runs in ``threads``.

    ``names`` are those by which this server may be called. An address always may: it is a name that a page in a
    browser could turn on this server (DNS rebinding).
    """

    async def call(request: Request) -> Response:
        call = _call(request, b"")
        try:
            _check_host(call, names)
            call = _call(request, await asyncio.wait_for(_body(request), BODY_SECONDS))
        except Fault as fault:
            return _response(gateway.refuse(call, fault), close=True)
        except asyncio.TimeoutError:
            return _response(gateway.refuse(call, Fault("RequestTimeout")), close=True)
        loop = asyncio.get_running_loop()
        return _response(await loop.run_in_executor(threads, gateway.answer, call))

    async def elsewhere(request: Request, _: Exception) -> Response:
        return _response(gateway.refuse(_call(request, b""), Fault("InvalidAction.NotFound")), close=True)

    return Starlette(
        routes=[Route("/", call, methods=["GET", "POST"])],
        exception_handlers={HTTPException: elsewhere, ClientDisconnect: elsewhere},
    )


async def _body(request: Request) -> bytes:
    """The body, at most 1 MiB of it. Raises Fault.

    Some of what is too much is read and dropped: a client that cannot send does not read why.
    """
    body = bytearray()
    dropped = 0
    async for piece in request.stream():
        if len(body) + len(piece) <= BODY_BYTES and not dropped:
            body += piece
        else:
            dropped += len(piece)
        if dropped > DROPPED_BYTES:
            break
    if dropped:
        raise Fault("RequestTooLarge", f"(at most {BODY_BYTES:,} bytes)")
    return bytes(body)


def _call(request: Request, body: bytes) -> Call:
    return Call(
        method=request.method,
        path=request.scope["raw_path"].decode("latin-1"),
        query=request.scope["query_string"],
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.scope["headers"]),
        body=body,
        client=request.client.host if request.client else "",
    )


def _check_host(call: Call, names: Collection[str]) -> None:
    """Raise Fault for a call that was meant for somebody else, as its Host says."""
    host = call.header("host")
    name = host[1 : host.find("]")] if host.startswith("[") else host.partition(":")[0]
    try:
        ipaddress.ip_address(name)
    except ValueError:
        if name.lower() not in names:
            raise Fault("Operation.Forbidden", "(this server has not the name that stands in Host)") from None


def _response(reply: Reply, *, close: bool = False) -> Response:
    headers = {"Connection": "close"} if close else None
    return Response(reply.body, reply.status, headers, reply.type)
