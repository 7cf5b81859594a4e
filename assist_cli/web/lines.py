"""Output as numbered lines of a page: from the bytes of both streams to HTML, whole or as it arrives.

Both streams are in one text, in the order of arrival, as on a terminal. Each keeps its colours and its unfinished
characters. A line that has text of stderr is marked. Colours of a line are set when the line is complete, so that a
progress bar shows its last state.
"""

from __future__ import annotations

import codecs
import copy
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

from markupsafe import Markup

from assist_cli.model.gaps import gap
from assist_cli.model.output import Output, OutputPart, Stream
from assist_cli.web.ansi import AnsiText

BLOCK = 1000  # lines in one <pre>: a browser lays out only the blocks that are visible
SHOWN_OPEN = 4096  # characters of an unfinished line

_OVERWRITTEN = re.compile(r"[^\n]*\r(?!\n|\Z)")


@dataclass(frozen=True)
class OutputLine:
    """A line as HTML, with the mark of stderr; or the words for missing bytes."""

    html: str
    is_error: bool = False
    is_gap: bool = False


@dataclass
class OutputLines:
    """Makes lines of the output of a record. ``offset`` is the number of its bytes up to the last complete line."""

    offset: int = 0
    _position: int = -1
    _open: list[tuple[Stream, str]] = field(default_factory=list)
    _colours: dict[Stream, AnsiText] = field(default_factory=lambda: {each: AnsiText() for each in Stream})

    def __post_init__(self) -> None:
        self._position = self.offset
        self._decoders = {each: codecs.getincrementaldecoder("utf-8")("replace") for each in Stream}

    def add(self, part: OutputPart) -> list[OutputLine]:
        """Take the next part, and return the lines that are complete now."""
        if part.missing:
            rest = self.close()
            self._position = self.offset = self._position + part.missing
            return [*rest, OutputLine(gap(part.missing), is_gap=True)]
        text = self._decoders[part.stream].decode(part.data)
        end = part.data.rfind(b"\n") + 1
        if end:
            self.offset = self._position + end
        self._position += len(part.data)
        first, *others = text.split("\n")
        self._extend(part.stream, first)
        lines = []
        for other in others:
            lines.append(self._line(self._colours))
            self._open = [(part.stream, other)] if other else []
        return lines

    def open(self) -> OutputLine | None:
        """Return the unfinished line so far, which is not complete yet."""
        return self._line(copy.deepcopy(self._colours), SHOWN_OPEN) if self._open else None

    def close(self) -> list[OutputLine]:
        """Return the unfinished line as a complete one, at the end of the output."""
        for stream, decoder in self._decoders.items():
            self._extend(stream, decoder.decode(b"", True))
        rest = [self._line(self._colours)] if self._open else []
        self._open = []
        self.offset = self._position
        return rest

    def _extend(self, stream: Stream, text: str) -> None:
        if not text:
            return
        if self._open and self._open[-1][0] is stream:
            text = self._open.pop()[1] + text
        self._open.append((stream, _OVERWRITTEN.sub("", text) if "\r" in text else text))

    def _line(self, colours: dict[Stream, AnsiText], most: int | None = None) -> OutputLine:
        parts: list[str] = []
        is_error = False
        for stream, text in self._open:
            is_error = is_error or stream is Stream.STDERR
            shown = text if most is None or len(text) <= most else text[:most] + "…"
            if shown.isprintable() and colours[stream].is_plain:  # most lines
                parts.append(escape(shown))
                continue
            for classes, piece in colours[stream].pieces(shown):
                parts.append(f'<span class="{classes}">{escape(piece)}</span>' if classes else escape(piece))
        return OutputLine("".join(parts), is_error)


def lines_of(output: Output) -> list[OutputLine]:
    """Return the lines of an output that has ended."""
    reader = OutputLines()
    found = [line for part in output.after(0) for line in reader.add(part)]
    return found + reader.close()


def blocks(lines: Iterable[OutputLine], record_id: str) -> Markup:
    """Return lines as blocks of HTML. Each has an id with its number, such as ``r-….L42``, and a link to itself."""
    html: list[str] = []
    number = 0
    is_open = False
    for line in lines:
        if is_open and (line.is_gap or number % BLOCK == 0):
            html.append("</pre>")
            is_open = False
        if line.is_gap:
            html.append(f'<p class="gap">{escape(line.html)}</p>')
            continue
        if not is_open:
            html.append("<pre>")
            is_open = True
        number += 1
        name = f"{record_id}.L{number}"
        mark = " err" if line.is_error else ""
        html.append(
            f'<span class="l{mark}" id="{name}">'
            f'<a href="#{name}" data-n="{number}" aria-hidden="true" tabindex="-1"></a>{line.html}</span>'
        )
    return Markup("".join(html) + ("</pre>" if is_open else ""))  # noqa: S704 - every text in it was escaped
