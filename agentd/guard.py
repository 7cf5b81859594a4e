"""The guard: it measures and restarts an agent, from a process of its own.

It starts the agent, measures it and pings it over its socket. It restarts the agent when it has died, does not answer,
or has been over its limits for some time. Tasks run in their shims, so a restart does not affect them. The guard shares
only the paths of its files and the log with the agent, needs no network, and writes its report to ``guard.json``.
"""

import collections
import json
import os
import subprocess
import time

from agentd import disk, platform

health = platform.load("health")

_BACKOFF = (1.0, 60.0)  # seconds before a restart: the first, and the largest
_HEALTHY = 300.0  # healthy seconds that reset the back-off
_TERM_SECONDS = 10.0
_SAMPLES = 20

Sample = collections.namedtuple("Sample", "time rss cpu files")


class Guard:
    """Monitors one agent until SIGTERM or SIGINT.

    ``settings`` is the agent's Config: its files, its limits, and the intervals (``sample_seconds``,
    ``sustain_seconds``, ``ping_seconds``). ``words`` is the argv of the agent without ``--lifeline``. ``log`` is a Log
    that the agent uses too.
    """

    def __init__(self, settings, words, log):
        self._settings = settings
        self._words = words
        self._journal = log
        self._agent = None
        self._lifeline = None
        self._started = time.time()
        self._restarts = 0
        self._last = None  # time and reason of the last restart
        self._samples = collections.deque(maxlen=_SAMPLES)

    def run(self):
        """Monitor the agent until a signal arrives."""
        wake = health.end_signals()
        delay = _BACKOFF[0]
        while True:
            begun = time.monotonic()
            why = self._start() or self._watch(wake)
            if why is None:
                self._end()
                self._log("shutting down with the agent; tasks continue")
                return
            self._end()
            if time.monotonic() - begun >= _HEALTHY:
                delay = _BACKOFF[0]
            self._restarts += 1
            self._last = {"time": time.time(), "why": why}
            self._log("restarting the agent in %d s: %s" % (delay, why))
            self._report()
            if health.wait(wake, delay, lambda: False):
                return
            delay = min(delay * 2, _BACKOFF[1])

    def _start(self):
        """Start the agent. Return the reason if that fails, else None."""
        self._agent = None
        self._lifeline = health.Lifeline()
        try:
            self._agent = self._lifeline.start(self._words)
        except OSError as error:
            return "it cannot be started: %s" % error.strerror
        self._log("started the agent, pid %d" % self._agent.pid)
        self._report()
        return None

    def _watch(self, wake):
        """Monitor the agent. Return the reason for a restart, or None when the guard must end."""
        over = None  # time since which it has been over a limit
        settings = self._settings
        next_ping = time.monotonic() + settings.ping_seconds + settings.ping_patience  # it needs time to start
        while True:
            if health.wait(wake, settings.sample_seconds, self._is_dead):
                return None
            if self._is_dead():
                return _cause_of_death(self._agent.returncode)
            now = time.monotonic()
            sample = self._measure()
            excess = _excess(sample, settings)
            over = (over or now) if excess else None
            self._report()
            self._journal.shorten()
            if over is not None and now - over >= settings.sustain_seconds:
                return "%s for %d s" % (excess, now - over)
            if now >= next_ping:
                next_ping = now + settings.ping_seconds
                trouble = health.ping(settings.socket, settings.ping_patience)
                if trouble:
                    self._agent.kill()  # a hung agent ignores TERM, and may be killed at any time
                    return "it does not answer: %s" % trouble

    def _is_dead(self):
        return self._agent.poll() is not None

    def _measure(self):
        usage = health.usage(self._agent.pid)
        if usage is None:
            return None
        sample = Sample(time.time(), *usage)
        self._samples.append(sample)
        return sample

    def _end(self):
        """Make sure that the agent has ended: ask first, then kill."""
        self._lifeline.close()
        if self._agent is not None and self._agent.poll() is None:
            self._agent.terminate()
            try:
                self._agent.wait(_TERM_SECONDS)
            except subprocess.TimeoutExpired:
                self._agent.kill()
                self._agent.wait()

    def _report(self):
        """Write ``guard.json``. A full disk must not stop the guard."""
        report = {
            "pid": os.getpid(),
            "started": self._started,
            "agent_pid": self._agent and self._agent.pid,
            "restarts": self._restarts,
            "last_restart": self._last,
            "samples": [sample._asdict() for sample in self._samples],
        }
        try:
            disk.write_whole(self._settings.guard, json.dumps(report).encode("ascii"), sync=False)
        except OSError as error:
            self._log("cannot write %s: %s" % (self._settings.guard, error.strerror))

    def _log(self, text):
        self._journal.write("guard: %s" % text)


def _cause_of_death(status):
    if status < 0:
        return "it was killed by signal %d" % -status
    return "it ended with status %d" % status


def _excess(sample, settings):
    """Return the exceeded limit as text; None if no limit is exceeded."""
    if sample is None:
        return None
    if sample.rss > settings.memory_limit:
        return "it used %d MiB of memory, over its limit of %d" % (sample.rss >> 20, settings.memory_limit >> 20)
    if sample.files > settings.descriptor_limit:
        return "it had %d open files, over its limit of %d" % (sample.files, settings.descriptor_limit)
    return None
