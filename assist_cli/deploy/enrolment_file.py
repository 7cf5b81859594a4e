"""The files that enrol machines: archives that any Python from 3.7 on runs, with a client and its settings.

One for several machines has the client ``host.enrol``, and the modules of ``agentd`` that it needs. The agent is
not in it: the controller sends it through a broker, in its own version. It is a secret, because it has the token.

One for a machine that listens has the client ``host.enrol_here``, and all that is installed. It is a secret, because it
has the key of the agent.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from assist_cli.agents.broker_folder import BrokerAddress
from assist_cli.deploy import bundle, host_requests
from assist_cli.deploy.pki import Credentials
from assist_cli.model.secret import Secret
from assist_cli.model.timeouts import EnrolmentTimeouts, InstallTimeouts

# Read by Python of any age. It checks all members of the archive before it imports one.
_MAIN = """\
import json
import os
import sys
import zipfile
if sys.version_info < (3, 6):
    sys.exit("error: cannot {purpose}: Python 3.7 or newer is needed, and this is %d.%d" % sys.version_info[:2])
path = os.path.dirname(os.path.abspath(__file__))
try:
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
        pieces = [archive.read(name) for name in archive.namelist() if name.startswith("settings.")]
        settings = json.loads(b"".join(pieces).decode("ascii"))
except Exception:
    damaged = path
if damaged:
    sys.exit("error: cannot {purpose}: this file is damaged\\nhint: copy it here again, in binary mode")
from assist_cli.deploy.host.{client} import main
sys.exit(main(settings))
"""
# The program of a small archive in this one, before each piece of the settings. Python searches the last 64 KiB of a
# file for the end of an archive, so in a file that is cut off it finds the end of that one.
_CUT_OFF = """\
import sys
sys.exit("error: cannot {purpose}: this file is not complete\\nhint: copy it here again, in binary mode")
"""
_PIECE = 60_000
_PURPOSES = {"enrol": "enrol this machine", "enrol_here": "install the agent"}
_PACKAGES = ("assist_cli", "assist_cli/deploy", "assist_cli/deploy/host")
_HERE = ("boot", "client", "enrol_here")
_BROKERED = ("client", "enrol", "link", "proxy")
_AGENT = ("disk", "wire/circuit", "wire/nats", "wire/protocol", "wire/tunnel")


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


@dataclass(frozen=True)
class ListeningSettings:
    """The settings in the file of a machine that listens: its instance, its address, and what is installed.

    ``listen`` is ADDRESS:PORT, see ``host_requests.install_order``.
    """

    name: str
    instance: str
    address: str
    listen: str
    credentials: Credentials


def build(settings: EnrolmentSettings, timeouts: EnrolmentTimeouts) -> bytes:
    """Return the bytes of the file for machines that reach the controller through a broker."""
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
    agent = {f"agentd/{name}": bundle.agent_source() / f"{name}.py" for name in _AGENT}
    return _archive("enrol", document, _BROKERED, {"agentd/__init__": None, "agentd/wire/__init__": None, **agent})


def build_listening(settings: ListeningSettings, timeouts: InstallTimeouts) -> bytes:
    """Return the bytes of the file for one machine, which the controller reaches."""
    order = host_requests.install_order(
        instance=settings.instance,
        credentials=settings.credentials,
        listen=settings.listen,
        only=True,
        rotate=True,  # an agent that the client allows to replace gets the id of this file
    )
    document = {
        "name": settings.name,
        "instance": settings.instance,
        "address": settings.address,
        "authority": hashlib.sha256(settings.credentials.authority).hexdigest(),
        "program": host_requests.RECEIVE,
        "sources": {system: host_requests.sources(system) for system in host_requests.SYSTEMS},
        "order": {**order, "keeps_newer": True},
        "waits": timeouts.as_dict(),
    }
    return _archive("enrol_here", document, _HERE, {})


def _archive(
    client: str, document: Mapping[str, Any], modules: Sequence[str], others: Mapping[str, Path | None]
) -> bytes:
    """Return an archive with a client and the modules that it needs; those of ``host`` by name, others by path."""
    host = Path(__file__).parent / "host"
    files: dict[str, Path | None] = {f"{package}/__init__": None for package in _PACKAGES}
    files |= {f"{_PACKAGES[-1]}/{name}": host / f"{name}.py" for name in modules}
    files |= others
    main, cut_off = (
        each.replace("{client}", client).replace("{purpose}", _PURPOSES[client]) for each in (_MAIN, _CUT_OFF)
    )
    stub = io.BytesIO()
    with zipfile.ZipFile(stub, "w") as archive:
        bundle.add(archive, "__main__.py", cut_off.encode())
    settings = json.dumps(document).encode("ascii")
    buffer = io.BytesIO()
    buffer.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(buffer, "w") as archive:
        bundle.add(archive, "cut_off", stub.getvalue(), zipfile.ZIP_STORED)
        bundle.add(archive, "__main__.py", main.encode(), zipfile.ZIP_STORED)
        for name, path in files.items():
            bundle.add(archive, f"{name}.py", b"" if path is None else bundle.bare(path.read_bytes()))
        for start in range(0, len(settings), _PIECE):
            bundle.add(archive, f"cut_off.{start}", stub.getvalue(), zipfile.ZIP_STORED)
            bundle.add(archive, f"settings.{start}", settings[start : start + _PIECE])
    return buffer.getvalue()
