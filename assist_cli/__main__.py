"""The ``assist`` command. It prints the version without importing the rest of the program."""

from __future__ import annotations

import io
import os
import sys

from assist_cli import __version__

ALLOCATIONS = 50_000  # objects between two searches for garbage; Python's default is 700


def main() -> None:
    """Run the command line; end the process with its exit status."""
    try:
        run(at_once=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            leave(end.code or 0)
        raise


def leave(status: int) -> None:
    """End the process immediately, if Python has nothing left to do but to free all objects.

    Freeing them takes as long as the import of ten modules, and the system frees the memory anyway. Return if there is
    more to do: a thread still works, or output cannot be written. Then Python's own end does it.
    """
    import atexit
    import threading

    if threading.active_count() > 1:
        return
    try:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError, KeyboardInterrupt):
        return
    os._exit(status)


def run(*, at_once: bool = False) -> None:
    """Run the command line. Raises SystemExit with the exit status, unless that is 0.

    With ``at_once``, Ctrl-C ends the process immediately until a command runs.
    """
    # Arguments and output are UTF-8 in any locale. Other bytes pass unchanged.
    words = [os.fsencode(word).decode("utf-8", "surrogateescape") for word in sys.argv[1:]]
    _prepare_streams()
    if words == ["--version"] and _told_version():
        return
    if words[:2] == ["completion", "answer"] and len(words) == 3:
        from assist_cli.cli.completion.answer import answer

        answer(words[2])
        return
    _rarely_collect_garbage()
    from assist_cli.cli import streams

    if at_once:
        streams.end_at_interrupts()
    try:
        from assist_cli.cli.app import app

        app(words)
    except KeyboardInterrupt:  # while waiting for a reader at the end
        streams.Streams().stdout.discard()
        sys.exit(130)


def _told_version() -> bool:
    """Print the version. Return False if that fails or would block: then the rest of the program does it."""
    text = f"assist {__version__}\n".encode()
    try:
        return os.write(1, text) == len(text)
    except OSError:
        return False


def _rarely_collect_garbage() -> None:
    """Search for cyclic garbage less often. The searches would take a quarter of a short command.

    Imports allocate most objects of such a command, and make no garbage.
    """
    import gc

    gc.set_threshold(ALLOCATIONS)


def _prepare_streams() -> None:
    """Open all three streams, so that no file gets the number of a closed one; use UTF-8 for two of them."""
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
