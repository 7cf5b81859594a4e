"""The result of a record, as it is written in the journal, and the refusals that lead to one."""

import json
import time

from agentd import mask
from agentd.wire import protocol

_INFO_ROOM = 3500  # bytes, with non-ASCII characters as escapes: the result fits the reserved space


class Refusal(Exception):
    """The order cannot be done. ``code`` is the ErrorCode of the record, the text its ErrorInfo."""

    def __init__(self, code, info):
        super(Refusal, self).__init__(info)
        self.code = code


class RecordResult:
    """The result of a record while it is built. Its texts are masked for the ``secrets`` (bytes)."""

    def __init__(self, secrets=()):
        self._secrets = secrets
        self.state = protocol.FAILED
        self.exit_code = None
        self.error_code = self.error_info = ""
        self.started = None
        self.produced = self.dropped = 0
        self.room = 0  # bytes of output on the disk
        self.script = None  # the open folder of the saved script, None on Windows, and its name there

    def finish(self):
        self.state = protocol.FINISHED

    def fail(self, code, info):
        self.state, self.error_code, self.error_info = protocol.FAILED, code, info

    def fail_timeout(self, seconds):
        self.fail("ExecutionTimeout", "it was still running after its timeout of %d s" % seconds)

    def stop(self):
        self.state, self.error_code, self.error_info = protocol.STOPPED, "ExecutionInterrupted", "it was stopped"

    def leave(self, pids):
        """Add the pids of processes that survived every attempt to end them."""
        if pids:
            self.error_info += "; still alive after KILL: pid %s" % ", ".join(map(str, sorted(pids)))

    def document(self):
        return {
            "state": self.state,
            "exit_code": self.exit_code,
            "error_code": self.error_code,
            "error_info": _fitting(mask.hide(self.error_info, self._secrets)[:1000]),
            "started": self.started,
            "finished": time.time(),
            "output_bytes": self.produced,
            "dropped": self.dropped,
        }


def _fitting(info):
    while len(json.dumps(info)) > _INFO_ROOM:
        info = info[: len(info) * 9 // 10]
    return info
