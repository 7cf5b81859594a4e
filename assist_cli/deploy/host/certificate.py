"""The age of the agent's certificate, read without a library for certificates."""

import base64
import re
import ssl
from typing import Tuple

from agentd.disk import patiently
from assist_cli.deploy.host.changes import read

_PEM = re.compile(b"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_SHORT_YEAR = 0x17  # the tag of a UTCTime, which has a year of two digits, of this century


def is_newer(certificate: str, key: str, other: bytes) -> bool:
    """Return True if the certificate and the key at these paths belong together, and are newer than another one (PEM).

    The beginning of validity counts.
    """
    try:
        patiently(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain, certificate, key)
        return _not_before(read(certificate) or b"") > _not_before(other)
    except (OSError, ValueError):
        return False  # it is missing or broken


def _not_before(pem: bytes) -> str:
    """Return the beginning of validity of the first certificate in PEM: YYYYMMDDhhmmssZ. Raises ValueError."""
    found = _PEM.search(pem)
    _, certificate, _ = _element(base64.b64decode(found.group(1)) if found else b"")
    _, fields, _ = _element(certificate)
    for _ in ("version", "serial number", "algorithm", "issuer"):
        fields = _element(fields)[2]
    _, validity, _ = _element(fields)
    tag, moment, _ = _element(validity)
    return ("20" if tag == _SHORT_YEAR else "") + moment.decode("ascii")


def _element(data: bytes) -> Tuple[int, bytes, bytes]:
    """Return the tag and the content of the first element in DER, and what follows it. Raises ValueError."""
    if len(data) < 2:
        raise ValueError("the certificate is not complete")
    size, start = data[1], 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start], "big")
    return data[0], data[start : start + size], data[start + size :]
