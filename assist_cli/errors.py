"""The errors of Assist in one tree, and the exit statuses of the program (docs/cli.md section 1).

::

    AssistError                  code, exit status, "cannot …", hint
    ├── UsageError            2  arguments or options of the command line conflict
    ├── Refused              65  a value, a quota or a state forbids it; nothing has run or was written
    │   ├── InvalidParameter     a value is not allowed
    │   ├── QuotaExceeded        a value is over its limit
    │   └── Conflict             the state forbids it: it exists, it is in use, another one is running, it is too new
    ├── NotFound             66  no such command, instance, invocation
    ├── AgentError           69  a request to an agent failed
    │   ├── ClientNotRunning     nothing listens there
    │   ├── ClientNotOnline      it is unreachable, or did not answer in time
    │   ├── ClientAuthFailed     it failed to authenticate, or does not accept our certificate
    │   │   └── BrokerRefused        the broker on the way to it, and this controller, do not accept each other
    │   ├── AgentCloned          two agents have its identity
    │   ├── ControllerReplaced   another server has taken over the home of this one
    │   ├── ClientNeedUpgrade    it speaks another version of the protocol
    │   ├── ConnectionLost       the connection ended after the greeting
    │   ├── InvalidAnswer        its answer violates the protocol
    │   └── AgentRefused         it answered a request with an error; the code is the agent's
    ├── InstallFailed         1  an agent could not be installed or removed
    ├── LocalFailure         74  an error of this machine
    │   ├── DatabaseFailure      the database cannot be read or written
    │   └── FileFailure          a file cannot be read or written
    │       └── OutputFailure    standard output cannot be written
    ├── GaveUpWaiting        75  the time to wait has passed; the run continues
    ├── NotPermitted         77  the system or a role forbids it
    ├── Interrupted         130  a person stopped watching; the run continues
    │   └── OutputClosed         the reader of standard output has closed it
    └── InternalError        70  a bug

The *code* is for programs. It is stable, and the API's word where the API has one. A class has a default code; a rule
with its own code passes it to the instance (all codes: assist_cli/codes.py). The *message* is for people: it starts
with "cannot", quotes the given value and ends without a full stop. The *hint* is the next command or action.
Each error has one: its own, or the ``advice`` of its class.
"""

from __future__ import annotations

from enum import IntEnum

from assist_cli import codes


class ExitStatus(IntEnum):
    """The exit statuses of the program, the same for every command. A script's own exit code is passed through."""

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
    """The root of all errors that Assist raises on purpose. Any other exception is a bug."""

    code: str = codes.OPERATION_FAILED
    exit_status = ExitStatus.FAILED
    advice = ""  # the hint of an error that has none of its own

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.advice
        self.code = code or type(self).code


class UsageError(AssistError):
    """Options or arguments contradict each other. For a single invalid value use Refused."""

    code = codes.INVALID_USAGE
    exit_status = ExitStatus.USAGE


class Refused(AssistError):
    """A rule forbids it. It is raised before anything has run or was sent or written."""

    code = codes.OPERATION_REFUSED
    exit_status = ExitStatus.REFUSED


class InvalidParameter(Refused):
    """A value is not valid."""

    code = codes.INVALID_PARAMETER


class QuotaExceeded(Refused):
    """A value is over its limit. The code names the limit, the message has the usage."""

    code = codes.QUOTA_EXCEEDED


class Conflict(Refused):
    """The value is valid, but the present state does not allow it."""

    code = codes.INCORRECT_STATE


class NotFound(AssistError):
    """A name, an id or a pattern matches nothing, or more than one thing."""

    code = codes.NOT_FOUND
    exit_status = ExitStatus.NOT_FOUND


class AgentError(AssistError):
    """A request to an agent failed. The code is the ErrorCode of the record."""

    code = codes.CLIENT_NOT_RESPONSE
    exit_status = ExitStatus.UNREACHABLE


class ClientNotRunning(AgentError):
    """No agent listens at the address, or the agent of this machine cannot be started. No byte was sent."""

    code = codes.CLIENT_NOT_RUNNING


class ClientNotOnline(AgentError):
    """The address is unreachable, or nothing answered in time. No request was sent."""

    code = codes.CLIENT_NOT_ONLINE


class ClientAuthFailed(AgentError):
    """A certificate, a host key or a user id is not the expected one. No request was sent."""

    code = codes.CLIENT_AUTH_FAILED


class BrokerRefused(ClientAuthFailed):
    """A broker, and this controller, do not accept each other. The agent has no part in it. No request was sent."""


class AgentCloned(AgentError):
    """Two agents have the identity of one instance. A request may have been carried out by one of them."""

    code = codes.CLIENT_AUTH_FAILED


class ControllerReplaced(AgentError):
    """Another server has taken over from this home with a higher ``epoch``, and the agent serves that one.

    No request was sent.
    """

    code = codes.CONTROLLER_REPLACED

    def __init__(self, message: str, *, hint: str = "", code: str = "", epoch: int = 0) -> None:
        super().__init__(message, hint=hint, code=code)
        self.epoch = epoch


class ClientNeedUpgrade(AgentError):
    """The agent is too old or too new for this controller. Only the greeting was sent."""

    code = codes.CLIENT_NEED_UPGRADE


class ConnectionLost(AgentError):
    """The connection ended after the greeting. The request may have been carried out; no answer will come."""

    advice = "assist doctor NAME checks the route to it"


class InvalidAnswer(AgentError):
    """An answer violates the protocol. The request may have been carried out; it counts as unanswered."""

    advice = "assist doctor NAME checks the agent; assist instance upgrade NAME replaces it"


class AgentRefused(AgentError):
    """The agent answered a request with an error. The connection works, the request was not carried out.

    ``epoch`` is the highest one that the agent knows, if it refused a lower one.
    """

    exit_status = ExitStatus.FAILED
    advice = "the reason is the agent's own; assist doctor NAME checks it"

    def __init__(self, message: str, *, hint: str = "", code: str = "", epoch: int = 0) -> None:
        super().__init__(message, hint=hint, code=code)
        self.epoch = epoch


class InstallFailed(AssistError):
    """A step of an installation failed on the machine. The hint names what is left there."""

    code = codes.INSTALL_FAILED


class LocalFailure(AssistError):
    """An error of the machine on which Assist runs."""

    code = codes.LOCAL_FAILURE
    exit_status = ExitStatus.LOCAL_FAILURE


class DatabaseFailure(LocalFailure):
    """The database cannot be opened, read or written. The present transaction was rolled back."""

    code = codes.DATABASE_FAILURE
    advice = "assist doctor checks the database and its disk"


class FileFailure(LocalFailure):
    """A file or folder of this machine cannot be read or written."""

    code = codes.FILE_FAILURE
    advice = "check that it exists, that this user may use it, and that the disk has room"


class OutputFailure(FileFailure):
    """Standard output cannot be written: no space, a device error. The run continues."""


class GaveUpWaiting(AssistError):
    """The time to wait, given by the user, has passed. The run continues."""

    code = codes.GAVE_UP_WAITING
    advice = "assist invocation wait ID waits again"
    exit_status = ExitStatus.GAVE_UP_WAITING


class NotPermitted(AssistError):
    """The operating system, or the role of an access key, does not allow it."""

    code = codes.NOT_PERMITTED
    exit_status = ExitStatus.NOT_PERMITTED


class Interrupted(AssistError):
    """A person pressed Ctrl-C, or closed the pipe. The run continues."""

    code = codes.INTERRUPTED
    exit_status = ExitStatus.INTERRUPTED
    advice = "assist invocation list --status Running shows what continues"


class OutputClosed(Interrupted):
    """The reader of standard output has closed it, as ``head`` does. The run continues."""


class InternalError(AssistError):
    """A bug: an unexpected exception reached the command line. The hint names the file with the traceback."""

    code = codes.INTERNAL_ERROR
    exit_status = ExitStatus.BUG
