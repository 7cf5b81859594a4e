"""Notifications of the end of an invocation: target, occasion and attempts (docs/notifications.md)."""

import shlex
from enum import Enum
from typing import NamedTuple
from urllib.parse import urlsplit

from assist_cli import codes
from assist_cli.errors import InvalidParameter

REFERENCE = "@"
LONGEST = 2048


class Occasion(str, Enum):
    """The occasion: every end, or only an end with a failure or an exit code other than 0."""

    END = "end"
    FAILURE = "failure"

    __str__ = str.__str__


class Webhook(NamedTuple):
    """A URL that receives the document by POST."""

    url: str

    def __str__(self) -> str:
        """Return scheme, host and port: the rest is often as secret as a password."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class Program(NamedTuple):
    """A program of this machine that receives the document on its standard input."""

    words: tuple[str, ...]

    def __str__(self) -> str:
        """Return its name: its arguments may be secret."""
        return self.words[0]


class Reference(NamedTuple):
    """A file whose first line is the target. It is read again at each attempt."""

    path: str

    def __str__(self) -> str:
        return REFERENCE + self.path


Target = Webhook | Program | Reference


class Wish(NamedTuple):
    """A request for notifications. ``target`` is a text that ``parse`` reads."""

    target: str
    occasion: Occasion = Occasion.END


class Notice(NamedTuple):
    """One notification: the number of attempts so far, and the answer to the last one."""

    number: int
    invocation_id: str
    target: str
    attempts: int
    is_over: bool
    is_delivered: bool
    answer: str

    @property
    def id(self) -> str:
        """Return the same id for every attempt, so that a receiver can recognise a second delivery."""
        return f"{self.invocation_id}.{self.number}"


class NoticeResult(NamedTuple):
    """The result of one attempt in words; ``again``: a retry may succeed."""

    ok: bool
    text: str
    again: bool = False


def parse(text: str) -> Target:
    """Parse ``https://…`` or ``http://…``, ``@FILE``, or the words of a program as a shell splits them.

    Raises InvalidParameter without the text, which may contain a secret.
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
        raise _refused(f"it cannot be split into a program and its arguments: {str(error).lower()}") from error
    return Program(words)


def _webhook(text: str) -> Webhook:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _refused("it is not a URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or " " in text or not text.isascii():
        raise _refused("it is not a URL of http or https", hint="such as https://hooks.example.com/assist")
    if "@" in parts.netloc:
        raise _refused(
            "the URL has a password in it, which the history would keep",
            hint="write the URL into a file that only you can read, and give --notify @FILE",
        )
    return Webhook(text)


def _refused(why: str, hint: str = "give a URL, @FILE, or a program and its arguments") -> InvalidParameter:
    return InvalidParameter(f"cannot notify as asked: {why}", code=codes.INVALID_NOTIFY, hint=hint)
