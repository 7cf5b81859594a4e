"""The archive of the agent, as an installation leaves it on a machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from assist_cli.deploy import bundle
from assist_cli.deploy.host import bytecode

_COMPILE = "\nimport sys; sys.stdout.buffer.write(compiled(sys.stdin.buffer.read()))"


def write_archive(path: Path, python: Path = Path(sys.executable)) -> None:
    """Write the archive, with its modules compiled by this Python."""
    program = Path(bytecode.__file__).read_text(encoding="utf-8") + _COMPILE
    done = subprocess.run([python, "-I", "-c", program], input=bundle.build(), stdout=subprocess.PIPE, check=True)
    path.write_bytes(done.stdout)
    path.chmod(0o755)
