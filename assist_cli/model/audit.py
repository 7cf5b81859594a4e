"""Who did what: one line of the audit log. It is written with the change that it tells of, and never changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

DONE = "Done"


@dataclass(frozen=True)
class Actor:
    """Who acts: the login name and the user id on the controller (None where there are none), and from where."""

    login: str
    uid: int | None
    origin: str

    def __str__(self) -> str:
        number = "" if self.uid is None else f" (uid {self.uid})"
        return f"{self.login}{number} from {self.origin}"


@dataclass(frozen=True)
class AuditEntry:
    """One action: what was done (``command.create``), to what (a name and an id), and what there is to add.

    ``detail`` is a sentence for people; it names parameters and never tells their values.
    """

    time: datetime
    actor: Actor
    action: str
    subject: str
    detail: str = ""
    outcome: str = DONE
