"""The next action for a record: every combination of facts has one row, no row is unused, and no outcome is untrue."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from assist_cli.model.invocation import Outcome, Record, Wait
from assist_cli.model.lifecycle import (
    GRACE,
    IMPOSSIBLE,
    ROWS,
    SETTLING,
    Action,
    Answer,
    Case,
    Close,
    Enqueue,
    Facts,
    Heard,
    ImpossibleCase,
    Later,
    Leave,
    Never,
    Queue,
    Send,
    Sender,
    Sent,
    Standing,
    Step,
    case_of,
    decide,
    lifetime,
    row_of,
    slot_outcome,
    time_left,
)
from assist_cli.model.moment import Moment
from assist_cli.model.schedule import SlotOutcome
from assist_cli.model.status import UNANSWERED, InvocationStatus, may_become

WALL = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
TOLD = Outcome(InvocationStatus.FINISHED, exit_code=0, accepted=True)
CALLED_OFF = Outcome(InvocationStatus.STOPPED, error_code="ExecutionInterrupted", error_info="it was called off")
STARTS = (None, Later(5.0), Never(CALLED_OFF))
BOTH = (False, True)


def answers() -> Iterator[Answer]:
    for heard in Heard:
        yield Answer(heard, TOLD if heard is Heard.ENDED else None, "Code", "why")


CASES = [
    Case(standing, sent, late, queue, Facts(sender, start, can_send, accepted, told, answer), WALL)
    for standing, sent, late, queue, sender, start, can_send, accepted, told, answer in itertools.product(
        Standing, Sent, BOTH, Queue, Sender, STARTS, BOTH, BOTH, BOTH, list(answers())
    )
]


def possible() -> Iterator[tuple[Case, Action, str]]:
    for case in CASES:
        if not any(matches(case) for _, matches in IMPOSSIBLE):
            row, action = row_of(case)
            yield case, action, row.when


ALL = list(possible())


def test_the_table_is_short_and_its_rows_have_words_of_their_own() -> None:
    assert len(ROWS) <= 28
    assert len({row.when for row in ROWS}) == len(ROWS)


def test_every_row_is_used_and_every_impossible_case_is_one() -> None:
    used = Counter(when for _, _, when in ALL)
    assert set(used) == {row.when for row in ROWS}
    alone: dict[str, Case] = {}
    for case in CASES:
        whys = [why for why, matches in IMPOSSIBLE if matches(case)]
        if len(whys) == 1:
            alone.setdefault(whys[0], case)
    assert set(alone) == {why for why, _ in IMPOSSIBLE}, "one is impossible by another already"
    for case in alone.values():
        with pytest.raises(ImpossibleCase):
            row_of(case)


def test_a_final_record_is_left_alone() -> None:
    assert {action for case, action, _ in ALL if case.standing is Standing.FINAL} == {Leave()}


def test_a_record_closed_unanswered_is_corrected_only_by_a_true_result() -> None:
    for case, action, _ in ALL:
        if case.standing is Standing.UNANSWERED:
            assert action is Step.ASK or isinstance(action, Leave) or action == Close(TOLD)


def test_only_the_sender_sends_a_running_record_and_nobody_sends_an_accepted_one() -> None:
    for case, action, _ in ALL:
        if isinstance(action, Send):
            assert case.standing is Standing.RUNNING
            assert case.facts.can_send
            assert not case.facts.accepted
            assert action.adopt is (case.facts.sender is Sender.GONE)


def test_a_record_that_may_have_run_is_never_closed_as_undelivered() -> None:
    for case, action, _ in ALL:
        if isinstance(action, Close) and action.outcome.error_code == "DeliveryTimeout":
            assert case.sent is Sent.NO or (case.heard is Heard.UNKNOWN and not case.facts.accepted)
            assert case.sent is not Sent.SETTLING


def test_a_record_with_a_live_worker_is_left_alone_until_its_deadline_or_a_stop() -> None:
    for case, action, _ in ALL:
        attended = case.facts.sender in (Sender.BUSY, Sender.OTHER) and not case.late
        if attended and case.standing is Standing.RUNNING and case.heard is Heard.NOT_ASKED:
            assert isinstance(action, Leave)
        if attended and isinstance(action, Close) and case.standing is Standing.RUNNING:
            assert not action.release or case.facts.accepted, "its output is left to who follows it"


def test_a_late_record_is_closed_at_the_first_answer() -> None:
    """No agent can keep a record open for good: not an honest one by silence, not a hostile one by its answers."""
    for case, action, _ in ALL:
        if case.late and case.standing in (Standing.RUNNING, Standing.STOPPING):
            told = case.standing is Standing.RUNNING or case.facts.told
            if case.heard is not Heard.NOT_ASKED and (told or case.heard is not Heard.OPEN):
                assert isinstance(action, Close)


def test_a_stop_reaches_the_agent_before_anything_else() -> None:
    for case, action, _ in ALL:
        if case.standing is Standing.STOPPING and not case.facts.told:
            if case.sent is Sent.NO:
                assert isinstance(action, Close)
                assert action.outcome.status is InvocationStatus.STOPPED
            elif case.heard in (Heard.NOT_ASKED, Heard.OPEN):
                assert action is Step.TELL_STOP


def test_every_close_is_a_legal_move() -> None:
    before = {
        Standing.RUNNING: (InvocationStatus.RUNNING, ""),
        Standing.STOPPING: (InvocationStatus.STOPPING, ""),
        Standing.UNANSWERED: (InvocationStatus.FAILED, UNANSWERED),
    }
    for case, action, _ in ALL:
        if isinstance(action, Close):
            old, code = before[case.standing]
            assert may_become(old, action.outcome.status, error_code=code)


def test_a_queued_record_is_closed_only_by_expiry_end_or_refusal() -> None:
    for case, action, _ in ALL:
        if case.queue is Queue.WAITING and isinstance(action, Close):
            assert case.heard not in (Heard.AWAY, Heard.SILENT, Heard.NOT_ASKED) or case.facts.start is not None
        if case.queue is Queue.EXPIRED and case.sent is Sent.NO:
            assert not isinstance(action, Send | Enqueue)


def test_a_queued_record_is_sent_by_its_sender_sent_before_or_not() -> None:
    for sent in Sent:
        facts = Facts(Sender.MINE, can_send=True)
        assert row_of(Case(Standing.RUNNING, sent, False, Queue.WAITING, facts, WALL))[1] == Send(adopt=False)


def test_another_agent_never_gets_the_record_of_its_predecessor() -> None:
    for case, action, _ in ALL:
        if case.heard is Heard.REPLACED and case.standing in (Standing.RUNNING, Standing.STOPPING):
            assert isinstance(action, Close)


# records on their way to the table


def record(**values: object) -> Record:
    given: dict[str, object] = {
        "id": "r-1",
        "instance_id": "i-1",
        "number": 1,
        "status": InvocationStatus.RUNNING,
        "deadline": WALL + lifetime(60),
        **values,
    }
    return Record(**given)  # type: ignore[arg-type]


def at(seconds: float, *, step: float = 0.0, boot: str = "b") -> Moment:
    """The time this long after it was sent, on a clock that was set by ``step`` meanwhile."""
    return Moment(WALL + timedelta(seconds=seconds + step), 100.0 + seconds, boot)


SENT = {"sent": WALL, "sent_elapsed": 100.0, "boot": "b"}
GONE = Facts(Sender.GONE)


@pytest.mark.parametrize("step", [3600, -3600, 0])
def test_setting_the_clock_neither_shortens_nor_extends_a_record(step: float) -> None:
    asked = Facts(Sender.GONE, accepted=True, answer=Answer(Heard.OPEN))
    assert decide(record(**SENT), asked, at(89, step=step)) is Step.FOLLOW
    action = decide(record(**SENT), asked, at(91, step=step))
    assert isinstance(action, Close)
    assert action.outcome.error_code == UNANSWERED


def test_after_a_restart_of_the_machine_the_time_of_day_counts() -> None:
    assert time_left(record(**SENT), at(50, step=7, boot="another")) == 33
    assert time_left(record(sent=WALL), at(50, step=7)) == 33


def test_a_record_just_sent_may_still_arrive() -> None:
    unknown = Facts(Sender.GONE, answer=Answer(Heard.UNKNOWN))
    settling = SETTLING.total_seconds()
    assert isinstance(decide(record(**SENT), unknown, at(settling - 0.1, step=3600)), Leave)
    action = decide(record(**SENT), unknown, at(settling + 0.1))
    assert isinstance(action, Close)
    assert action.outcome.error_code == "DeliveryTimeout"


def test_an_agent_that_lost_its_journal_causes_no_untrue_outcome() -> None:
    action = decide(
        record(**SENT, accepted=True), Facts(Sender.GONE, accepted=True, answer=Answer(Heard.UNKNOWN)), at(60)
    )
    assert isinstance(action, Close)
    assert action.outcome.error_code == UNANSWERED


def test_a_deadline_is_timeout_and_grace_after_it_was_sent() -> None:
    assert lifetime(60) == timedelta(seconds=60) + GRACE
    assert not case_of(record(**SENT), GONE, at(90)).late
    assert case_of(record(**SENT), GONE, at(90.1)).late
    assert not case_of(record(deadline=WALL), GONE, at(1000)).late, "the time of what waits has not begun"


@pytest.mark.parametrize(
    ("accepted", "made_up", "late", "outcome"),
    [
        (True, False, 0.2, SlotOutcome.RAN),
        (True, False, 1.2, SlotOutcome.LATE),
        (True, True, 1.2, SlotOutcome.MADE_UP),
        (False, False, 0.0, SlotOutcome.NOT_DELIVERED),
        (False, True, 9.0, SlotOutcome.NOT_DELIVERED),
    ],
)
def test_the_outcome_of_a_slot(accepted: bool, made_up: bool, late: float, outcome: SlotOutcome) -> None:
    assert slot_outcome(accepted, made_up=made_up, lateness=timedelta(seconds=late)) is outcome


WAITS = {"deliver_by": WALL + timedelta(days=2)}


def test_a_queued_record_is_not_late_and_an_accepted_one_is_not_queued() -> None:
    away = Facts(Sender.GONE, answer=Answer(Heard.AWAY, code="ClientNotOnline", why="no route to host"))
    assert decide(record(**WAITS, **SENT), away, at(3600)) == Enqueue("no route to host")
    action = decide(record(**SENT), away, at(3600))
    assert isinstance(action, Close)
    action = decide(record(**WAITS, **SENT, accepted=True), away._replace(accepted=True), at(3600))
    assert isinstance(action, Close)


def test_an_expired_record_reports_its_time_in_the_queue() -> None:
    wait = Wait(WALL + timedelta(hours=2), WALL, "no route to host")
    action = decide(record(**WAITS, wait=wait), GONE, at(2 * 86400))
    assert isinstance(action, Close)
    assert action.outcome.error_code == "DeliveryTimeout"
    assert "46 h after it was queued" in action.outcome.error_info
    away = Facts(Sender.GONE, answer=Answer(Heard.AWAY))
    action = decide(record(**WAITS, **SENT, wait=wait), away, at(2 * 86400))
    assert isinstance(action, Close)
    assert action.outcome.error_code == UNANSWERED
    assert "46 h after it was queued" in action.outcome.error_info
