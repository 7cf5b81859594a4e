"""How many calls each access key has: a bucket that fills by so many a second."""

from __future__ import annotations

import threading
import time

PER_SECOND = 250.0


class Rates:
    """Counts the calls of keys, for the threads of a server: ``per_second`` of each, and twice as many in one go."""

    def __init__(self, per_second: float = PER_SECOND) -> None:
        self.per_second = per_second
        self._lock = threading.Lock()
        self._left: dict[str, tuple[float, float]] = {}  # of each key: the calls it had left, and when

    def admit(self, key_id: str) -> bool:
        """Count a call; False when the key has none left."""
        now = time.monotonic()
        most = 2 * self.per_second
        with self._lock:
            left, then = self._left.get(key_id, (most, now))
            left = min(left + (now - then) * self.per_second, most)
            admitted = left >= 1
            self._left[key_id] = (left - admitted, now)
        return admitted
