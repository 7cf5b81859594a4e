"""The health of the agent, for its guard (POSIX): it is started, waited for, measured from /proc and pinged."""

import os
import select
import signal
import socket
import subprocess
import time

from agentd.wire import protocol


class Lifeline:
    """A pipe that the agent reads: it ends when the guard does, or closes it. Raises OSError."""

    def __init__(self):
        self._reading, self._writing = os.pipe()

    def start(self, words):
        """The agent as a Popen. Raises OSError."""
        try:
            return subprocess.Popen(
                words + ["--lifeline", str(self._reading)], stdin=subprocess.DEVNULL, pass_fds=[self._reading]
            )
        finally:
            os.close(self._reading)

    def close(self):
        os.close(self._writing)


def end_signals():
    """A descriptor on which the signals that concern a guard arrive as bytes."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return reading


def wait(wake, seconds, enough):
    """Sleep for ``seconds``, less when ``enough()`` turns true. Returns whether the guard was told to end."""
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
    """Memory in bytes, CPU in seconds and open files of a process; None when it cannot be seen."""
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
    """Say hello and wait for any answer. Returns what went wrong, None when all is well.

    To be told that there are too many connections is an answer. A connection that ends without a word is none.
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
            return "nothing came in %d s" % patience
        except OSError as error:
            return error.strerror
