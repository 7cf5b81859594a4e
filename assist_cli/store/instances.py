"""The inventory: the instances of this controller. A removed one stays for the history that refers to it."""

from __future__ import annotations

import contextlib
import functools
import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from assist_cli.model.instance import Contact, Facts, Instance, Use
from assist_cli.store.database import Reader, Transaction, from_ms, from_ms_or_none, to_ms, to_ms_or_none

_ENCODER = json.JSONEncoder(ensure_ascii=False)
OWN_FACTS = ("hostname", "addresses")  # those that differ from instance to instance
_SELECT = "SELECT id, name, address, created_at, os_type, heard_at, tags, enrolment FROM instances"


def by_name(reader: Reader, name: str) -> Instance | None:
    """Return the instance that has the name now."""
    row = reader.first(f"{_SELECT} WHERE name = ? AND removed_at IS NULL", [name])
    return None if row is None else _instance(row)


def by_id(reader: Reader, instance_id: str) -> Instance | None:
    """Return the instance with this id, removed or not."""
    row = reader.first(f"{_SELECT} WHERE id = ?", [instance_id])
    return None if row is None else _instance(row)


def by_ids(reader: Reader, instance_ids: Collection[str]) -> list[Instance]:
    """Return the instances with these ids, removed or not, by name."""
    rows = reader.query(
        f"{_SELECT} WHERE id IN (SELECT value FROM json_each(?)) ORDER BY name",  # noqa: S608
        [json.dumps(list(instance_ids))],
    )
    return [_instance(row) for row in rows]


def registered(reader: Reader) -> list[Instance]:
    """Return all instances that were not removed, by name."""
    with _without_collections():
        return [_instance(row) for row in reader.query(f"{_SELECT} WHERE removed_at IS NULL ORDER BY name")]


def known(reader: Reader) -> list[Instance]:
    """Return all instances, also removed ones, by name; of two with one name the newer one comes last."""
    return [_instance(row) for row in reader.query(f"{_SELECT} ORDER BY name, created_at")]


def registered_by_id(reader: Reader, instance_id: str) -> Instance | None:
    """Return the instance with this id, unless it was removed."""
    row = reader.first(f"{_SELECT} WHERE id = ? AND removed_at IS NULL", [instance_id])
    return None if row is None else _instance(row)


def register(transaction: Transaction, instance: Instance) -> None:
    """Write an instance. Another one with its name is removed; one with the same id is updated."""
    transaction.execute(
        "UPDATE instances SET removed_at = ? WHERE name = ? AND id <> ? AND removed_at IS NULL",
        [to_ms(instance.created), instance.name, instance.id],
    )
    transaction.execute(
        """
        INSERT INTO instances (id, name, address, os_type, created_at, heard_at, tags, enrolment)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (id) DO UPDATE SET
            name = excluded.name, address = excluded.address, os_type = excluded.os_type, heard_at = excluded.heard_at,
            tags = excluded.tags, removed_at = NULL, enrolment = coalesce(nullif(excluded.enrolment, ''), enrolment)
        """,
        [
            instance.id,
            instance.name,
            instance.address,
            instance.os_type,
            to_ms(instance.created),
            to_ms_or_none(instance.heard),
            _packed(instance.tags),
            instance.enrolment,
        ],
    )


def set_tags(transaction: Transaction, instance_id: str, tags: Mapping[str, str]) -> None:
    transaction.execute("UPDATE instances SET tags = ? WHERE id = ?", [_packed(tags), instance_id])


def rename(transaction: Transaction, instance_id: str, name: str) -> None:
    """Rename an instance; no other one may have the name."""
    transaction.execute("UPDATE instances SET name = ? WHERE id = ?", [name, instance_id])


def remove(transaction: Transaction, instance_id: str, now: datetime) -> None:
    """Remove an instance from the inventory. The history keeps it, and its name is free."""
    transaction.execute("UPDATE instances SET removed_at = ? WHERE id = ?", [to_ms(now), instance_id])


def note_heard(transaction: Transaction, contacts: Mapping[str, Contact]) -> None:
    """Note the time of the last answer of these instances, by id, and what they reported of themselves."""
    transaction.execute_many(
        """
        UPDATE instances SET heard_at = max(coalesce(heard_at, 0), ?), os_type = ?,
            enrolment = coalesce(nullif(?, ''), enrolment), facts = coalesce(?, facts),
            own_facts = coalesce(?, own_facts)
        WHERE id = ?
        """,
        (
            (to_ms(contact.time), contact.system, contact.enrolment, *_packed_facts(contact.facts), instance_id)
            for instance_id, contact in contacts.items()
        ),
    )


def facts(reader: Reader, instance_id: str | None = None) -> dict[str, Facts]:
    """Return the facts of the registered instances by id, or those of one; instances without any are missing."""
    rows = reader.query(
        """
        SELECT id, facts, own_facts FROM instances
        WHERE removed_at IS NULL AND (facts <> '{}' OR own_facts <> '{}') AND id = coalesce(?, id)
        """,
        [instance_id],
    )
    return {id: {**_parsed(common), **json.loads(own)} for id, common, own in rows}


def facts_named(reader: Reader, name: str, glob: str) -> dict[str, Any]:
    """Return a fact of all instances that have it, by id, as ``Facts`` has it, but a list as a tuple.

    Values that do not match ``glob``, in which ``*`` and ``?`` have a meaning, may be missing.
    """
    found: dict[str, Any] = {}
    if name not in OWN_FACTS:
        for text, ids in reader.query("SELECT facts, group_concat(id) FROM instances GROUP BY facts"):
            facts = _parsed(text)
            if name in facts:
                found.update(dict.fromkeys(ids.split(","), facts[name]))
        return found
    part = "" if '"' in glob or "\\" in glob else f'"{glob}"'.replace("[", "[[]")
    rows = reader.query("SELECT id, own_facts FROM instances WHERE own_facts GLOB ?", [f"*{part}*"])
    for id, text in rows:
        value = json.loads(text).get(name)
        if value is not None:
            found[id] = tuple(value) if isinstance(value, list) else value
    return found


def uses(reader: Reader, instance_ids: Collection[str]) -> dict[str, Use]:
    """Return the use of these instances; those without a record are missing."""
    rows = reader.query(
        """
        SELECT instance_id, COUNT(*) AS records, MAX(sent_at) AS sent_at,
            SUM(status IN ('Running', 'Stopping')) AS open
        FROM records WHERE instance_id IN (SELECT value FROM json_each(?)) GROUP BY instance_id
        """,
        [json.dumps(list(instance_ids))],
    )
    return {row["instance_id"]: Use(row["records"], row["open"], from_ms_or_none(row["sent_at"])) for row in rows}


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Stop garbage collection, which would check thousands of new objects repeatedly, and find none to free."""
    import gc  # most commands read no list of instances

    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _packed(tags: Mapping[str, str]) -> str:
    return json.dumps(dict(sorted(tags.items())), ensure_ascii=False)


def _packed_facts(facts: Facts) -> tuple[str | None, str | None]:
    """Return the facts that instances share, and those of one; None to keep those that are stored."""
    if not facts:
        return None, None
    own = {name: facts[name] for name in OWN_FACTS if name in facts}
    common = {name: facts[name] for name in facts if name not in OWN_FACTS}
    return _ENCODER.encode(common), _ENCODER.encode(own)


@functools.lru_cache(maxsize=1000)
def _parsed(text: str) -> Mapping[str, Any]:
    """Parse tags or common facts. Many instances have the same ones, and parsing all would take most of the time."""
    return MappingProxyType(json.loads(text))


def _instance(row: sqlite3.Row) -> Instance:
    id, name, address, created, os_type, heard, tags, enrolment = row
    return Instance(id, name, address, from_ms(created), os_type, from_ms_or_none(heard), _parsed(tags), enrolment)
