"""The argv that starts this program again."""

import os
import sys

import agentd

CHILD = "child"  # the argument that starts a child of the agent, if it is not forked


def own_words():
    """Return the argv that starts this program again: from its archive, or as an installed module."""
    archive = getattr(agentd.__loader__, "archive", None)
    if archive is None:
        return [sys.executable, "-I", "-m", "agentd"]
    # argv[0] may be a link to the current version, which a restart must follow
    given = os.path.join(os.getcwd(), sys.argv[0])
    return [sys.executable, "-I", "-S", given if os.path.exists(given) else archive]
