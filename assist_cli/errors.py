"""What can go wrong, as one tree, and the exit statuses of the program (docs/cli.md section 1).

::

    AssistError                  code, exit status, "cannot …", hint
    ├── UsageError            2  the words of the command line do not fit together
    ├── Refused              65  a value, a quota or a state forbids it; nothing was run or written
    │   ├── InvalidParameter     a value is not allowed
    │   ├── QuotaExceeded        a value is over its limit
    │   └── Conflict             the state forbids it: it exists already, it is in use, another one runs, it is too new
    ├── NotFound             66  no such command, instance, invocation
    ├── AgentError           69  an agent was asked and gave no answer that helps
    │   ├── ClientNotRunning     nothing listens there
    │   ├── ClientNotOnline      it cannot be reached, or did not answer in time
    │   ├── ClientAuthFailed     it is not who it should be, or does not take us for who we are
    │   ├── ClientNeedUpgrade    it speaks another version of the protocol
    │   ├── ConnectionLost       it was reached, and then the connection ended
    │   ├── InvalidAnswer        it answered what the protocol does not allow
    │   └── AgentRefused         it answered a request with an error; the code is the agent's
    ├── InstallFailed         1  an agent could not be brought to a machine, or taken from it
    ├── LocalFailure         74  this machine failed us
    │   ├── DatabaseFailure      the database cannot be read or written
    │   └── FileFailure          a file cannot be read or written
    │       └── OutputFailure    standard output cannot be written
    ├── GaveUpWaiting        75  the time to wait is over; what runs goes on
    ├── NotPermitted         77  the system or a role forbids it
    ├── Interrupted         130  a person stopped watching; what runs goes on
    │   └── OutputClosed         the reader of standard output has gone
    └── InternalError        70  a bug

The *code* is for programs: stable, and the API's word where the API has one. A class has a default, and each rule
that has a code of its own passes it to the instance: assist_cli/codes.py has them all. The *message* is for people: it
starts with "cannot", quotes the value that was given and ends without a full stop. The *hint* says what to do next.
"""

from __future__ import annotations

from enum import IntEnum

from assist_cli import codes


class ExitStatus(IntEnum):
    """How the program ends, the same on every command. A script's own status comes beside these."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 65
    NOT_FOUND = 66
    UNREACHABLE = 69
    BUG = 70
    LOCAL_FAILURE = 74
    GAVE_UP_WAITING = 75
    NOT_PERMITTED = 77
    TIMED_OUT = 124
    INTERRUPTED = 130


class AssistError(Exception):
    """The root: what Assist raises on purpose. Anything else that escapes is a bug."""

    code: str = codes.OPERATION_FAILED
    exit_status = ExitStatus.FAILED

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or type(self).code


class UsageError(AssistError):
    """Options or arguments contradict each other. Not for a single bad value: that is Refused."""

    code = codes.INVALID_USAGE
    exit_status = ExitStatus.USAGE


class Refused(AssistError):
    """A rule forbids it. You get it before anything was run, sent or written, never after."""

    code = codes.OPERATION_REFUSED
    exit_status = ExitStatus.REFUSED


class InvalidParameter(Refused):
    """A value is not of the kind that is asked for."""

    code = codes.INVALID_PARAMETER


class QuotaExceeded(Refused):
    """A value is over its limit. The code tells which limit, the message what was used of it."""

    code = codes.QUOTA_EXCEEDED


class Conflict(Refused):
    """The value is good and the present state does not allow it."""

    code = codes.INCORRECT_STATE


class NotFound(AssistError):
    """A name, an id or a pattern means nothing here, or more than one thing."""

    code = codes.NOT_FOUND
    exit_status = ExitStatus.NOT_FOUND


class AgentError(AssistError):
    """An agent could not do its part. The code is the ErrorCode that a record ends with because of it."""

    code = codes.CLIENT_NOT_RESPONSE
    exit_status = ExitStatus.UNREACHABLE


class ClientNotRunning(AgentError):
    """Nothing listens at the address, or the embedded agent cannot be started. No byte was sent."""

    code = codes.CLIENT_NOT_RUNNING


class ClientNotOnline(AgentError):
    """The address cannot be reached, or nobody answered there in time. Nothing was asked of an agent."""

    code = codes.CLIENT_NOT_ONLINE


class ClientAuthFailed(AgentError):
    """A certificate, a host key or a user id is not the one that is expected. No request was sent."""

    code = codes.CLIENT_AUTH_FAILED


class ControllerReplaced(AgentError):
    """Another server has taken over from this home, and its agents serve that one. No request was sent."""

    code = codes.CONTROLLER_REPLACED


class ClientNeedUpgrade(AgentError):
    """The agent is too old or too new for this controller. It was greeted and asked for nothing."""

    code = codes.CLIENT_NEED_UPGRADE


class ConnectionLost(AgentError):
    """The connection ended after the greeting: what was asked may have been done, and no answer will come."""


class InvalidAnswer(AgentError):
    """The agent said what the protocol does not allow. What was asked may have been done; it counts as unanswered."""


class AgentRefused(AgentError):
    """The agent answered a request with an error. The connection is in order, the request was not done."""

    exit_status = ExitStatus.FAILED


class InstallFailed(AssistError):
    """A step of an installation failed on the machine; the hint says what is left there."""

    code = codes.INSTALL_FAILED


class LocalFailure(AssistError):
    """The machine that Assist runs on failed it."""

    code = codes.LOCAL_FAILURE
    exit_status = ExitStatus.LOCAL_FAILURE


class DatabaseFailure(LocalFailure):
    """The database cannot be opened, read or written; a change that was under way was undone."""

    code = codes.DATABASE_FAILURE


class FileFailure(LocalFailure):
    """A file or folder of this machine cannot be read or written."""

    code = codes.FILE_FAILURE


class OutputFailure(FileFailure):
    """Standard output cannot be written: no room, an error of the device. What was sent goes on."""


class GaveUpWaiting(AssistError):
    """The time that the user gave for waiting is over. What was waited for goes on."""

    code = codes.GAVE_UP_WAITING
    exit_status = ExitStatus.GAVE_UP_WAITING


class NotPermitted(AssistError):
    """The operating system, or the role of an access key, does not allow it."""

    code = codes.NOT_PERMITTED
    exit_status = ExitStatus.NOT_PERMITTED


class Interrupted(AssistError):
    """A person pressed Ctrl-C, or closed the pipe. What was sent goes on."""

    code = codes.INTERRUPTED
    exit_status = ExitStatus.INTERRUPTED


class OutputClosed(Interrupted):
    """The reader of standard output has gone, as ``head`` does. What was sent goes on."""


class InternalError(AssistError):
    """A bug: an exception that is none of these reached the boundary. The hint says where its traceback is."""

    code = codes.INTERNAL_ERROR
    exit_status = ExitStatus.BUG
