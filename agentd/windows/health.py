"""The health checks of the guard (Windows): start the agent, wait, measure.

A guard without a certificate has no socket to ping the agent. So a hung agent that does not grow is not noticed.
"""

import signal
import subprocess
import threading
import time

from agentd.windows import _kernel

_INTERVAL = 0.5  # seconds: a signal does not interrupt a wait here


class Lifeline:
    """A job with the agent as its only member. The system ends it when the guard ends or closes it. Processes
    that the agent starts are not in it. Raises OSError."""

    def __init__(self):
        self._job = _kernel.ProcessJob(_kernel.KILL_ON_JOB_CLOSE | _kernel.BREAKAWAY_OK | _kernel.SILENT_BREAKAWAY_OK)

    def start(self, words):
        """Start the agent and return its Popen. Raises OSError."""
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
    """Return an event that is set when the guard must end."""
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGBREAK, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    return told


def wait(wake, seconds, enough):
    """Sleep for ``seconds``, or until ``enough()`` is true. Return True if the guard must end."""
    end = time.monotonic() + seconds
    while not enough():
        left = end - time.monotonic()
        if left <= 0:
            break
        if wake.wait(min(left, _INTERVAL)):
            return True
    return False


def usage(pid):
    """Return memory in bytes, CPU in seconds and open handles of a process; None if unknown."""
    try:
        return _kernel.usage(pid)
    except OSError:
        return None


def ping(path, patience):
    """Return None, as for a healthy agent: there is no socket to ping."""
