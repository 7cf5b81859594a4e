"""The words that start this program again."""

import os
import sys

import agentd

CHILD = "child"  # the word that starts a child of the agent, where it is not forked


def own_words():
    """Return the argv that starts this very program again: from its archive, or as a module where it is installed."""
    archive = getattr(agentd.__loader__, "archive", None)
    if archive is None:
        return [sys.executable, "-I", "-m", "agentd"]
    # the name we were started by may be a link to the current version, and a restart is to follow it
    given = os.path.join(os.getcwd(), sys.argv[0])
    return [sys.executable, "-I", "-S", given if os.path.exists(given) else archive]
