"""Telling others how an invocation ended: the process that delivers what waits, several at once.

A receiver that fails is tried again, with longer and longer pauses, and given up in the end; the audit log has how it
went. Threads wait for the receivers and know nothing of the database.
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
from assist_cli.store import audit, invocations, notices

AT_ONCE = 16
FAILED = "Failed"

log = logging.getLogger(__name__)

Describe = Callable[[Invocation], object]


def deliver(controller: Controller, describe: Describe) -> None:
    """Deliver what waits and what comes meanwhile, until all is delivered or given up.

    Returns at once when another process is at it. ``describe`` makes the document.
    """
    while notices.are_waiting(controller.database):
        with lock(controller.home) as held:
            if not held:
                return
            _Courier(controller, describe).run()


def attempt(controller: Controller, target: Target, id: str, document: object) -> NoticeResult:
    """Tell one receiver, once. What goes wrong with it is the answer; raises FileFailure, InvalidParameter for ours."""
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


class _Courier:
    """Delivers: several at once in threads, which know nothing of the database."""

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
                time.sleep(self._timeouts.look)  # until the next attempt is due; others may add to it meanwhile
            else:
                return
            self._settle()

    def _begin(self) -> None:
        now = self._controller.now()
        room = AT_ONCE - len(self._under_way)
        for notice in notices.due(self._controller.database, now, besides=self._under_way, most=room):
            document = self._describe(invocations.get(self._controller.database, notice.invocation_id, output=True))
            answer: Future[NoticeResult] = Future()
            under_way = _Attempt(notice, str(parse(notice.target)), time.monotonic(), answer)
            self._under_way[notice.number] = under_way
            # A thread that hangs must not keep the process from ending.
            words = (self._controller, notice, document, answer)
            threading.Thread(target=_attempt_in_thread, args=words, daemon=True).start()

    def _settle(self) -> None:
        now = time.monotonic()
        for each in list(self._under_way.values()):
            if each.answer.done():
                self._write(each.notice, each.where, each.answer.result())
            elif now - each.began > self._timeouts.attempt:
                self._write(each.notice, each.where, NoticeResult(False, "no answer that ends", again=True))
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
            notices.note_attempt(transaction, notice.number, answer.text, delivered=answer.ok, again=again)
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
        return NoticeResult(False, f"it did not end in {timeout:.0f} s, and was killed")
    except OSError as error:
        return NoticeResult(False, f"it cannot be started: {error.strerror}")
    return NoticeResult(done.returncode == 0, f"exit {done.returncode}")
