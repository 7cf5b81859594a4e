"""A script from its start to its exit: what is the same on every system.

The Runner of a system reads the pipes and hears the signals, and calls what is here; what it does itself are the
methods of BaseRunner that raise NotImplementedError.
"""

import enum
import time

from agentd import mask, output

FILE = "{{ACS::ScriptFileName}}"  # in the words of a launcher: where the script is
DRAIN = 1.0  # seconds to read on when the main process has ended and others still hold its pipes
GRACE = 5.0  # seconds between the word to end and KILL
SURVIVAL = 10.0  # seconds of KILL before a process that survives it is reported

STOP = "stop"
TIMEOUT = "timeout"


class RunnerState(enum.Enum):
    """The states of a Runner; those of MOVES lead from one to the next."""

    STARTING = "starting"  # there is no process yet
    RUNNING = "running"  # the main process runs
    DRAINING = "draining"  # the main process has ended by itself, and its pipes are read to their end
    ENDING = "ending"  # the tree was told to end
    KILLING = "killing"  # the grace is over, and what still lives is killed
    OVER = "over"


MOVES = {
    RunnerState.STARTING: (RunnerState.RUNNING,),
    RunnerState.RUNNING: (RunnerState.DRAINING, RunnerState.ENDING),
    RunnerState.DRAINING: (RunnerState.OVER,),
    RunnerState.ENDING: (RunnerState.KILLING, RunnerState.OVER),
    RunnerState.KILLING: (RunnerState.OVER,),
    RunnerState.OVER: (),
}


class BaseRunner:
    """One script. ``result`` is a RecordResult that takes how it ends. Times are monotonic seconds."""

    def __init__(self, folder, order, path, result):
        self.state = RunnerState.STARTING
        self._folder = folder
        self._order = order
        self._path = path
        self._result = result
        self._writer = output.OutputWriter(folder.path)
        self._masks = {stream: mask.Mask(order["secrets"]) for stream in (1, 2)}
        self._main = None  # the Popen of the main process
        self._status = None  # its exit status, once it has one
        self._cause = None  # why it is being ended: STOP or TIMEOUT
        self._deadline = None  # of the main process
        self._drained = None  # when the pipes of a main process that has ended are read no more
        self._kill_at = None  # when the grace is over
        self._left = set()  # pids that even KILL did not end

    def run(self):
        """See it through. Raises Refusal, OSError and SubprocessError when it could not be started."""
        self._start()
        try:
            self._follow()
        finally:
            for stream, hidden in self._masks.items():
                self._keep(stream, hidden.rest())
            self._writer.close()
        self._conclude()

    # what a system does

    def _start(self):
        """Start the main process, and call ``_started``. Raises Refusal, OSError and SubprocessError."""
        raise NotImplementedError

    def _follow(self):
        """Read, wait, and call ``_look`` when it is time; return when that says so."""
        raise NotImplementedError

    def _pipes_open(self):
        """Return whether there may be more output."""
        raise NotImplementedError

    def _members(self):
        """Return the pids of all that the script has started and that live, itself among them."""
        raise NotImplementedError

    def _terminate(self, members):
        """Tell those of ``members`` to end that were not told yet. Returns whether they can hear it."""
        raise NotImplementedError

    def _kill(self, members):
        raise NotImplementedError

    def _exit_code(self):
        """Return the exit code that the status of the main process stands for."""
        raise NotImplementedError

    # what is the same

    def _save(self, script, account):
        """Save the script by the system's module ``script``. Returns argv, folder and environment. Raises Refusal."""
        order = self._order
        folder = script.working_directory(order["directory"], account)
        if order["launcher"]:
            words = [word.replace(FILE, self._path) for word in order["launcher"]]
        else:
            words = script.command_words(order["type"], order["content"], self._path)
        environment = script.environment(account, order["path"], order["environment"])
        script.write_file(self._path, order["content"], account)
        self._result.saved = True
        return words, folder, environment

    def _started(self, now):
        """The main process runs."""
        self._become(RunnerState.RUNNING)
        self._result.started = time.time()
        self._deadline = now + self._order["timeout"]

    def _take(self, stream, data):
        """Bytes that came on a stream."""
        self._keep(stream, self._masks[stream].feed(data))

    def _keep(self, stream, data):
        for at in range(0, len(data), output.READ):  # a mask may be longer than what it hides
            self._writer.append(stream, data[at : at + output.READ])
        if data:
            self._folder.announce_output()

    def _exited(self, status, now):
        """The main process has ended, by itself or because it was told to."""
        self._status = status
        self._drained = now + DRAIN
        if self.state is RunnerState.RUNNING:
            self._become(RunnerState.DRAINING)

    def _end(self, cause, now):
        """Begin to end the whole tree: it is told now, and killed after the grace."""
        self._become(RunnerState.ENDING)
        self._cause = cause
        told = self._terminate(self._members())
        self._kill_at = now + GRACE if told else now

    def _look(self, now):
        """Look at the task; it moves on when it is time. Returns whether it is over."""
        if self.state is RunnerState.RUNNING:
            if now < self._deadline:
                return False
            self._end(TIMEOUT, now)
        if self.state is RunnerState.DRAINING:
            if not self._is_drained(now):
                return False
        elif not self._has_ended(now):
            return False
        self._become(RunnerState.OVER)
        return True

    def _has_ended(self, now):
        """Go on to end the tree. Returns whether nothing of it is left, or all has been tried."""
        members = self._members()
        if self._status is not None:
            self._terminate(members)  # what the main process was just starting; before, it may clean up for it
            if not members:
                return self._is_drained(now)
        if now >= self._kill_at:
            if self.state is RunnerState.ENDING:
                self._become(RunnerState.KILLING)
            self._kill(members)
        if now < self._kill_at + SURVIVAL:
            return False
        self._left = members
        return True

    def _is_drained(self, now):
        """Return whether the pipes of a main process that has ended are at their end, or were read for long enough."""
        return not self._pipes_open() or now >= self._drained

    def _conclude(self):
        result = self._result
        result.produced, result.dropped = self._writer.produced, self._writer.dropped
        if self._status is not None:
            result.exit_code = self._exit_code()
        if self._cause == TIMEOUT:
            result.fail_timeout(self._order["timeout"])
        elif self._cause == STOP:
            result.stop()
        else:
            result.finish()
        result.leave(self._left)

    def _become(self, state):
        if state not in MOVES[self.state]:
            raise ValueError("a runner cannot go from %s to %s" % (self.state.value, state.value))
        self.state = state
