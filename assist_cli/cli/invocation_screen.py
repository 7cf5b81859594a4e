"""The status of one invocation: a live view on a terminal, elsewhere a line for each change (docs/cli.md section 4).

The source is the history, whichever process writes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from assist_cli.cli.fanout import running_for
from assist_cli.cli.formatting import clock, so_far
from assist_cli.cli.output import Cell, Printer, Style
from assist_cli.cli.screen import Line, Screen
from assist_cli.model.folding import fold
from assist_cli.model.gathering import in_words
from assist_cli.model.invocation import Invocation, InvocationInstance
from assist_cli.model.output import Portion
from assist_cli.model.status import NOT_STARTED, QUEUED, WAITING, InvocationStatus, InvokeStatus
from assist_cli.operations.controller import Controller
from assist_cli.operations.history import history
from assist_cli.operations.runs import recording
from assist_cli.operations.runs.listener import Listener
from assist_cli.units import count, escape, one_line, took

RUNNING_LINES = 6


@dataclass(frozen=True)
class _Standing:
    """The status of an invocation on some of its instances: a word, and the reason."""

    word: str
    why: str
    style: Style

    def __str__(self) -> str:
        """Return word and reason. The reason why it was not started stands alone."""
        if self.word == NOT_STARTED:
            return self.why or self.word
        return f"{self.word}: {self.why}" if self.why else self.word


class InvocationScreen(Listener):
    """Shows one invocation until the end of the block. It reads the history after each change."""

    portion = Portion.ENDS
    shows_outputs = False
    live = True

    def __init__(self, printer: Printer, controller: Controller, invocation: Invocation) -> None:
        self._printer = printer
        self._controller = controller
        self._invocation = invocation
        self._changes: object = None
        self._told: dict[str, tuple[str, _Standing]] = {}
        self._screen = Screen(printer) if printer.can_redraw else None

    def __enter__(self) -> InvocationScreen:
        return self

    def __exit__(self, *_: object) -> None:
        if self._screen is not None:
            self._screen.close()

    def beat(self) -> None:
        changes = history.changes(self._controller)
        if changes != self._changes:
            self._changes = changes
            self._invocation = recording.recall(self._controller, self._invocation.id, output=False)
            self._tell()
        self._draw()

    def lacks(self, place: InvocationInstance) -> bool:
        """Return False: everything that is shown comes from the history."""
        return False

    def replay(self, place: InvocationInstance) -> None:
        """Do nothing: this view shows no output."""

    def close(self, places: Sequence[InvocationInstance], length: timedelta | None = None) -> None:
        """Show the last status, and print it in one line."""
        self._changes = None
        self.beat()
        if self._screen is not None:
            self._screen.close()
        took_so_far = took(length or _length(self._invocation, self._controller.now()))
        parts = ", ".join(f"{number} {word}" for word, number in tally(places).items())
        self._printer.talk(f"{count(len(places), 'instance')} in {took_so_far}: {parts}")

    def _draw(self) -> None:
        if self._screen is not None:
            columns, lines = self._screen.size
            self._screen.draw(frame(self._invocation, self._controller.now(), columns, lines - 1))

    def _tell(self) -> None:
        """Print a line for each group of instances with the same change."""
        if self._screen is not None:
            return
        changed: dict[_Standing, list[str]] = {}
        for place in self._invocation.instances:
            now = standing(place)
            if self._told.get(place.instance_name) != (place.record.id, now):
                self._told[place.instance_name] = place.record.id, now
                changed.setdefault(now, []).append(place.instance_name)
        for how, names in changed.items():
            text = f"{clock(self._controller.now())}  {fold(names)}: {how}"
            self._printer.raw(f"{escape(text)}\n".encode("utf-8", "surrogateescape"))


def standing(place: InvocationInstance) -> _Standing:
    """Return the status on one instance."""
    record = place.record
    if not record.status.is_final:
        if record.is_queued and record.deliver_by is not None:
            return _Standing(QUEUED, f"until {clock(record.deliver_by)}", Style.ODD)
        if record.sent is None:
            return _Standing(WAITING, "", Style.QUIET)
        return _Standing("running" if record.status is InvocationStatus.RUNNING else "stopping", "", Style.BUSY)
    word = in_words(record)
    if record.status is InvocationStatus.FINISHED:
        return _Standing(word, "", Style.GOOD if record.is_success else Style.BAD)
    return _Standing(word, record.error_info, Style.ODD if record.status is InvocationStatus.STOPPED else Style.BAD)


def tally(places: Sequence[InvocationInstance]) -> dict[str, int]:
    """Count the instances by status, the largest number first."""
    counts: dict[str, int] = {}
    for place in places:
        word = standing(place).word
        counts[word] = counts.get(word, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def frame(invocation: Invocation, now: datetime, columns: int, lines: int) -> list[Line]:
    """Return the lines of the view of an invocation."""
    groups: dict[_Standing, list[str]] = {}
    for place in invocation.instances:
        groups.setdefault(standing(place), []).append(place.instance_name)
    ended = [place.record for place in invocation.instances if place.record.status.is_final]
    unstarted = sum(record.is_unstarted for record in ended)
    bad = sum(not record.is_success for record in ended) - unstarted
    total = len(invocation.instances)
    length = took(_length(invocation, now))
    head: list[Line] = [
        [
            Cell(invocation.id, Style.STRONG),
            Cell("  "),
            Cell(invocation.status.value, _style(invocation)),
            Cell(f"  {_what(invocation)}"),
        ],
        [Cell(f"{so_far(len(ended), total, bad, unstarted)}  {length}")],
        [Cell(", ".join(f"{number} {word}" for word, number in tally(invocation.instances).items()))],
    ]
    since = {
        place.instance_name: place.record.sent.timestamp()
        for place in invocation.instances
        if place.record.sent is not None and not place.record.status.is_final and not place.record.is_queued
    }
    late = running_for(since, now.timestamp(), RUNNING_LINES)
    body: list[Line] = [[Cell(line, Style.BUSY)] for line in late]
    for how in sorted((each for each in groups if each.style is not Style.BUSY), key=_rank):
        names = groups[how]
        number = f" ({len(names)})" if len(names) > 1 else ""
        line = [Cell(f"{how.word}{number}", how.style), Cell(f": {fold(names)}")]
        body.append([*line, Cell(f"  {how.why}", Style.QUIET)] if how.why else line)
    room = lines - len(head)
    if len(body) > room:
        body = [*body[: max(room - 1, 0)], [Cell(f"… {count(len(body) - room + 1, 'more line')}", Style.QUIET)]]
    return [*head, *body][:lines]


def _rank(how: _Standing) -> tuple[int, str]:
    """Return the sort key of a status: failures, then waiting ones, then successes."""
    order = (Style.BAD, Style.ODD, Style.QUIET, Style.GOOD)
    return order.index(how.style), how.word


def _style(invocation: Invocation) -> Style:
    if not invocation.status.is_final:
        return Style.BUSY
    if invocation.status is InvokeStatus.STOPPED:
        return Style.ODD
    return Style.GOOD if all(place.record.is_success for place in invocation.instances) else Style.BAD


def _what(invocation: Invocation) -> str:
    if invocation.transfer is not None:
        return invocation.transfer.path
    if invocation.command_name is not None:
        return f"{invocation.command_name}@{invocation.command_version}"
    return one_line(invocation.content.decode("utf-8", "replace"))


def _length(invocation: Invocation, now: datetime) -> timedelta:
    return (invocation.finished or now) - invocation.created
