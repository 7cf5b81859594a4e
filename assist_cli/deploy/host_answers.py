"""What ``host`` says on the machine where it runs, checked as an agent's answers are: it may be a machine that lies."""

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
_INSTALLED = Object(version=_VERSION, before=OrNull(_VERSION), systemd=Flag())
_RESULTS = {
    "look": Object(
        home=PATH,
        user=Text(255),
        root=Flag(),
        systemd=Flag(),
        lingers=Flag(),
        tls=Flag(),
        version=OrNull(_VERSION),
        instance=OrNull(INSTANCE),
        authority=OrNull(Text(64, "a SHA-256", least=64, of="0123456789abcdef")),
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
    """What is on a machine before anything is done: see ``host.orders.look``."""

    home: str
    user: str
    root: bool
    systemd: bool
    lingers: bool
    tls: bool
    version: str | None
    instance: str | None
    authority: str | None

    def belongs_to(self, authority: bytes) -> bool:
        """Whether its agent is of this authority, or of nobody."""
        return self.authority in (None, hashlib.sha256(authority).hexdigest())


@dataclass(frozen=True)
class Installed:
    """What became of an installation. ``before``: the version that was there, None for a new agent."""

    version: str
    before: str | None
    systemd: bool


class HostAnswers:
    """The lines that ``host`` says about the order ``verb``; with ``after``, those that come after this line."""

    def __init__(self, verb: str, place: str, progress: Progress, after: bytes = b"") -> None:
        self._after = after
        self._verb = verb
        self._what = f"cannot {'look at' if verb == 'look' else verb} the agent on '{place}'"
        self._progress = progress
        self._steps = 0
        self._last: dict[str, Any] = {}

    def add(self, line: bytes) -> None:
        """Take a line. Raises InvalidAnswer."""
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
        """The result; ``said`` is why there is none, where that is known.

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
            hint = "repeat it; what was begun there is still there"
        elif left:
            hint = f"this could not be taken back there: {'; '.join(left)}"
        else:
            hint = "nothing was changed there" if self._verb == "install" else "repeat it when that is in order"
        raise InstallFailed(f"{what}, at the step '{step}': {why}" if step else f"{what}: {why}", hint=hint)

    def _invalid(self, misfit: Misfit) -> InvalidAnswer:
        return InvalidAnswer(
            f"{self._what}: what the machine says does not fit: {misfit}",
            hint="see what its login shell prints, and whether it is the machine that you think",
        )


def last_line(said: bytes) -> str:
    """The end of the last line of what a program said, empty when it said nothing."""
    return (said.decode("utf-8", "replace").replace("\0", "").strip().splitlines() or [""])[-1][-1000:]
