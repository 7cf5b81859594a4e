"""The errors of the API in the original's words: each code with its HTTP status and message (docs/api.md).

The set is not uniform, and is kept so: clients compare these codes. ``of`` translates errors of operations by one
table. Where an action has another code for an error, its own table comes first.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

from assist_cli import codes
from assist_cli.errors import AgentError, AssistError, LocalFailure, NotPermitted

Words = Mapping[str, str]  # our error codes (assist_cli/codes.py), each with the original's


class Fault(Exception):
    """A refused call. ``detail`` is our own text after the original's message."""

    def __init__(self, code: str, detail: str = "", *, hint: str = "", message: str = "", status: int = 0) -> None:
        self.code = code
        usual, said = MESSAGES[code] if code in MESSAGES else _invalid(code)
        self.status = status or usual
        said = message or said
        self.message = f"{said} {detail}".rstrip() if detail else said
        self.hint = hint
        super().__init__(self.message)


def missing(name: str) -> Fault:
    """Return the fault of a parameter that is required and is absent or empty."""
    return Fault(
        "MissingParameter",
        message=f'The input parameter "{name}" that is mandatory for processing this request is not supplied.',
    )


def invalid(name: str, detail: str = "") -> Fault:
    """Return the fault of a parameter with a wrong value, where no code of its own exists."""
    return Fault(f"InvalidParameter.{name}", detail)


def of(error: AssistError, words: Words) -> Fault:
    """Return the fault of an error: by the ``words`` of the action, else by the table of all actions."""
    code = words.get(error.code) or CODES.get(error.code)
    if code is None and error.code in MESSAGES:
        code = error.code
    if code is None:
        code = next((code for kind, code in KINDS.items() if isinstance(error, kind)), "Operation.Forbidden")
    return Fault(code, f"({error.message})", hint=hint_of(error.hint, error.code))


def hint_of(hint: str, code: str) -> str:
    """Return the clauses of a hint before the first one for the command line; if there are none, that for its code."""
    left = itertools.takewhile(lambda each: not _COMMAND_LINE.search(each), hint.split("; "))
    return "; ".join(left) or HINTS.get(code, "")


def _invalid(code: str) -> tuple[int, str]:
    name = code.removeprefix("InvalidParameter.")
    assert name != code, code
    return 400, f"The specified parameter {name} is not valid."


# The codes that are the same in all actions.
CODES: Words = {
    codes.SCRIPT_EXCEED_LIMIT: "CmdContent.ExceedLimit",
    codes.RENDERED_SCRIPT_EXCEED_LIMIT: "CmdContent.ExceedLimit",
    codes.FILE_EXCEED_LIMIT: "FileSize.ExceedLimit",
    codes.COMMAND_COUNT_EXCEED_QUOTA: "CmdCount.ExceedQuota",
    codes.PARAMETER_COUNT_EXCEED_LIMIT: "CmdParamCount.ExceedLimit",
    codes.PARAMETER_NAME_EXCEED_LIMIT: "CmdParamName.ExceedLimit",
    codes.TIMEOUT_EXCEED_LIMIT: "InvalidTimeout.ExceedLimit",
    codes.INTERVAL_EXCEED_LIMIT: "InvalidParam.Frequency",
    codes.INVALID_FREQUENCY: "InvalidParam.Frequency",
    codes.NAME_EXCEED_LIMIT: "CmdName.ExceedLimit",
    codes.DESCRIPTION_EXCEED_LIMIT: "CmdDesc.ExceedLimit",
    codes.WORKING_DIR_EXCEED_LIMIT: "InvalidParameter.WorkingDir",
    codes.USERNAME_EXCEED_LIMIT: "Username.ExceedLimit",
    codes.FILE_NAME_EXCEED_LIMIT: "FileName.ExceedLimit",
    codes.TARGET_DIR_EXCEED_LIMIT: "FileTargetDir.Invalid",
    codes.INVALID_NAME: "InvalidParameterCharacter.CommandName",
    codes.INVALID_DESCRIPTION: "InvalidParameterCharacter.CommandDescription",
    codes.INVALID_CONTENT: "MissingParameter",
    codes.INVALID_CONTENT_ENCODING: "CmdContent.DecodeError",
    codes.INVALID_COMMAND_TYPE: "InvalidCmdType.NotFound",
    codes.INVALID_WORKING_DIR: "InvalidParameter.WorkingDir",
    codes.INVALID_LAUNCHER: "InvalidParameter.Launcher",
    codes.INVALID_USERNAME: "InvalidParameter.Username",
    codes.INVALID_PARAMETER_DEFINITION: "CmdParam.InvalidParamName",
    codes.INVALID_PARAMETER_FILTER: "CmdParam.InvalidParamName",
    codes.INVALID_SYSTEM_BUILT_IN_PARAMETER: "CmdParam.InvalidParamName",
    codes.MISSING_PARAMETER: "Parameter.MissingValue",
    codes.PARAMETER_NOT_MATCHED: "Parameter.NotMatched",
    codes.PARAMETER_DISABLED: "Parameter.Disabled",
    codes.PARAMETER_DUPLICATED: "ParameterKey.Duplicate",
    codes.INVALID_PARAMETER_VALUE: "InvalidParameter.Parameters",
    codes.COMMAND_IN_USE: "InvalidStatus.CmdIdInUse",
    codes.INSTANCE_NOT_EXISTS: "InvalidInstance.NotFound",
    codes.DATABASE_TOO_NEW: "ServiceUnavailable",
}

KINDS: dict[type[AssistError], str] = {
    AgentError: "InternalError.Dispatch",
    LocalFailure: "ServiceUnavailable",
    NotPermitted: "Forbidden.RAM",
}

_COMMAND_LINE = re.compile(r"\bassist [a-z]|(?:^|\s)--[a-z]|\bwith -[a-z]\b")

# Hints in terms of the API, for errors whose hint is for the command line only.
HINTS: Words = {
    codes.COMMAND_COUNT_EXCEED_QUOTA: "DeleteCommand frees a command",
    codes.COMMAND_IN_USE: "StopInvocation ends what runs",
    codes.FILE_AUTHORITY_INVALID: "FileMode is for example 0640",
    codes.FILE_NAME_INVALID: "Name is for example app.conf",
    codes.FILE_PATH_INVALID: "TargetDir is for example /etc/app",
    codes.INSTANCE_IN_USE: "DescribeInvocations shows what runs there, StopInvocation ends it",
    codes.INSTANCE_NAME_EXISTS: "give another InstanceName",
    codes.INVALID_CONTENT: "give the script in CommandContent",
    codes.INVALID_FREQUENCY: "it is for example rate(5m), 0 0 9 * * ? Asia/Shanghai or at(2026-12-01 02:00:00)",
    codes.INVALID_PARAMETER_DEFINITION: "a key has letters, digits, - and _",
    codes.MISSING_PARAMETER: 'Parameters has it, as in {"KEY": "VALUE"}',
    codes.PARAMETER_DISABLED: "EnableParameter of RunCommand and CreateCommand turns them on",
    codes.SECRET_BY_VALUE: "a secret is given by reference, in the command line",
    codes.SECRET_WITHOUT_REFERENCE: "a secret is given by reference, in the command line",
}

_INVALID = "The specified parameter is invalid."

MESSAGES: dict[str, tuple[int, str]] = {
    # authentication
    "MissingAccessKeyId": (400, "AccessKeyId is mandatory for this action."),
    "MissingSignature": (400, "Signature is mandatory for this action."),
    "MissingSignatureNonce": (400, "SignatureNonce is mandatory for this action."),
    "MissingTimestamp": (400, "Timestamp is mandatory for this action."),
    "IncompleteSignature": (400, "The request signature does not conform to Aliyun standards."),
    "SignatureDoesNotMatch": (400, "Specified signature is not matched with our calculation."),
    "SignatureNonceUsed": (400, "Specified signature nonce was used already."),
    "InvalidTimeStamp.Format": (400, "Specified time stamp or date value is not well formatted."),
    "InvalidTimeStamp.Expired": (400, "Specified time stamp or date value is expired."),
    "InvalidAccessKeyId.NotFound": (404, "Specified access key is not found."),
    "InvalidAccessKeyId.Inactive": (403, "Specified access key is disabled."),
    "InvalidSecurityToken.Malformed": (400, "The specified parameter SecurityToken is not valid."),
    "Forbidden.RAM": (403, "User not authorized to operate on the specified resource."),
    # the call itself
    "InvalidAction.NotFound": (404, "Specified api is not found, please check your url and method."),
    "InvalidEndpoint": (421, "The specified endpoint is not one of this server."),
    "InvalidVersion": (400, "Specified parameter Version is not valid."),
    "MissingParameter": (400, "A mandatory parameter is not supplied."),
    "InvalidRegionId.NotFound": (404, "The RegionId provided does not exist in our records."),
    "InvalidResourceGroup.NotFound": (404, "The ResourceGroup provided does not exist in our records."),
    "Operation.Forbidden": (403, "The operation is not permitted."),
    "InvalidParameter.Body": (400, "The body of the request cannot be read."),
    "InvalidParameter.Format": (400, "The specified parameter Format is not valid."),
    "InvalidParameter.Query": (400, "The query or the form of the request cannot be read."),
    "InvalidParameter.Request": (400, "The request cannot be read."),
    "RequestTimeout": (408, "The request did not arrive in time."),
    "RequestTooLarge": (413, "The request body is too large."),
    "Throttling": (400, "Request was denied due to request throttling."),
    "Throttling.User": (400, "Request was denied due to user flow control."),
    "ServiceUnavailable": (503, "The request has failed due to a temporary failure of the server."),
    "InternalError": (500, "The request processing has failed due to some unknown error."),
    "InternalError.Dispatch": (500, "An error occurred when you dispatched the request."),
    # pages and tags
    "InvalidParam.PageNumber": (400, _INVALID),
    "InvalidParam.PageSize": (400, _INVALID),
    "NumberExceed.Tags": (400, "The Tags parameter number is exceed."),
    "MissingParameter.TagKey": (400, "You must specify Tag.N.Key."),
    "Duplicate.TagKey": (400, "The Tag.N.Key contain duplicate key."),
    "InvalidTagKey.Malformed": (400, "The specified Tag.n.Key is not valid."),
    "InvalidTagValue.Malformed": (400, "The specified Tag.n.Value is not valid."),
    "NumberExceed.ResourceTags": (400, "The ResourceTags parameter number is exceed."),
    "MissingParameter.ResourceTagKey": (400, "You must specify ResourceTag.N.Key."),
    "Duplicate.ResourceTagKey": (400, "The ResourceTag.N.Key contain duplicate key."),
    "InvalidResourceTagKey.Malformed": (400, "The specified ResourceTag.N.Key is not valid."),
    "InvalidResourceTagValue.Malformed": (400, "The specified ResourceTag.N.Value is not valid."),
    "InvalidResourceTag.InstanceNotFound": (400, "No instance has the specified resource tags."),
    "InvalidResourceTag.ConflictWithInstanceIds": (400, "ResourceTag and InstanceId exclude each other."),
    # commands
    "CmdContent.DecodeError": (400, "The CommandContent can not be base64 decoded."),
    "CmdContent.ExceedLimit": (403, "The length of the command content exceeds the upper limit."),
    "CmdName.ExceedLimit": (403, "The length of the command name exceeds the upper limit."),
    "CmdDesc.ExceedLimit": (403, "The length of the command description exceeds the upper limit."),
    "CmdCount.ExceedQuota": (403, "The total number of commands in the current region exceeds the quota."),
    "CmdParam.EmptyKey": (400, "You must specify the parameter names."),
    "CmdParam.InvalidParamName": (
        400,
        "Invalid parameter name. The name can contain only lowercase letters (a to z), uppercase letters (A to Z), "
        "numbers (0 to 9), hyphens (-), and underscores (_).",
    ),
    "CmdParamCount.ExceedLimit": (403, "The maximum number of custom parameters is exceeded."),
    "CmdParamName.ExceedLimit": (403, "The maximum length of a parameter name is exceeded."),
    "InvalidCmdType.NotFound": (404, "The specified command type does not exist."),
    "InvalidCommandType.NotFound": (404, "The specified command type does not exist."),
    "InvalidCmdId.NotFound": (404, "The specified command ID does not exist."),
    "InvalidStatus.CmdIdInUse": (403, "The specified commandId is in use by some runing Invocation."),
    "InvalidName.LengthLimitExceeded": (403, "The length of the parameter Name exceeds the limit."),
    "InvalidDescription.LengthLimitExceeded": (403, "The length of the parameter Description exceeds the limit."),
    "InvalidParameterCharacter.CommandName": (403, "The command name contains illegal characters."),
    "InvalidParameterCharacter.CommandDescription": (403, "The command description contains illegal characters."),
    "InvalidLauncher.LengthLimitExceeded": (
        403,
        "The length of the parameter Launcher exceeds the limit of 1 KB characters.",
    ),
    "InvalidTimeout.ExceedLimit": (403, "The specified parameter Timeout exceeds the upper limit."),
    # running them
    "MissingParam.InstanceId": (400, "The parameter instanceId is missing or empty."),
    "MissingParam.Frequency": (400, "The frequency must be specified when you create a timed task."),
    "InvalidParam.Frequency": (400, "The specified frequency is invalid."),
    "InvalidInstance.NotFound": (404, "The specified instance does not exist."),
    "InvalidInstance.NotMatch": (400, "The specified instance type does not match the command."),
    "InvalidInstanceId.NotFound": (404, "The specified instance ID does not exist."),
    "InvalidInstanceId.OSTypeUnsupported": (403, "The operating system of the specified instance is not supported."),
    "InvalidInstanceId.CountLimitExceeded": (403, "The number of instance IDs exceeds the upper limit."),
    "InstanceIds.ExceedLimit": (403, "The number of instance IDs exceeds the upper limit."),
    "InvalidInvokeId.NotFound": (404, "The specified invoke ID does not exist."),
    "InvalidRepeatMode.NotFound": (404, "The specified repeat mode does not exist."),
    "InvalidTerminationMode.NotFound": (404, "The specified termination mode does not exist."),
    "InvalidContainerId.Malformed": (400, "The specified parameter ContainerId is not valid."),
    "InvalidContainerName.Malformed": (400, "The specified parameter ContainerName is not valid."),
    "InvalidClientToken.Malformed": (400, "The specified parameter ClientToken is not valid."),
    "IdempotentParameterMismatch": (
        403,
        "The specified parameter has changed while using an already used clientToken.",
    ),
    "Username.ExceedLimit": (403, "The length of the username exceeds the upper limit."),
    "WindowsPasswordName.ExceedLimit": (403, "The length of the WindowsPasswordName exceeds the upper limit."),
    "ParameterStore.NotSupported": (403, "The parameter store is not supported."),
    "Parameter.MissingValue": (400, "The parameter value of this command is required."),
    "Parameter.Disabled": (
        400,
        "Parameters cannot be passed in when the command customization function is disabled.",
    ),
    "Parameter.NotMatched": (
        403,
        "The passed-in parameters do not match the parameters defined when you created the command.",
    ),
    "ParameterCount.ExceedLimit": (403, "The maximum number of parameters is exceeded."),
    "ParameterKey.Duplicate": (403, "Parameter names cannot be duplicated."),
    "ParameterKey.ExceedLimit": (403, "The maximum length of a parameter name is exceeded."),
    "ParameterType.NotSupported": (403, "The type of the parameter value is not supported."),
    # changing what runs
    "InvalidParameters.KeyDuplicate": (400, "The specified parameter keys are duplicated."),
    "InvalidParameters.KeyNotMatch": (400, "The specified parameter keys do not match the command."),
    "InvalidParameters.KeyMalformed": (400, "The specified parameter key is not valid."),
    "InvalidParameters.KeyEmpty": (400, "The specified parameter key is empty."),
    "InvalidParameters.CountLimitExceeded": (403, "The number of parameters exceeds the upper limit."),
    "InvalidParameters.KeyLengthLimitExceeded": (403, "The length of the parameter key exceeds the upper limit."),
    "InvalidParameters.ValueTypeUnsupported": (403, "The type of the parameter value is not supported."),
    "InvalidCommandContent.DecodeError": (400, "The CommandContent can not be base64 decoded."),
    "InvalidCommandContent.LengthLimitExceeded": (403, "The length of the command content exceeds the upper limit."),
    "InvalidOperation.RepeatModeUnsupported": (403, "The repeat mode of the invocation does not support this."),
    "InvalidOperation.InvokeAlreadyFinished": (403, "The invocation has finished already."),
    # files
    "FileTargetDir.Invalid": (400, "The target directory of file is invalid."),
    "FileMode.Invalid": (400, "The mode of file is invalid."),
    "FileContent.DecodeError": (400, "The Content can not be base64 decoded."),
    "FileContentType.Invalid": (400, "The ContentType of file is invalid."),
    "FileSize.ExceedLimit": (403, "The length of file content exceeds limit."),
    "FileName.ExceedLimit": (403, "The length of file name exceeds limit."),
    "FileDesc.ExceedLimit": (403, "The length of file description exceeds limit."),
    # machines
    "DryRunOperation": (400, "Request validation has been passed with DryRun flag set."),
    "InvalidInstanceName.Malformed": (400, "The specified parameter InstanceName is not valid."),
    # activations
    "InvalidActivationId.NotFound": (404, "The specified activation ID does not exist."),
    # plugins
    "PluginName.MissingValue": (400, "The parameter Name is required unless exactly one instance is specified."),
    "InvalidPluginName.NotFound": (404, "The specified plugin name does not exist."),
}
