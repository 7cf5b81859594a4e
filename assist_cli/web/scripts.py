"""Scripts in a textarea of a browser, which has UTF-8 text with one kind of line end, and sends it with CR LF."""

from __future__ import annotations


def text_of(content: bytes) -> str | None:
    """Return a script as the text of a textarea; None if a browser would send other bytes back.

    That is the case for bytes that are not UTF-8, for NUL, and for line ends that are not all the same.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    plain = text.replace("\r\n", "\n")
    mixed = "\r\n" in text and plain.count("\n") != text.count("\r\n")
    return None if mixed or "\r" in plain or "\0" in plain else plain


def content_of(text: str, before: bytes = b"") -> bytes:
    """Return the script of a textarea: with LF, or with CR LF if the script ``before`` this change has that."""
    content = lines_of(text).encode("utf-8", "replace")
    return content.replace(b"\n", b"\r\n") if b"\r\n" in before else content


def lines_of(text: str) -> str:
    """Return a text of a form with LF at its line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
