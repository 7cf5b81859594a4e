"""A Printer on streams in memory, for a test of what it writes."""

from __future__ import annotations

import io

from assist_cli.cli.output import Format, Printer
from assist_cli.cli.streams import Streams


class Captured:
    """A Printer and its output. ``typed`` is the input of the user."""

    def __init__(
        self,
        *,
        terminal: bool,
        typed: str = "",
        quiet: bool = False,
        verbose: bool = False,
        plain: bool = False,
        format: Format = Format.TABLE,
    ) -> None:
        self._stdout, self._stderr = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
        stdin = io.TextIOWrapper(io.BytesIO(typed.encode()), "utf-8")
        self.printer = Printer(
            quiet=quiet,
            verbose=verbose,
            plain=plain,
            format=format,
            streams=Streams(stdin, self._stdout, self._stderr, terminal=terminal),
        )

    @property
    def out(self) -> str:
        return self._text(self._stdout)

    @property
    def err(self) -> str:
        return self._text(self._stderr)

    def _text(self, stream: io.TextIOWrapper) -> str:
        stream.flush()
        buffer = stream.buffer
        assert isinstance(buffer, io.BytesIO)
        return buffer.getvalue().decode()
