"""Which instances there are, and which of them a user means."""

from __future__ import annotations

from collections.abc import Sequence

from assist_cli.agents import embedded
from assist_cli.errors import NotFound
from assist_cli.model.instance import LOCAL, Instance
from assist_cli.operations.controller import Controller
from assist_cli.store import instances


def resolve(controller: Controller, targets: Sequence[str]) -> list[Instance]:
    """The instances that the targets name, each once; ``local`` when none is given.

    Raises NotFound for a target that names nothing, and AgentError when ``local`` has no id yet and cannot be started.
    """
    found: dict[str, Instance] = {}
    for target in targets or (LOCAL,):
        instance = _local(controller) if target == LOCAL else instances.by_name(controller.database, target)
        if instance is None:
            raise NotFound(
                f"cannot find an instance '{target}'",
                hint="leave out --instance to run on this machine (local)",
                code="InstanceNotExists",
            )
        found[instance.id] = instance
    return list(found.values())


def _local(controller: Controller) -> Instance:
    """The instance of this machine. Its id is its agent's, which gets one when it is started for the first time."""
    known = instances.by_name(controller.database, LOCAL)
    if known is not None and known.id == embedded.instance_id(controller.home):
        return known
    import asyncio

    instance = asyncio.run(_meet(controller))
    with controller.database.transaction() as transaction:
        instances.register(transaction, instance)
    return instance


async def _meet(controller: Controller) -> Instance:
    from assist_cli.agents import address

    client = await address.connect(address.LOCAL, home=controller.home, controller=controller.id)
    client.close()
    return Instance(
        id=client.greeting.instance,
        name=LOCAL,
        address=address.LOCAL,
        os_type=client.greeting.os.lower(),
        created=controller.now(),
    )
