"""Pages of the history: what a client wants of it, which part of that, and what it gets (docs/api.md)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from assist_cli.model.ids import Kind
from assist_cli.model.invocation import Invocation, Record


@dataclass(frozen=True)
class Wanted:
    """What a page is to have. None and empty ask for nothing.

    ``status`` is a word of either table of model.fine, ``timed`` whether it is periodic and not over. ``among`` are
    the only instances that may be seen.
    """

    kind: Kind = Kind.INVOCATION
    invocation_id: str | None = None
    instance_id: str | None = None
    command_id: str | None = None
    command_name: str | None = None
    command_type: str | None = None
    file_name: str | None = None
    periodic: bool | None = None
    timed: bool | None = None
    status: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    among: Collection[str] | None = None


@dataclass(frozen=True)
class Slice:
    """Which rows of what is found: those after an id, or from a position on, and at most so many."""

    limit: int
    after: str | None = None
    offset: int = 0


@dataclass(frozen=True)
class InvocationResult:
    """One record, and the invocation that it belongs to (which has no instances here)."""

    invocation: Invocation
    repeats: int
    record: Record
