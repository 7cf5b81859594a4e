"""Display of an invocation on several instances, while it runs and at its end (docs/cli.md section 3).

Lines are shown as they arrive. A file and a pipe get all of them; a terminal skips lines that come too fast. At the
end, instances with equal output are grouped, failures last, and one line has the totals. Meanwhile a bar shows
progress, and Enter lists the instances that are still running.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType

from assist_cli.cli.formatting import so_far
from assist_cli.cli.output import Printer, Style
from assist_cli.cli.prefixed_lines import PrefixedLines
from assist_cli.cli.screen import is_foreground
from assist_cli.model.folding import fold, fold_some
from assist_cli.model.gaps import marked
from assist_cli.model.gathering import AnswerGroup, gather, in_words, tally
from assist_cli.model.invocation import InvocationInstance, Outcome, Record
from assist_cli.model.output import Output, Portion, Stream
from assist_cli.model.status import NOT_STARTED, QUEUED, UNANSWERED, WAITING, InvocationStatus
from assist_cli.operations.runs.listener import Listener, replay
from assist_cli.units import count, escape, took

_LATE_SHOWN = 20


class Fanout(Listener):
    """Shows the instances ``names``: the ``portion`` of their lines, and with ``groups`` equal output at the end.

    ENDS means no lines outside of groups. ``age`` is the age of the invocation in seconds, ``ages`` that of instances
    that started earlier. ``silence`` is shown for a group that succeeded without output.
    """

    def __init__(
        self,
        printer: Printer,
        names: Sequence[str],
        *,
        portion: Portion,
        groups: bool,
        age: float = 0,
        ages: Mapping[str, float] = MappingProxyType({}),
        silence: str = "(no output)",
    ) -> None:
        self.portion = portion
        self.live = printer.stderr_is_terminal
        self.keyboard = printer.keyboard if self.live else None
        self._printer = printer
        self._shows_lines = portion is not Portion.ENDS
        self._groups = groups
        self._silence = silence
        self._began = time.monotonic() - age
        self._ages = ages
        self._waiting = dict.fromkeys(names)  # not sent yet
        self._running: dict[str, float] = {}  # start times
        self._queued: dict[str, Record] = {}
        self._outcomes: dict[str, Outcome | None] = dict.fromkeys(names)
        self._ended = self._failed = 0  # counts of outcomes, kept because counting all of them at each end is slow
        self._unstarted: dict[str, list[str]] = {}  # names by reason
        self._lines = PrefixedLines(printer)
        self._seen: dict[str, int] = {}

    # what dispatch calls

    def started(self, instance: str) -> None:
        self._waiting.pop(instance, None)
        self._queued.pop(instance, None)
        if self._outcomes[instance] is None:
            self._running.setdefault(instance, time.monotonic() - self._ages.get(instance, 0))

    def output(self, instance: str, stream: Stream, data: bytes) -> None:
        if instance not in self._seen:
            self.started(instance)
        self._seen[instance] = self._seen.get(instance, 0) + len(data)
        if self._shows_lines:
            self._lines.add(instance, stream, data)

    def missing(self, instance: str, size: int) -> None:
        self._seen[instance] = self._seen.get(instance, 0) + size
        if self._shows_lines:
            self._lines.skip(instance, size)

    def ended(self, instance: str, outcome: Outcome) -> None:
        self._lines.flush(instance)
        self._waiting.pop(instance, None)
        self._running.pop(instance, None)
        self._queued.pop(instance, None)
        self._outcomes[instance] = outcome._replace(output=Output())  # without the output, which may be large
        self._ended += 1
        if outcome.is_unstarted:
            self._unstarted.setdefault(outcome.error_info, []).append(instance)
        else:
            self._failed += not outcome.is_success
            if self._shows_lines and outcome.status is not InvocationStatus.FINISHED:
                self._printer.talk(f"{instance}: {in_words(outcome)}: {outcome.error_info}")
        self.beat()

    def queued(self, instance: str, record: Record) -> None:
        if instance in self._queued:
            return
        self._waiting.pop(instance, None)
        self._running.pop(instance, None)
        self._queued[instance] = record
        if self._shows_lines:
            from assist_cli.cli import queued  # rarely needed

            self._printer.talk(f"{instance}: {queued.in_words(record)}")
        self.beat()

    def beat(self) -> None:
        hint = "Enter: list running instances" if self.keyboard is not None else ""
        unstarted = sum(map(len, self._unstarted.values()))
        done = so_far(self._ended, len(self._outcomes), self._failed, unstarted)
        waits = f", {len(self._queued)} {QUEUED}" if self._queued else ""
        self._printer.progress(f"{done}{waits}  {self._length()}", hint)

    def pressed(self) -> None:
        """Handle Enter: list the instances that are still running, and for how long."""
        assert self.keyboard is not None
        if not is_foreground(self.keyboard):
            return  # the keys are the shell's
        self._printer.remove_enter(os.read(self.keyboard, 1024).count(b"\n"))
        for line in self._still_running():
            self._printer.warn(line)
        if self._queued:
            self._printer.warn(f"{QUEUED}: {fold(self._queued)}")

    # the end

    @property
    def shows_outputs(self) -> bool:
        """True if complete outputs are shown at the end."""
        return self._groups

    def lacks(self, place: InvocationInstance) -> bool:
        """Return True if the history may have more output than was received, or a corrected outcome."""
        outcome = self._outcomes[place.instance_name]
        return outcome is None or outcome.error_code == UNANSWERED or _ended_otherwise(place, outcome)

    def replay(self, place: InvocationInstance) -> None:
        """Show from the history what was not received."""
        seen = self._seen.get(place.instance_name, 0)
        replay(self, place.instance_name, place.record.output or Output(), seen)
        known = self._outcomes[place.instance_name]
        if known is None and place.record.status.is_final:
            self.ended(place.instance_name, _outcome(place))
        elif known is not None and _ended_otherwise(place, known):
            self._correct(place.instance_name, _outcome(place))

    def close(self, places: Sequence[InvocationInstance], length: timedelta | None = None) -> None:
        """Print the groups and the totals. ``length`` is the duration, if it had ended before it was watched."""
        for name in self._outcomes:
            self._lines.flush(name)
        waits = {place.instance_name for place in places if place.record.is_queued}
        self._queued = {name: record for name, record in self._queued.items() if name in waits}
        if self._groups:
            for group in gather(places):
                self._print(group)
            self._print_queued()
        if self._shows_lines and not self._groups:  # groups say it already
            for why, names in self._unstarted.items():
                self._printer.talk(f"{fold(names)}: {why or NOT_STARTED}")
        for line in self._still_running():
            self._printer.talk(line)
        unsent = self._waiting.keys() | self._queued.keys()
        numbers = tally(outcome for name, outcome in self._outcomes.items() if name not in unsent)
        if self._queued:
            numbers[QUEUED] = len(self._queued)
        if self._waiting:
            numbers[WAITING] = len(self._waiting)
        parts = ", ".join(f"{number} {how}{self._where(how, number)}" for how, number in numbers.items())
        ran = any(
            outcome.has_begun if outcome else name not in self._queued for name, outcome in self._outcomes.items()
        )
        how_long = self._length() if length is None else took(length)
        self._printer.talk(f"{count(len(self._outcomes), 'instance')}{f' in {how_long}' if ran else ''}: {parts}")

    def _where(self, how: str, number: int) -> str:
        """Return the names of the instances that failed in this way; empty where these are all, or none."""
        if number == len(self._outcomes):
            return ""
        failed = [
            name
            for name, outcome in self._outcomes.items()
            if outcome is not None and not outcome.is_success and not outcome.is_unstarted and in_words(outcome) == how
        ]
        return f" on {fold_some(failed)}" if failed else ""

    def _correct(self, instance: str, outcome: Outcome) -> None:
        """Replace the outcome that was shown by the corrected one, which the totals and the exit status use."""
        self._lines.flush(instance)
        self._outcomes[instance] = outcome
        if self._shows_lines:
            why = "" if outcome.status is InvocationStatus.FINISHED else f": {outcome.error_info}"
            self._printer.talk(f"{instance}: corrected to {in_words(outcome)}{why}")

    def _length(self) -> str:
        return took(timedelta(seconds=time.monotonic() - self._began))

    def _still_running(self) -> list[str]:
        late = running_for(self._running, time.monotonic(), _LATE_SHOWN)
        return [*late, f"{WAITING}: {fold(self._waiting)}"] if self._waiting else late

    def _print(self, group: AnswerGroup) -> None:
        answer = group.answer
        how = in_words(answer)
        well = group.is_success
        title = fold(group.names) + (f" ({len(group.names)})" if len(group.names) > 1 else "")
        title += "" if well else f": {how}"
        for line in self._printer.wrapped(escape(f"--- {title} ---")).splitlines():
            self._printer.line(self._printer.paint(line, Style.GOOD if well else Style.BAD))
        if answer.status is not InvocationStatus.FINISHED and group.error_info:
            self._printer.line(self._printer.wrapped(escape(group.error_info)))
        text = _text(group.output)
        if text:
            self._printer.line(text)
        elif well:
            self._printer.line(self._printer.paint(self._silence, Style.QUIET))

    def _print_queued(self) -> None:
        """Print the group of the instances that are away, with the reason of the first one."""
        if not self._queued:
            return
        from assist_cli.cli import queued

        first, record = next(iter(self._queued.items()))
        number = f" ({len(self._queued)})" if len(self._queued) > 1 else ""
        self._printer.line(self._printer.paint(f"--- {fold(self._queued)}{number}: {QUEUED} ---", Style.ODD))
        self._printer.line(escape(f"{first}: {queued.in_words(record)}"))


def running_for(since: Mapping[str, float], now: float, most: int) -> list[str]:
    """List running instances by age, oldest first, in at most ``most`` lines and one for the rest. Times in seconds."""
    ages: dict[int, list[str]] = {}
    for name, began in since.items():
        ages.setdefault(int(now - began), []).append(name)
    oldest = sorted(ages.items(), reverse=True)
    lines = [f"running for {seconds} s: {fold(names)}" for seconds, names in oldest[:most]]
    others = sum(len(names) for _, names in oldest[most:])
    return lines + ([f"and {others} more"] if others else [])


def _text(output: Output) -> str:
    """Return the text of both streams for a terminal, with its gap marked."""
    return escape(marked(output).removesuffix("\n"), keep="\t\n")


def _outcome(place: InvocationInstance) -> Outcome:
    return place.record.outcome()._replace(output=Output())


def _ended_otherwise(place: InvocationInstance, known: Outcome) -> bool:
    """Return True if the outcome in the history differs from the one that was shown."""
    record = place.record
    told = known.status, known.exit_code, known.error_code
    return record.status.is_final and (record.status, record.exit_code, record.error_code) != told
