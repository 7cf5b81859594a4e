"""Quotas: the limits, their use, and setting the number of commands."""

from __future__ import annotations

from assist_cli import codes
from assist_cli.errors import InvalidParameter
from assist_cli.model import quotas
from assist_cli.model.audit import AuditEntry
from assist_cli.model.quotas import Quota
from assist_cli.operations.controller import Controller
from assist_cli.store import audit
from assist_cli.store import commands as store
from assist_cli.structs import Struct

HIGHEST = 1_000_000


class Usage(Struct):
    """A quota with its current limit and its use.

    ``used`` is the number of commands, for other quotas the largest saved value; None if nothing is saved.
    """

    quota: Quota
    used: int | None


def usage(controller: Controller) -> list[Usage]:
    """All quotas with their use."""
    used = {
        quotas.COMMANDS: store.count(controller.database),
        **store.largest(controller.database),
    }
    return [
        Usage(
            quota.replace(limit=store.limit(controller.database)) if quota is quotas.COMMANDS else quota,
            used.get(quota),
        )
        for quota in quotas.ALL
    ]


def set_limit(controller: Controller, name: str, value: int) -> None:
    """Set the number of commands that may be saved. Existing ones stay. Raises InvalidParameter."""
    if name != quotas.COMMANDS.name:
        raise InvalidParameter(
            f"cannot set the quota {name!r}: only {quotas.COMMANDS.name!r} can be set",
            code=codes.INVALID_QUOTA,
            hint="assist quota set commands N",
        )
    if not 1 <= value <= HIGHEST:
        raise InvalidParameter(
            f"cannot set the quota {name!r} to {value}: it is not from 1 to {HIGHEST:,}",
            code=codes.INVALID_QUOTA,
            hint=f"the default is {quotas.COMMANDS.limit}",
        )
    with controller.database.transaction() as transaction:
        before = store.limit(transaction)
        store.set_limit(transaction, value)
        detail = f"{before} to {value}"
        audit.append(transaction, AuditEntry(controller.now(), controller.actor, "quota.set", name, detail))
