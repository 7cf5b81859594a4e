"""Rate limits: a token bucket for each key."""

from __future__ import annotations

import threading
import time

KEY_LENGTH = 200  # characters of a key that count
MOST_KEYS = 10_000  # of clients that are not authenticated, any number of which may call


class Rates:
    """Call counts per key, for all threads of a server: ``per_second`` on average, ``burst`` more at one time.

    By default the burst is that of two seconds.
    """

    def __init__(self, per_second: float, burst: float | None = None) -> None:
        self.per_second = per_second
        self.burst = 2 * per_second if burst is None else burst
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}  # by key: calls left, and at which time; the oldest use first

    def admit(self, key: str) -> bool:
        """Count a call. Return False if the key has no calls left."""
        key, now = key[:KEY_LENGTH], time.monotonic()
        with self._lock:
            left, then = self._left.pop(key, (self.burst, now))
            left = min(left + (now - then) * self.per_second, self.burst)
            admitted = left >= 1
            self._left[key] = (left - admitted, now)
            if len(self._left) > MOST_KEYS:
                del self._left[next(iter(self._left))]
        return admitted
