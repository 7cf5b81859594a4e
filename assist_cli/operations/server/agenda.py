"""The agenda: a heap of due times, and the valid due time of each schedule."""

from __future__ import annotations

import heapq


class Agenda:
    """The next due time of each schedule, in milliseconds since the epoch."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []
        self._next: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._next)

    def put(self, schedule_id: str, due: int | None) -> None:
        """Set the next due time of a schedule; None: never."""
        if due is None:
            self._next.pop(schedule_id, None)
        elif self._next.get(schedule_id) != due:
            self._next[schedule_id] = due
            heapq.heappush(self._heap, (due, schedule_id))

    def due(self, now: int, most: int) -> list[str]:
        """Remove and return the schedules due by ``now``, earliest first, at most ``most``. Put each again later."""
        found: list[str] = []
        while len(found) < most and (first := self.first()) is not None and first <= now:
            _, schedule_id = heapq.heappop(self._heap)
            del self._next[schedule_id]
            found.append(schedule_id)
        return found

    def first(self) -> int | None:
        """The earliest due time; None if there is none."""
        while self._heap and self._next.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)  # an old due time: the schedule was changed or removed
        return self._heap[0][0] if self._heap else None
