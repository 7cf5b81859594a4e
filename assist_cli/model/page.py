"""Pages of the history: the filter of a client, the part of the rows, and the results (docs/api.md)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from assist_cli.model.ids import Kind
from assist_cli.model.invocation import Invocation, Record


@dataclass(frozen=True)
class Wanted:
    """The filter of a page. None and empty fields do not filter.

    ``status`` is a word of either table of model.fine. ``timed``: it has a frequency and is open. Together with
    ``instance_id`` both are those on that instance. ``command_id`` is that of its script, or of an earlier one.
    ``among`` has the only instances that may be shown. ``unsuccessful``: its newest record on one of them has ended,
    and not with exit code 0. ``command_ids``: it ran one of these; ``instance_ids``: on one of these. ``since``: it was
    created at or after this moment.
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
    unsuccessful: bool = False
    command_ids: Collection[str] | None = None
    instance_ids: Collection[str] | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class Slice:
    """The part of the rows: those after an id, or from an offset on; at most ``limit``."""

    limit: int
    after: str | None = None
    offset: int = 0


@dataclass(frozen=True)
class InvocationResult:
    """One record and its invocation (which has no instances here)."""

    invocation: Invocation
    repeats: int
    record: Record
