"""The ``assist`` command. What can be answered without the rest of the program is answered before it is imported."""

from __future__ import annotations

import io
import os
import sys

from assist_cli import __version__


def main() -> None:
    """Run the program with the words of the command line; ends the process with the exit status."""
    # Arguments and output are UTF-8 in any locale; bytes that are none come and go unchanged.
    words = [os.fsencode(word).decode("utf-8", "surrogateescape") for word in sys.argv[1:]]
    _prepare_streams()
    if words == ["--version"] and _told_version():
        return
    if words[:2] == ["completion", "answer"] and len(words) == 3:
        from assist_cli.cli.completion.answer import answer

        answer(words[2])
        return
    try:
        from assist_cli.cli.app import app

        app(words)
    except KeyboardInterrupt:  # while the program was still being read, or waited for a reader at its end
        from assist_cli.cli.streams import Streams

        Streams().stdout.discard()
        sys.exit(130)


def _told_version() -> bool:
    """Print it; False where that fails or would have to wait, which the rest of the program knows how to do."""
    text = f"assist {__version__}\n".encode()
    try:
        return os.write(1, text) == len(text)
    except OSError:
        return False


def _prepare_streams() -> None:
    """Have all three, so that no file takes the place of a closed one, and two of them speak UTF-8."""
    for name, descriptor in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
            stream = open(descriptor, "r" if descriptor == 0 else "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
        if descriptor and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")


if __name__ == "__main__":
    main()
