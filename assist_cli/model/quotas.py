"""Every limit of Assist, and its check (docs/rules.md section 5).

A quota is data: its name, the limit, its unit, the error code and the hint. Each function checks one value: it returns
nothing, or raises QuotaExceeded with the limit and the value in its message. A value at the limit is allowed, one over
it is refused. Nothing is written or sent before its check.
"""

import json
from collections.abc import Mapping

from assist_cli import codes
from assist_cli.errors import QuotaExceeded
from assist_cli.model.secret import reveal
from assist_cli.structs import Struct


class Quota(Struct):
    """One limit: what is counted (``unit``) and how much of it is allowed (``limit``)."""

    name: str
    limit: int
    unit: str
    code: str
    subject: str
    advice: str


SCRIPT = Quota(
    name="script",
    limit=16_384,
    unit="base64 characters",
    code=codes.SCRIPT_EXCEED_LIMIT,
    subject="this script with its parameters",
    advice="shorten the script, or copy its data to the instance in another way",
)
RENDERED = Quota(
    name="rendered-script",
    limit=256 * 1024,
    unit="bytes",
    code=codes.RENDERED_SCRIPT_EXCEED_LIMIT,
    subject="the script with its parameter values",
    advice="use long values less often: set a variable and use that",
)
FILE = Quota(
    name="file",
    limit=32_768,
    unit="base64 characters",
    code=codes.FILE_EXCEED_LIMIT,
    subject="this file",
    advice="24,576 bytes fit: split the file, or compress it",
)
PARAMETERS = Quota(
    name="parameters",
    limit=20,
    unit="keys",
    code=codes.PARAMETER_COUNT_EXCEED_LIMIT,
    subject="the custom parameters of this command",
    advice="split the command, or join some values in one parameter",
)
PARAMETER_NAME = Quota(
    name="parameter-name",
    limit=64,
    unit="characters",
    code=codes.PARAMETER_NAME_EXCEED_LIMIT,
    subject="the name of this parameter",
    advice="choose a shorter name",
)
COMMANDS = Quota(
    name="commands",
    limit=500,
    unit="commands",
    code=codes.COMMAND_COUNT_EXCEED_QUOTA,
    subject="the saved commands",
    advice="delete one (assist command delete NAME), or raise the limit: assist quota set commands N",
)
INTERVAL = Quota(
    name="interval",
    limit=10,
    unit="seconds at least",
    code=codes.INTERVAL_EXCEED_LIMIT,
    subject="the smallest gap between two firings",
    advice="leave at least 10 seconds between any two firings",
)
TIMEOUT = Quota(
    name="timeout",
    limit=86_400,
    unit="seconds",
    code=codes.TIMEOUT_EXCEED_LIMIT,
    subject="this timeout",
    advice="give a whole number of seconds from 1 to 86400",
)
NAME = Quota(
    name="name",
    limit=128,
    unit="characters",
    code=codes.NAME_EXCEED_LIMIT,
    subject="this name",
    advice="choose a shorter name",
)
DESCRIPTION = Quota(
    name="description",
    limit=512,
    unit="characters",
    code=codes.DESCRIPTION_EXCEED_LIMIT,
    subject="this description",
    advice="shorten the description",
)
WORKING_DIR = Quota(
    name="working-dir",
    limit=200,
    unit="characters",
    code=codes.WORKING_DIR_EXCEED_LIMIT,
    subject="this working directory",
    advice="use a shorter path, or change the directory inside the script",
)
USERNAME = Quota(
    name="username",
    limit=255,
    unit="characters",
    code=codes.USERNAME_EXCEED_LIMIT,
    subject="this user name",
    advice="check the name of the user",
)
FILE_NAME = Quota(
    name="file-name",
    limit=255,
    unit="bytes",
    code=codes.FILE_NAME_EXCEED_LIMIT,
    subject="this file name",
    advice="choose a shorter name: --name",
)
TARGET_DIR = Quota(
    name="target-dir",
    limit=255,
    unit="characters",
    code=codes.TARGET_DIR_EXCEED_LIMIT,
    subject="this target directory",
    advice="use a shorter path",
)

ALL = (
    COMMANDS,
    SCRIPT,
    RENDERED,
    PARAMETERS,
    PARAMETER_NAME,
    FILE,
    INTERVAL,
    TIMEOUT,
    NAME,
    DESCRIPTION,
    WORKING_DIR,
    USERNAME,
    FILE_NAME,
    TARGET_DIR,
)


def base64_length(size: int) -> int:
    """Return the number of base64 characters that ``size`` bytes encode to."""
    return (size + 2) // 3 * 4


def script_size(content: bytes, parameters: Mapping[str, object] | None = None) -> int:
    """Return the size of a script: base64(script) plus base64(its parameters as compact JSON, when there are any).

    A secret counts with its value, so that a message can show the size but not the value.
    """
    size = base64_length(len(content))
    if parameters:
        text = json.dumps(dict(parameters), ensure_ascii=False, separators=(",", ":"), default=reveal)
        size += base64_length(len(text.encode("utf-8", "surrogatepass")))
    return size


def check_script(content: bytes, parameters: Mapping[str, object] | None = None) -> None:
    """Raise QuotaExceeded when a script with its parameters has more than 16,384 base64 characters."""
    _at_most(SCRIPT, script_size(content, parameters))


def check_rendered(content: bytes) -> None:
    """Raise QuotaExceeded when a script with its parameter values is larger than 256 KiB."""
    _at_most(RENDERED, len(content))


def check_file(size: int) -> None:
    """Raise QuotaExceeded when a file to send, of ``size`` bytes, has more than 32,768 base64 characters."""
    _at_most(FILE, base64_length(size))


def check_parameter_count(count: int) -> None:
    """Raise QuotaExceeded when a command has more than 20 distinct keys."""
    _at_most(PARAMETERS, count)


def check_command_count(count: int, limit: int) -> None:
    """Raise QuotaExceeded when ``count`` commands, the new one included, are more than the configured ``limit``."""
    if count > limit:
        raise QuotaExceeded(
            f"cannot save this command: {limit:,} of {limit:,} commands are used",
            code=COMMANDS.code,
            hint=COMMANDS.advice,
        )


def check_timeout(seconds: int) -> None:
    """Raise QuotaExceeded when a timeout is not within 1 to 86,400 seconds."""
    if seconds < 1:
        raise QuotaExceeded(
            f"cannot accept a timeout of {seconds} s: the minimum is 1 s", code=TIMEOUT.code, hint=TIMEOUT.advice
        )
    _at_most(TIMEOUT, seconds)


def check_interval(seconds: float, which: str = "") -> None:
    """Raise QuotaExceeded when two firings are ``seconds`` apart, less than 10; ``which`` describes them."""
    if seconds < INTERVAL.limit:
        raise QuotaExceeded(
            f"cannot run every {seconds:g} s: {which + '; ' if which else ''}the minimum is {INTERVAL.limit} s",
            code=INTERVAL.code,
            hint=INTERVAL.advice,
        )


def check_length(quota: Quota, text: str) -> None:
    """Raise QuotaExceeded when ``text`` is longer than ``quota`` allows, in bytes or in characters as its unit says."""
    _at_most(quota, len(text.encode("utf-8", "surrogatepass")) if quota.unit == "bytes" else len(text))


def _at_most(quota: Quota, used: int) -> None:
    if used > quota.limit:
        raise QuotaExceeded(
            f"cannot accept {quota.subject}: {used:,} of at most {quota.limit:,} {quota.unit}",
            code=quota.code,
            hint=quota.advice,
        )
