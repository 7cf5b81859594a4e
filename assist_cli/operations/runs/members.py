"""The instances of an invocation that a selection means, under the names that they had when it was invoked."""

from __future__ import annotations

from dataclasses import replace

from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation
from assist_cli.model.target import Selection, choose
from assist_cli.operations.controller import Controller
from assist_cli.store import instances, invocations
from assist_cli.store.database import Reader


def chosen(reader: Reader, invocation: Invocation, where: Selection | None) -> set[str]:
    """The ids of the instances of an invocation that are meant, under the names that they had when it was invoked.

    All of them when nothing is selected. Raises NotFound for a target that is none of its instances.
    """
    if where is None or where.is_empty:
        return {place.instance_id for place in invocation.instances}
    return {instance.id for instance in choose(_members(reader, invocation), where, with_local=True)}


def members(controller: Controller, invocation_id: str, where: Selection) -> list[Instance]:
    """The instances of an invocation that ``chosen`` means, by name. Raises NotFound."""
    found = _members(controller.database, invocations.get(controller.database, invocation_id, output=False))
    return choose(found, Selection(everything=True) if where.is_empty else where, with_local=True)


def _members(reader: Reader, invocation: Invocation) -> list[Instance]:
    names = {place.instance_id: place.instance_name for place in invocation.instances}
    return [replace(instance, name=names[instance.id]) for instance in instances.by_ids(reader, names)]
