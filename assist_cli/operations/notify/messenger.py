"""Delivery of notifications: the process that sends the outcomes of invocations, several concurrently.

A failed delivery is retried with back-off, and given up in the end. The audit log has the outcome. Threads wait for the
receivers. They do not use the database.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from datetime import timedelta

from assist_cli.errors import AssistError
from assist_cli.model.audit import DONE, AuditEntry
from assist_cli.model.invocation import Invocation
from assist_cli.model.notice import Notice, NoticeResult, Program, Target, Webhook, parse
from assist_cli.operations.controller import Controller
from assist_cli.operations.notify import webhook
from assist_cli.operations.notify.wishes import lock, resolved
from assist_cli.paths import Home
from assist_cli.store import audit, invocations, notice_rows, notices

CONCURRENCY = 16
FAILED = "Failed"

log = logging.getLogger(__name__)

Describe = Callable[[Invocation], object]


def deliver(controller: Controller, describe: Describe) -> None:
    """Deliver all waiting notifications, including new ones, until each is delivered or given up.

    Returns immediately if another process delivers. ``describe`` returns the document of an invocation.
    """
    while notices.are_waiting(controller.database):
        with lock(controller.home) as held:
            if not held:
                return
            _NoticeDelivery(controller, describe).run()


def attempt(controller: Controller, target: Target, id: str, document: object) -> NoticeResult:
    """Notify a receiver, without retry. Returns its failure as a result. Raises FileFailure, InvalidParameter (key)."""
    timeouts = controller.timeouts.notify
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    if isinstance(target, Webhook):
        key = webhook.key(controller.home)
        return webhook.post(target.url, id, body, key, controller.now(), timeouts.webhook)
    assert isinstance(target, Program)
    return _run(controller.home, target, body, timeouts.program)


@dataclass(frozen=True)
class _Attempt:
    notice: Notice
    where: str
    began: float
    answer: Future[NoticeResult]


class _NoticeDelivery:
    """The delivery loop. It starts a thread for each attempt, and alone uses the database."""

    def __init__(self, controller: Controller, describe: Describe) -> None:
        self._controller = controller
        self._describe = describe
        self._timeouts = controller.timeouts.notify
        self._under_way: dict[int, _Attempt] = {}

    def run(self) -> None:
        while True:
            self._begin()
            if self._under_way:
                wait([each.answer for each in self._under_way.values()], self._timeouts.look, FIRST_COMPLETED)
            elif notices.are_waiting(self._controller.database):
                time.sleep(self._timeouts.look)  # until an attempt is due, or another process adds one
            else:
                return
            self._settle()

    def _begin(self) -> None:
        now = self._controller.now()
        free = CONCURRENCY - len(self._under_way)
        for notice in notice_rows.due(self._controller.database, now, besides=self._under_way, most=free):
            document = self._describe(invocations.get(self._controller.database, notice.invocation_id, output=True))
            answer: Future[NoticeResult] = Future()
            under_way = _Attempt(notice, str(parse(notice.target)), time.monotonic(), answer)
            self._under_way[notice.number] = under_way
            # Daemon threads: one that hangs must not block the exit of the process.
            words = (self._controller, notice, document, answer)
            threading.Thread(target=_attempt_in_thread, args=words, daemon=True).start()

    def _settle(self) -> None:
        now = time.monotonic()
        for each in list(self._under_way.values()):
            if each.answer.done():
                self._write(each.notice, each.where, each.answer.result())
            elif now - each.began > self._timeouts.attempt:
                self._write(each.notice, each.where, NoticeResult(False, "the answer does not end", again=True))
            else:
                continue
            del self._under_way[each.notice.number]

    def _write(self, notice: Notice, where: str, answer: NoticeResult) -> None:
        now = self._controller.now()
        again = None
        if not answer.ok:
            log.warning("%s, attempt %d at %s: %s", notice.invocation_id, notice.attempts + 1, where, answer.text)
            if answer.again and notice.attempts < len(self._timeouts.retries):
                again = now + timedelta(seconds=self._timeouts.retries[notice.attempts])
        with self._controller.database.transaction() as transaction:
            notice_rows.note_attempt(transaction, notice.number, answer.text, delivered=answer.ok, again=again)
            if again is None:
                outcome = DONE if answer.ok else FAILED
                detail = f"{where}: {answer.text}"
                actor = self._controller.actor
                audit.append(
                    transaction, AuditEntry(now, actor, "notify.deliver", notice.invocation_id, detail, outcome)
                )


def _attempt_in_thread(controller: Controller, notice: Notice, document: object, answer: Future[NoticeResult]) -> None:
    try:
        answer.set_result(attempt(controller, resolved(parse(notice.target)), notice.id, document))
    except AssistError as error:
        answer.set_result(NoticeResult(False, error.message))
    except Exception as error:
        log.exception("%s: cannot notify", notice.invocation_id)
        answer.set_result(NoticeResult(False, f"there is a bug in Assist ({type(error).__name__})"))


def _run(home: Home, program: Program, body: bytes, timeout: float) -> NoticeResult:
    environment = {name: value for name, value in os.environ.items() if name != webhook.KEY_VARIABLE}
    try:
        done = subprocess.run(
            program.words, input=body, stdout=2, stderr=2, env=environment, cwd=home.root, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return NoticeResult(False, f"killed after its timeout of {timeout:.0f} s")
    except OSError as error:
        return NoticeResult(False, f"cannot start it: {error.strerror}")
    return NoticeResult(done.returncode == 0, f"exit {done.returncode}")
