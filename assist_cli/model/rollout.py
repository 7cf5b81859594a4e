"""The rollout of an invocation: on all instances together, or on a few first and on the rest in waves."""

import re
from datetime import timedelta

from assist_cli.errors import InvalidParameter
from assist_cli.structs import Struct

LONGEST_QUEUE = timedelta(days=365)  # of a record for an instance that is away

_SHARE = r"([0-9]{1,9})(%?)"


class Share(Struct):
    """A number of instances, or a percentage of them."""

    number: int
    percent: bool = False

    def of(self, total: int) -> int:
        """Return the number of instances out of ``total``, rounded down."""
        return total * self.number // 100 if self.percent else self.number

    def __str__(self) -> str:
        return f"{self.number}%" if self.percent else str(self.number)


def share(text: str, option: str, *, least: int) -> Share:
    """Parse ``5`` or ``25%``. Raises InvalidParameter; ``option`` is the option that it came with."""
    found = re.fullmatch(_SHARE, text.strip())
    if found is None or int(found[1]) < least or (found[2] and int(found[1]) > 100):
        raise InvalidParameter(
            f"cannot use {option} '{text}': it is not a number from {least} on, nor a percentage of at most 100%",
            hint=f"{option} 5, or {option} 25%",
        )
    return Share(int(found[1]), bool(found[2]))


class Rollout(Struct):
    """A rollout: first ``canary`` instances, then waves of ``batch``, at most ``concurrency`` at the same time.

    When more than ``max_errors`` of all did not succeed, launching stops. None is no limit.
    """

    canary: Share | None = None
    batch: Share | None = None
    max_errors: Share | None = None
    concurrency: int | None = None

    @property
    def is_plain(self) -> bool:
        """Return True if all instances start together, without limits."""
        return self == AT_ONCE

    def waves(self, total: int) -> list[range]:
        """Return the positions of each wave, for ``total`` instances."""
        size = total if self.batch is None else max(self.batch.of(total), 1)
        found: list[range] = []
        position = 0
        while position < total:
            step = max(self.canary.of(total), 1) if position == 0 and self.canary else size
            found.append(range(position, min(position + step, total)))
            position += step
        return found

    def tolerated(self, total: int) -> int | None:
        """Return how many of ``total`` may fail; None when all may."""
        return None if self.max_errors is None else self.max_errors.of(total)


AT_ONCE = Rollout()
