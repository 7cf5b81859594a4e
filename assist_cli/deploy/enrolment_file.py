"""The file of an enrolment: one archive that any Python from 3.7 on runs, with the client and its settings.

The client is ``host.enrol``, with the modules of ``agentd.wire`` that it needs. The agent is not in the file: the
controller sends it, in its own version. The file is a secret, because it has the token.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from assist_cli.agents.broker_folder import BrokerAddress
from assist_cli.deploy import bundle
from assist_cli.deploy.host import enrol
from assist_cli.deploy.pki import Credentials
from assist_cli.model.secret import Secret
from assist_cli.model.timeouts import EnrolmentTimeouts

# Read by Python of any age.
_MAIN = """\
import sys
if sys.version_info < (3, 6):
    sys.exit("error: cannot enrol this machine: Python 3.7 or newer is needed, and this is %d.%d"
             % sys.version_info[:2])
import json
import os
import zipfile
import assist_enrol
with zipfile.ZipFile(os.path.dirname(os.path.abspath(__file__))) as archive:
    settings = json.loads(archive.read("settings.json").decode("ascii"))
sys.exit(assist_enrol.main(settings))
"""
_WIRE = ("__init__", "circuit", "nats", "protocol", "tunnel")


@dataclass(frozen=True)
class EnrolmentSettings:
    """The settings in the file: the brokers, the certificate and the JWT for them, the controller, the enrolment.

    Without a ``token`` the person who runs the file gives it. ``until`` is the end of the enrolment. ``proxy`` is the
    URL of an HTTP proxy, which may have a password, or empty.
    """

    brokers: Sequence[BrokerAddress]
    credentials: Credentials
    jwt: str = field(repr=False)
    controller: str
    enrolment: str
    token: Secret
    until: datetime
    proxy: Secret


def build(settings: EnrolmentSettings, timeouts: EnrolmentTimeouts) -> bytes:
    """Return the bytes of the file."""
    document = {
        "brokers": [(each.host, each.port) for each in settings.brokers],
        "authority": settings.credentials.authority.decode("ascii"),
        "certificate": settings.credentials.certificate.decode("ascii"),
        "key": settings.credentials.key.decode("ascii"),
        "jwt": settings.jwt,
        "controller": settings.controller,
        "enrolment": settings.enrolment,
        "token": settings.token.reveal(),
        "until": f"{settings.until:%Y-%m-%dT%H:%M:%SZ}",
        "proxy": settings.proxy.reveal(),
        "connect_seconds": timeouts.connect,
        "silence_seconds": timeouts.silence,
        "retry_seconds": timeouts.retry,
        "poll_seconds": timeouts.poll,
    }
    agent = bundle.agent_source()
    buffer = io.BytesIO()
    buffer.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(buffer, "w") as archive:
        bundle.add(archive, "__main__.py", _MAIN.encode())
        bundle.add(archive, "assist_enrol.py", bundle.bare(Path(str(enrol.__file__)).read_bytes()))
        bundle.add(archive, "agentd/__init__.py", b"")
        for name in _WIRE:
            bundle.add(archive, f"agentd/wire/{name}.py", bundle.bare((agent / "wire" / f"{name}.py").read_bytes()))
        bundle.add(archive, "settings.json", json.dumps(document).encode("ascii"))
    return buffer.getvalue()
