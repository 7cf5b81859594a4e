"""The health of the agent, for its guard (Windows): it is started, waited for and measured.

There is no socket here on which a guard without a certificate could ask, so it is not pinged: an agent that hangs
without growing is not noticed.
"""

import signal
import subprocess
import threading
import time

from agentd.windows import _kernel

_LOOK = 0.5  # seconds: a signal does not cut a wait short here


class Lifeline:
    """A job of which the agent is the only member: the system ends it when the guard does, or closes it. What the
    agent starts is not in it. Raises OSError."""

    def __init__(self):
        self._job = _kernel.ProcessJob(_kernel.KILL_ON_JOB_CLOSE | _kernel.BREAKAWAY_OK | _kernel.SILENT_BREAKAWAY_OK)

    def start(self, words):
        """The agent as a Popen. Raises OSError."""
        flags = _kernel.CREATE_SUSPENDED | _kernel.CREATE_NEW_PROCESS_GROUP
        agent = subprocess.Popen(words, stdin=subprocess.DEVNULL, creationflags=flags)
        try:
            self._job.assign(int(agent._handle))
            _kernel.resume(int(agent._handle))
        except BaseException:
            agent.kill()
            raise
        return agent

    def close(self):
        self._job.close()


def end_signals():
    """An event that is set once the guard is told to end."""
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGBREAK, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    return told


def wait(wake, seconds, enough):
    """Sleep for ``seconds``, less when ``enough()`` turns true. Returns whether the guard was told to end."""
    end = time.monotonic() + seconds
    while not enough():
        left = end - time.monotonic()
        if left <= 0:
            break
        if wake.wait(min(left, _LOOK)):
            return True
    return False


def usage(pid):
    """Memory in bytes, CPU in seconds and open handles of a process; None when it cannot be seen."""
    try:
        return _kernel.usage(pid)
    except OSError:
        return None


def ping(path, patience):
    """There is nobody to ask; None, as when all is well."""
