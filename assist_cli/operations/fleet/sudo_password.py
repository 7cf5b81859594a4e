"""The password of sudo for an installation: asked for at most once, and tried on one machine first.

A wrong password is not tried on a second machine, because several wrong ones may lock the user's account. It is kept in
memory, until the end of the command.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from assist_cli.errors import InvalidParameter, Refused
from assist_cli.model.secret import Secret

Attempt = Callable[[Secret], str]  # tries a password; returns why sudo refuses it, or an empty text

_AGAIN = "repeat it with the right password, or check there that the user may use sudo"


class SudoPassword:
    """The password of sudo, for all machines of a command. ``source`` gets a machine that asks for it."""

    def __init__(self, source: Callable[[str], Secret]) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._secret: Secret | None = None
        self._is_proven = False
        self._refused_on = ""

    def prove(self, place: str, attempt: Attempt) -> None:
        """Try the password on a machine. Until it has succeeded on one, the others wait. Raises Refused."""
        with self._lock:
            if self._refused_on:
                raise Refused(
                    f"cannot become root on '{place}': the password was wrong on '{self._refused_on}', so it was not "
                    "tried here",
                    hint=_AGAIN,
                )
            if self._secret is None:
                self._secret = _checked(self._source(place))
            if not self._is_proven:
                try:
                    _try(self._secret, place, attempt)
                except Refused:
                    self._refused_on = place
                    raise
                self._is_proven = True
                return
        _try(self._secret, place, attempt)


def _try(password: Secret, place: str, attempt: Attempt) -> None:
    why = attempt(password)
    if why:
        raise Refused(f"cannot become root on '{place}': sudo refused the password: {why}", hint=_AGAIN)


def _checked(password: Secret) -> Secret:
    """Return a password that is one line. Raises InvalidParameter."""
    text = password.reveal()
    if not text or set("\n\r\0") & set(text):
        raise InvalidParameter("cannot use the password of sudo: it is empty, or not one line", hint="repeat it")
    return password
