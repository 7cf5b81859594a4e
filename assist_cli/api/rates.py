"""Rate limit for each access key: a token bucket."""

from __future__ import annotations

import threading
import time

PER_SECOND = 250.0


class Rates:
    """Call counts per key, for all threads of a server: ``per_second`` on average, twice as many in one burst."""

    def __init__(self, per_second: float = PER_SECOND) -> None:
        self.per_second = per_second
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}  # by key: calls left, and at which time

    def admit(self, key_id: str) -> bool:
        """Count a call. Return False if the key has no calls left."""
        now = time.monotonic()
        most = 2 * self.per_second
        with self._lock:
            left, then = self._left.get(key_id, (most, now))
            left = min(left + (now - then) * self.per_second, most)
            admitted = left >= 1
            self._left[key_id] = (left - admitted, now)
        return admitted
