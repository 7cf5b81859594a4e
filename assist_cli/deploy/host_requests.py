"""Requests to a machine: an action of ``host`` with the modules that carry it out, as one line of JSON.

The machine gets it on standard input of a login or of a client of an enrolment, or as a script that its own agent runs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assist_cli import __version__
from assist_cli.deploy import bundle
from assist_cli.deploy.host_answers import HostAnswers
from assist_cli.deploy.pki import Credentials
from assist_cli.model.command import CommandType
from assist_cli.model.timeouts import InstallTimeouts

# Makes modules of the source texts, and calls the last.
_EXECUTE = (
    "import json,sys,types;sources,*order=json.loads(%s);"
    "[exec(text,sys.modules.setdefault(name,types.ModuleType(name)).__dict__) for name,text in sources];"
    "sys.modules[sources[-1][0]].main(*order)"
)
RECEIVE = _EXECUTE % "sys.stdin.buffer.readline().decode()"  # it contains no quotes, so it can be quoted
# The modules that are sent, by os.name of the machine. The last one has the entry.
_HOST_COMMON = tuple(
    f"assist_cli.deploy.host.{name}" for name in ("changes", "certificate", "machine", "bytecode", "orders")
)
_MODULES = {
    "posix": (
        *("agentd.disk", "agentd.platform", "agentd.posix.permissions"),
        *_HOST_COMMON,
        *("assist_cli.deploy.host.unit", "assist_cli.deploy.host.posix_machine"),
    ),
    "nt": (
        *("agentd.disk", "agentd.platform", "agentd.windows.permissions", "agentd.windows._kernel"),
        *_HOST_COMMON,
        *("assist_cli.deploy.host.scheduled_task", "assist_cli.deploy.host.windows_machine"),
    ),
}
SYSTEMS = tuple(_MODULES)

_PROXY_LOGIN = "pki/proxy-login"


@dataclass(frozen=True)
class DialProxy:
    """An HTTP proxy on the way to the brokers: http://HOST:PORT, and USER:PASSWORD. Both are empty for no proxy."""

    address: str = ""
    login: str = field(default="", repr=False)


@dataclass(frozen=True)
class Dial:
    """The settings of an agent that dials out: its brokers, the authority of their certificates (PEM), its token.

    Without a ``proxy`` that of the agent stays.
    """

    addresses: Sequence[str]
    authority: bytes
    token: str = field(repr=False)
    proxy: DialProxy | None = None


def install_order(
    *,
    instance: str,
    credentials: Credentials | None,
    listen: str | None,
    dial: Dial | None = None,
    only: bool = False,
    rotate: bool = False,
) -> dict[str, Any]:
    """Return the parameters of ``host.orders.install`` for an agent of this version."""
    archive = bundle.build()
    files = {}
    unwanted: list[str] = []
    if credentials is not None:
        files = {
            "pki/ca.pem": (_packed(credentials.authority), 0o600),
            "pki/agent.pem": (_packed(credentials.certificate), 0o600),
            "pki/agent.key": (_packed(credentials.key), 0o600),
        }
    conf: dict[str, str | None] = {}  # a setting that is None is removed
    if only:
        conf["listen"] = None
        if dial is None:
            conf.update(dict.fromkeys(("dial", "dial_proxy")))
            unwanted += ["pki/agent.jwt", "pki/broker-ca.pem", _PROXY_LOGIN]
    if listen:
        conf["listen"] = listen
    if dial is not None:
        files["pki/broker-ca.pem"] = (_packed(dial.authority), 0o600)
        files["pki/agent.jwt"] = (_packed(dial.token.encode("ascii") + b"\n"), 0o600)
        conf["dial"] = ",".join(dial.addresses)
        if dial.proxy is not None:
            conf["dial_proxy"] = dial.proxy.address or None
            if dial.proxy.login:
                files[_PROXY_LOGIN] = (_packed(dial.proxy.login.encode() + b"\n"), 0o600)
            else:
                unwanted.append(_PROXY_LOGIN)
    return {
        "version": __version__,
        "archive": _packed(archive),
        "sha256": hashlib.sha256(archive).hexdigest(),
        "files": files,
        "unwanted": unwanted,
        "conf": conf,
        "instance": instance,
        "rotate": rotate,
    }


@dataclass(frozen=True)
class ActionScript:
    """A script that carries out an action on its machine. ``read_answers`` reads its output."""

    type: CommandType
    content: bytes


def script(
    system: str, home: str, python: str, verb: str, order: Mapping[str, Any], timeouts: InstallTimeouts
) -> ActionScript:
    """Return the script of an action, for the agent in ``home``. ``system``: as ``request_line``."""
    text = request_line(system, verb, order, timeouts)
    if system == "nt":
        # cmd runs the first line, which ends it, and Python skips that line (-x)
        program, folder = (path.replace("%", "%%") for path in (python, home))
        head = f'@"{program}" -I -S -x "%ASSIST_SCRIPT%" "{folder}" & exit /b\n'
        return ActionScript(CommandType.BAT, head.encode() + (_EXECUTE % repr(text)).encode("ascii") + b"\n")
    words = shlex.join([python, "-I", "-S", "-c", RECEIVE, home])
    content = f"#!/bin/sh\nexec {words} <<'ORDER'\n{text}\nORDER\n"
    return ActionScript(CommandType.SHELL, content.encode())


def read_answers(output: bytes, place: str, verb: str) -> dict[str, Any]:
    """Return the result in the output of such a script. Raises as ``HostAnswers.result``."""
    answers = HostAnswers(verb, place, lambda step: None)
    for line in output.splitlines():
        answers.add(line)
    return answers.result()


def request_line(system: str, verb: str, order: Mapping[str, Any], timeouts: InstallTimeouts) -> str:
    """Return the line of JSON that ``RECEIVE`` takes: the modules for ``system`` (an os.name), and the action."""
    return json.dumps([sources(system), verb, {**order, "waits": timeouts.as_dict()}])


def sources(system: str) -> list[tuple[str, str]]:
    """Return the names and the texts of the modules for a system."""
    return [(name, _source(name)) for name in _MODULES[system]]


def _source(name: str) -> str:
    """Return the text of a module, which is not imported: it may be for another system."""
    package, *names = name.split(".")
    folder = bundle.agent_source() if package == "agentd" else Path(__file__).parents[1]
    return folder.joinpath(*names).with_suffix(".py").read_text("utf-8")


def _packed(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
