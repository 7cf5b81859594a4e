"""All error codes: where each occurs and what it means. The tables of docs/errors.md are made from this.

A code is stored in the history (the ErrorCode of a record), sent in an answer of an agent, or shown with the message of
an error that ends the program. It never changes. A newer agent may send one that is not here. The API translates some
of them: assist_cli/api/faults.py. Agents have copies of those that they send.
"""

from __future__ import annotations

# The tables: codes of records; codes that only agents' answers have; codes of errors.
SCRIPT, REACH, FILE = "script", "reach", "file"
WIRE = "wire"
USAGE, LIMIT, VALUE, PARAMETER = "usage", "limit", "value", "parameter"
STATE, NOT_THERE, OTHER = "state", "not there", "other"

_EXITS = {USAGE: (2,), LIMIT: (65,), VALUE: (65,), PARAMETER: (65,), STATE: (65,), NOT_THERE: (66,)}


class ErrorCode(str):
    """A code as users see it. This many members would make an Enum that takes 2 ms of each start; these take 0.15 ms.

    ``table`` is the table of the page; ``meaning`` and ``advice`` are its texts. ``exits`` are the exit statuses of the
    program for an error with this code; empty if no error has it.
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
    "the script ended by itself with an exit code other than 0. The status is `Finished`",
    "read its output",
)
EXECUTION_TIMEOUT = ErrorCode(
    "ExecutionTimeout",
    SCRIPT,
    "the script was still running at its timeout; all of its processes were ended",
    "a longer `--timeout`, or find out what hangs",
)
EXECUTION_EXCEPTION = ErrorCode(
    "ExecutionException",
    SCRIPT,
    "the script could not be started; the info has the reason: its interpreter is missing, the disk is full or "
    "read-only, no process can be started, the agent may not run as that user",
    "correct the reason, then `assist rerun -`",
)
EXECUTION_INTERRUPTED = ErrorCode(
    "ExecutionInterrupted",
    SCRIPT,
    "it was stopped, or its batch was cancelled (`Stopped`), or its shim was killed (`Failed`)",
    "if nobody stopped it, find out what kills processes there, such as the OOM killer",
)
INSTANCE_RESTARTED = ErrorCode(
    "InstanceRestarted",
    SCRIPT,
    "the machine was restarted during the run",
    "check how far it got, then `assist rerun -`",
)
COMMAND_NOT_APPLICABLE = ErrorCode(
    "CommandNotApplicable",
    SCRIPT,
    "this type of script does not run there: Bat on Linux, a shell script on Windows, PowerShell without `pwsh`",
    "`--type`, or other targets",
    exits=(65,),
)
ACCOUNT_NOT_EXISTS = ErrorCode("AccountNotExists", SCRIPT, "the user does not exist there", "`--user`")
WORKING_DIRECTORY_NOT_EXIST = ErrorCode(
    "WorkingDirectoryNotExist",
    SCRIPT,
    "the working directory does not exist there, or the user may not enter it",
    "`--workdir`",
)
SCRIPT_FILE_EXISTED = ErrorCode(
    "ScriptFileExisted",
    SCRIPT,
    "the path of the script file exists already. It is not changed",
    "find out who made it; repeat",
)
TASK_CONCURRENCY_LIMIT = ErrorCode(
    "TaskConcurrencyLimit",
    SCRIPT,
    "the agent has reached its limit of running tasks, 100 by default; or 100 records are queued for the instance",
    "wait, or raise `task_limit` in its `agentd.conf`; `assist queue drop`",
)

# the connection to an agent
CLIENT_NOT_RUNNING = ErrorCode(
    "ClientNotRunning",
    REACH,
    "the machine answers, but no agent listens there",
    "start the agent, or `assist instance install` again",
    exits=(69,),
)
CLIENT_NOT_ONLINE = ErrorCode(
    "ClientNotOnline",
    REACH,
    "the machine is unreachable, did not answer in time, or gave an invalid answer",
    "`assist doctor NAME`",
    exits=(69,),
)
CLIENT_AUTH_FAILED = ErrorCode(
    "ClientAuthFailed",
    REACH,
    "a certificate, a host key or a user is not the expected one, on either side",
    "the hint names it; see [fleet](fleet.md)",
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
    "the agent gave no valid answer until the deadline. The record may have been delivered and may have run. "
    "It is corrected when the agent answers again",
    "`assist doctor NAME`, then `assist invocation show ID`",
    exits=(69,),
)
DELIVERY_TIMEOUT = ErrorCode(
    "DeliveryTimeout", REACH, "it was not delivered in time and will not run", "`assist rerun ID`"
)
INSTANCE_NOT_EXISTS = ErrorCode(
    "InstanceNotExists",
    REACH,
    "no instance has that name or id, or a target matches none",
    "`assist instance list`",
    exits=(66,),
)

GROUP_NOT_EXISTS = ErrorCode("GroupNotExists", REACH, "no group has that name", "`assist group list`", exits=(66,))

# records of files
FILE_ALREADY_EXISTS = ErrorCode(
    "FileAlreadyExists",
    FILE,
    "a file of that name exists: `--overwrite` replaces it; or a folder has that name",
)
FILE_NAME_INVALID = ErrorCode("FileNameInvalid", FILE, "not a valid file name", exits=(65,))
FILE_PATH_INVALID = ErrorCode(
    "FilePathInvalid",
    FILE,
    "the target folder is not an absolute path, too long, not a folder, or behind a link that others may have made",
    exits=(65,),
)
FILE_AUTHORITY_INVALID = ErrorCode(
    "FileAuthorityInvalid", FILE, "not a mode like 0644, or the system does not allow it", exits=(65,)
)
USER_NOT_EXISTS = ErrorCode("UserNotExists", FILE, "the owner does not exist there")
USER_GROUP_NOT_EXISTS = ErrorCode("UserGroupNotExists", FILE, "the group does not exist there")
FILE_CREATE_FAIL = ErrorCode(
    "FileCreateFail", FILE, "the file could not be written; the info has the reason. The old file is unchanged"
)
FILE_CONTENT_INVALID = ErrorCode("FileContentInvalid", FILE, "the content is too large, or was changed on the way")

# answers of agents only
RECORD_NOT_FOUND = ErrorCode("RecordNotFound", WIRE, "the agent has no such record of this controller")
RECORD_FORGOTTEN = ErrorCode("RecordForgotten", WIRE, "the output was fetched before, and the agent has deleted it")

# the command line
INVALID_USAGE = ErrorCode(
    "InvalidUsage", USAGE, "unknown or conflicting arguments or options; see the help of the command"
)

# limits (docs/rules.md section 5)
SCRIPT_EXCEED_LIMIT = ErrorCode(
    "ScriptExceedLimit", LIMIT, "the script with its parameters: 16,384 characters of base64. Shorten it"
)
RENDERED_SCRIPT_EXCEED_LIMIT = ErrorCode(
    "RenderedScriptExceedLimit", LIMIT, "the script with its values inserted: 256 KiB"
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
    "not a valid name: it is empty, has a control character or one of `@ , /`, starts with `-`, or looks like an id "
    "or the beginning of one; for instances and tags also a name that a target cannot express",
)
INVALID_DESCRIPTION = ErrorCode("InvalidDescription", VALUE, "a description is one line of text")
INVALID_CONTENT = ErrorCode("InvalidContent", VALUE, "the script is empty")
INVALID_CONTENT_ENCODING = ErrorCode(
    "InvalidContentEncoding",
    VALUE,
    "a shell script is UTF-8 or another encoding without zero bytes, not UTF-16 or UTF-32",
)
INVALID_COMMAND_TYPE = ErrorCode("InvalidCommandType", VALUE, "the types are `shell`, `bat` and `powershell`")
INVALID_WORKING_DIR = ErrorCode("InvalidWorkingDir", VALUE, "a working directory is an absolute path")
INVALID_LAUNCHER = ErrorCode(
    "InvalidLauncher", VALUE, "a launcher is a program with its arguments, and the place of the script's file in them"
)
INVALID_USERNAME = ErrorCode("InvalidUsername", VALUE, "not a valid name of a user or group")
INVALID_REGION = ErrorCode("InvalidRegion", VALUE, "`ASSIST_REGION` has letters, digits, `-` and `_` only")
INVALID_ROLE = ErrorCode("InvalidRole", VALUE, "the roles are `viewer`, `operator` and `admin`")
INVALID_PASSWORD = ErrorCode("InvalidPassword", VALUE, "a password of the console has 12 to 1,000 characters")
INVALID_SCOPE = ErrorCode(
    "InvalidScope",
    VALUE,
    "a scope has names, tags and whole ids; the beginning of an id could later match another instance",
)
INVALID_VERSION = ErrorCode("InvalidVersion", VALUE, "a version is a number: `NAME@2`")
INVALID_ADDRESS = ErrorCode(
    "InvalidAddress",
    VALUE,
    "not an address of an agent: `tls:HOST[:PORT]`, `ssh:[USER@]HOST[:PORT][?sudo]`, `nats:INSTANCE`, `unix:PATH`",
)
INVALID_TARGET = ErrorCode(
    "InvalidTarget",
    VALUE,
    "the targets of `-i` are not valid, or match several where one is required; see `assist help targets`",
)
INVALID_PICK = ErrorCode("InvalidPick", VALUE, "there are fewer targets than `--pick` asks for")
INVALID_FREQUENCY = ErrorCode(
    "InvalidFrequency",
    VALUE,
    "the frequency is not valid, never fires, or is in the past; or the time zone does not exist. "
    "See [frequency](frequency.md)",
)
INVALID_NOTIFY = ErrorCode(
    "InvalidNotify",
    VALUE,
    "the notification is not valid: not a URL of http or https, a password in it, arguments that cannot be "
    "split, no key. See [notifications](notifications.md)",
)
INVALID_ENROLMENT = ErrorCode("InvalidEnrolment", VALUE, "too many machines for an enrolment, or too long a time")
INVALID_QUOTA = ErrorCode("InvalidQuota", VALUE, "this quota cannot be set, or not to this value")
INVALID_DOCUMENT = ErrorCode("InvalidDocument", VALUE, "the file to import is not what `assist command export` prints")
INVALID_PARAMETER = ErrorCode("InvalidParameter", VALUE, "any other invalid value; the message names it")

# parameters of commands
MISSING_PARAMETER = ErrorCode("MissingParameter", PARAMETER, "a parameter without a default was not given")
PARAMETER_NOT_MATCHED = ErrorCode("ParameterNotMatched", PARAMETER, "the command has no parameter of that key")
PARAMETER_DISABLED = ErrorCode("ParameterDisabled", PARAMETER, "the command has parameters off")
PARAMETER_DUPLICATED = ErrorCode("ParameterDuplicated", PARAMETER, "a key was given twice")
INVALID_PARAMETER_VALUE = ErrorCode(
    "InvalidParameterValue", PARAMETER, "the definition of the parameter does not allow this value"
)
INVALID_PARAMETER_FORM = ErrorCode(
    "InvalidParameterForm", PARAMETER, "the value is not `KEY=VALUE`, or not a JSON object"
)
INVALID_PARAMETER_DEFINITION = ErrorCode(
    "InvalidParameterDefinition", PARAMETER, "the words of `--param-def` are not valid, or contradict each other"
)
INVALID_PARAMETER_FILTER = ErrorCode("InvalidParameterFilter", PARAMETER, "the only filter is `sh`, as in `{{key|sh}}`")
INVALID_SYSTEM_BUILT_IN_PARAMETER = ErrorCode("InvalidSystemBuiltInParameter", PARAMETER, "not a known `ACS::` name")
SECRET_BY_VALUE = ErrorCode(
    "SecretByValue", PARAMETER, "a secret is given by reference, with `--secret`, never as a value"
)
SECRET_NOT_FOUND = ErrorCode("SecretNotFound", PARAMETER, "the variable of `--secret KEY=env:VARIABLE` is not set")
SECRET_WITHOUT_REFERENCE = ErrorCode(
    "SecretWithoutReference",
    PARAMETER,
    "a schedule reads its secrets at each run: give them by reference, with `--secret`",
)
KEEP_SCRIPT_WITH_SECRET = ErrorCode(
    "KeepScriptWithSecret", PARAMETER, "a script that contains a secret cannot be kept on the instance"
)

# states
COMMAND_NAME_EXISTS = ErrorCode("CommandNameExists", STATE, "the name is taken")
INSTANCE_NAME_EXISTS = ErrorCode("InstanceNameExists", STATE, "the name is taken")
GROUP_NAME_EXISTS = ErrorCode("GroupNameExists", STATE, "the name is taken")
GROUP_IN_USE = ErrorCode("GroupInUse", STATE, "another group names it")
ACCESS_KEY_NAME_EXISTS = ErrorCode("AccessKeyNameExists", STATE, "the name is taken")
USER_NAME_EXISTS = ErrorCode("UserNameExists", STATE, "the name is taken")
IDEMPOTENT_PARAMETER_MISMATCH = ErrorCode(
    "IdempotentParameterMismatch", STATE, "a client of the API sent another request with the same client token"
)
INSTANCE_EXISTS = ErrorCode("InstanceExists", STATE, "this instance is already registered, under another name")
SERVICE_EXISTS = ErrorCode("ServiceExists", STATE, "`assist.service` exists, for another home")
NO_SERVICE_MANAGER = ErrorCode(
    "NoServiceManager", STATE, "systemd does not manage this user here; the hint has the command to start instead"
)
SERVER_RUNNING = ErrorCode("ServerRunning", STATE, "another `assist serve` is running for this home, or has taken over")
DATABASE_TOO_NEW = ErrorCode("DatabaseTooNew", STATE, "a newer Assist has migrated the database; use that one")
NAME_RESERVED = ErrorCode("NameReserved", STATE, "`local` is always the agent of this machine")
COMMAND_IN_USE = ErrorCode("CommandInUse", STATE, "an invocation of it is still in progress: wait for it or stop it")
INSTANCE_IN_USE = ErrorCode("InstanceInUse", STATE, "an invocation on it is still in progress: wait for it or stop it")
PLAIN_HTTP_REFUSED = ErrorCode(
    "PlainHttpRefused",
    STATE,
    "the console and the API need a certificate, or `--insecure`, at an address that other machines can reach",
)
CONSOLE_NOT_SERVED = ErrorCode("ConsoleNotServed", STATE, "no `assist serve --web` is running for this home")
PORT_IN_USE = ErrorCode("PortInUse", STATE, "the address and port are in use, or not available")
ENROLMENT_CLOSED = ErrorCode(
    "EnrolmentClosed", STATE, "the enrolment has expired, is disabled or used up, or its token is wrong"
)
NOTHING_CHANGED = ErrorCode("NothingChanged", STATE, "the new version would be equal to the old one")
NOTHING_TO_RERUN = ErrorCode("NothingToRerun", STATE, "it succeeded on all instances; `--all` runs it again")
DIFFERENT_COMMANDS = ErrorCode("DifferentCommands", STATE, "the two invocations ran different scripts")
FOLDER_NOT_EMPTY = ErrorCode("FolderNotEmpty", STATE, "the folder of `--outdir` has files, or is not a folder")
COMMAND_CHANGED = ErrorCode(
    "CommandChanged", STATE, "the command is not the one of the catalog, or was changed here; `--as` adds another one"
)
NOT_CONFIRMED = ErrorCode("NotConfirmed", STATE, "confirmation needs a terminal, or `--yes`")
INCORRECT_STATE = ErrorCode("IncorrectState", STATE, "any other state that does not allow it; the message names it")
OPERATION_REFUSED = ErrorCode("OperationRefused", STATE, "any other refusal")

# not found
NOT_FOUND = ErrorCode(
    "NotFound", NOT_THERE, "no such command, version, invocation or topic, or the beginning of several ids"
)
TAG_NOT_EXISTS = ErrorCode("TagNotExists", NOT_THERE, "the instance has no such tag")

# other errors
INSTALL_FAILED = ErrorCode(
    "InstallFailed",
    OTHER,
    "a step on the machine failed. The message names it, the hint says what is left there",
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
GAVE_UP_WAITING = ErrorCode("GaveUpWaiting", OTHER, "the time of `--wait` has passed; the run continues", exits=(75,))
NOT_PERMITTED = ErrorCode("NotPermitted", OTHER, "the system does not allow it", exits=(77,))
ACCESS_KEY_DISABLED = ErrorCode("AccessKeyDisabled", OTHER, "the access key is disabled", exits=(77,))
USER_DISABLED = ErrorCode("UserDisabled", OTHER, "the user of the console is disabled or removed", exits=(77,))
LOGIN_FAILED = ErrorCode("LoginFailed", OTHER, "name and password, or the one-time link, are not valid", exits=(77,))
ROLE_TOO_LOW = ErrorCode("RoleTooLow", OTHER, "the user of the console needs another role", exits=(77,))
BEYOND_SCOPE = ErrorCode(
    "BeyondScope", OTHER, "an instance is not in the scope of the access key or the user", exits=(77,)
)
INTERRUPTED = ErrorCode("Interrupted", OTHER, "Ctrl-C, or stdout was closed; the run continues", exits=(130,))

EVERY = tuple(each for each in list(globals().values()) if isinstance(each, ErrorCode))
