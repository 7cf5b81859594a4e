"""The outcomes of records that the controller closes itself: what is known, in a code and a sentence for people."""

from __future__ import annotations

from datetime import datetime

from assist_cli import codes
from assist_cli.model.invocation import Outcome
from assist_cli.model.status import UNANSWERED, InvocationStatus

MOST_QUEUED = 100  # records in the queue of one instance


def failed(now: datetime, *, code: str, why: str) -> Outcome:
    """Return the outcome of a record that could not be executed."""
    return Outcome(status=InvocationStatus.FAILED, error_code=code, error_info=why, finished=now)


def unanswered(now: datetime, waited: str = "") -> Outcome:
    """Return the outcome of a record whose deadline has passed without an answer."""
    return failed(now, code=UNANSWERED, why=f"the agent did not answer before the deadline{waited}; it may have run")


def not_understood(now: datetime, why: str) -> Outcome:
    """Return the outcome of a record whose agent answers wrongly: it counts as one that does not answer."""
    return failed(now, code=UNANSWERED, why=f"{why}; it may have run")


def lost(now: datetime) -> Outcome:
    """Return the outcome of a record that the agent had accepted and no longer knows."""
    return failed(now, code=UNANSWERED, why="the agent had accepted it but no longer knows it; it may have run")


def fetched_elsewhere(now: datetime) -> Outcome:
    """Return the outcome of a record whose agent has deleted it at our request, but whose result is not here."""
    why = "it ran, and a copy of this home has fetched its result"
    outcome = failed(now, code=UNANSWERED, why=why)
    return outcome._replace(accepted=True)


def expired(now: datetime, waited: str = "") -> Outcome:
    """Return the outcome of a record that was never sent, since its instance was away for too long."""
    return failed(
        now, code=codes.DELIVERY_TIMEOUT, why=f"its instance was away until it expired{waited}; it will not run"
    )


def replaced(now: datetime, *, sent: bool) -> Outcome:
    """Return the outcome of a record whose agent was installed again before it was known to have it."""
    why = "the agent was installed again after it was queued"
    if sent:
        return failed(now, code=UNANSWERED, why=f"{why}; it may have run before")
    return failed(now, code=codes.DELIVERY_TIMEOUT, why=f"{why}; it will not run")


def queue_is_full(now: datetime) -> Outcome:
    """Return the outcome of a record whose instance has ``MOST_QUEUED`` others in its queue."""
    why = f"{MOST_QUEUED} others already wait for its instance; it will not run"
    return failed(now, code=codes.TASK_CONCURRENCY_LIMIT, why=why)


def never_arrived(now: datetime, why: str = "it was never delivered, and it will not run") -> Outcome:
    """Return the outcome of a record that no agent has, and that no process will send."""
    return failed(now, code=codes.DELIVERY_TIMEOUT, why=why)


def stopped_unsent(now: datetime, why: str = "it was stopped before it was sent") -> Outcome:
    """Return the outcome of a record that was stopped, or cancelled, before any byte of it was sent."""
    return Outcome(
        status=InvocationStatus.STOPPED, error_code=codes.EXECUTION_INTERRUPTED, error_info=why, finished=now
    )


def waited(since: datetime | None, now: datetime) -> str:
    """Return how long a record has waited, as the end of a clause; empty for one that was never queued (None)."""
    if since is None:
        return ""
    seconds = (now - since).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f", {seconds // size:.0f} {unit} after it was queued"
    return f", {max(seconds, 0):.0f} s after it was queued"
