"""The form of a run: its fields as they were typed, and what they mean.

It has no secrets. They are typed beside the button that runs, and are on no page.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from assist_cli import codes
from assist_cli.errors import InvalidParameter, UsageError
from assist_cli.model import frequency
from assist_cli.model.command import CommandVersion
from assist_cli.model.names import quoted
from assist_cli.model.rollout import LONGEST_QUEUE, Rollout, Share, share
from assist_cli.model.schedule import KEEP, Missed, Timing
from assist_cli.operations.controller import Controller
from assist_cli.operations.local_zone import local_zone
from assist_cli.units import HUNDRED_YEARS, seconds_of
from assist_cli.web.scripts import lines_of
from assist_cli.web.visit import Visit

SCRIPT, COMMAND, RERUN = "script", "command", "rerun"
ALL = "all"  # instances of a rerun; else those where it was unsuccessful

# Each field with its option on the command line; "" for a field that is not an option.
WHAT = {"what": "", "script": "", "type": "--type", "command": "", "rerun": "", "which": ""}
SETTINGS = {"timeout": "--timeout", "workdir": "--workdir", "user": "--user"}
TIMES = {"at": "--at", "every": "--every", "cron": "--cron"}
PERIODIC = {"jitter": "--jitter", "missed": "--missed", "keep": "--keep"}
WAVES = {"canary": "--canary", "batch": "--batch", "max_errors": "--max-errors", "concurrency": "--concurrency"}
OPTIONS = {**WHAT, **SETTINGS, "on": "-i", "when": "", **TIMES, "timezone": "--timezone", **PERIODIC, **WAVES}
FIELDS = (*OPTIONS, "queue")

PARAMETER = "p."  # begins the names of fields with the values of parameters


@dataclass(frozen=True)
class RunForm:
    """The texts of the fields by name, and the values of parameters by key. Both may be missing."""

    texts: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        return self.texts.get(name, "")

    @property
    def what(self) -> str:
        """The kind of the run: a script, a saved command, or a rerun."""
        return self["what"] if self["what"] in (COMMAND, RERUN) else SCRIPT

    @property
    def is_scheduled(self) -> bool:
        return self["when"] in TIMES

    def with_texts(self, **texts: str) -> RunForm:
        return replace(self, texts={**self.texts, **texts})

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The names and values of all fields, for a page that sends them again."""
        parameters = [(PARAMETER + key, value) for key, value in self.values.items()]
        return [*((name, self[name]) for name in FIELDS if self[name]), *parameters]

    # what the fields mean

    def seconds(self, name: str) -> int | None:
        """Return a field with a duration of whole seconds; None if it is empty. Raises InvalidParameter."""
        found = self._duration(name)
        if found is not None and found != int(found):
            raise _not_a(self[name], OPTIONS[name], "a whole number of seconds")
        return None if found is None else int(found)

    def _duration(self, name: str) -> float | None:
        if not self[name]:
            return None
        found = seconds_of(self[name])
        if found is None or found > HUNDRED_YEARS:
            raise _not_a(self[name], OPTIONS.get(name, f"--{name}"), "a duration; write 30s, 10m, 2h or 1d")
        return found

    def _number(self, name: str) -> int | None:
        if not self[name]:
            return None
        if not (self[name].isascii() and self[name].isdecimal() and 0 < len(self[name]) < 10 and int(self[name])):
            raise _not_a(self[name], OPTIONS[name], "a number from 1 on")
        return int(self[name])

    def rollout(self) -> Rollout:
        """Return the rollout. Raises InvalidParameter."""

        def part(name: str, least: int) -> Share | None:
            return share(self[name], OPTIONS[name], least=least) if self[name] else None

        return Rollout(part("canary", 1), part("batch", 1), part("max_errors", 0), self._number("concurrency"))

    def wait(self) -> timedelta | None:
        """Return how long records may wait for instances that are away. Raises InvalidParameter, UsageError."""
        found = self._duration("queue")
        if found is None:
            return None
        if self.is_scheduled:
            raise UsageError(
                "cannot queue a schedule: --queue is for a run now",
                hint="empty that field; a later due time fires again",
            )
        if not 1 <= found <= LONGEST_QUEUE.total_seconds():
            raise _not_a(self["queue"], "--queue", f"between 1 s and {LONGEST_QUEUE.days} d")
        return timedelta(seconds=found)

    def timing(self, controller: Controller) -> Timing | None:
        """Return the schedule; None for a run now. Raises InvalidParameter, UsageError."""
        if not self.is_scheduled:
            return None
        if not self.rollout().is_plain:
            raise UsageError(
                "cannot schedule a rollout: --canary, --batch, --max-errors and --concurrency are for a run now",
                hint="empty these fields; jitter spreads the instances over time",
            )
        jitter = timedelta(seconds=self._duration("jitter") or 0)
        try:
            missed = Missed(self["missed"] or Missed.SKIP)
        except ValueError:
            raise _not_a(self["missed"], "--missed", "skip or run-once") from None
        return Timing(self._frequency(controller), jitter, missed, self._number("keep") or KEEP)

    def _frequency(self, controller: Controller) -> frequency.Frequency:
        when, now = self["when"], controller.now()
        if not self[when]:
            raise InvalidParameter(
                f"cannot schedule the run: no {TIMES[when]} given", hint="fill in the field beside it, or choose Now"
            )
        if when == "every":
            return frequency.every(self._duration("every") or 0)
        zone = self["timezone"] or local_zone()
        return (frequency.at if when == "at" else frequency.cron)(self[when], zone=zone, now=now)

    def upcoming(self, controller: Controller, number: int) -> list[frequency.Firing]:
        """Return the next due times of its schedule; none for a run now. Raises InvalidParameter."""
        if not self.is_scheduled:
            return []
        now = controller.now()
        return self._frequency(controller).upcoming(now, now, number, zone=self["timezone"] or local_zone())

    def command_line(self, secrets: Collection[str]) -> str:
        """Return the command line that does the same, with variables of the environment for ``secrets``."""
        words = ["assist"]
        if self.what == RERUN:
            words += ["rerun", self["rerun"]] + (["--all"] if self["which"] == ALL else [])
        elif self.what == COMMAND:
            words += ["invoke", self["command"], "-i", self["on"]]
        else:
            words += ["run", "-i", self["on"]] + (["--type", self["type"]] if self["type"] else [])
        for key, value in self.values.items():
            words += ["-p", f"{key}={value}"]
        for key in secrets:
            words += ["--secret", f"{key}=env:{key.upper().replace('-', '_')}"]
        for name in (*SETTINGS, *self._times()):
            words += [OPTIONS[name], self[name]] if self[name] else []
        words += ["--queue", self["queue"]] if self["queue"] else []
        words += ["-c", self["script"]] if self.what == SCRIPT else []
        return " ".join(map(quoted, words))

    def _times(self) -> tuple[str, ...]:
        if not self.is_scheduled:
            return tuple(WAVES)
        return (self["when"], *(() if self["when"] == "every" else ("timezone",)), *PERIODIC)


def sent(visit: Visit) -> RunForm:
    """Return the form that a browser sent."""
    texts = {name: visit.given(name) for name in FIELDS}
    texts = {name: lines_of(text) if name == "script" else text.strip() for name, text in texts.items()}
    values = {
        name.removeprefix(PARAMETER): lines_of(text)
        for name, text in visit.form.items()
        if name.startswith(PARAMETER) and isinstance(text, str)
    }
    return RunForm({name: text for name, text in texts.items() if text}, values)


def asked(visit: Visit) -> RunForm:
    """Return the form that a link asks for."""
    texts = {name: visit.query(name) for name in FIELDS}
    if texts["rerun"]:
        texts["what"] = RERUN
    elif texts["command"]:
        texts["what"] = COMMAND
    values = {
        name.removeprefix(PARAMETER): text
        for name, text in visit.request.query_params.items()
        if name.startswith(PARAMETER)
    }
    return RunForm({name: text for name, text in texts.items() if text}, values)


def given_values(form: RunForm, version: CommandVersion) -> dict[str, str]:
    """Return the values for the parameters of a version. A required one without a text is not given."""
    known = {each.key.lower(): each for each in version.definitions if not each.secret}
    return {
        key: value
        for key, value in form.values.items()
        if key.lower() in known and (value or not known[key.lower()].required)
    }


def _not_a(text: str, option: str, what: str) -> InvalidParameter:
    return InvalidParameter(
        f"cannot use {option} '{text}': it is not {what}",
        hint="see the examples in the fields",
        code=codes.INVALID_PARAMETER,
    )
