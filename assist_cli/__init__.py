"""Assist: the controller of a self-hosted Cloud Assistant. From Python: ``from assist_cli import Assist``."""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False  # as in typing, which would slow down every start
if TYPE_CHECKING:
    from assist_cli.library import Assist as Assist


def __getattr__(name: str) -> object:
    """Import ``Assist`` on first use: the command line does not need it."""
    if name == "Assist":
        from assist_cli.library import Assist

        return Assist
    raise AttributeError(f"module 'assist_cli' has no attribute {name!r}")
