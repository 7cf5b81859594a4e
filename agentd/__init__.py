"""agentd: the agent that runs scripts and receives files on one machine.

Python 3.6 or newer and its standard library, nothing else. Shipped as one file, ``agentd.pyz``.
"""

__version__ = "0.1.0"
