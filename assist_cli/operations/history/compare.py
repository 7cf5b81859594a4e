"""Comparison of two invocations of the same command, instance by instance."""

from __future__ import annotations

from assist_cli import codes
from assist_cli.errors import Conflict
from assist_cli.model.comparison import Comparison
from assist_cli.model.comparison import compare as compare_instances
from assist_cli.model.invocation import Invocation
from assist_cli.operations.controller import Controller
from assist_cli.operations.history import history
from assist_cli.operations.runs import recording


def compare(controller: Controller, old_id: str, new_id: str) -> Comparison:
    """Compare the outcomes of two invocations, after reconciling open records with their agents.

    They must have run the same command, in any versions, or the same script. Raises NotFound, and otherwise Conflict
    (DifferentCommands).
    """
    old, new = (history.show(controller, each, output=False) for each in (old_id, new_id))
    return compared(controller, old, new)


def compared(controller: Controller, old: Invocation, new: Invocation) -> Comparison:
    """Compare the outcomes of two invocations as they are in the history. Raises Conflict as ``compare`` does."""
    same_script = (old.content, old.command_type) == (new.content, new.command_type)
    if old.command_id != new.command_id and not same_script:
        raise Conflict(
            f"cannot compare {old.id} and {new.id}: they ran different scripts",
            code=codes.DIFFERENT_COMMANDS,
            hint=f"see what they ran: assist invocation show {old.id}, and the same for the other",
        )
    return compare_instances(old.instances, new.instances, lambda place: recording.with_output(controller, place))
