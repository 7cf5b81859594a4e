"""Who is to be told how an invocation ended, when, and where to: docs/notifications.md."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from assist_cli import codes
from assist_cli.errors import InvalidParameter

REFERENCE = "@"
LONGEST = 2048


class Occasion(str, Enum):
    """What is told: every end, or those where something failed or did not end with exit code 0."""

    END = "end"
    FAILURE = "failure"

    __str__ = str.__str__


@dataclass(frozen=True)
class Webhook:
    """A URL that the document is posted to."""

    url: str

    def __str__(self) -> str:
        """Scheme, host and port: what follows them is often as good as a password."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


@dataclass(frozen=True)
class Program:
    """A program of this machine that gets the document on its standard input."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        """Its name: what follows may be anybody's business or nobody's."""
        return self.words[0]


@dataclass(frozen=True)
class Reference:
    """A file whose first line says where to; it is read again each time."""

    path: str

    def __str__(self) -> str:
        return REFERENCE + self.path


Target = Webhook | Program | Reference


@dataclass(frozen=True)
class Wish:
    """That somebody wants to be told. ``target`` is as ``parse`` takes it."""

    target: str
    occasion: Occasion = Occasion.END


@dataclass(frozen=True)
class Notice:
    """One end that is to be told, or was: after how many attempts, and what came back of the last."""

    number: int
    invocation_id: str
    target: str
    attempts: int
    is_over: bool
    is_delivered: bool
    answer: str

    @property
    def id(self) -> str:
        """The same in every attempt, so that a receiver can tell a second delivery."""
        return f"{self.invocation_id}.{self.number}"


@dataclass(frozen=True)
class NoticeResult:
    """What came back of an attempt, in words; ``again`` tells that another one may go better."""

    ok: bool
    text: str
    again: bool = False


def parse(text: str) -> Target:
    """``https://…`` or ``http://…``, ``@FILE``, or the words of a program as a shell splits them.

    Raises InvalidParameter, which does not repeat what may be a secret.
    """
    text = text.strip()
    if not text or len(text) > LONGEST or not text.isprintable():
        raise _refused(f"it is empty, longer than {LONGEST} characters, or has control characters in it")
    if text.startswith(REFERENCE):
        return Reference(text.removeprefix(REFERENCE))
    if "://" in text.partition(" ")[0]:
        return _webhook(text)
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise _refused(f"the words of a program cannot be told apart: {str(error).lower()}") from error
    return Program(words)


def _webhook(text: str) -> Webhook:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _refused("it is no URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or " " in text or not text.isascii():
        raise _refused("it is no URL of http or https", hint="such as https://hooks.example.com/assist")
    if "@" in parts.netloc:
        raise _refused(
            "there is a password in the URL, and it would be kept in the history",
            hint="write the URL into a file that only you can read, and give --notify @FILE",
        )
    return Webhook(text)


def _refused(why: str, hint: str = "give a URL, @FILE, or a program and its words") -> InvalidParameter:
    return InvalidParameter(f"cannot notify as asked: {why}", code=codes.INVALID_NOTIFY, hint=hint)
