"""Going on in the background: what a person does not wait for is brought to its end by somebody else.

That is the server, where one runs, or a process of its own. This is forked, so that what must not be written anywhere,
the values of secrets and the content of files, comes along in memory. It is a sender of its own: what it has to send
carries its token from before this process lets go.
"""

from __future__ import annotations

import logging
import os
import traceback
from dataclasses import replace

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
    """Let somebody else send what is not sent of ``invocation``, and see all of it through.

    The server does it where one runs and can: it knows what the database knows, and that is no secrets, no content of a
    file, and nothing of waves. It has been taken over when this returns. Raises FileFailure, and OSError when
    there can be no process.
    """
    if not _to_server(controller, invocation, rollout):
        _to_a_process(controller, invocation, rollout)


def _to_server(controller: Controller, invocation: Invocation, rollout: Rollout) -> bool:
    server = lease.holder(controller)
    hidden = any(isinstance(value, Secret) for value in invocation.parameters.values())
    if server is None or hidden or invocation.transfer is not None or not rollout.is_plain:
        return False
    with controller.database.transaction() as transaction:
        records.take_over(transaction, invocation.id, server.owner)
    return True


def _to_a_process(controller: Controller, invocation: Invocation, rollout: Rollout) -> None:
    journal = controller.home.journal(LOG)
    reading, writing = os.pipe()
    with controller.database.away():
        pid = os.fork()
        if pid == 0:
            _live(controller.home, invocation, rollout, writing, journal)
    os.close(journal)
    os.close(writing)
    os.waitpid(pid, 0)
    taken_over = os.read(reading, 1)
    os.close(reading)
    if not taken_over:
        raise FileFailure(
            "cannot go on in the background: the process for it ended", hint=f"see '{controller.home.logs / LOG}'"
        )


def _live(home: Home, invocation: Invocation, rollout: Rollout, writing: int, journal: int) -> None:
    """The whole life of the background process; it never returns into what its parent was doing."""
    try:
        os.setsid()
        if os.fork():  # a child of the system, so that nobody has to wait for its end
            os._exit(0)
        _detach(journal)
        with open_controller(home) as controller, sender(home) as token:
            with controller.database.transaction() as transaction:
                records.take_over(transaction, invocation.id, token)
            os.write(writing, b"1")
            os.close(writing)
            known = invocations.get(controller.database, invocation.id, output=False)
            dispatch.go_on(controller, replace(invocation, instances=known.instances), rollout)
            wishes.hurry(controller)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def _detach(journal: int) -> None:
    """Let go of the terminal; what goes wrong here stands in a log."""
    null = os.open(os.devnull, os.O_RDWR)
    for target, source in ((0, null), (1, journal), (2, journal)):
        os.dup2(source, target)
