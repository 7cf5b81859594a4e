"""Hostile agents beside an honest one: the honest result always arrives, and nothing ends as a bug."""

from __future__ import annotations

import contextlib
import json
import math
import random
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from assist_cli.errors import GaveUpWaiting
from assist_cli.model.target import Selection
from assist_cli.operations.controller import open_controller
from assist_cli.operations.runs import dispatch, recording
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.paths import Home
from tests.support import hostile
from tests.support.application import Application

GOOD = "i-0000000000000000000000good"
FUZZ_SECONDS = 2.0
SOAK_SECONDS = 900.0
MEMORY = 200 * 1024 * 1024  # of growth
GUARD = 30.0
PATIENCE = 2.0

Lie = Callable[[dict[str, Any]], None]


class Fleet:
    """``good`` and ``evil``; the latter tells ``lies`` about itself after it was registered."""

    def __init__(self, assist: Application, folder: Path) -> None:
        self.assist = assist
        self.folder = folder
        self.lie: Callable[[dict[str, Any]], list[bytes] | None] = lambda request: None

    def say(self, request: dict[str, Any]) -> list[bytes] | None:
        return self.lie(request)

    def run(self) -> dict[str, Any]:
        """Return the outcomes of a run on both, by name; check that none looks like a bug."""
        done = self.called("run", "-i", "evil,good", "-o", "json", "--timeout", "1", "--", "true")
        assert done.returncode in (0, 1), done.stderr
        return {each["InstanceName"]: each for each in json.loads(done.stdout)["InvokeInstances"]}

    def called(self, *words: str) -> Any:
        done = self.assist(*words)
        assert done.returncode != 70, done.stderr.decode()
        assert b"Traceback" not in done.stderr + done.stdout, done.stderr.decode()
        return done

    def reports(self) -> list[Path]:
        return list((self.folder / "assist" / "logs").glob("bug-*"))


@pytest.fixture
def fleet(assist: Application, isolation: Path, no_leaks: None) -> Iterator[Fleet]:
    made = Fleet(assist, isolation)
    with contextlib.ExitStack() as stack:
        for name, say, instance in (("good", lambda request: None, GOOD), ("evil", made.say, hostile.INSTANCE)):
            path = isolation / f"{name}.sock"
            stack.enter_context(hostile.listening(path, say, instance=instance))
            assert assist("instance", "add", name, f"unix:{path}").returncode == 0
        yield made


def lying(methods: str, change: Lie) -> Callable[[dict[str, Any]], list[bytes] | None]:
    """Have the agent tell the truth, except for ``change`` in the messages about these ``methods``."""

    def say(request: dict[str, Any]) -> list[bytes] | None:
        said = hostile.honest(request)
        for each in said:
            if each.get("method", request["method"]) in methods.split():
                change(each)
        return [json.dumps(each).encode() + b"\n" for each in said]

    return say


def finished(**changes: object) -> Callable[[dict[str, Any]], list[bytes] | None]:
    return lying("task.finished", lambda message: message["params"]["result"].update(changes))


LIES = {
    "exit code of 50 digits": finished(exit_code=10**50),
    "exit code of a list": finished(exit_code=[1]),
    "started at NaN": finished(started=math.nan),
    "started at 1e300": finished(started=1e300),
    "started at a text": finished(started="now"),
    "no error code": finished(error_code=None),
    "an unanswered result": finished(error_code="ClientNotResponse", state="Failed"),
    "a surrogate": finished(error_info="\ud800"),
    "a long info": finished(error_info="x" * 900_000),
    "finished, and runs": finished(state="Running"),
    "finished without an exit code": lying("task.finished task.get", lambda message: message.get(
        "params", message.get("result"))["result"].update(exit_code=None)),
    "a version of two lines": lying("agent.hello", lambda message: message["result"].update(agent="0.1.0\nreboot")),
    "a gap of 80 digits": lying("task.output", lambda message: message.update(
        method="task.gap", params={"record": message["params"]["record"], "offset": 0, "bytes": 10**80})),
    "no instance": lying("agent.hello", lambda message: message["result"].pop("instance")),
    "half a protocol": lying("agent.hello", lambda message: message["result"].update(protocol=[1])),
    "no state": lying("task.run task.get", lambda message: message["result"].pop("state")),
}  # fmt: skip


def test_a_lie_affects_only_the_record_of_the_liar(fleet: Fleet) -> None:
    began = time.monotonic()
    for lie, fleet.lie in LIES.items():
        found = fleet.run()
        good, evil = found["good"], found["evil"]
        assert (good["InvocationStatus"], good["ExitCode"], good["Output"]) == ("Finished", 0, "good\n"), lie
        assert evil["InvocationStatus"] == "Failed", lie
        assert evil["ErrorCode"] in ("ClientNotResponse", "ClientNotOnline"), lie
        assert "does not fit" in evil["ErrorInfo"], lie
        assert len(evil["ErrorInfo"]) < 500, lie
    for words in (["invocation", "list"], ["invocation", "show", "-"], ["instance", "status"], ["doctor", "evil"]):
        fleet.called(*words)
    assert time.monotonic() - began < GUARD
    assert not fleet.reports()


def test_the_true_result_corrects_an_unreadable_one(fleet: Fleet) -> None:
    fleet.lie = finished(exit_code="0")
    assert fleet.run()["evil"]["ErrorCode"] == "ClientNotResponse"
    fleet.lie = lambda request: None
    shown = json.loads(fleet.called("invocation", "show", "-", "-o", "json").stdout)
    assert {each["InvocationStatus"] for each in shown["InvokeInstances"]} == {"Finished"}
    assert b"record.correct" in fleet.called("audit", "list").stdout


MISFITS: tuple[object, ...] = (None, [], {}, {"record": "r-other", "state": "Running"})


def test_the_last_answer_counts(fleet: Fleet) -> None:
    for misfit in MISFITS:
        fleet.lie = lying("task.run", lambda message: message.update(result=misfit))  # noqa: B023
        done = fleet.called("run", "-i", "evil,good", "--", "true")
        told = done.stderr.decode().splitlines()
        assert done.returncode == 0
        assert told[-1].endswith(": 2 succeeded")
        assert told[-2] == "evil: corrected to succeeded"
        assert told[-3].startswith("evil: Failed (ClientNotResponse): ")
        assert len(told) == 3, told


def times(started: float | None, ended: float | None) -> Callable[[dict[str, Any]], list[bytes] | None]:
    """Have the agent report these times, in seconds from now."""
    now = time.time()
    start, end = (None if each is None else now + each for each in (started, ended))
    return finished(started=start, finished=end)


DAY, HOUR = 86_400.0, 3_600.0


@pytest.mark.parametrize(
    ("started", "ended"), [(0, 2 * DAY), (-2 * DAY, 0), (1, 0), (0, 2.0e11), (0, None), (2 * DAY, 3 * DAY)]
)
def test_impossible_times_are_replaced_by_those_of_the_controller(
    fleet: Fleet, started: float, ended: float | None
) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    fleet.lie = times(started, ended)
    evil = fleet.run()["evil"]
    shown = json.loads(fleet.called("invocation", "show", "-", "-o", "json").stdout)
    start, end, whole = map(moment, (evil["StartTime"], evil["FinishTime"], shown["FinishTime"]))
    assert before <= start <= end <= whole <= datetime.now(timezone.utc) + timedelta(seconds=1)


@pytest.mark.parametrize("offset", [-5 * HOUR, 5 * HOUR])
def test_durations_are_right_with_a_clock_that_is_hours_off(fleet: Fleet, offset: float) -> None:
    fleet.lie = times(offset, offset + 2)
    evil = fleet.run()["evil"]
    assert moment(evil["FinishTime"]) - moment(evil["StartTime"]) == timedelta(seconds=2)
    assert abs((moment(evil["StartTime"]) - datetime.now(timezone.utc)).total_seconds() - offset) < GUARD


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_a_failure_without_a_reason_is_shown(fleet: Fleet) -> None:
    for state, how in (("Failed", "Failed (ExecutionException)"), ("Stopped", "Stopped")):
        fleet.lie = finished(state=state, exit_code=None, error_code="", error_info="\n")
        done = fleet.called("run", "-i", "evil,good", "--", "true")
        assert f"evil: {how}: its agent gave no reason" in done.stderr.decode().splitlines()


def test_data_of_older_versions_can_be_listed(fleet: Fleet) -> None:
    fleet.run()
    with contextlib.closing(sqlite3.connect(fleet.folder / "assist" / "assist.db")) as database, database:
        database.execute(
            "UPDATE records SET exit_code = 'many', error_info = ?, finished_at = ?", ["x" * 900_000, 2**62]
        )
        database.execute("UPDATE records SET started_at = ?, sent_at = NULL, status = 'Failed'", [-(2**62)])
        database.execute("UPDATE records SET error_code = 'ClientNotResponse'")
        database.execute("UPDATE invocation_instances SET exit_code = 'many', status = 'Failed'")
        database.execute("UPDATE invocations SET status = 'Failed', finished_at = ?", [2**62])
    for words in (
        ["invocation", "list"],
        ["invocation", "list", "-o", "json"],
        ["invocation", "show", "-"],
        ["invocation", "show", "-", "-o", "json"],
        ["invocation", "results", "-"],
        ["instance", "status"],
        ["top"],
    ):
        done = fleet.called(*words)
        assert done.returncode == 0, (words, done.stderr)
        assert len(done.stdout) < 30_000, words


# the fuzz

ODD = [
    *(10**50, -1, 1.5, 1e300, math.nan, math.inf, True, None, "", "1", "Running", "Finished"),
    *("\ud800", "a\0b", "x" * 5000, "\x1b]0;evil\a", "ClientNotResponse", "RecordNotFound"),
    *([], [1], {}, {"a": [[[[]]]]}, 2**63, 2**53),
]  # fmt: skip
JUNK = [
    b"\n",
    b"{}\n",
    b"[]\n",
    b"\xff\xfe\n",
    b'{"jsonrpc":"2.0"\n',
    b"[" * 5000 + b"\n",
    b"x" * 100_000,
    b'"\n',
    b"null\n",
]


class Liar:
    """An agent that changes its messages at random; with ``silent`` it also sometimes sends nothing."""

    def __init__(self, seed: int, *, silent: bool) -> None:
        self._random = random.Random(seed)
        self._silent = silent

    def say(self, request: dict[str, Any]) -> list[bytes] | None:
        chance = self._random.random()
        said = hostile.honest(request)
        if chance < 0.3:
            return None
        if chance < 0.4:
            return [self._random.choice(JUNK) for _ in range(3)]
        if chance < 0.45 and self._silent:
            return [b"x" * 100_000] if chance < 0.42 else []
        if said and chance < 0.5:
            said.append(self._random.choice(said))
        for each in said:
            self._spoil(each)
        return [json.dumps(each).encode() + b"\n" for each in said]

    def _spoil(self, value: Any) -> None:
        """Change one value somewhere in it."""
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = self._random.choice(keys)
        if isinstance(value[key], dict | list) and value[key] and self._random.random() < 0.8:
            self._spoil(value[key])
        elif isinstance(value, dict) and self._random.random() < 0.2:
            del value[key]
        else:
            value[key] = self._random.choice(ODD)


COMMANDS = (
    ("invocation", "list"),
    ("invocation", "show", "-"),
    ("instance", "status"),
    ("doctor", "evil"),
    ("stop", "-"),
    ("top",),
    ("instance", "upgrade", "evil"),
)


def fuzz(fleet: Fleet, seed: int, *, silent: bool) -> None:
    """Run something, with a limit for records of a liar that never end; then show it in one of several ways."""
    fleet.lie = Liar(seed, silent=silent).say
    began = time.monotonic()
    request = RunRequest(b"true", timeout=1, targets=Selection(("evil", "good")))
    with open_controller(Home(fleet.folder / "assist")) as controller:
        with contextlib.suppress(GaveUpWaiting), recording.recorded(controller, request) as invocation:
            dispatch.send_and_watch(controller, invocation, listener=None, patience=PATIENCE)
        found = {place.instance_name: place for place in recording.recall(controller, invocation.id).instances}
    good = found["good"].record
    assert (good.status.value, good.output and good.output.data) == ("Finished", b"good\n")
    fleet.called(*COMMANDS[seed % len(COMMANDS)])
    assert time.monotonic() - began < GUARD
    assert not fleet.reports()


def memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_random_lies_affect_only_the_liar(fleet: Fleet) -> None:
    fuzz_for(FUZZ_SECONDS, fleet, silent=False)


@pytest.mark.soak
@pytest.mark.timeout(SOAK_SECONDS + 300)
def test_random_lies_affect_only_the_liar_for_long(fleet: Fleet) -> None:
    fuzz_for(SOAK_SECONDS, fleet, silent=True)


def fuzz_for(seconds: float, fleet: Fleet, *, silent: bool) -> None:
    """Have agents lie at random for this time, in bounded memory."""
    before, until, seed = memory(), time.monotonic() + seconds, random.randrange(10**9)
    while time.monotonic() < until:
        seed += 1
        with naming(seed):
            fuzz(fleet, seed, silent=silent)
    assert memory() - before < MEMORY


@contextlib.contextmanager
def naming(seed: int) -> Iterator[None]:
    """Add the seed to a failure."""
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"seed {seed}") from error
