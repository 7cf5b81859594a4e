"""One entry of the audit log. It is written in the transaction of its change, and never modified."""

from datetime import datetime
from typing import NamedTuple

from assist_cli.structs import Struct

DONE = "Done"


class Actor(Struct):
    """The actor of a change: login name and user id on the controller (None where there are none), and origin."""

    login: str
    uid: int | None
    origin: str

    def __str__(self) -> str:
        number = "" if self.uid is None else f" (uid {self.uid})"
        return f"{self.login}{number} from {self.origin}"


class AuditEntry(NamedTuple):
    """One action: its name (``command.create``), its subject (a name and an id), and details.

    ``detail`` is a sentence for people; it names parameters and never contains their values. ``number`` is its place in
    the log, 0 before it is written.
    """

    time: datetime
    actor: Actor
    action: str
    subject: str
    detail: str = ""
    outcome: str = DONE
    number: int = 0


class AuditFilter(Struct):
    """Conditions on entries. Empty ones and None do not filter.

    ``actor`` is a part of the login name, in any case; ``login`` is all of it. ``action`` is one, or the noun of
    several (``user``). ``before`` is the number of an entry: only older ones.
    """

    since: datetime | None = None
    actor: str = ""
    login: str = ""
    action: str = ""
    before: int | None = None
