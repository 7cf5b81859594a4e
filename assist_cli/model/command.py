"""A saved script and its versions (docs/rules.md section 3).

A command has a name and a description, which may change, and versions, which never change. Each function checks one
field: it returns the value in the form that is stored, or raises InvalidParameter.
"""

import codecs
import re
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from assist_cli import codes
from assist_cli.errors import InvalidParameter
from assist_cli.model import names, parameters, quotas
from assist_cli.units import count

DEFAULT_TIMEOUT = 60


class CommandType(str, Enum):
    """The interpreter of a script. The values are the API's names."""

    SHELL = "RunShellScript"
    BAT = "RunBatScript"
    POWERSHELL = "RunPowerShellScript"

    @property
    def word(self) -> str:
        """Return the short name that people use: ``shell``, ``bat``, ``powershell``."""
        return self.value.removeprefix("Run").removesuffix("Script").lower()


_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)  # UTF-32-LE begins as UTF-16-LE

_TYPE_WORDS = {
    **{kind.word: kind for kind in CommandType},
    **{kind.value.lower(): kind for kind in CommandType},
}
_TYPE_OF_EXTENSION = {
    ".bat": CommandType.BAT,
    ".cmd": CommandType.BAT,
    ".ps1": CommandType.POWERSHELL,
}


class CommandVersion(NamedTuple):
    """One immutable state of a command: the script and its settings.

    ``content`` is the script as given, ``timeout`` is in seconds, ``working_dir`` None is the home of the run-as user.
    ``definitions`` are its parameters: those that the command defines and, once the version is checked, those that
    only appear in the content. ``launcher`` is the program that receives the file of the script (``model.launcher``).
    """

    content: bytes
    type: CommandType = CommandType.SHELL
    working_dir: str | None = None
    timeout: int = DEFAULT_TIMEOUT
    parameters_enabled: bool = False
    definitions: tuple[parameters.Definition, ...] = ()
    number: int = 1
    created: datetime | None = None
    launcher: str | None = None

    @property
    def runs_in_a_shell(self) -> bool:
        """Return True if a POSIX shell reads the content: a shell script whose shebang line names nothing else."""
        if self.type is not CommandType.SHELL or self.launcher is not None:
            return False
        line = shebang(self.content)
        return line is None or re.search(rb"\b(?:ba|da|k|z|a)?sh\b", line) is not None

    def template(self) -> parameters.Template:
        """Return the content in pieces; one piece when parameters are disabled."""
        if self.parameters_enabled:
            return parameters.parse(self.content)
        return parameters.Template((self.content,))

    def signature(self) -> tuple[parameters.Definition, ...]:
        """Return all keys: the defined ones, then those of the content; empty when parameters are disabled."""
        return parameters.signature(self.template(), self.definitions)

    def stated(self) -> tuple[parameters.Definition, ...]:
        """Return the definitions that add something to the content. A new content keeps them."""
        in_content = {key.lower() for key in self.template().keys}
        return tuple(entry for entry in self.definitions if not (entry.bare and entry.key.lower() in in_content))


class Command(NamedTuple):
    """A command with its newest version or, where a version was given, with that one.

    ``invocations`` counts the invocations of all its versions.
    """

    id: str
    name: str
    description: str
    created: datetime
    modified: datetime
    latest: int
    version: CommandVersion
    invocations: int = 0


def checked_version(version: CommandVersion) -> CommandVersion:
    """Return the version as it is stored. Raises Refused by any rule of docs/rules.md sections 3 to 5."""
    _check_content(version.content, version.type)
    check_working_dir(version.working_dir)
    quotas.check_timeout(version.timeout)
    if version.launcher is not None:
        from assist_cli.model import launcher  # imported here, since few scripts have one

        launcher.parse(version.launcher)
    if version.definitions and not version.parameters_enabled:
        parameters.refuse_disabled(dict.fromkeys((entry.key for entry in version.definitions), ""))
    for definition in version.definitions:
        parameters.check_definition(definition)
    definitions = version.signature()
    defaults = {entry.key: entry.default for entry in definitions if entry.default is not None}
    quotas.check_script(version.content, defaults)
    return version._replace(definitions=definitions)


def _check_content(content: bytes, kind: CommandType) -> None:
    """Raise InvalidParameter for an empty script, and for a shell script in UTF-16 or UTF-32."""
    if not sent(content, kind).strip():
        raise InvalidParameter(
            "cannot use an empty script", code=codes.INVALID_CONTENT, hint="give it with -f FILE or -c TEXT"
        )
    wide = content.startswith(_WIDE_MARKS) or (b"\0" in content[:2] and content[:4].strip(b"\0").isascii())
    if kind is CommandType.SHELL and wide:
        raise InvalidParameter(
            "cannot use the script: it is UTF-16 or UTF-32 text, which a shell does not read",
            code=codes.INVALID_CONTENT_ENCODING,
            hint="save it as UTF-8: iconv -f UTF-16 -t UTF-8 FILE > NEW",
        )


def sent(content: bytes, kind: CommandType) -> bytes:
    """Return a script as it is sent: for a shell or a shebang line without the UTF-8 byte order mark.

    PowerShell and cmd have their own rules for the mark, which the agent follows. The stored script keeps it.
    """
    return content.removeprefix(codecs.BOM_UTF8) if kind is CommandType.SHELL else content


def shebang(content: bytes) -> bytes | None:
    """Return the rest of a first line that begins with ``#!``, also after a byte order mark; else None."""
    found = re.match(rb"(?:\xef\xbb\xbf)?#!([^\n]*)", content)
    return found and found[1]


def checked_description(description: str) -> str:
    """Return a description of one line and at most 512 characters. Raises Refused for any other."""
    quotas.check_length(quotas.DESCRIPTION, description)
    if not names.is_text_line(description):
        raise InvalidParameter(
            f"cannot use the description {description!r}: it has a control character",
            code=codes.INVALID_DESCRIPTION,
            hint="write it in one line of plain text",
        )
    return description


def check_working_dir(path: str | None) -> None:
    """Raise Refused unless ``path`` is None or an absolute path of Unix or Windows of at most 200 characters."""
    if path is None:
        return
    quotas.check_length(quotas.WORKING_DIR, path)
    if not names.is_absolute_path(path):
        raise InvalidParameter(
            f"cannot use the working directory {path!r}: it is not an absolute path",
            code=codes.INVALID_WORKING_DIR,
            hint="give an absolute path: /srv/app or C:\\srv\\app",
        )


def check_username(name: str | None) -> None:
    """Raise Refused unless ``name`` is None or can be the name of a user on an instance."""
    if name is None:
        return
    quotas.check_length(quotas.USERNAME, name)
    if not names.is_account(name):
        raise InvalidParameter(
            f"cannot run as the user {name!r}: it is not a user name",
            code=codes.INVALID_USERNAME,
            hint="give the name of a user on the instance",
        )


def type_from_word(word: str) -> CommandType:
    """Return the type of a word: ``shell``, ``bat``, ``powershell`` or an API name, in any case."""
    found = _TYPE_WORDS.get(word.lower())
    if found is None:
        raise InvalidParameter(
            f"cannot use the type {word!r}: there is no such type",
            code=codes.INVALID_COMMAND_TYPE,
            hint="the types are shell, bat and powershell",
        )
    return found


def type_of_script(content: bytes, file_name: str | None = None) -> CommandType:
    """Return the type by the extension of the file, else by the shebang line, else a shell script."""
    extension = re.search(r"\.[^./\\]*\Z", file_name or "")
    if extension and extension[0].lower() in _TYPE_OF_EXTENSION:
        return _TYPE_OF_EXTENSION[extension[0].lower()]
    if re.search(rb"\b(?:pwsh|powershell)\b", shebang(content) or b""):
        return CommandType.POWERSHELL
    return CommandType.SHELL


def parse_reference(text: str) -> tuple[str, int | None]:
    """Split NAME or NAME@VERSION into the name and the number of the version (None for the newest)."""
    name, at, number = text.rpartition("@")
    if not at:
        return text, None
    if not re.fullmatch(r"[1-9][0-9]{0,8}", number, re.ASCII):
        raise InvalidParameter(
            f"cannot use the version {number!r} of {name!r}: it is not a number",
            code=codes.INVALID_VERSION,
            hint="write NAME@1 for the first version, NAME for the newest",
        )
    return name, int(number)


def versions_in_words(number: int) -> str:
    """Return ``1 version``, ``3 versions``."""
    return count(number, "version")
