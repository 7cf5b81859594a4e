"""Assist: the controller of a self-hosted Cloud Assistant. From Python: ``from assist_cli import Assist``."""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False  # typing has it too, and every start would import that
if TYPE_CHECKING:
    from assist_cli.library import Assist as Assist


def __getattr__(name: str) -> object:
    """``Assist``, imported when it is asked for: the command line has no need of it."""
    if name == "Assist":
        from assist_cli.library import Assist

        return Assist
    raise AttributeError(f"module 'assist_cli' has no attribute {name!r}")
