"""The same work on many machines, in threads: logins of SSH and installations block.

One machine that is slow or fails delays no other, as long as a thread is free. All events arrive in the thread that
iterates over ``events``.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from assist_cli import bug_report
from assist_cli.errors import AssistError, Interrupted
from assist_cli.operations.controller import Controller, Controllers
from assist_cli.operations.fleet import concurrency

THREADS = 12
BEAT = 0.5  # seconds between events, at most

T = TypeVar("T")
R = TypeVar("R")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Ended(Generic[R]):
    """The outcome of one item: its value or its error, and the last step that it reached."""

    step: str
    value: R | None = None
    error: AssistError | None = None
    is_begun: bool = True


@dataclass(frozen=True)
class Event(Generic[R]):
    """A step that an item has reached, or its end. ``index`` is that of the item."""

    index: int
    step: str
    ended: Ended[R] | None = None


@dataclass(frozen=True)
class Question:
    """A question of an item to the person, such as for a password. Answer it, with None if there is no answer."""

    prompt: str
    answer: Callable[[str | None], None]


class Many(Generic[T, R]):
    """``work`` on each item, each call with a controller of its own. ``title`` names an item in messages.

    ``outcomes`` has the outcome of each item, None until it has ended. An AssistError of ``work`` is an outcome.
    """

    def __init__(
        self,
        controller: Controller,
        items: Sequence[T],
        work: Callable[[Controller, T, Progress], R],
        title: Callable[[T], str],
    ) -> None:
        self.items = items
        self.titles = list(map(title, items))
        self.outcomes: list[Ended[R] | None] = [None] * len(items)
        self._steps = [""] * len(items)
        self._work = work
        self._home = controller.home
        self._controllers = Controllers(controller.home, controller.timeouts)
        self._queue: queue.SimpleQueue[Event[R] | Question | None] = queue.SimpleQueue()
        self._next = 0
        self._most = len(items)
        self._may_ask = True  # until a question is not answered
        self._lock = threading.Lock()
        concurrency.connections()  # which raises the limit of open files
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(min(THREADS, len(items)))]
        self._alive = len(self._threads)

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop_launching(self) -> None:
        """Stop launching items. Those that have begun continue."""
        with self._lock:
            self._most = self._next

    def ask(self, prompt: str) -> str:
        """Ask the person who iterates over the events, from the thread of an item. Raises Interrupted."""
        answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        if self._may_ask:
            self._queue.put(Question(prompt, answers.put))
        answer = answers.get() if self._may_ask else None
        if answer is None:
            self._may_ask = False
            raise Interrupted("cannot continue: the question was not answered", hint="repeat it")
        return answer

    @property
    def in_progress(self) -> list[str]:
        """The titles of the items that have begun and not ended."""
        return [self.titles[index] for index in range(self._next) if self.outcomes[index] is None]

    def events(self) -> Iterator[Event[R] | Question | None]:
        """Yield events and questions as they come, until all that began has ended. None: there was none for a moment.

        After an interrupt of the caller it can be called again.
        """
        while self._alive:
            try:
                event = self._queue.get(timeout=BEAT)
            except queue.Empty:
                yield None
                continue
            if event is None:
                self._alive -= 1
                continue
            if isinstance(event, Question):
                yield event
                continue
            self._steps[event.index] = event.step
            if event.ended is not None:
                self.outcomes[event.index] = event.ended
            yield event
        for thread in self._threads:
            thread.join()
        self._controllers.close()

    def close(self) -> list[Ended[R]]:
        """Return the outcome of each item. One that has not ended was interrupted."""
        return [outcome or self._interrupted(index) for index, outcome in enumerate(self.outcomes)]

    def _interrupted(self, index: int) -> Ended[R]:
        is_begun = index < self._next
        why = "cannot finish: interrupted" if is_begun else "cannot start: interrupted"
        return Ended(self._steps[index], error=Interrupted(why, hint="repeat it"), is_begun=is_begun)

    def _run(self) -> None:
        try:
            while True:
                with self._lock:
                    if self._next >= self._most:
                        return
                    index, self._next = self._next, self._next + 1
                self._queue.put(Event(index, *self._one(index)))
        finally:
            self._queue.put(None)

    def _one(self, index: int) -> tuple[str, Ended[R]]:
        step = ""

        def progress(reached: str) -> None:
            nonlocal step
            step = reached
            self._queue.put(Event(index, reached))

        try:
            with self._controllers.one() as controller:
                value = self._work(controller, self.items[index], progress)
        except AssistError as error:
            return step, Ended(step, error=error)
        except Exception as error:
            return step, Ended(step, error=bug_report.reported(self._home, error, f"go on with '{self.titles[index]}'"))
        return step, Ended(step, value)
