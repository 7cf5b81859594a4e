"""The format of an answer: JSON, or XML in the form of the old protocol."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from assist_cli.api.faults import Fault

Document = dict[str, Any]

JSON = "JSON"
XML = "XML"
_TYPES = {JSON: "application/json;charset=utf-8", XML: "text/xml;charset=utf-8"}
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Reply(NamedTuple):
    """A reply to a call. ``closes``: the connection is closed after it."""

    status: int
    type: str
    body: bytes
    request_id: str
    closes: bool = False

    @property
    def headers(self) -> bytes:
        """The lines of its headers."""
        lines = (
            f"content-type: {self.type}\r\ncontent-length: {len(self.body)}\r\nx-acs-request-id: {self.request_id}\r\n"
        )
        return (f"{lines}connection: close\r\n" if self.closes else lines).encode("ascii")


def chosen(word: str, *, is_modern: bool) -> str:
    """Return the format that a client asks for. The default is XML in the old protocol, and JSON in the new one."""
    if not word:
        return JSON if is_modern else XML
    if word.upper() not in _TYPES:
        raise Fault("InvalidParameter.Format", "(it is JSON or XML)")
    return word.upper()


def answer(form: str, action: str, document: Document, request_id: str) -> Reply:
    """Return the reply with the result of an action."""
    return _reply(form, 200, f"{action}Response", request_id, document)


def refusal(form: str, fault: Fault, request_id: str, host: str) -> Reply:
    """Return the reply to a refused call."""
    document = {
        "HostId": host,
        "Code": fault.code,
        "Message": fault.message,
        "Recommend": fault.hint,
    }
    return _reply(form, fault.status, "Error", request_id, document)


def _reply(form: str, status: int, root: str, request_id: str, document: Document) -> Reply:
    document = {"RequestId": request_id, **document}
    if form == JSON:
        text = ENCODER.encode(document)
    else:
        text = f'<?xml version="1.0" encoding="UTF-8"?>{_element(root, document)}'
    return Reply(status, _TYPES[form], text.encode("utf-8", "replace"), request_id)


def _element(name: str, value: Any) -> str:
    """Return a value as XML: a list as repeated elements, None as nothing, characters not allowed in XML as U+FFFD."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "".join(_element(name, each) for each in value)
    if isinstance(value, Mapping):
        inner = "".join(_element(key, each) for key, each in value.items())
    elif isinstance(value, bool):
        inner = "true" if value else "false"
    else:
        inner = escape(_NO_XML.sub("\ufffd", str(value)))
    return f"<{name}>{inner}</{name}>"
