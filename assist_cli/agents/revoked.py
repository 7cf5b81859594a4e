"""The revocations of certificates of agents: ``pki/revoked.json`` in the home.

The certificate of an agent that was made before the revocation is never accepted again: whoever has its key could pose
as the agent, and would be sent scripts and secrets. A renewal of the key and an uninstallation revoke so.
``assist broker revoke`` also shuts the instance out: until it gets a new certificate, nothing connects to it by any
kind of address.
"""

import functools
import json
import ssl
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from assist_cli.errors import ClientAuthFailed, FileFailure
from assist_cli.paths import Home, version_of, write_whole
from assist_cli.structs import Struct

# A machine whose clock is behind must accept a new certificate: it is valid from a time before it was made.
BACKDATED = timedelta(days=1)

_AGAIN = "to admit it with a new key: assist instance install HOST; without SSH, a new file of assist instance enroll"


class Revocation(Struct):
    """The revocation of one instance: certificates that were made up to ``second`` (since the epoch) are refused.

    ``is_closed``: it is shut out until it gets a newer one.
    """

    second: int
    is_closed: bool


def read(home: Home) -> Mapping[str, Revocation]:
    """Return the revocations by instance. Raises FileFailure.

    Each connection reads them, so the file is parsed again only when it has changed.
    """
    path = home.revoked
    try:
        version = version_of(path)
        return {} if version is None else _parsed(path, version)
    except OSError as error:
        raise FileFailure(f"cannot read '{path}': {error.strerror}") from error
    except (ValueError, TypeError, AttributeError):
        raise FileFailure(f"cannot use '{path}': it is damaged", hint="restore pki/ from a backup") from None


@functools.lru_cache(maxsize=4)
def _parsed(path: Path, version: tuple[int, int, int]) -> Mapping[str, Revocation]:
    return {name: Revocation(**found) for name, found in json.loads(path.read_bytes()).items()}


def write(home: Home, revocations: dict[str, Revocation]) -> None:
    """Write the revocations. Raises FileFailure."""
    document = {name: each.as_dict() for name, each in sorted(revocations.items())}
    write_whole(home.revoked, json.dumps(document, indent=2).encode() + b"\n")


def refuse_closed(home: Home, instance: str, address: str) -> None:
    """Raise ClientAuthFailed for an instance that is shut out. Raises FileFailure."""
    found = read(home).get(instance)
    if found is not None and found.is_closed:
        raise ClientAuthFailed(f"cannot use the agent at '{address}': {instance} is revoked", hint=_AGAIN)


def refuse_certificate(home: Home, instance: str, certificate: Mapping[str, Any], address: str) -> None:
    """Raise ClientAuthFailed for a certificate of an agent that was made before a revocation. Raises FileFailure.

    ``certificate`` has the form of the ssl module.
    """
    found = read(home).get(instance)
    if found is None:
        return
    made = ssl.cert_time_to_seconds(certificate["notBefore"]) + BACKDATED.total_seconds()
    if made <= found.second:
        raise ClientAuthFailed(f"cannot trust the agent at '{address}': its certificate is revoked", hint=_AGAIN)
