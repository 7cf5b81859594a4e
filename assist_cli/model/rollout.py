"""How an invocation spreads over its instances: all at once, or a few first and the rest in waves."""

from __future__ import annotations

import re
from dataclasses import dataclass

from assist_cli.errors import InvalidParameter

_SHARE = re.compile(r"([0-9]{1,9})(%?)")


@dataclass(frozen=True)
class Share:
    """A number of instances, or so many per cent of them."""

    number: int
    percent: bool = False

    def of(self, total: int) -> int:
        """How many of ``total`` these are, a part of one left out."""
        return total * self.number // 100 if self.percent else self.number

    def __str__(self) -> str:
        return f"{self.number}%" if self.percent else str(self.number)


def share(text: str, option: str, *, least: int) -> Share:
    """``5`` or ``25%``. Raises InvalidParameter; ``option`` is what the user gave it with."""
    found = _SHARE.fullmatch(text.strip())
    if found is None or int(found[1]) < least or (found[2] and int(found[1]) > 100):
        raise InvalidParameter(
            f"cannot use {option} '{text}': it is neither a number from {least} on nor a share of at most 100%",
            hint=f"{option} 5, or {option} 25%",
        )
    return Share(int(found[1]), bool(found[2]))


@dataclass(frozen=True)
class Rollout:
    """``canary`` instances go first, the others in waves of ``batch``, at most ``concurrency`` of them at once.

    When more than ``max_errors`` of all have not succeeded, no more are started. None is no limit.
    """

    canary: int | None = None
    batch: Share | None = None
    max_errors: Share | None = None
    concurrency: int | None = None

    @property
    def is_plain(self) -> bool:
        """Whether everything is started at once, whatever happens."""
        return self == AT_ONCE

    def waves(self, total: int, begun: int = 0) -> list[range]:
        """The positions of each wave, of ``total`` instances of which ``begun`` were started before."""
        size = total if self.batch is None else max(self.batch.of(total), 1)
        found: list[range] = []
        position = begun
        while position < total:
            step = self.canary if position == 0 and self.canary else size
            found.append(range(position, min(position + step, total)))
            position += step
        return found

    def tolerated(self, total: int) -> int | None:
        """How many of ``total`` may fail; None when all may."""
        return None if self.max_errors is None else self.max_errors.of(total)


AT_ONCE = Rollout()
