"""Installing agents on many machines, and the list of those where it has not succeeded yet.

The list is ``installs/unfinished.jsonl`` of the home: a line for each request, then a line for each that succeeded. So
it is true at any moment, also after a crash, and it is apart from the inventory.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from assist_cli import codes
from assist_cli.agents.ssh import login
from assist_cli.errors import Conflict, FileFailure, InvalidParameter
from assist_cli.model.secret import Secret
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import deployment
from assist_cli.operations.fleet.deployment import Installation, InstallRequest
from assist_cli.operations.fleet.many import Many, Progress
from assist_cli.operations.fleet.sudo_password import SudoPassword
from assist_cli.paths import Home, write_whole


@contextlib.contextmanager
def install_all(
    controller: Controller,
    requests: Sequence[InstallRequest],
    *,
    password: Secret | None = None,
    can_ask: bool = False,
) -> Iterator[Many[InstallRequest, Installation]]:
    """Begin to install agents, a dozen at the same time. The caller iterates over the events.

    ``password`` is that of sudo. Without one, it is a question among the events if ``can_ask``, and an error if not.
    All requests are checked first, and the certificates' authority is made. Raises InvalidParameter, QuotaExceeded and
    Conflict; also Conflict while another process installs on many machines.
    """
    for request in requests:
        deployment.checked(controller, request)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(controller.home.locked(controller.home.installs, wait=False))
        except BlockingIOError:
            raise Conflict(
                "cannot install on several hosts: another process does so with this home",
                hint="wait for its end",
                code=codes.INCORRECT_STATE,
            ) from None
        path = _path(controller.home)
        write_whole(path, b"".join(_line({"request": _written(each)}) for each in requests))
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        numbers = {id(request): number for number, request in enumerate(requests)}

        def work(controller: Controller, request: InstallRequest, progress: Progress) -> Installation:
            try:
                done = deployment.install(controller, request, progress=progress, ask=None, sudo=sudo)
            finally:
                login.release(deployment.checked(controller, request)[0])
            os.write(descriptor, _line({"done": numbers[id(request)]}))
            return done

        many = Many(controller, requests, work, lambda request: request.name or request.place)
        sudo = None
        if password is not None or can_ask:
            sudo = SudoPassword(
                lambda place: password or Secret(many.ask(f"Password of sudo on {place}, and for all others: "))
            )
        many.start()
        yield many
        if not unsuccessful(controller.home):
            path.unlink(missing_ok=True)
        if not many.in_progress:
            os.close(descriptor)


def unsuccessful(home: Home) -> list[InstallRequest]:
    """Return the requests of the last installation of several machines that have not succeeded. Raises FileFailure.

    A proxy that was a secret is a reference in them.
    """
    try:
        lines = _path(home).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FileFailure(f"cannot read the file '{_path(home)}': {error.strerror}") from error
    requests: list[InstallRequest] = []
    done: set[int] = set()
    try:
        for entry in map(json.loads, lines):
            if "done" in entry:
                done.add(entry["done"])
            else:
                requests.append(InstallRequest(**entry["request"]))
    except (ValueError, TypeError, KeyError) as error:
        raise FileFailure(
            f"cannot read the file '{_path(home)}': it is damaged", hint="delete it, and name the hosts"
        ) from error
    return [request for number, request in enumerate(requests) if number not in done]


def merged(request: InstallRequest, given: InstallRequest) -> InstallRequest:
    """Return ``request`` with the options of ``given`` where it has none of its own."""
    own = {name: value for name, value in vars(request).items() if value}
    if _has_port(request.place):
        own.setdefault("port", None)
    return replace(given, **{**own, "tags": {**given.tags, **request.tags}})


def refuse_twice(requests: Sequence[InstallRequest], origins: Sequence[str]) -> None:
    """Raise InvalidParameter if two requests name one machine, or one name. ``origins`` say where each one stands."""
    from assist_cli.agents import destination

    seen: dict[str, str] = {}
    for request, origin in zip(requests, origins, strict=True):
        place = replace(destination.parse(request.place), sudo=False, identity=None, jump=None)
        for what in (f"the host '{place}'", f"the name '{request.name or place.host}'"):
            if what in seen:
                raise InvalidParameter(
                    f"cannot use {origin}: {what} also stands in {seen[what]}", hint="nothing was done; remove one"
                )
            seen[what] = origin


def _has_port(place: str) -> bool:
    from assist_cli.agents import destination

    return destination.parse(place).port is not None


def _path(home: Home) -> Path:
    return home.installs / "unfinished.jsonl"


def _written(request: InstallRequest) -> dict[str, Any]:
    """Return a request for the list: of a secret only the reference."""
    proxy = request.dial_proxy
    written = proxy.reference if isinstance(proxy, Secret) else proxy
    return {**vars(request), "tags": dict(request.tags), "dial_proxy": written}


def _line(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry).encode("ascii") + b"\n"
