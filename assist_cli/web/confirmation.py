"""The second click of a change on instances: they are those of its preview, and the number of many is typed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from assist_cli.errors import Conflict
from assist_cli.model.instance import Instance
from assist_cli.web.visit import COUNT, Visit

MANY = 10  # instances; for more, their number must be typed


class Unconfirmed(Conflict):
    """The preview must be confirmed again."""


def digest(chosen: Sequence[Instance]) -> str:
    """Return a text that differs for other instances. The preview sends it back."""
    return hashlib.sha256(json.dumps([each.id for each in chosen]).encode()).hexdigest()


def refuse_repeated(visit: Visit, what: str) -> None:
    """Raise Repeated if this form has taken effect already, Unconfirmed if another one of the same preview has."""
    try:
        visit.creation.refuse_repeated(visit.controller.database)
    except Conflict:
        raise Unconfirmed(
            f"cannot {what}: the form was changed after its preview", hint=f"check the preview below, and {what} again"
        ) from None


def check(visit: Visit, chosen: Sequence[Instance], what: str) -> None:
    """Raise Unconfirmed unless the user has seen these instances, and typed the number of many. ``what`` as "run"."""
    if visit.given("seen") != digest(chosen):
        raise Unconfirmed(
            f"cannot {what}: the targets name other instances than in the preview",
            hint=f"check the preview below, and {what} again",
        )
    if len(chosen) > MANY and visit.given(COUNT).strip().replace(",", "") != str(len(chosen)):
        raise Unconfirmed(
            f"cannot {what} on {len(chosen):,} instances without their number", hint=f"type {len(chosen)} below"
        )
