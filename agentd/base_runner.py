"""A script from start to exit: the part that all systems share.

The Runner of a system reads pipes and signals, and calls these methods. It implements the methods of BaseRunner that
raise NotImplementedError.
"""

import enum
import time

from agentd import mask, output

FILE = "{{ACS::ScriptFileName}}"  # in a launcher: the path of the script
DRAIN = 1.0  # seconds to read on after the main process has ended, while others hold its pipes
GRACE = 5.0  # seconds between TERM and KILL
SURVIVAL = 10.0  # seconds of KILL after which a surviving process is reported

STOP = "stop"
TIMEOUT = "timeout"


class RunnerState(enum.Enum):
    """The states of a Runner. MOVES has the allowed changes."""

    STARTING = "starting"  # no process yet
    RUNNING = "running"  # the main process runs
    DRAINING = "draining"  # the main process has ended by itself; its pipes are still read
    ENDING = "ending"  # the tree was asked to end
    KILLING = "killing"  # the grace period has passed; the rest of the tree is killed
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
    """The runner of one script. ``result`` is the RecordResult to fill. Times are monotonic seconds."""

    def __init__(self, folder, order, path, result):
        self.state = RunnerState.STARTING
        self._folder = folder
        self._order = order
        self._path = path
        self._result = result
        self._writer = output.OutputWriter(folder.path)
        self._masks = {stream: mask.Mask(order["secrets"]) for stream in (1, 2)}
        self._main = None  # the Popen of the main process
        self._status = None  # its exit status, None while it runs
        self._cause = None  # the reason for ending it: STOP or TIMEOUT
        self._deadline = None  # of the main process
        self._drained = None  # end of reading after the main process has ended
        self._kill_at = None  # end of the grace period
        self._left = set()  # pids that survived KILL

    def run(self):
        """Run the script to its end. Raises Refusal, OSError and SubprocessError if it cannot be started."""
        self._start()
        try:
            self._follow()
        finally:
            for stream, hidden in self._masks.items():
                self._keep(stream, hidden.rest())
            self._writer.close()
        self._conclude()

    # methods of each system

    def _start(self):
        """Start the main process, and call ``_started``. Raises Refusal, OSError and SubprocessError."""
        raise NotImplementedError

    def _follow(self):
        """Read and wait, and call ``_advance`` when it is due, until that returns True."""
        raise NotImplementedError

    def _pipes_open(self):
        """Return True if more output is possible."""
        raise NotImplementedError

    def _members(self):
        """Return the pids of all living processes of the script, itself included."""
        raise NotImplementedError

    def _terminate(self, members):
        """Ask the ``members`` that were not asked yet to end. Return True if they can receive it."""
        raise NotImplementedError

    def _kill(self, members):
        raise NotImplementedError

    def _exit_code(self):
        """Return the exit code for the status of the main process."""
        raise NotImplementedError

    # methods of all systems

    def _save(self, script, account):
        """Save the script with the system's module ``script``. Return argv, folder and environment. Raises Refusal."""
        order = self._order
        folder = script.working_directory(order["directory"], account)
        if order["launcher"]:
            words = [word.replace(FILE, self._path) for word in order["launcher"]]
        else:
            words = script.command_words(order["type"], order["content"], self._path)
        environment = script.environment(account, order["path"], order["environment"])
        self._result.script = script.write_file(self._path, order["content"], account)
        return words, folder, environment

    def _started(self, now):
        """Note that the main process runs."""
        self._become(RunnerState.RUNNING)
        self._result.started = time.time()
        self._deadline = now + self._order["timeout"]

    def _take(self, stream, data):
        """Add bytes from a stream. A mask may hold them back."""
        self._keep(stream, self._masks[stream].feed(data))

    def _keep(self, stream, data):
        for at in range(0, len(data), output.READ):  # a mask may be longer than the secret
            self._writer.append(stream, data[at : at + output.READ])

    def _exited(self, status, now):
        """Note that the main process has ended, by itself or on request."""
        self._status = status
        self._drained = now + DRAIN
        if self.state is RunnerState.RUNNING:
            self._become(RunnerState.DRAINING)

    def _end(self, cause, now):
        """Begin to end the whole tree: ask it now, kill it after the grace period."""
        self._become(RunnerState.ENDING)
        self._cause = cause
        told = self._terminate(self._members())
        self._kill_at = now + GRACE if told else now

    def _advance(self, now):
        """Check the task and change its state if it is time. Return True if the task has ended."""
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
        """Continue to end the tree. Return True if all of it has ended, or every attempt was made."""
        members = self._members()
        if self._status is not None:
            self._terminate(members)  # processes that the main process was just starting
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
        """Return True if the pipes of an ended main process are closed, or were read long enough."""
        return not self._pipes_open() or now >= self._drained

    def _conclude(self):
        result = self._result
        writer = self._writer
        result.produced, result.dropped, result.room = writer.produced, writer.dropped, writer.room
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
