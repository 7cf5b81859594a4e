"""The lifecycle of a record: the one place that decides its next step.

All code that handles an open record (a run, a query of the history, the server, a stop) gathers facts, calls
``decide``, carries out the result, and decides nothing itself. The rules are docs/rules.md section 2. The table of
``ROWS`` is in docs/architecture.md.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from assist_cli.model.invocation import Outcome, Record
from assist_cli.model.moment import Moment
from assist_cli.model.outcomes import (
    expired,
    failed,
    fetched_elsewhere,
    lost,
    never_arrived,
    not_understood,
    replaced,
    stopped_unsent,
    unanswered,
    waited,
)
from assist_cli.model.schedule import LATE, SlotOutcome
from assist_cli.model.status import UNANSWERED, InvocationStatus
from assist_cli.structs import Struct

GRACE = timedelta(seconds=30)
SETTLING = timedelta(seconds=5)  # after a sender has died, its agent may still read what it wrote
RETRY = 1.0  # seconds before a retry
RETRY_UNKNOWN = 0.2  # the same while the agent does not know the record (yet)


class Sender(Enum):
    """The process that is to send a record, from the point of view of this process."""

    BUSY = "another task of this process handles it"
    MINE = "this process, in the task that asks"
    OTHER = "another process, which is alive"
    GONE = "a process that has died"


class Heard(Enum):
    """The last answer of the agent about a record."""

    NOT_ASKED = "not asked yet"
    AWAY = "the instance is offline"
    UNREACHABLE = "no connection, for another reason"
    REPLACED = "another agent has replaced the one that the record is for"
    SILENT = "no answer in time"
    REFUSED = "it refused the delivery"
    INVALID = "its answer breaks the protocol"
    UNKNOWN = "it does not know the record"
    DELETED = "it has deleted the record at our request"
    OPEN = "it has the record, which has not ended"
    ENDED = "the record has ended"


class Answer(NamedTuple):
    """An answer. ``outcome`` comes with ENDED; ``code`` and ``why`` with AWAY, UNREACHABLE, REFUSED and INVALID."""

    heard: Heard
    outcome: Outcome | None = None
    code: str = ""
    why: str = ""


NOT_ASKED = Answer(Heard.NOT_ASKED)


class Later(Struct):
    """The record may start in ``seconds``."""

    seconds: float


class Never(Struct):
    """The record will not start; its ``outcome`` has the reason."""

    outcome: Outcome


class Facts(NamedTuple):
    """The facts about a record beside its own fields.

    ``start``: when it may start; None: now. ``can_send``: this process has the content, the secrets and the file.
    ``accepted``: the agent is known to have accepted it. ``told``: this process has told the agent to stop it.
    """

    sender: Sender
    start: Later | Never | None = None
    can_send: bool = False
    accepted: bool = False
    told: bool = False
    answer: Answer = NOT_ASKED


class Step(Enum):
    """A step without arguments."""

    ASK = "ask its agent for its state"
    FOLLOW = "follow it until it ends or its deadline passes"
    TELL_STOP = "tell its agent to stop it"


class Send(Struct):
    """Deliver the record. ``adopt``: take it over first, since its sender has died."""

    adopt: bool


class Close(Struct):
    """Write the outcome. ``release``: tell the agent that it may delete what the history has."""

    outcome: Outcome
    release: bool = True


class Enqueue(Struct):
    """Keep the record in the queue; ``why`` is the reason why it is not delivered yet."""

    why: str


class Leave(Struct):
    """Do nothing for ``seconds``, then check again; None: there is nothing to wait for."""

    seconds: float | None = None


Action = Step | Send | Close | Enqueue | Leave


class Standing(Enum):
    """The status of a record, reduced to what its next step depends on."""

    RUNNING = "Running"
    STOPPING = "Stopping"
    UNANSWERED = f"closed as {UNANSWERED}"
    FINAL = "final"


_STANDINGS = {InvocationStatus.RUNNING: Standing.RUNNING, InvocationStatus.STOPPING: Standing.STOPPING}


class Sent(Enum):
    """The sending of a record: not begun, so recent that bytes of a dead sender may still arrive, or older."""

    NO = "no"
    SETTLING = "a moment ago"
    SETTLED = "yes"


class Queue(Enum):
    """The state of a record in the queue of its instance."""

    NO = "it does not wait"
    WAITING = "it may wait for its instance"
    EXPIRED = "its time to wait has passed"


class Case(NamedTuple):
    """One combination of everything that ``decide`` depends on; ``waits_since`` is when its wait began."""

    standing: Standing
    sent: Sent
    late: bool
    queue: Queue
    facts: Facts
    now: datetime
    waits_since: datetime | None = None

    @property
    def heard(self) -> Heard:
        return self.facts.answer.heard


class ImpossibleCase(ValueError):
    """An impossible combination of facts: the driver that gathered them has a bug."""


class Row(Struct):
    """One row of the table: ``when`` and ``then`` describe it, ``matches`` and ``act`` implement it."""

    when: str
    then: str
    matches: Callable[[Case], bool]
    act: Callable[[Case], Action]


def decide(record: Record, facts: Facts, now: Moment) -> Action:
    """Return the next step for a record. Raises ImpossibleCase.

    A record counts as accepted once any process knows that it was accepted.
    """
    return row_of(case_of(record, facts, now))[1]


def row_of(case: Case) -> tuple[Row, Action]:
    """Return the first row that matches, and its action. Raises ImpossibleCase.

    The row depends on few values, so it is looked up one time for each combination of them.
    """
    facts = case.facts
    combination = (
        *(case.standing, case.sent, case.late, case.queue, facts.sender, type(facts.start)),
        *(facts.can_send, facts.accepted, facts.told, case.heard),
    )
    row = _FOUND.get(combination)
    if row is None:
        row = _FOUND[combination] = _first_match(case)
    return row, row.act(case)


def _first_match(case: Case) -> Row:
    for why, matches in IMPOSSIBLE:
        if matches(case):
            raise ImpossibleCase(f"{why}: {case}")
    return next(row for row in ROWS if row.matches(case))  # the last one matches all that is left


_FOUND: dict[tuple[object, ...], Row] = {}


def case_of(record: Record, facts: Facts, now: Moment) -> Case:
    """Return the combination that a record and the facts about it form."""
    if record.status is InvocationStatus.FAILED and record.error_code == UNANSWERED and record.sent is not None:
        standing = Standing.UNANSWERED
    else:
        standing = _STANDINGS.get(record.status, Standing.FINAL)
    queue = _queue(record, facts, now) if standing is Standing.RUNNING else Queue.NO
    since = record.wait.since if record.wait else None
    if record.sent is None:
        return Case(standing, Sent.NO, False, queue, facts, now.wall, since)
    sent = Sent.SETTLING if since_sent(record, now) < SETTLING.total_seconds() else Sent.SETTLED
    late = time_left(record, now) < 0 and queue is not Queue.WAITING
    return Case(standing, sent, late, queue, facts, now.wall, since)


def _queue(record: Record, facts: Facts, now: Moment) -> Queue:
    if record.deliver_by is None or record.accepted or facts.accepted:
        return Queue.NO
    return Queue.WAITING if now.wall < record.deliver_by else Queue.EXPIRED


def since_sent(record: Record, now: Moment) -> float:
    """Return the seconds since a record was sent, by the elapsed-time clock unless the machine has restarted."""
    assert record.sent is not None
    if record.sent_elapsed is not None and record.boot == now.boot != "":
        return now.elapsed - record.sent_elapsed
    return (now.wall - record.sent).total_seconds()


def time_left(record: Record, now: Moment) -> float:
    """Return the seconds from now to the deadline of a record that was sent; negative when it is late."""
    assert record.sent is not None
    return (record.deadline - record.sent).total_seconds() - since_sent(record, now)


def lifetime(timeout: int) -> timedelta:
    """Return how long a record may stay open after it was sent, given its ``timeout`` in seconds."""
    return timedelta(seconds=timeout) + GRACE


def slot_outcome(accepted: bool, *, made_up: bool, lateness: timedelta) -> SlotOutcome:
    """Return the outcome of a slot once it is known if the agent accepted its record (docs/rules.md 6)."""
    if not accepted:
        return SlotOutcome.NOT_DELIVERED
    if made_up:
        return SlotOutcome.MADE_UP
    return SlotOutcome.LATE if lateness > LATE else SlotOutcome.RAN


_UNHEARD = frozenset({Heard.AWAY, Heard.UNREACHABLE, Heard.SILENT, Heard.REFUSED})
_WAITS_ON = frozenset({Heard.AWAY, Heard.SILENT, Heard.UNKNOWN})


def _reported(case: Case) -> Outcome:
    """Return the outcome that the agent reported."""
    assert case.facts.answer.outcome is not None
    return case.facts.answer.outcome


def _refused(case: Case) -> Outcome:
    """Return the outcome of a failed delivery."""
    return failed(case.now, code=case.facts.answer.code, why=case.facts.answer.why)


def _why_away(case: Case) -> str:
    if case.heard is Heard.UNKNOWN:
        return "it was sent but did not arrive"
    return case.facts.answer.why or "its agent does not answer"


def _called_off(case: Case) -> Outcome:
    assert isinstance(case.facts.start, Never)
    return case.facts.start.outcome


def _later(case: Case) -> float:
    assert isinstance(case.facts.start, Later)
    return case.facts.start.seconds


def _may_send(case: Case) -> bool:
    facts = case.facts
    return (
        case.standing is Standing.RUNNING
        and facts.can_send
        and not facts.accepted
        and case.heard is Heard.NOT_ASKED
        and not isinstance(facts.start, Never)
    )


def _is_handled(case: Case) -> bool:
    """Return True if another process handles it, and its deadline has not passed."""
    return case.facts.sender is Sender.OTHER and not case.late


# Combinations that cannot exist, for any process.
IMPOSSIBLE: tuple[tuple[str, Callable[[Case], bool]], ...] = (
    ("a record that was not sent has no deadline yet", lambda c: c.sent is Sent.NO and c.late),
    ("its deadline has passed, and it was sent a moment ago", lambda c: c.sent is Sent.SETTLING and c.late),
    (
        "no agent can know a record that was not sent",
        lambda c: (
            c.sent is Sent.NO
            and (c.facts.accepted or c.facts.told or c.heard not in _UNHEARD | {Heard.NOT_ASKED, Heard.REPLACED})
            and c.standing is not Standing.FINAL
        ),
    ),
    ("no agent is told to stop a Running record", lambda c: c.facts.told and c.standing is Standing.RUNNING),
    ("it waits, but was sent", lambda c: c.sent is not Sent.NO and isinstance(c.facts.start, Later)),
    ("unanswered, but not sent", lambda c: c.standing is Standing.UNANSWERED and c.sent is Sent.NO),
    ("only its sender can send it", lambda c: c.facts.can_send and c.facts.sender in (Sender.BUSY, Sender.OTHER)),
    (
        "only its sender is refused, or meets another agent",
        lambda c: c.heard in (Heard.REFUSED, Heard.REPLACED) and c.facts.sender is not Sender.MINE,
    ),
    ("it is refused, but was accepted", lambda c: c.heard is Heard.REFUSED and c.facts.accepted),
    ("a queued record is Running", lambda c: c.queue is not Queue.NO and c.standing is not Standing.RUNNING),
    ("an accepted record does not wait", lambda c: c.queue is not Queue.NO and c.facts.accepted),
    ("a record that may wait is not late", lambda c: c.queue is Queue.WAITING and c.late),
    ("the task that handles it asks", lambda c: c.facts.sender is Sender.BUSY and c.heard is not Heard.NOT_ASKED),
)

# First match wins.
ROWS: tuple[Row, ...] = (
    Row("final", "leave it", lambda c: c.standing is Standing.FINAL, lambda c: Leave()),
    Row(
        "closed unanswered, not asked",
        "ask",
        lambda c: c.standing is Standing.UNANSWERED and c.heard is Heard.NOT_ASKED,
        lambda c: Step.ASK,
    ),
    Row(
        "closed unanswered, and it has ended",
        "correct it by the true result",
        lambda c: c.standing is Standing.UNANSWERED and c.heard is Heard.ENDED,
        lambda c: Close(_reported(c)),
    ),
    Row("closed unanswered", "leave it", lambda c: c.standing is Standing.UNANSWERED, lambda c: Leave()),
    Row(
        "not sent, Stopping",
        "close: Stopped",
        lambda c: c.sent is Sent.NO and c.standing is Standing.STOPPING,
        lambda c: Close(stopped_unsent(c.now)),
    ),
    Row(
        "not sent, its sender is active",
        "leave it",
        lambda c: c.sent is Sent.NO and c.facts.sender in (Sender.BUSY, Sender.OTHER),
        lambda c: Leave(RETRY),
    ),
    Row(
        "not sent, will not start",
        "close, with the reason",
        lambda c: c.sent is Sent.NO and isinstance(c.facts.start, Never),
        lambda c: Close(_called_off(c)),
    ),
    Row(
        "not sent, its time in the queue has passed",
        "close: DeliveryTimeout",
        lambda c: c.sent is Sent.NO and c.queue is Queue.EXPIRED,
        lambda c: Close(expired(c.now, waited(c.waits_since, c.now))),
    ),
    Row(
        "its agent was installed again",
        "close: DeliveryTimeout, or ClientNotResponse when it was sent",
        lambda c: c.heard is Heard.REPLACED,
        lambda c: Close(replaced(c.now, sent=c.sent is not Sent.NO)),
    ),
    Row(
        "may wait in the queue, its instance is away or lost it, no other task or process handles it",
        "keep it in the queue",
        lambda c: (
            c.queue is Queue.WAITING
            and c.heard in _WAITS_ON
            and c.facts.sender in (Sender.MINE, Sender.GONE)
            and (c.heard is not Heard.UNKNOWN or c.sent is Sent.SETTLED)
        ),
        lambda c: Enqueue(_why_away(c)),
    ),
    Row(
        "not sent, the agent is unreachable or refuses",
        "close: Failed, with its code",
        lambda c: c.sent is Sent.NO and c.heard in _UNHEARD,
        lambda c: Close(_refused(c)),
    ),
    Row(
        "not sent, ours, starts later",
        "leave it until then",
        lambda c: c.sent is Sent.NO and c.facts.sender is Sender.MINE and isinstance(c.facts.start, Later),
        lambda c: Leave(_later(c)),
    ),
    Row(
        "Running, we can send it, not known to be accepted",
        "send; take it over first if its sender has died",
        _may_send,
        lambda c: Send(adopt=c.facts.sender is Sender.GONE),
    ),
    Row(
        "not sent, may wait in the queue",
        "leave it there",
        lambda c: c.sent is Sent.NO and c.queue is Queue.WAITING,
        lambda c: Leave(),
    ),
    Row(
        "not sent",
        "close: DeliveryTimeout",
        lambda c: c.sent is Sent.NO,
        lambda c: Close(never_arrived(c.now)),
    ),
    Row(
        "it has ended",
        "close, with its result; the agent may delete it, unless another process follows it",
        lambda c: c.heard is Heard.ENDED,
        lambda c: Close(_reported(c), release=not _is_handled(c)),
    ),
    Row(
        "Stopping, agent not told, not asked or not ended",
        "tell it to stop",
        lambda c: c.standing is Standing.STOPPING and not c.facts.told and c.heard in (Heard.NOT_ASKED, Heard.OPEN),
        lambda c: Step.TELL_STOP,
    ),
    Row(
        "another task of this process handles it",
        "leave it",
        lambda c: c.facts.sender is Sender.BUSY,
        lambda c: Leave(),
    ),
    Row(
        "Running, another process handles it, not late, not asked",
        "leave it, and check again soon",
        lambda c: c.standing is Standing.RUNNING and _is_handled(c) and c.heard is Heard.NOT_ASKED,
        lambda c: Leave(RETRY),
    ),
    Row("not asked", "ask", lambda c: c.heard is Heard.NOT_ASKED, lambda c: Step.ASK),
    Row("not ended, not late", "follow it", lambda c: c.heard is Heard.OPEN and not c.late, lambda c: Step.FOLLOW),
    Row(
        "unknown to the agent, known to be accepted",
        "close: ClientNotResponse",
        lambda c: c.heard is Heard.UNKNOWN and c.facts.accepted,
        lambda c: Close(lost(c.now)),
    ),
    Row(
        "unknown to the agent, and no delivery in progress",
        "close: DeliveryTimeout",
        lambda c: c.heard is Heard.UNKNOWN and c.facts.sender is not Sender.OTHER and c.sent is Sent.SETTLED,
        lambda c: Close(never_arrived(c.now)),
    ),
    Row(
        "the agent refuses it",
        "close: Failed, with its code",
        lambda c: c.heard is Heard.REFUSED,
        lambda c: Close(_refused(c)),
    ),
    Row(
        "the agent's answer is invalid",
        "close: ClientNotResponse, with the reason; another process that handles it does so itself",
        lambda c: c.heard is Heard.INVALID and not _is_handled(c),
        lambda c: Close(not_understood(c.now, c.facts.answer.why)),
    ),
    Row(
        "deleted at our request, and its result is not here",
        "close: ClientNotResponse; another process that handles it has the result",
        lambda c: c.heard is Heard.DELETED and not _is_handled(c),
        lambda c: Close(fetched_elsewhere(c.now)),
    ),
    Row(
        "late",
        "close: ClientNotResponse",
        lambda c: c.late,
        lambda c: Close(unanswered(c.now, waited(c.waits_since, c.now))),
    ),
    Row(
        "anything else",
        "leave it, and check again soon",
        lambda c: True,
        lambda c: Leave(RETRY_UNKNOWN if c.heard is Heard.UNKNOWN else RETRY),
    ),
)
