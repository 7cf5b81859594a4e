"""Resolving targets to instances of an invocation, by the names that they had when it was invoked."""

from __future__ import annotations

from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.instances import chosen as chosen_of
from assist_cli.store import instances, invocations
from assist_cli.store.database import Reader


def chosen(reader: Reader, invocation: Invocation, where: Selection | None) -> set[str]:
    """The ids of the instances of an invocation that ``where`` selects, by their names at its time.

    Without a selection, all of them. Raises NotFound for a target that is not one of its instances.
    """
    if where is None or where.is_empty:
        return {each.instance_id for each in invocation.instances}
    return {instance.id for instance in chosen_of(reader, _members(reader, invocation), where, with_local=True)}


def members(controller: Controller, invocation_id: str, where: Selection) -> list[Instance]:
    """The instances of an invocation that ``where`` selects, sorted by name. Raises NotFound."""
    found = _members(controller.database, invocations.get(controller.database, invocation_id, output=False))
    where = Selection(everything=True) if where.is_empty else where
    return chosen_of(controller.database, found, where, with_local=True)


def _members(reader: Reader, invocation: Invocation) -> list[Instance]:
    names = {each.instance_id: each.instance_name for each in invocation.instances}
    return [instance._replace(name=names[instance.id]) for instance in instances.by_ids(reader, names)]
