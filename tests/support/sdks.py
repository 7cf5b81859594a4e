"""The original's own SDKs, as their users have them: only the endpoint is another.

Importing them takes seconds and megabytes, so that happens where they are used. ``captured`` has what they send.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from assist_cli.api.call import Call

REGION = "local"


def new(
    key_id: str, secret: str, endpoint: str, *, protocol: str = "http", ca: str = "", old_form: bool = False
) -> Any:
    """A client of alibabacloud_ecs20140526: today's SDK. ``old_form`` has it sign as the old one does."""
    from alibabacloud_ecs20140526.client import Client
    from alibabacloud_tea_openapi.models import Config

    config = Config(access_key_id=key_id, access_key_secret=secret, endpoint=endpoint, protocol=protocol)
    config.read_timeout = config.connect_timeout = 60_000
    if ca:
        config.ca = ca
    if old_form:
        config.signature_algorithm = "v2"
    return Client(config)


def new_request(action: str, **fields: Any) -> Any:
    """A request of today's SDK; nested objects are given as they are in its ``from_map``."""
    from alibabacloud_ecs20140526 import models

    return getattr(models, f"{action}Request")().from_map({"RegionId": REGION, **fields})


def old(key_id: str, secret: str, endpoint: str) -> Any:
    """A client of aliyun-python-sdk-core: the old SDK, that asks once and does not try again."""
    from aliyunsdkcore.client import AcsClient

    host, _, port = endpoint.partition(":")
    client = AcsClient(key_id, secret, REGION, port=int(port), auto_retry=False, timeout=60)
    client.add_endpoint(REGION, "Ecs", host)
    return client


def old_request(action: str, **fields: Any) -> Any:
    """A request of aliyun-python-sdk-ecs, made with its setters."""
    import importlib

    module = importlib.import_module(f"aliyunsdkecs.request.v20140526.{action}Request")
    request = getattr(module, f"{action}Request")()
    for name, value in fields.items():
        getattr(request, f"set_{name}")(value)
    return request


def captured(send: Callable[[str], object]) -> Call:
    """The one call that ``send`` makes to the endpoint that it is given; it is answered with an empty object."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        found: list[Call] = []
        thread = threading.Thread(target=lambda: found.append(_answered(door)))
        thread.start()
        try:
            send(f"127.0.0.1:{door.getsockname()[1]}")
        finally:
            thread.join()
    return found[0]


def _answered(door: socket.socket) -> Call:
    connection, _ = door.accept()
    with connection, connection.makefile("rb") as stream:
        method, target, _ = stream.readline().decode("ascii").split()
        headers = []
        while line := stream.readline().rstrip(b"\r\n"):
            name, _, value = line.decode("latin-1").partition(":")
            headers.append((name.lower(), value.strip()))
        body = stream.read(int(dict(headers).get("content-length", 0)))
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
        )
    url = urlsplit(target)
    return Call(method, url.path, url.query.encode("ascii"), tuple(headers), body)
