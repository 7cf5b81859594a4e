"""Comparing two invocations of the same command: who answers differently now."""

from __future__ import annotations

from assist_cli import codes
from assist_cli.errors import Conflict
from assist_cli.model.comparison import Comparison
from assist_cli.model.comparison import compare as compare_places
from assist_cli.operations.controller import Controller
from assist_cli.operations.history import history


def compare(controller: Controller, old_id: str, new_id: str) -> Comparison:
    """What has changed from one invocation to another; agents are asked first for what they have not told yet.

    Any versions of one command may be compared, and any runs of one script. Raises NotFound, and Conflict
    (DifferentCommands) for two that ran something else.
    """
    old, new = (history.show(controller, each, output=True) for each in (old_id, new_id))
    same_script = (old.content, old.command_type) == (new.content, new.command_type)
    if old.command_id != new.command_id and not same_script:
        raise Conflict(
            f"cannot compare {old.id} and {new.id}: they did not run the same command",
            code=codes.DIFFERENT_COMMANDS,
            hint="assist invocation show tells what each of them ran",
        )
    return compare_places(old.instances, new.instances)
