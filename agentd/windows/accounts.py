"""The user that a script runs as (Windows): always the agent's own.

To run as another user Windows needs that user's password, and an agent has no passwords.
"""

import os

from agentd.result import Refusal
from agentd.windows import _kernel


class Account:
    """The user a script runs as: name and home. Raises Refusal for any but the agent's own."""

    def __init__(self, username):
        self.name = _kernel.user_name()
        self.home = os.path.expanduser("~")
        if username and username.rpartition("\\")[2].lower() != self.name.lower():
            info = "on Windows a script runs as the agent's own user, '%s', and not as '%s'" % (self.name, username)
            raise Refusal("ExecutionException", info)
