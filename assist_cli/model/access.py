"""Who may do what over the API: an access key, its role, and the instances that it reaches (docs/api.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType

from assist_cli import codes
from assist_cli.errors import InvalidParameter
from assist_cli.model import ids
from assist_cli.model.secret import Secret


class Role(str, Enum):
    """What a key is for; each role may do what the ones before it may.

    Whoever may run scripts on an instance can do there what its agent can, which is everything where that is root.
    """

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    __str__ = str.__str__

    def may(self, needed: Role) -> bool:
        """Whether this role is enough where ``needed`` is asked for."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True)
class AccessKey:
    """A pair of an id and a secret, with which a program signs what it asks for.

    ``scope`` are targets as people write them; empty means every instance. They are looked up at each call, so that a
    tag counts as it stands then. ``secret`` is told once, when the key is made.
    """

    id: str
    name: str
    role: Role
    created: datetime
    scope: tuple[str, ...] = ()
    enabled: bool = True
    last_used: datetime | None = None
    secret: Secret = field(default_factory=lambda: Secret(None), repr=False, compare=False)


@dataclass(frozen=True)
class Labels:
    """What a client of the API says of an invocation or a command that it makes, and with which key it made it.

    ``name`` and ``description`` are those of a script that is run without being saved; else they are the command's.
    """

    access_key: str
    name: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def role_from_word(word: str) -> Role:
    """The role of this name. Raises InvalidParameter."""
    try:
        return Role(word.lower())
    except ValueError:
        raise InvalidParameter(
            f"cannot use the role {word!r}: there is none of this name",
            code=codes.INVALID_ROLE,
            hint=f"the roles are {', '.join(Role)}",
        ) from None


def check_scope(atoms: list[str]) -> None:
    """Raise InvalidParameter for a part of a scope that may come to mean another instance: the beginning of an id."""
    for said in atoms:
        if ids.is_prefix(said, ids.Kind.INSTANCE) and len(said) != ids.LENGTH:
            raise InvalidParameter(
                f"cannot use {said!r} in a scope: it is the beginning of an id, and more ids may come to begin so",
                code=codes.INVALID_SCOPE,
                hint="give the whole id, a name or a tag",
            )
