"""The SDKs of the original, as their users have them, with another endpoint.

Importing them takes seconds and megabytes, so that happens where they are used. ``captured`` returns what they send.
"""

from __future__ import annotations

import functools
import gc
import json
import re
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from assist_cli.api.call import Call

REGION = "local"


@functools.cache
def _read() -> None:
    """Import them, and exclude their objects from garbage collection."""
    import alibabacloud_ecs20140526.client  # noqa: F401

    gc.collect()
    gc.freeze()


def new(
    key_id: str, secret: str, endpoint: str, *, protocol: str = "http", ca: str = "", old_form: bool = False
) -> Any:
    """A client of alibabacloud_ecs20140526: today's SDK. With ``old_form`` it signs like the old one."""
    _read()
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
    """A request of today's SDK; nested objects are given as in its ``from_map``."""
    from alibabacloud_ecs20140526 import models

    return getattr(models, f"{action}Request")().from_map({"RegionId": REGION, **fields})


def old(key_id: str, secret: str, endpoint: str, region: str = REGION) -> Any:
    """A client of aliyun-python-sdk-core: the old SDK, without retries."""
    _read()
    from aliyunsdkcore.client import AcsClient

    host, _, port = endpoint.partition(":")
    client = AcsClient(key_id, secret, region, port=int(port), auto_retry=False, timeout=60)
    client.add_endpoint(region, "Ecs", host)
    return client


def old_request(action: str, **fields: Any) -> Any:
    """A request of aliyun-python-sdk-ecs, made with its setters."""
    import importlib

    module = importlib.import_module(f"aliyunsdkecs.request.v20140526.{action}Request")
    request = getattr(module, f"{action}Request")()
    for name, value in fields.items():
        getattr(request, f"set_{name}")(value)
    return request


class Refused(Exception):
    """The error of either SDK for a refused call."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.code = code
        self.status = status


class Sdk:
    """One of the SDKs for tests: ``sdk("RunCommand", InstanceId=[…])`` returns the answer as a document."""

    def __init__(self, key_id: str, secret: str, endpoint: str, **settings: str) -> None:
        self._arguments = key_id, secret, endpoint
        self._settings = settings

    def __call__(self, action: str, **fields: Any) -> Any:
        raise NotImplementedError


class New(Sdk):
    """alibabacloud_ecs20140526."""

    def __call__(self, action: str, **fields: Any) -> Any:
        method = re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
        try:
            answer = getattr(new(*self._arguments, **self._settings), method)(new_request(action, **fields))
        except Exception as error:
            if not getattr(error, "code", None):
                raise
            status = getattr(error, "status_code", None) or getattr(error, "statusCode", None)
            raise Refused(error.code, status, str(error)) from error
        finally:
            close_connections()
        return answer.body.to_map()


def close_connections() -> None:
    """Close connections that today's SDK keeps for the life of the process."""
    from darabonba.core import DaraCore

    for session in DaraCore._sessions.values():
        session.close()


class Old(Sdk):
    """aliyun-python-sdk-ecs. It names lists differently, and sends maps as given."""

    def __call__(self, action: str, **fields: Any) -> Any:
        from aliyunsdkcore.acs_exception.exceptions import ServerException

        named, region = {}, fields.pop("RegionId", REGION)
        for name, value in fields.items():
            is_list = isinstance(value, list)
            named[name + "s" if is_list else name] = json.dumps(value) if isinstance(value, dict) else value
        client = old(*self._arguments, region)
        try:
            answer = client.do_action_with_exception(old_request(action, **named))
        except ServerException as error:
            raise Refused(error.get_error_code(), error.get_http_status(), error.get_error_msg()) from error
        return json.loads(answer)


def captured(send: Callable[[str], object]) -> Call:
    """Return the one call that ``send`` makes to the given endpoint; the answer is an empty object."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found: list[Call] = []
        thread = threading.Thread(target=lambda: found.append(_answered(listener)))
        thread.start()
        try:
            send(f"127.0.0.1:{listener.getsockname()[1]}")
        finally:
            thread.join()
    return found[0]


def _answered(listener: socket.socket) -> Call:
    connection, _ = listener.accept()
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
