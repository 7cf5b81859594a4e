"""The system that the agent runs on, POSIX or Windows: chosen here and nowhere else.

The packages ``posix`` and ``windows`` have modules of the same names, with the same functions and classes for common
code. A module is loaded when it is asked for, because the guard and the bridge need few of them.
"""

import importlib
import os

_PACKAGE = "agentd.windows" if os.name == "nt" else "agentd.posix"


def load(name):
    """Return the module ``name`` for this system."""
    return importlib.import_module("%s.%s" % (_PACKAGE, name))
