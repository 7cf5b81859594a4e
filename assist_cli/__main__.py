"""The ``assist`` command. What can be answered without the rest of the program is answered before it is imported."""

from __future__ import annotations

import os
import sys

from assist_cli import __version__


def main() -> None:
    """Run the program with the words of the command line; ends the process with the exit status."""
    # Arguments and output are UTF-8 in any locale; bytes that are none come and go unchanged.
    words = [os.fsencode(word).decode("utf-8", "surrogateescape") for word in sys.argv[1:]]
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    if words == ["--version"]:
        sys.stdout.write(f"assist {__version__}\n")
        return
    from assist_cli.cli.app import app

    app(words)


if __name__ == "__main__":
    main()
