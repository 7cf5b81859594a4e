"""The inventory: add, list, change and remove instances, and resolve targets to instances.

A change and its audit entry are one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assist_cli import codes
from assist_cli.errors import Conflict, InvalidParameter, NotFound
from assist_cli.model import names, target
from assist_cli.model.audit import AuditEntry
from assist_cli.model.folding import fold
from assist_cli.model.instance import LOCAL, Facts, Instance
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Also, Controller, nothing_more
from assist_cli.operations.fleet import sources
from assist_cli.store import audit
from assist_cli.store import instances as store
from assist_cli.store.database import Reader, Transaction

ALL = "all"  # the word of other tools for --all

Targets = Selection | tuple[Instance, ...]  # as the user gave them, or already resolved


def resolve(controller: Controller, targets: Targets) -> list[Instance]:
    """Resolve targets to instances, each once, sorted by name; to ``local`` for an empty selection.

    Targets that are already resolved are only sorted. Raises NotFound for a target without a match, InvalidParameter
    for an invalid one, and AgentError if ``local`` has no id yet and cannot be started.
    """
    if not isinstance(targets, Selection):
        return target.ordered(targets)
    if targets.is_empty:
        return [_local(controller)]
    found = sources.DatabaseSources(controller.database)
    if target.may_mean(targets, LOCAL, found):
        _local(controller)
    return target.choose(store.registered(controller.database), targets, sources=found)


def chosen(
    reader: Reader,
    known: Sequence[Instance],
    selection: Selection,
    *,
    with_local: bool = False,
    one: bool = False,
    limited: bool = False,
) -> list[Instance]:
    """Return those of ``known`` that a selection names, also by facts, groups and files. Not for scopes of keys.

    ``limited``: all others do not exist, also as members of a group. Raises as ``target.choose``, and FileFailure.
    """
    within = {each.id for each in known} if limited else None
    found = sources.DatabaseSources(reader, within)
    return target.choose(known, selection, sources=found, with_local=with_local, one=one)


def listing(controller: Controller, selection: Selection) -> list[Instance]:
    """The registered instances, sorted by name, or those of a selection. Connects to no agent."""
    known = store.registered(controller.database)
    if not selection.is_empty:
        return chosen(controller.database, known, selection)
    return target.ordered(known)


def facts(controller: Controller, instance_id: str | None = None) -> dict[str, Facts]:
    """Return the facts of each instance that has any, by its id, or only those of one."""
    return store.facts(controller.database, instance_id)


def queued(controller: Controller) -> dict[str, int]:
    """Return the number of queued records of each instance that has any, by its id."""
    from assist_cli.store import queue  # which no run needs

    return queue.counts(controller.database)


def known_names(controller: Controller) -> dict[str, str]:
    """Return the names of the registered instances by their ids."""
    return {each.id: each.name for each in store.registered(controller.database)}


def get(controller: Controller, name: str) -> Instance:
    """The instance with this name, id, or unique prefix of an id. Raises NotFound."""
    return _get(controller.database, store.registered(controller.database), name)


def by_name(controller: Controller, name: str) -> Instance | None:
    """Return the instance that has this name."""
    return store.by_name(controller.database, names.normal(name))


def add(controller: Controller, name: str, address: str, tags: Mapping[str, str] | None = None) -> Instance:
    """Connect to the agent at an address, and register its instance.

    Adding an instance again under its name updates its address, and its tags if any are given. Raises InvalidParameter
    for a name, a tag or an address, Conflict if the name or the instance is in use, and AgentError.
    """
    from assist_cli.agents import route

    name = checked_name(name)
    tags = None if tags is None else checked_tags(tags)
    way = route.parse(address)
    if isinstance(way, route.Local):
        raise InvalidParameter(
            "cannot add the agent of this machine: it is always there",
            hint="run a script on it: assist run -- uname -a",
            code=codes.INVALID_ADDRESS,
        )
    found = _identify(controller, name, str(way))
    with controller.database.transaction() as transaction:
        known = store.registered_by_id(transaction, found.id)
        _refuse_taken(transaction, found, known)
        kept = known.tags if known else {}
        instance = found._replace(
            created=known.created if known else found.created, tags=kept if tags is None else tags
        )
        store.register(transaction, instance)
        _note(controller, transaction, "instance.add", instance, f"at {instance.address}")
    return instance


def tag(
    controller: Controller, wanted: Selection, changes: Mapping[str, str | None], *, also: Also = nothing_more
) -> list[Instance]:
    """Set tags on the instances of a selection. A value of None removes the tag.

    Raises NotFound, also if none of them has a tag to remove, and InvalidParameter.
    """
    with controller.database.transaction() as transaction:
        found = _chosen(transaction, store.registered(transaction), wanted)
        also(transaction, "", [each.id for each in found])
        return tag_in(controller, transaction, found, changes)


def tag_in(
    controller: Controller, transaction: Transaction, found: Sequence[Instance], changes: Mapping[str, str | None]
) -> list[Instance]:
    """Set tags on these instances, as ``tag`` does, as a part of a transaction."""
    given = checked_tags({key: value for key, value in changes.items() if value is not None})
    gone = {names.normal(key) for key, value in changes.items() if value is None}
    words = (f"{key}={value}" if value else f"{key}=" if value is None else key for key, value in changes.items())
    detail = ", ".join(words)
    for key in sorted(gone):
        if not any(key in instance.tags for instance in found):
            folded = fold(each.name for each in found)
            raise NotFound(
                f"cannot remove the tag '{key}' from '{folded}': there is no such tag",
                hint=f"assist instance show {names.quoted(found[0].name)}",
                code=codes.TAG_NOT_EXISTS,
            )
    changed = []
    for instance in found:
        kept = {key: value for key, value in instance.tags.items() if key not in gone}
        changed.append(instance._replace(tags=dict(sorted({**kept, **given}.items()))))
        store.set_tags(transaction, instance.id, changed[-1].tags)
        _note(controller, transaction, "instance.tag", changed[-1], detail)
    return changed


def rename(controller: Controller, name: str, new_name: str) -> Instance:
    """Rename an instance. The history keeps the old name. Raises NotFound, InvalidParameter, Conflict."""
    new_name = checked_name(new_name)
    with controller.database.transaction() as transaction:
        instance = _get(transaction, store.registered(transaction), name)
        if instance.name == LOCAL:
            raise Conflict(
                "cannot rename 'local': it is always this machine",
                hint="assist instance list shows the instances that can be renamed",
                code=codes.NAME_RESERVED,
            )
        changed = instance._replace(name=new_name)
        _refuse_taken(transaction, changed, changed)
        store.rename(transaction, instance.id, new_name)
        _note(controller, transaction, "instance.rename", changed, f"name {instance.name!r} to {new_name!r}")
    return changed


def remove(controller: Controller, name: str, *, force: bool = False, also: Also = nothing_more) -> Instance:
    """Remove an instance. Its agent and its history stay.

    Raises NotFound, and Conflict while scripts run on it (not with ``force``) or a schedule is to run there.
    """
    with controller.database.transaction() as transaction:
        instance = _get(transaction, store.registered(transaction), name)
        if instance.name == LOCAL:
            raise Conflict(
                "cannot remove 'local': it is always this machine",
                hint="assist instance list shows the others",
                code=codes.NAME_RESERVED,
            )
        also(transaction, instance.id, (instance.id,))
        refuse_in_use(transaction, instance, force=force)
        store.remove(transaction, instance.id, controller.now())
        _note(controller, transaction, "instance.remove", instance, f"at {instance.address}")
    return instance


def chosen_to_remove(
    controller: Controller, wanted: Sequence[str], verb: str = "remove", *, force: bool = False
) -> list[Instance]:
    """The instances of these names, ids and targets, in their order, each once.

    Raises NotFound, InvalidParameter, and Conflict if one of them cannot be removed (see ``refuse_in_use``).
    """
    known = store.registered(controller.database)
    found: dict[str, Instance] = {}
    for word in wanted:
        named = [each for each in known if each.name == word] or _chosen(
            controller.database, known, Selection((word,), reads_files=True)
        )
        found.update((each.id, each) for each in named)
    for each in found.values():
        if each.name != LOCAL:  # which has its own refusal
            refuse_in_use(controller.database, each, verb, force=force)
    return list(found.values())


def refuse_in_use(reader: Reader, instance: Instance, verb: str = "remove", *, force: bool = False) -> None:
    """Raise Conflict while an invocation of the instance is in progress, except with ``force``, or planned.

    ``verb`` is "remove", or "uninstall", which can be forced.
    """
    use = None if force else store.uses(reader, [instance.id]).get(instance.id)
    if use is not None and use.open:
        forced = "; with --force they continue, and their results are lost" if verb == "uninstall" else ""
        raise Conflict(
            f"cannot {verb} the instance '{instance.name}': invocations in progress: {use.open}",
            hint=f"list them: assist invocation list --status Running -i {names.quoted(instance.name)}; "
            f"then wait for them, or stop them{forced}",
            code=codes.INSTANCE_IN_USE,
        )
    from assist_cli.store import schedules  # most commands do not need it

    waiting = schedules.on_instance(reader, instance.id)
    if waiting:
        raise Conflict(
            f"cannot {verb} the instance '{instance.name}': schedule {waiting[0]} is to run there",
            hint=f"assist stop {waiting[0]} -i {names.quoted(instance.name)}",
            code=codes.INSTANCE_IN_USE,
        )


def refuse_name_of_another(reader: Reader, name: str, instance_id: str) -> None:
    """Raise Conflict if another instance has the name."""
    owner = store.by_name(reader, name)
    if owner is not None and owner.id != instance_id:
        raise Conflict(
            f"cannot use the name '{name}': the instance {owner.id} at '{owner.address}' has it",
            hint=f"choose another name, or free it: assist instance remove {names.quoted(name)}",
            code=codes.INSTANCE_NAME_EXISTS,
        )


def refuse_another_name(name: str, known: Instance | None) -> None:
    """Raise Conflict if an instance is registered under another name."""
    if known is not None and known.name != name:
        raise Conflict(
            f"cannot add '{name}': the instance {known.id} is registered as '{known.name}'",
            hint=f"assist instance rename {names.quoted(known.name)} {names.quoted(name)}",
            code=codes.INSTANCE_EXISTS,
        )


def checked_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Validate tags by the rules of names, and normalise them. Raises InvalidParameter, QuotaExceeded."""
    return dict(names.checked_tag(key, value) for key, value in tags.items())


def _get(reader: Reader, known: Sequence[Instance], name: str) -> Instance:
    """The one instance with a name, even if such names are refused today, or of a target."""
    found = [each for each in known if each.name == name] or _chosen(reader, known, Selection((name,)), one=True)
    if len(found) > 1:
        raise InvalidParameter(
            f"cannot use '{name}' as one instance: it matches {len(found)}",
            hint=f"name one: {names.some_of([each.name for each in found])}",
            code=codes.INVALID_TARGET,
        )
    return found[0]


def _chosen(reader: Reader, known: Sequence[Instance], wanted: Selection, *, one: bool = False) -> list[Instance]:
    """Resolve targets among ``known``; ``one`` is for hints. Raises NotFound, InvalidParameter."""
    if not known and wanted.targets:
        raise none_registered(wanted.targets[0])
    return chosen(reader, known, wanted, one=one)


def none_registered(name: str) -> NotFound:
    """The error for an instance that is not found because none is registered."""
    return NotFound(
        f"cannot find an instance '{name}': none is registered",
        hint="register one: assist instance install or assist instance add",
        code=codes.INSTANCE_NOT_EXISTS,
    )


def checked_name(name: str) -> str:
    """Validate and normalise a name. Raises InvalidParameter, QuotaExceeded, and Conflict for ``local`` and ``all``."""
    name = names.checked_target_name(name)
    if name == LOCAL:
        raise Conflict(
            "cannot use the name 'local': it is always this machine",
            hint="choose another name",
            code=codes.NAME_RESERVED,
        )
    if name.casefold() == ALL:
        raise Conflict(
            f"cannot use the name '{name}': it reads as every instance, --all",
            hint="choose another name",
            code=codes.NAME_RESERVED,
        )
    return name


def _refuse_taken(transaction: Transaction, instance: Instance, known: Instance | None) -> None:
    """Raise Conflict if another instance has the name, or this instance has another name."""
    refuse_name_of_another(transaction, instance.name, instance.id)
    refuse_another_name(instance.name, known)


def _local(controller: Controller) -> Instance:
    """The instance of this machine. Its id is that of its agent, which gets one on its first start."""
    from assist_cli.agents import embedded

    known = store.by_name(controller.database, LOCAL)
    if known is not None and known.id == embedded.instance_id(controller.home):
        return known
    instance = _identify(controller, LOCAL, LOCAL)._replace(tags=known.tags if known else {})
    with controller.database.transaction() as transaction:
        store.register(transaction, instance)
    return instance


def _identify(controller: Controller, name: str, address: str) -> Instance:
    """Connect to the agent at an address, and return its instance. Raises AgentError."""
    import asyncio

    from assist_cli.operations.fleet import connection

    greeting = asyncio.run(connection.greet(controller, address))
    controller.note_contact(greeting.instance, greeting.os.lower(), greeting.enrolment, greeting.facts)
    return Instance(
        id=greeting.instance,
        name=name,
        address=address,
        os_type=greeting.os.lower(),
        created=controller.now(),
        heard=controller.now(),
    )


def _note(controller: Controller, transaction: Transaction, action: str, instance: Instance, detail: str = "") -> None:
    subject = f"{instance.name} ({instance.id})"
    audit.append(transaction, AuditEntry(controller.now(), controller.actor, action, subject, detail))
