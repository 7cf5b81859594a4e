"""Detached invocations: another process sends and follows what the user does not wait for.

That is the server, if it runs, or a background process. This process is forked, so that it has the values of secrets
and the content of files in memory: they must not be written anywhere. It is a sender itself, and takes over the records
before the first process releases them.
"""

from __future__ import annotations

import logging
import os
import traceback

from assist_cli.errors import FileFailure
from assist_cli.model.invocation import Invocation
from assist_cli.model.rollout import Rollout
from assist_cli.model.secret import Secret
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.operations.notify import wishes
from assist_cli.operations.runs import dispatch
from assist_cli.operations.runs.senders import sender
from assist_cli.operations.server import lease
from assist_cli.paths import Home
from assist_cli.store import invocations, records

LOG = "handover.log"

log = logging.getLogger(__name__)


def hand_over(controller: Controller, invocation: Invocation, rollout: Rollout) -> None:
    """Transfer ``invocation`` to another process, which sends its unsent records and follows all of them.

    The server takes it if it runs and can: it knows only the database, which has no secrets, no content of files and no
    waves. The transfer is complete on return. Raises FileFailure, and OSError if no process can be started.
    """
    if not _transfer_to_server(controller, invocation, rollout):
        _transfer_to_process(controller, invocation, rollout)


def _transfer_to_server(controller: Controller, invocation: Invocation, rollout: Rollout) -> bool:
    server = lease.holder(controller)
    hidden = any(isinstance(value, Secret) for value in invocation.parameters.values())
    if server is None or hidden or invocation.transfer is not None or not rollout.is_plain:
        return False
    with controller.database.transaction() as transaction:
        records.take_over(transaction, invocation.id, server.owner)
    return True


def _transfer_to_process(controller: Controller, invocation: Invocation, rollout: Rollout) -> None:
    journal = controller.home.journal(LOG)
    reading, writing = os.pipe()
    with controller.database.away():
        pid = os.fork()
        if pid == 0:
            _run_in_background(controller.home, invocation, rollout, writing, journal)
    os.close(journal)
    os.close(writing)
    os.waitpid(pid, 0)
    taken_over = os.read(reading, 1)
    os.close(reading)
    if not taken_over:
        raise FileFailure(
            "cannot continue in the background: the process for it has exited",
            hint=f"see its log: '{controller.home.logs / LOG}'",
        )


def _run_in_background(home: Home, invocation: Invocation, rollout: Rollout, writing: int, journal: int) -> None:
    """Run the background process to its exit. It never returns into the code of its parent."""
    try:
        os.setsid()
        if os.fork():  # the second child belongs to init, so no process need wait for it
            os._exit(0)
        _detach(journal)
        with open_controller(home) as controller, sender(home) as token:
            with controller.database.transaction() as transaction:
                records.take_over(transaction, invocation.id, token)
            os.write(writing, b"1")
            os.close(writing)
            known = invocations.get(controller.database, invocation.id, output=False)
            dispatch.go_on(controller, invocation._replace(instances=known.instances), rollout)
            wishes.hurry(controller)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def _detach(journal: int) -> None:
    """Detach from the terminal. Errors of this process go to its log."""
    null = os.open(os.devnull, os.O_RDWR)
    for target, source in ((0, null), (1, journal), (2, journal)):
        os.dup2(source, target)
