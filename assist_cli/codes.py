"""Every code of an error, once: where it is met and what it means. The tables of docs/errors.md are made from this.

A code stands in the history (the ErrorCode of a record), in an answer of an agent, or beside the message of an error
that ends the program. It never changes. A newer agent may send one that is not here. The API says some of them in its
own words: assist_cli/api/faults.py. Agents have copies of those that they send.
"""

from __future__ import annotations

# The tables: codes of records; codes of an agent's answers and of nothing else; codes of errors.
SCRIPT, REACH, FILE = "script", "reach", "file"
WIRE = "wire"
USAGE, LIMIT, VALUE, PARAMETER = "usage", "limit", "value", "parameter"
STATE, NOT_THERE, OTHER = "state", "not there", "other"

_EXITS = {USAGE: (2,), LIMIT: (65,), VALUE: (65,), PARAMETER: (65,), STATE: (65,), NOT_THERE: (66,)}


class ErrorCode(str):
    """A code as users see it. An Enum of so many takes 2 ms of every start, and these take 0.15 ms.

    ``table`` says where it is met, and ``meaning`` and ``advice`` what the page has there. ``exits`` are the statuses
    with which the program ends when an error has it, as the class of the error says; none where no error has it.
    """

    table: str
    meaning: str
    advice: str
    exits: tuple[int, ...]

    def __new__(cls, code: str, table: str, meaning: str, advice: str = "", exits: tuple[int, ...] = ()) -> ErrorCode:
        self = str.__new__(cls, code)
        self.table, self.meaning, self.advice = table, meaning, advice
        self.exits = exits or _EXITS.get(table, ())
        return self


# records of scripts
EXIT_CODE_NONZERO = ErrorCode(
    "ExitCodeNonzero",
    SCRIPT,
    "it ran and ended by itself with another exit code than 0. The status is `Finished`",
    "read its output",
)
EXECUTION_TIMEOUT = ErrorCode(
    "ExecutionTimeout",
    SCRIPT,
    "it still ran when its timeout was over; all of its processes were ended",
    "`--timeout`, or look at what hangs",
)
EXECUTION_EXCEPTION = ErrorCode(
    "ExecutionException",
    SCRIPT,
    "it could not be started: the info tells why. The interpreter of its first line is missing, the disk is full or "
    "read-only, no process can be made, the agent may not run as that user",
    "mend what the info names, then `assist rerun -`",
)
EXECUTION_INTERRUPTED = ErrorCode(
    "ExecutionInterrupted",
    SCRIPT,
    "it was stopped, or its wave was called off (`Stopped`), or the process that tended it was killed (`Failed`)",
    "when nobody stopped it, look for what kills processes there, memory for one",
)
INSTANCE_RESTARTED = ErrorCode(
    "InstanceRestarted", SCRIPT, "the machine was restarted while it ran", "see how far it came, then `assist rerun -`"
)
COMMAND_NOT_APPLICABLE = ErrorCode(
    "CommandNotApplicable",
    SCRIPT,
    "this type of script does not run there: Bat on Linux, a shell script on Windows, PowerShell without `pwsh`",
    "`--type`, or other targets",
    exits=(65,),
)
ACCOUNT_NOT_EXISTS = ErrorCode("AccountNotExists", SCRIPT, "there is no such user there", "`--user`")
WORKING_DIRECTORY_NOT_EXIST = ErrorCode(
    "WorkingDirectoryNotExist",
    SCRIPT,
    "the folder that was asked for is not there, or its user may not enter it",
    "`--workdir`",
)
SCRIPT_FILE_EXISTED = ErrorCode(
    "ScriptFileExisted",
    SCRIPT,
    "something is already where the script file was to be. It is left as it is",
    "look who made it; repeat",
)
TASK_CONCURRENCY_LIMIT = ErrorCode(
    "TaskConcurrencyLimit",
    SCRIPT,
    "the agent runs as many tasks as it may, 100 by default",
    "wait, or raise `task_limit` in its `agentd.conf`",
)

# the way to an agent
CLIENT_NOT_RUNNING = ErrorCode(
    "ClientNotRunning",
    REACH,
    "the machine answers and no agent listens there",
    "start the agent, or `assist instance install` again",
    exits=(69,),
)
CLIENT_NOT_ONLINE = ErrorCode(
    "ClientNotOnline",
    REACH,
    "the machine cannot be reached, did not answer in time, or not as an agent does",
    "`assist doctor NAME`",
    exits=(69,),
)
CLIENT_AUTH_FAILED = ErrorCode(
    "ClientAuthFailed",
    REACH,
    "a certificate, a host key or a user is not the one that is expected, in either direction",
    "the hint tells which; see [fleet](fleet.md)",
    exits=(65, 69),
)
CONTROLLER_REPLACED = ErrorCode(
    "ControllerReplaced",
    REACH,
    "another server has taken over from this home, and the agent serves that one",
    "use that one; `assist serve --take-over` makes this one the controller again",
    exits=(65, 69),
)
CLIENT_NEED_UPGRADE = ErrorCode(
    "ClientNeedUpgrade",
    REACH,
    "the agent speaks another version of the protocol",
    "`assist instance upgrade NAME`, or a newer Assist",
    exits=(65, 69),
)
CLIENT_NOT_RESPONSE = ErrorCode(
    "ClientNotResponse",
    REACH,
    "it may have arrived, and nothing was heard until its deadline, or nothing that an agent may say. It may have run. "
    "When the agent is heard again, this is corrected",
    "`assist doctor NAME`, then `assist invocation show ID`",
    exits=(69,),
)
DELIVERY_TIMEOUT = ErrorCode("DeliveryTimeout", REACH, "it never arrived and will not run", "`assist rerun ID`")
INSTANCE_NOT_EXISTS = ErrorCode(
    "InstanceNotExists",
    REACH,
    "there is no instance of that name or id, or a target matches none",
    "`assist instance list`",
    exits=(66,),
)

# records of files
FILE_ALREADY_EXISTS = ErrorCode(
    "FileAlreadyExists",
    FILE,
    "there is a file of that name, and it was not asked to replace it: `--overwrite`; or there is a folder",
)
FILE_NAME_INVALID = ErrorCode("FileNameInvalid", FILE, "this can be no file name", exits=(65,))
FILE_PATH_INVALID = ErrorCode(
    "FilePathInvalid",
    FILE,
    "the target folder is no absolute path, too long, no folder, or behind a link that others may have made",
    exits=(65,),
)
FILE_AUTHORITY_INVALID = ErrorCode(
    "FileAuthorityInvalid", FILE, "this is not a mode, like 0644, or the system does not give it", exits=(65,)
)
USER_NOT_EXISTS = ErrorCode("UserNotExists", FILE, "there is no such owner")
USER_GROUP_NOT_EXISTS = ErrorCode("UserGroupNotExists", FILE, "there is no such group")
FILE_CREATE_FAIL = ErrorCode(
    "FileCreateFail", FILE, "it could not be written; the info says why. The old file stands as it was"
)
FILE_CONTENT_INVALID = ErrorCode(
    "FileContentInvalid", FILE, "the content is too large, or did not arrive as it was sent"
)

# answers of agents only
RECORD_NOT_FOUND = ErrorCode("RecordNotFound", WIRE, "the agent knows no such record of this controller")
RECORD_FORGOTTEN = ErrorCode("RecordForgotten", WIRE, "its output was fetched before, and the agent has dropped it")

# the command line
INVALID_USAGE = ErrorCode(
    "InvalidUsage", USAGE, "words or options are not known, or do not fit together; the help of the command tells"
)

# limits (docs/rules.md section 5)
SCRIPT_EXCEED_LIMIT = ErrorCode(
    "ScriptExceedLimit", LIMIT, "the script with its parameters: 16,384 characters of base64. Shorten it"
)
RENDERED_SCRIPT_EXCEED_LIMIT = ErrorCode(
    "RenderedScriptExceedLimit", LIMIT, "the script with the values put in: 256 KiB"
)
FILE_EXCEED_LIMIT = ErrorCode("FileExceedLimit", LIMIT, "a file to send: 32,768 characters of base64")
COMMAND_COUNT_EXCEED_QUOTA = ErrorCode(
    "CommandCountExceedQuota", LIMIT, "saved commands. Delete some, or `assist quota set commands N`"
)
PARAMETER_COUNT_EXCEED_LIMIT = ErrorCode("ParameterCountExceedLimit", LIMIT, "20 parameters")
PARAMETER_NAME_EXCEED_LIMIT = ErrorCode("ParameterNameExceedLimit", LIMIT, "64 characters of a key")
TIMEOUT_EXCEED_LIMIT = ErrorCode("TimeoutExceedLimit", LIMIT, "1 to 86,400 seconds")
INTERVAL_EXCEED_LIMIT = ErrorCode("IntervalExceedLimit", LIMIT, "10 s between two firings")
NAME_EXCEED_LIMIT = ErrorCode("NameExceedLimit", LIMIT, "128 characters of a name")
DESCRIPTION_EXCEED_LIMIT = ErrorCode("DescriptionExceedLimit", LIMIT, "512 characters of a description")
WORKING_DIR_EXCEED_LIMIT = ErrorCode("WorkingDirExceedLimit", LIMIT, "200 characters of a working directory")
USERNAME_EXCEED_LIMIT = ErrorCode("UsernameExceedLimit", LIMIT, "255 characters of a user's name")
FILE_NAME_EXCEED_LIMIT = ErrorCode("FileNameExceedLimit", LIMIT, "255 characters of a file's name")
TARGET_DIR_EXCEED_LIMIT = ErrorCode("TargetDirExceedLimit", LIMIT, "255 characters of a target directory")
QUOTA_EXCEEDED = ErrorCode("QuotaExceeded", LIMIT, "any other")

# values
INVALID_NAME = ErrorCode(
    "InvalidName",
    VALUE,
    "no name: it is empty, has a control character or one of `@ , /`, starts with `-`, or looks like an id "
    "or the beginning of one; of instances and tags also what a target cannot say",
)
INVALID_DESCRIPTION = ErrorCode("InvalidDescription", VALUE, "a description is one line of text")
INVALID_CONTENT = ErrorCode("InvalidContent", VALUE, "the script is empty")
INVALID_CONTENT_ENCODING = ErrorCode(
    "InvalidContentEncoding", VALUE, "a shell script is UTF-8 or another text of bytes, and not UTF-16 or UTF-32"
)
INVALID_COMMAND_TYPE = ErrorCode("InvalidCommandType", VALUE, "the types are `shell`, `bat` and `powershell`")
INVALID_WORKING_DIR = ErrorCode("InvalidWorkingDir", VALUE, "a working directory is an absolute path")
INVALID_LAUNCHER = ErrorCode(
    "InvalidLauncher", VALUE, "a launcher is a program with its words, and the script's file where it says so"
)
INVALID_USERNAME = ErrorCode("InvalidUsername", VALUE, "this can be no user, or no group")
INVALID_REGION = ErrorCode("InvalidRegion", VALUE, "`ASSIST_REGION` has letters, digits, `-` and `_` only")
INVALID_ROLE = ErrorCode("InvalidRole", VALUE, "the roles of an access key are `viewer`, `operator` and `admin`")
INVALID_SCOPE = ErrorCode(
    "InvalidScope",
    VALUE,
    "a scope has names, tags and whole ids; the beginning of an id may come to mean another instance",
)
INVALID_VERSION = ErrorCode("InvalidVersion", VALUE, "a version is a number: `NAME@2`")
INVALID_ADDRESS = ErrorCode(
    "InvalidAddress", VALUE, "no address of an agent: `tls:HOST[:PORT]`, `ssh:[USER@]HOST[:PORT][?sudo]`, `unix:PATH`"
)
INVALID_TARGET = ErrorCode(
    "InvalidTarget",
    VALUE,
    "the words after `-i` cannot be understood, or name more than one where one is meant; see `assist help targets`",
)
INVALID_PICK = ErrorCode("InvalidPick", VALUE, "there are not so many to pick from")
INVALID_FREQUENCY = ErrorCode(
    "InvalidFrequency",
    VALUE,
    "this frequency cannot be read, never fires, or is over; or there is no such time zone. "
    "See [frequency](frequency.md)",
)
INVALID_NOTIFY = ErrorCode(
    "InvalidNotify",
    VALUE,
    "it cannot be told there how a run ends: no URL of http or https, a password in it, words that cannot be told "
    "apart, no key. See [notifications](notifications.md)",
)
INVALID_QUOTA = ErrorCode("InvalidQuota", VALUE, "this quota cannot be set, or not to this")
INVALID_DOCUMENT = ErrorCode("InvalidDocument", VALUE, "the file to import is not what `assist command export` prints")
INVALID_PARAMETER = ErrorCode("InvalidParameter", VALUE, "another value that is not allowed; the message has it")

# parameters of commands
MISSING_PARAMETER = ErrorCode("MissingParameter", PARAMETER, "one that has no default was not given")
PARAMETER_NOT_MATCHED = ErrorCode("ParameterNotMatched", PARAMETER, "the command has no parameter of that key")
PARAMETER_DISABLED = ErrorCode("ParameterDisabled", PARAMETER, "the command has parameters off")
PARAMETER_DUPLICATED = ErrorCode("ParameterDuplicated", PARAMETER, "a key was given twice")
INVALID_PARAMETER_VALUE = ErrorCode("InvalidParameterValue", PARAMETER, "the definition does not allow this value")
INVALID_PARAMETER_FORM = ErrorCode(
    "InvalidParameterForm", PARAMETER, "what was given is not `KEY=VALUE`, or not a JSON object"
)
INVALID_PARAMETER_DEFINITION = ErrorCode(
    "InvalidParameterDefinition", PARAMETER, "the words of `--param-def` cannot be understood, or contradict each other"
)
INVALID_PARAMETER_FILTER = ErrorCode(
    "InvalidParameterFilter", PARAMETER, "after the bar in `{{key|sh}}` only `sh` may stand"
)
INVALID_SYSTEM_BUILT_IN_PARAMETER = ErrorCode(
    "InvalidSystemBuiltInParameter", PARAMETER, "there is no such `ACS::` name"
)
SECRET_BY_VALUE = ErrorCode(
    "SecretByValue", PARAMETER, "a secret is given with `--secret`, by reference, and never as it is"
)
SECRET_NOT_FOUND = ErrorCode("SecretNotFound", PARAMETER, "the variable of `--secret KEY=env:VARIABLE` is not set")
SECRET_WITHOUT_REFERENCE = ErrorCode(
    "SecretWithoutReference",
    PARAMETER,
    "what runs later reads its secrets at each run: give them with `--secret`, by reference",
)
KEEP_SCRIPT_WITH_SECRET = ErrorCode(
    "KeepScriptWithSecret", PARAMETER, "a script with a secret in it is not left on the instance"
)

# states
COMMAND_NAME_EXISTS = ErrorCode("CommandNameExists", STATE, "the name is taken")
INSTANCE_NAME_EXISTS = ErrorCode("InstanceNameExists", STATE, "the name is taken")
ACCESS_KEY_NAME_EXISTS = ErrorCode("AccessKeyNameExists", STATE, "another access key has the name")
IDEMPOTENT_PARAMETER_MISMATCH = ErrorCode(
    "IdempotentParameterMismatch", STATE, "a client of the API sent another request with the same client token"
)
INSTANCE_EXISTS = ErrorCode("InstanceExists", STATE, "this instance is registered, under another name")
SERVICE_EXISTS = ErrorCode("ServiceExists", STATE, "`assist.service` is there, and serves another home")
NO_SERVICE_MANAGER = ErrorCode(
    "NoServiceManager", STATE, "no systemd looks after this user here; the hint says what to have started instead"
)
SERVER_RUNNING = ErrorCode("ServerRunning", STATE, "another `assist serve` serves this home, or has taken over")
DATABASE_TOO_NEW = ErrorCode("DatabaseTooNew", STATE, "a newer Assist has migrated the database; use that one")
NAME_RESERVED = ErrorCode("NameReserved", STATE, "`local` is always the agent of this machine")
COMMAND_IN_USE = ErrorCode("CommandInUse", STATE, "an invocation of it is not over: wait for it or stop it")
INSTANCE_IN_USE = ErrorCode("InstanceInUse", STATE, "an invocation of it is not over: wait for it or stop it")
PLAIN_HTTP_REFUSED = ErrorCode(
    "PlainHttpRefused", STATE, "the API on an address that others reach takes a certificate, or `--insecure`"
)
PORT_IN_USE = ErrorCode("PortInUse", STATE, "nobody can listen at this address and port now")
NOTHING_CHANGED = ErrorCode("NothingChanged", STATE, "a new version would be the same as the old")
NOTHING_TO_RERUN = ErrorCode("NothingToRerun", STATE, "it succeeded everywhere; `--all` runs it again nevertheless")
DIFFERENT_COMMANDS = ErrorCode("DifferentCommands", STATE, "two invocations that ran something else cannot be compared")
NOT_CONFIRMED = ErrorCode("NotConfirmed", STATE, "there is nobody to ask whether it is meant: `--yes`")
INCORRECT_STATE = ErrorCode("IncorrectState", STATE, "another state that does not allow it; the message has it")
OPERATION_REFUSED = ErrorCode("OperationRefused", STATE, "any other refusal")

# what is not there
NOT_FOUND = ErrorCode(
    "NotFound", NOT_THERE, "no such command, version, invocation or topic, or the beginning of an id that fits several"
)
TAG_NOT_EXISTS = ErrorCode("TagNotExists", NOT_THERE, "the instance has no such tag to take away")

# other ends
INSTALL_FAILED = ErrorCode(
    "InstallFailed",
    OTHER,
    "a step on the machine failed. The message tells which, the hint whether anything is left there",
    exits=(1,),
)
OPERATION_FAILED = ErrorCode("OperationFailed", OTHER, "any other failure", exits=(1,))
INTERNAL_ERROR = ErrorCode(
    "InternalError", OTHER, "a bug in Assist; the hint names the report in `ASSIST_HOME/logs`", exits=(70,)
)
DATABASE_FAILURE = ErrorCode(
    "DatabaseFailure", OTHER, "the database cannot be read or written; `assist doctor`", exits=(74,)
)
FILE_FAILURE = ErrorCode("FileFailure", OTHER, "a file or folder of this machine cannot be used", exits=(74,))
EXTRA_NOT_INSTALLED = ErrorCode(
    "ExtraNotInstalled", OTHER, "a package that this needs is not installed; the hint has the command", exits=(74,)
)
LOCAL_FAILURE = ErrorCode("LocalFailure", OTHER, "this machine failed in another way", exits=(74,))
GAVE_UP_WAITING = ErrorCode("GaveUpWaiting", OTHER, "the time of `--wait` is over; what was sent goes on", exits=(75,))
NOT_PERMITTED = ErrorCode("NotPermitted", OTHER, "the system does not allow it", exits=(77,))
ACCESS_KEY_DISABLED = ErrorCode("AccessKeyDisabled", OTHER, "the access key is disabled", exits=(77,))
BEYOND_SCOPE = ErrorCode("BeyondScope", OTHER, "an instance is not in the scope of the access key", exits=(77,))
INTERRUPTED = ErrorCode("Interrupted", OTHER, "Ctrl-C, or stdout was closed; what was sent goes on", exits=(130,))

EVERY = tuple(each for each in list(globals().values()) if isinstance(each, ErrorCode))
