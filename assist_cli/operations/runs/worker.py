"""The worker of one record: a loop that gathers facts, calls ``model.lifecycle.decide``, and carries out the action."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from assist_cli import codes
from assist_cli.errors import AssistError
from assist_cli.model.invocation import Outcome, Record
from assist_cli.model.lifecycle import (
    NOT_ASKED,
    Answer,
    Close,
    Enqueue,
    Facts,
    Heard,
    Later,
    Leave,
    Never,
    Send,
    Sender,
    Step,
    decide,
    time_left,
)
from assist_cli.model.moment import Moment
from assist_cli.model.outcomes import failed, not_understood
from assist_cli.model.output import Fold
from assist_cli.model.status import UNANSWERED, InvocationStatus
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.connection import AgentConnection
from assist_cli.operations.runs import follow, senders
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.operations.runs.delivery import Delivery, deliver
from assist_cli.operations.runs.listener import Listener, ListenerError
from assist_cli.store import records

_NO_EXIT_CODE = "its agent's result does not fit: 'exit_code' is null, and a script that is Finished has one"

log = logging.getLogger(__name__)


def sender_of(controller: Controller, record: Record, token: str | None = None) -> Sender:
    """Return the kind of sender of a record, as seen by the process with this ``token``, if it has one."""
    if token is not None and record.sender == token:
        return Sender.MINE
    return Sender.OTHER if senders.is_alive(controller.home, record.sender) else Sender.GONE


async def conclude(writer: BatchWriter, connection: AgentConnection, record_id: str, action: Close) -> None:
    """Write the outcome of a record, then tell its agent to delete the task.

    The agent keeps what the history does not have: output beyond the budget, up to its own limits, and the task of a
    record that was closed unanswered, which can still correct it.
    """
    outcome = action.outcome
    await writer.settle({record_id: outcome})
    if action.release and outcome.accepted and outcome.error_code != UNANSWERED and not outcome.output.dropped:
        connection.tell("task.forget", {"records": [record_id]})


class RecordWorker:
    """The worker of one record, over a connection to its agent.

    ``token`` is that of this process, if it is a sender. With a ``delivery`` it can send the record. A ``listener``
    gets events under the instance's ``name``. At ``until``, on the clock of the loop, the caller stops waiting; a sent
    record continues. ``moment`` replaces the controller's clock for deadlines. ``answer`` is the last answer of the
    agent, if there is one. ``is_queued`` becomes True when the record is left in the queue for its instance.
    """

    def __init__(
        self,
        controller: Controller,
        writer: BatchWriter,
        connection: AgentConnection,
        record: Record,
        *,
        token: str | None = None,
        start: Later | Never | None = None,
        delivery: Delivery | None = None,
        name: str = "",
        listener: Listener | None = None,
        until: float | None = None,
        moment: Callable[[], Moment] | None = None,
        answer: Answer = NOT_ASKED,
    ) -> None:
        self.record = record
        self.answer = answer
        self._controller = controller
        self._writer = writer
        self._connection = connection
        self._token = token
        self._start = start
        self._delivery = delivery
        self._name = name
        self._listener = listener
        self._until = until
        self._moment = moment or controller.moment
        self.is_queued = False
        self._fold = Fold()
        self._accepted = False
        self._told = False

    async def send(self) -> Outcome | None:
        """Work until the agent has the record. Returns its outcome if it is closed by then.

        Raises TimeoutError at ``until``, and DatabaseFailure.
        """
        return await self._work(follows=False)

    async def reconcile(self) -> Outcome | None:
        """Do all that is possible without waiting for the record. Returns its outcome if that closes it."""
        return await self._work(follows=False, waits=False)

    async def finish(self) -> Outcome | None:
        """Work until the record is closed. Returns None if another process has closed it or fetched its result.

        Raises the errors of ``send``.
        """
        return await self._work()

    async def watch(self) -> Outcome | None:
        """Work as ``finish`` does, and also follow the record while another process works on it."""
        return await self._work(watches=True)

    async def _work(self, *, follows: bool = True, waits: bool = True, watches: bool = False) -> Outcome | None:
        """Run the steps. An unexpected error closes this record only."""
        try:
            return await self._steps(follows=follows, waits=waits, watches=watches)
        except ListenerError as failure:
            raise failure.error from None
        except (AssistError, asyncio.TimeoutError):
            raise
        except Exception as error:
            return await self._close_for_bug(error)

    async def _close_for_bug(self, error: Exception) -> Outcome | None:
        """Report a bug, and close the record with it. Returns None if another process works on it or has closed it."""
        from assist_cli import bug_report

        bug = bug_report.reported(self._controller.home, error, f"process the record {self.record.id}")
        log.error("%s; %s", bug, bug.hint)
        if not self._read() or self.record.status.is_final:
            return None
        if sender_of(self._controller, self.record, self._token) is Sender.OTHER:
            return None
        why, now = f"{bug.message}; {bug.hint}", self._controller.now()
        if self.record.sent is None:
            outcome = failed(now, code=codes.EXECUTION_EXCEPTION, why=why)
        else:
            outcome = not_understood(now, why)
        await self._writer.settle({self.record.id: outcome})
        return outcome

    async def _steps(self, *, follows: bool, waits: bool, watches: bool) -> Outcome | None:
        while True:
            facts, moment = self._facts(watches=watches), self._moment()
            action = decide(self.record, facts, moment)
            if isinstance(action, Close):
                output = action.outcome.output
                if output.dropped and not output.data and self._is_closed():
                    return None
                await self._close(action)
                return action.outcome
            if isinstance(action, Enqueue):
                if self.record.is_queued and self.answer.heard is Heard.UNKNOWN:
                    self.is_queued = True  # its agent has answered: a server is to send it soon, not in its next round
                    return None
                outcome = await self._writer.enqueue(self.record.id, action.why)
                self.is_queued = outcome is None
                self._read()
                return outcome
            if isinstance(action, Leave):
                if action.seconds is None or not waits:
                    return None
                await self._sleep(action.seconds)
                if not self._read():
                    return None
            elif isinstance(action, Send):
                if not await self._send():  # it was stopped, closed or pruned meanwhile
                    if not self._read():
                        return None
                    if self.record.status.is_final:
                        return self.record.outcome()
            elif action is Step.TELL_STOP:
                self._hear(await follow.tell_stop(self._controller, self._connection, self.record))
                self._told = self.answer.heard in follow.WAS_TOLD
            elif action is Step.ASK:
                self._hear(await self._ask())
            else:
                assert action is Step.FOLLOW
                if not follows:
                    return None
                self._hear(await self._follow(time_left(self.record, moment)))

    async def _close(self, action: Close) -> None:
        if not self._fold.is_released or not action.outcome.accepted:
            await conclude(self._writer, self._connection, self.record.id, action)
            return
        async with self._writer.large:
            output = await follow.ends(self._controller, self._connection, self.record, self._fold)
            outcome = action.outcome._replace(output=output)
            await conclude(self._writer, self._connection, self.record.id, action.replace(outcome=outcome))

    def _facts(self, *, watches: bool) -> Facts:
        sender = sender_of(self._controller, self.record, self._token)
        answer = self.answer
        if watches and answer.heard is Heard.NOT_ASKED and sender is Sender.OTHER and self.record.sent is not None:
            answer = follow.OPEN  # an assumption; following shows if it is true
        return Facts(
            sender,
            start=self._start if self.record.sent is None else None,
            can_send=self._delivery is not None and sender in (Sender.MINE, Sender.GONE),
            accepted=self._accepted or self.record.accepted,
            told=self._told and self.record.status is not InvocationStatus.RUNNING,
            answer=answer,
        )

    def _hear(self, answer: Answer) -> None:
        if answer.outcome is not None:
            answer = self._credible(answer, answer.outcome)
        self.answer = answer
        if answer.heard is Heard.OPEN and not self._accepted and not self.record.accepted:
            self._writer.note_accepted(self.record.id)
        if answer.heard in (Heard.OPEN, Heard.ENDED):
            self._accepted = True

    def _credible(self, answer: Answer, outcome: Outcome) -> Answer:
        """Validate the outcome in an answer: correct impossible times, and refuse a script without an exit code."""
        is_bare = outcome.status is InvocationStatus.FINISHED and outcome.exit_code is None
        if is_bare and not records.is_of_file(self._controller.database, self.record.id):
            return Answer(Heard.INVALID, code=UNANSWERED, why=_NO_EXIT_CODE)
        return answer._replace(outcome=follow.in_our_time(outcome, self.record, self._controller.now()))

    async def _send(self) -> bool:
        """Deliver the record, without retry of the whole. Return False if it must not be sent."""
        assert self._delivery is not None
        record, answer = await deliver(self._controller, self._writer, self._connection, self.record, self._delivery)
        self._delivery = None
        if record is None:
            return False
        self.record = record
        self._hear(answer)
        return True

    async def _ask(self) -> Answer:
        return await follow.ask(
            self._controller, self._connection, self.record, self._fold, name=self._name, listener=self._listener
        )

    async def _follow(self, seconds: float) -> Answer:
        if self._listener is not None:
            self._listener.started(self._name)
        following = follow.follow(
            self._controller,
            self._connection,
            self.record,
            self._fold,
            seconds=seconds,
            name=self._name,
            listener=self._listener,
        )
        if self._until is None:
            return await following
        return await asyncio.wait_for(following, max(self._left(), self._controller.timeouts.agent.shortest))

    async def _sleep(self, seconds: float) -> None:
        if self._until is None:
            await asyncio.sleep(seconds)
            return
        left = self._left()
        await asyncio.sleep(min(seconds, max(left, 0)))
        if seconds >= left:
            raise asyncio.TimeoutError

    def _left(self) -> float:
        assert self._until is not None
        return self._until - asyncio.get_running_loop().time()

    def _is_closed(self) -> bool:
        """Return True if another process has closed the record meanwhile, with output that its agent has deleted."""
        known = records.get(self._controller.database, self.record.id)
        return known is not None and known.status.is_final and known.error_code != UNANSWERED

    def _read(self) -> bool:
        """Read the record again, and drop the last answer. Return False if the record was deleted."""
        known = records.get(self._controller.database, self.record.id)
        if known is None:
            return False
        self.record = known
        self.answer = NOT_ASKED
        return True
