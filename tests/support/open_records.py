"""An invocation on this machine alone, and the states of its record that reconciling must handle."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from assist_cli.model.instance import LOCAL
from assist_cli.model.invocation import Invocation, Record
from assist_cli.model.lifecycle import lifetime
from assist_cli.operations.controller import Controller
from assist_cli.operations.history import history
from assist_cli.store import instances, records


def record_of(invocation: Invocation) -> Record:
    (place,) = invocation.instances
    return place.record


def look(controller: Controller, invocation: Invocation) -> Record:
    return record_of(history.show(controller, invocation.id, output=True))


def mark_sent(controller: Controller, invocation: Invocation) -> None:
    """Mark it as sent, as its sender does before the first byte."""
    with controller.database.transaction() as transaction:
        allowed = lifetime(invocation.timeout)
        assert records.mark_sent(transaction, record_of(invocation).id, controller.moment(), allowed)


@contextlib.contextmanager
def unreachable(controller: Controller) -> Iterator[None]:
    """Make the agent of this machine unreachable while it runs."""
    known = instances.by_name(controller.database, LOCAL)
    assert known is not None
    for address in (f"unix:{controller.home.root}/missing.sock", known.address):
        with controller.database.transaction() as transaction:
            instances.register(transaction, known._replace(address=address))
        if address != known.address:
            yield
