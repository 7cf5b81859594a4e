"""The output of ``host`` on a machine, checked like the answers of agents: the machine may be hostile."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from assist_cli.agents.answers import (
    INSTANCE,
    LONG_TEXT,
    PATH,
    ErrorCodeText,
    Flag,
    ListOf,
    May,
    Misfit,
    Object,
    OrNull,
    Text,
)
from assist_cli.errors import Conflict, InstallFailed, InvalidAnswer

MOST_STEPS = 100

Progress = Callable[[str], None]

_VERSION = Text(64)
_SENTENCE = Text(LONG_TEXT)
_INSTALLED = Object(version=_VERSION, before=OrNull(_VERSION), managed=Flag())
_DIGEST = Text(64, "a SHA-256", least=64, of="0123456789abcdef")
_FOUND = Object(
    home=PATH,
    user=Text(255),
    root=Flag(),
    managed=Flag(),
    lingers=Flag(),
    tls=Flag(),
    version=OrNull(_VERSION),
    instance=OrNull(INSTANCE),
    authority=OrNull(_DIGEST),
)
_RESULTS = {
    "look": _FOUND,
    "enrol": Object(
        **_FOUND.fields,
        machine=Text(64, "the id of a machine", least=64, of="0123456789abcdef"),
        replaces=OrNull(INSTANCE),
    ),
    "install": _INSTALLED,
    "upgrade": _INSTALLED,
    "uninstall": Object(left=ListOf(PATH, 1000)),
}
_STEP = Object(step=_SENTENCE)
_FAILURE = Object(
    error=_SENTENCE,
    code=May(ErrorCodeText(), ""),
    hint=May(_SENTENCE, ""),
    step=May(_SENTENCE, ""),
    left=May(OrNull(ListOf(_SENTENCE, 1000))),
)


@dataclass(frozen=True)
class Found:
    """The state of a machine before the installation: see ``host.orders.look``.

    ``managed``: systemd, or a scheduled task of Windows, starts the agent at boot.
    """

    home: str
    user: str
    root: bool
    managed: bool
    lingers: bool
    tls: bool
    version: str | None
    instance: str | None
    authority: str | None

    def belongs_to(self, authority: bytes) -> bool:
        """Return True if its agent belongs to this authority, or to none."""
        return self.authority in (None, hashlib.sha256(authority).hexdigest())


@dataclass(frozen=True)
class Installed:
    """The outcome of an installation. ``before`` is the version found there, None for a new agent."""

    version: str
    before: str | None
    managed: bool


class HostAnswers:
    """The output lines of ``host`` for the action ``verb``; with ``after``, those that come after this line."""

    def __init__(self, verb: str, place: str, progress: Progress, after: bytes = b"") -> None:
        self._after = after
        self._verb = verb
        self._what = f"cannot {'inspect' if verb == 'look' else verb} the agent on '{place}'"
        self._progress = progress
        self._steps = 0
        self._last: dict[str, Any] = {}

    def add(self, line: bytes) -> None:
        """Add a line. Raises InvalidAnswer."""
        if self._after:
            if line.strip() == self._after:
                self._after = b""
            return
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(found, dict):
            return
        self._last = found
        if found.keys() == {"step"}:
            self._steps += 1
            try:
                step = _STEP.check(found)["step"]
                if self._steps > MOST_STEPS:
                    raise Misfit("it has too many steps")
            except Misfit as misfit:
                raise self._invalid(misfit) from None
            self._progress(step)

    def result(self, said: str = "") -> dict[str, Any]:
        """Return the result. ``said`` is the known reason why there is none.

        Raises Conflict, InstallFailed and InvalidAnswer.
        """
        try:
            if "result" in self._last:
                return _RESULTS[self._verb].check(self._last["result"], "result")
            failure = _FAILURE.check({"error": said or "the connection ended", **self._last})
        except Misfit as misfit:
            raise self._invalid(misfit) from None
        what, why = self._what, failure["error"]
        if failure["code"]:
            raise Conflict(f"{what}: {why}", code=failure["code"], hint=failure["hint"])
        step, left = failure["step"], failure["left"]
        if left is None:
            hint = "repeat it; the changes made so far are still there"
        elif left:
            hint = f"these changes could not be undone there: {'; '.join(left)}"
        else:
            hint = "nothing was changed there" if self._verb == "install" else "correct this, then repeat it"
        raise InstallFailed(f"{what}, at the step '{step}': {why}" if step else f"{what}: {why}", hint=hint)

    def _invalid(self, misfit: Misfit) -> InvalidAnswer:
        return InvalidAnswer(
            f"{self._what}: the output of the machine is invalid: {misfit}",
            hint="check the output of its login shell, and that it is the right machine",
        )


def last_line(said: bytes) -> str:
    """Return the end of the last line of a program's output; empty without output."""
    return (said.decode("utf-8", "replace").replace("\0", "").strip().splitlines() or [""])[-1][-1000:]
