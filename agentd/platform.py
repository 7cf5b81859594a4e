"""The system of the agent, POSIX or Windows, chosen only here.

The packages ``posix`` and ``windows`` have modules of the same names, with the same functions and classes for common
code. A module is loaded on demand, because the guard and the bridge need only a few.
"""

import importlib
import os

_PACKAGE = "agentd.windows" if os.name == "nt" else "agentd.posix"


def load(name):
    """Return the module ``name`` for this system."""
    return importlib.import_module("%s.%s" % (_PACKAGE, name))
