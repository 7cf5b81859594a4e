"""agentd: the agent that runs scripts and receives files on one machine.

It needs only Python 3.6 or newer and its standard library. It ships as one file, ``agentd.pyz``.
"""

__version__ = "0.1.0"
