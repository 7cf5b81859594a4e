"""Access keys of the API and users of the web console: their roles, and the instances that they reach."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import ClassVar

from assist_cli import codes
from assist_cli.errors import InvalidParameter
from assist_cli.model import ids, names
from assist_cli.model.instance import FACTS
from assist_cli.model.secret import Secret


class Role(str, Enum):
    """The role of an access key or a user; each role may do what the roles before it may.

    Who may run scripts on an instance can do there what the agent can: everything, where the agent runs as root.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    __str__ = str.__str__

    def may(self, needed: Role) -> bool:
        """Return True if this role includes the role ``needed``."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True)
class Principal:
    """An access key or a user: a role on the instances of a scope.

    ``scope`` has targets as people write them; empty means every instance. Each call resolves them again, with the
    tags of that moment. ``noun`` is its kind, for messages.
    """

    noun: ClassVar[str]

    id: str
    name: str
    role: Role
    created: datetime
    scope: tuple[str, ...] = ()
    enabled: bool = True
    last_used: datetime | None = None


@dataclass(frozen=True)
class AccessKey(Principal):
    """A pair of an id and a secret, with which a client of the API signs its calls.

    ``secret`` is shown one time, when the key is created.
    """

    noun = "access key"

    secret: Secret = field(default_factory=lambda: Secret(None), repr=False, compare=False)


OWNER = ""  # the id of the user of the home, who logs in to the console by a one-time link


@dataclass(frozen=True)
class User(Principal):
    """A user of the web console; ``last_used`` is the time of the last login."""

    noun = "user"

    @property
    def is_owner(self) -> bool:
        """Return True for the user of the home, who is an admin of everything and has no password."""
        return self.id == OWNER


@dataclass(frozen=True)
class Session:
    """A session of a user in a browser: when it began, and when it was last used."""

    user: User
    created: datetime
    seen: datetime


@dataclass(frozen=True)
class Labels:
    """The labels of an invocation or a command, and the id of the access key or user that created it.

    Clients of the API also give a name, a description and tags. ``name`` and ``description`` are those of a script that
    is run without being saved; else the command has them.
    """

    principal: str
    name: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def role_from_word(word: str) -> Role:
    """Return the role of this name. Raises InvalidParameter."""
    try:
        return Role(word.lower())
    except ValueError:
        raise InvalidParameter(
            f"cannot use the role {word!r}: there is no such role",
            code=codes.INVALID_ROLE,
            hint=f"the roles are {', '.join(Role)}",
        ) from None


def check_scope(atoms: list[str], tags: Collection[str] = ()) -> None:
    """Check the parts of a scope; ``tags`` are the keys of the tags that are set.

    Raises InvalidParameter for the beginning of an id, because the id of a later instance may begin the same; and for
    facts and groups, which may depend on what agents report of themselves.
    """
    for atom in atoms:
        key, _, value = atom[1:].partition("=")
        if atom.startswith("@") and key in FACTS and key not in tags:
            raise InvalidParameter(
                f"cannot use {atom!r} in a scope: it is a fact, and an agent could report itself into the scope",
                code=codes.INVALID_SCOPE,
                hint=f"set a tag: assist instance tag NAME {key}={value or 'VALUE'}",
            )
        if atom.startswith(names.RESERVED):
            raise InvalidParameter(
                f"cannot use {atom!r} in a scope: its instances may change by what agents report",
                code=codes.INVALID_SCOPE,
                hint="give names, tags and whole ids",
            )
        if ids.is_prefix(atom, ids.Kind.INSTANCE) and len(atom) != ids.LENGTH:
            raise InvalidParameter(
                f"cannot use {atom!r} in a scope: it is the beginning of an id, and a later id may begin the same",
                code=codes.INVALID_SCOPE,
                hint="give the whole id, a name or a tag",
            )
