"""The health checks of the guard (POSIX): start the agent, wait, measure from /proc, ping."""

import os
import select
import signal
import socket
import subprocess
import time

from agentd.wire import protocol


class Lifeline:
    """A pipe that the agent reads. It closes when the guard ends or closes it. Raises OSError."""

    def __init__(self):
        self._reading, self._writing = os.pipe()

    def start(self, words):
        """Start the agent and return its Popen. Raises OSError."""
        try:
            return subprocess.Popen(
                words + ["--lifeline", str(self._reading)], stdin=subprocess.DEVNULL, pass_fds=[self._reading]
            )
        finally:
            os.close(self._reading)

    def close(self):
        os.close(self._writing)


def end_signals():
    """Return a descriptor on which the signals for a guard arrive as bytes."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reading


def wait(wake, seconds, enough):
    """Sleep for ``seconds``, or until ``enough()`` is true. Return True if a signal asks the guard to end."""
    end = time.monotonic() + seconds
    while not enough():
        left = end - time.monotonic()
        if left <= 0:
            break
        if select.select([wake], [], [], left)[0]:
            heard = os.read(wake, 4096)
            if signal.SIGTERM in heard or signal.SIGINT in heard:
                return True
    return False


def usage(pid):
    """Return memory in bytes, CPU in seconds and open files of a process; None if unknown."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        files = len(os.listdir("/proc/%d/fd" % pid))
        rss = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        return rss, (int(fields[11]) + int(fields[12])) / ticks, files
    except OSError:
        return None


def ping(path, patience):
    """Send a hello and wait for any answer. Return the fault, or None.

    A refusal because of too many connections is an answer. A connection that closes without a message is not.
    """
    hello = b'{"jsonrpc":"2.0","id":1,"method":"agent.hello","params":{"protocol":[1,0],"controller":"guard"}}\n'
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
        agent.settimeout(patience)
        try:
            with protocol.reachable(path) as name:
                agent.connect(name)
            agent.sendall(hello)
            return None if agent.recv(4096) else "it closed the connection"
        except socket.timeout:
            return "no answer in %d s" % patience
        except OSError as error:
            return error.strerror
