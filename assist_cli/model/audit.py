"""One entry of the audit log. It is written in the transaction of its change, and never modified."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

DONE = "Done"


@dataclass(frozen=True)
class Actor:
    """The actor of a change: login name and user id on the controller (None where there are none), and origin."""

    login: str
    uid: int | None
    origin: str

    def __str__(self) -> str:
        number = "" if self.uid is None else f" (uid {self.uid})"
        return f"{self.login}{number} from {self.origin}"


@dataclass(frozen=True)
class AuditEntry:
    """One action: its name (``command.create``), its subject (a name and an id), and details.

    ``detail`` is a sentence for people; it names parameters and never contains their values.
    """

    time: datetime
    actor: Actor
    action: str
    subject: str
    detail: str = ""
    outcome: str = DONE
