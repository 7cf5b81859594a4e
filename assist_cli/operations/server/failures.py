"""Schedules that cannot be fired: their errors are logged and stored, and do not affect other schedules."""

from __future__ import annotations

import logging

from assist_cli.errors import AssistError
from assist_cli.operations.controller import Controller
from assist_cli.store import schedules

log = logging.getLogger(__name__)


class Failures:
    """The errors of the schedules of one server, by id of the invocation. Each is written and logged once.

    Errors of an earlier server are cleared, and its schedules retried.
    """

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def clear_all(self, controller: Controller) -> None:
        """Clear the errors of an earlier server."""
        if schedules.errors(controller.database):
            with controller.database.transaction() as transaction:
                schedules.clear_errors(transaction)

    def has(self, invocation_id: str) -> bool:
        """Return True if the error of a schedule is noted."""
        return invocation_id in self._known

    def note(self, controller: Controller, invocation_id: str, error: Exception) -> None:
        """Note the error of a schedule that cannot be fired. Raises DatabaseFailure."""
        text = str(error) if isinstance(error, AssistError) else f"{type(error).__name__}: {error}"
        if self._known.get(invocation_id) == text:
            return
        if self._write(controller, invocation_id, text):
            self._known[invocation_id] = text
            log.error("schedule %s cannot be fired: %s", invocation_id, text)
            if not isinstance(error, AssistError):
                log.debug("schedule %s: traceback", invocation_id, exc_info=error)

    def clear(self, controller: Controller, invocation_id: str) -> None:
        """Note that a schedule was fired. Raises DatabaseFailure."""
        if self._known.pop(invocation_id, None) is not None:
            log.info("schedule %s is fired again", invocation_id)
            self._write(controller, invocation_id, None)

    def _write(self, controller: Controller, invocation_id: str, error: str | None) -> bool:
        """Return True if there is such a schedule: a server also delivers invocations without one."""
        with controller.database.transaction() as transaction:
            return schedules.note_error(transaction, invocation_id, error)
