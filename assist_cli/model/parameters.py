"""Custom parameters: ``{{key}}`` in a script, their definitions in a command, and their values in one invocation.

A script is bytes, before and after: all but the parameters passes unchanged, in any encoding. A parameter is
``{{key}}`` or ``{{key|sh}}``; white space and line breaks around the key are ignored. ``{{key}}`` is replaced by the
value as it is, and a value in a script is code. ``{{key|sh}}`` is replaced by the value as one quoted word of a POSIX
shell. Values are put in one time, so a value that looks like a parameter stays text. Keys are compared without case.

Anything else in double braces is text: ``{{.Names}}`` of a Go template, ``{{}}``, ``{{a b}}``.

The rules are docs/rules.md section 4.
"""

import functools
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

from assist_cli import codes
from assist_cli.errors import InvalidParameter
from assist_cli.model import quotas
from assist_cli.model.secret import Secret
from assist_cli.model.timeouts import DEFAULTS
from assist_cli.structs import Struct

BUILTINS = ("ACS::InstanceId", "ACS::InstanceName", "ACS::InvokeId", "ACS::CommandId", "ACS::RegionId")

_RESERVED = "acs::"
_KEY = r"[A-Za-z0-9_-]+"
_PLACEHOLDER = rb"\{\{\s*(?P<key>(?:acs::)?[A-Za-z0-9_-]+)\s*(?P<filter>\|\s*(?:[A-Za-z0-9_-]+\s*)?)?\}\}"
_ATTEMPT = rb"\{\{\s*((?:[A-Za-z0-9_\x80-\xff-][^\s{}]*)?)\s*\}\}"

Value = str | Secret


class Placeholder(Struct):
    """One location in a script that a value replaces."""

    key: str
    quoted: bool
    source: bytes


class Template(Struct):
    """A script in pieces: bytes and placeholders. In order, with the source of each placeholder, they form it."""

    pieces: tuple[bytes | Placeholder, ...]

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        return tuple(piece for piece in self.pieces if isinstance(piece, Placeholder))

    @property
    def keys(self) -> tuple[str, ...]:
        """The distinct custom keys in order of appearance, each in its first spelling; no built-ins."""
        seen: dict[str, str] = {}
        for placeholder in self.placeholders:
            if not placeholder.key.lower().startswith(_RESERVED):
                seen.setdefault(placeholder.key.lower(), placeholder.key)
        return tuple(seen.values())


class Definition(Struct):
    """The definition of one key in a command. A key without a default must be given.

    ``pattern`` is a regular expression that must match the whole value.
    """

    key: str
    description: str = ""
    default: str | None = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    secret: bool = False

    @property
    def required(self) -> bool:
        return self.default is None

    @property
    def bare(self) -> bool:
        """Return True if only the name is defined, as for a key that only appears in the content."""
        return self == Definition(self.key)


@functools.lru_cache(maxsize=16)  # a script is parsed for each instance that it runs on
def parse(content: bytes) -> Template:
    """Find the parameters of a script.

    Raises InvalidParameter for an unknown built-in and for a filter other than ``sh``, QuotaExceeded for a key over 64
    characters.
    """
    pieces: list[bytes | Placeholder] = []
    position = 0
    for match in re.finditer(_PLACEHOLDER, content, re.IGNORECASE):
        if match.start() > position:
            pieces.append(content[position : match.start()])
        pieces.append(_placeholder(match))
        position = match.end()
    if position < len(content):
        pieces.append(content[position:])
    return Template(tuple(pieces))


def odd_keys(content: bytes) -> Iterator[str]:
    """Yield what looks like a parameter but is not: "" for an empty name, else a name that cannot be one.

    It has no white space inside and begins like a word, so it is not a template of another language.
    """
    for match in re.finditer(_ATTEMPT, content):
        key = match[1].decode("utf-8", "replace")
        name = key.partition("|")[0]
        if not re.fullmatch(_KEY, name[len(_RESERVED) :] if name.lower().startswith(_RESERVED) else name):
            yield key


def _placeholder(match: re.Match[bytes]) -> Placeholder:
    key = match["key"].decode("ascii")
    if key.lower().startswith(_RESERVED):
        if key.lower() not in {name.lower() for name in BUILTINS}:
            raise InvalidParameter(
                f"cannot use the built-in parameter {key!r}: there is no such parameter",
                code=codes.INVALID_SYSTEM_BUILT_IN_PARAMETER,
                hint="the built-in ones are " + ", ".join(BUILTINS),
            )
    else:
        quotas.check_length(quotas.PARAMETER_NAME, key)
    filter_name = match["filter"] and match["filter"].strip(b"| \t\r\n\f\v").decode("ascii")
    if filter_name is not None and filter_name.lower() != "sh":
        raise InvalidParameter(
            f"cannot use the filter {filter_name!r} of {key!r}: there is no such filter",
            code=codes.INVALID_PARAMETER_FILTER,
            hint=f"in a shell script write {{{{{key}|sh}}}}; in others read the variable {environment_name(key)}",
        )
    return Placeholder(key, quoted=filter_name is not None, source=match[0])


def render(template: Template, values: Mapping[str, str]) -> bytes:
    """Put the values in, each one time; keys are compared without case. Raises QuotaExceeded above 256 KiB.

    ``values`` has every key of the template and, of the built-ins, those that it uses. A missing key is a KeyError.
    """
    found = {key.lower(): value for key, value in values.items()}
    pieces = []
    for piece in template.pieces:
        if isinstance(piece, Placeholder):
            value = found[piece.key.lower()]
            pieces.append((shell_word(value) if piece.quoted else value).encode("utf-8"))
        else:
            pieces.append(piece)
    script = b"".join(pieces)
    quotas.check_rendered(script)
    return script


def shell_word(value: str) -> str:
    """Return the value as one quoted word of a POSIX shell."""
    return shlex.quote(value)


def environment_name(key: str) -> str:
    """Return the environment variable of a parameter: ``db-host`` → ``ASSIST_PARAM_DB_HOST``."""
    return "ASSIST_PARAM_" + key.upper().replace("-", "_")


def check_definition(definition: Definition) -> None:
    """Raise InvalidParameter or QuotaExceeded for an invalid definition."""
    key = definition.key
    quotas.check_length(quotas.PARAMETER_NAME, key)
    if not re.fullmatch(_KEY, key):
        raise _invalid_definition(key, "a name has letters, digits, '-' and '_' only")
    quotas.check_length(quotas.DESCRIPTION, definition.description)
    if definition.secret and (definition.default is not None or definition.choices):
        raise _invalid_definition(key, "a secret has no default and no choices, since they would be stored")
    if definition.pattern is not None:
        try:
            re.compile(definition.pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise _invalid_definition(key, f"its pattern is not a regular expression ({error})") from error
    if len(set(definition.choices)) != len(definition.choices):
        raise _invalid_definition(key, "a choice is given twice")
    for value in definition.choices:
        check_value(Definition(key, pattern=definition.pattern), value)
    if definition.default is not None:
        check_value(definition, definition.default)


def _invalid_definition(key: str, reason: str) -> InvalidParameter:
    return InvalidParameter(
        f"cannot define the parameter {key!r}: {reason}",
        code=codes.INVALID_PARAMETER_DEFINITION,
        hint="see assist help parameters",
    )


def signature(template: Template, definitions: Iterable[Definition]) -> tuple[Definition, ...]:
    """Return all keys of a command: those that it defines, then those that only its content has.

    Raises InvalidParameter when a key is defined twice or two keys share an environment variable, QuotaExceeded for
    more than 20 keys.
    """
    found: dict[str, Definition] = {}
    for definition in definitions:
        if definition.key.lower() in found:
            raise _invalid_definition(definition.key, "it is defined twice (keys are compared without case)")
        found[definition.key.lower()] = definition
    for key in template.keys:
        found.setdefault(key.lower(), Definition(key))
    quotas.check_parameter_count(len(found))
    variables: dict[str, str] = {}
    for definition in found.values():
        other = variables.setdefault(environment_name(definition.key), definition.key)
        if other != definition.key:
            raise _invalid_definition(
                definition.key, f"{other!r} has the same environment variable {environment_name(other)}"
            )
    return tuple(found.values())


def missing(definitions: Iterable[Definition], given: Mapping[str, Value]) -> tuple[Definition, ...]:
    """Return the parameters that must still be given."""
    known = {key.lower() for key in given}
    return tuple(entry for entry in definitions if entry.required and entry.key.lower() not in known)


def resolve(definitions: Iterable[Definition], given: Mapping[str, Value]) -> dict[str, Value]:
    """Return the value of every key of a command, with defaults, in the spelling of the command.

    ``definitions`` is the signature of the command. Raises InvalidParameter with the code ParameterDuplicated,
    ParameterNotMatched, MissingParameter, SecretByValue or InvalidParameterValue.
    """
    definitions = tuple(definitions)
    values: dict[str, Value] = {}
    for key, value in given.items():
        if key.lower() in values:
            raise InvalidParameter(
                f"cannot use the parameter {key!r} twice",
                code=codes.PARAMETER_DUPLICATED,
                hint="keys are compared without case",
            )
        values[key.lower()] = value
    refuse_unknown(definitions, given)
    absent = missing(definitions, given)
    if absent:
        raise InvalidParameter(
            "cannot run without the parameter" + _listed(entry.key for entry in absent),
            code=codes.MISSING_PARAMETER,
            hint=f"give it with {_how_to_give(absent[0])}",
        )
    resolved: dict[str, Value] = {}
    for definition in definitions:
        value = values.get(definition.key.lower(), definition.default or "")
        check_value(definition, value)
        resolved[definition.key] = value
    return resolved


def refuse_unknown(definitions: Sequence[Definition], given: Mapping[str, Value]) -> None:
    """Raise InvalidParameter (ParameterNotMatched) for a key that is not defined."""
    known = {entry.key.lower() for entry in definitions}
    extra = [key for key in given if key.lower() not in known]
    if extra:
        names = ", ".join(entry.key for entry in definitions)
        raise InvalidParameter(
            "cannot use the parameter" + _listed(extra) + ": the command has no such parameter",
            code=codes.PARAMETER_NOT_MATCHED,
            hint=f"its parameters: {names}" if names else "it has no parameters",
        )


def _listed(keys: Iterable[str]) -> str:
    quoted = [repr(key) for key in keys]
    return ("s " if len(quoted) > 1 else " ") + ", ".join(quoted)


def _how_to_give(definition: Definition) -> str:
    return f"--secret {definition.key}=env:VARIABLE" if definition.secret else f"-p {definition.key}=VALUE"


def check_value(definition: Definition, value: Value) -> None:
    """Raise InvalidParameter for an invalid value of a parameter. The text of a Secret is not shown."""
    if definition.secret and not isinstance(value, Secret):
        raise InvalidParameter(
            f"cannot use plain text for the secret parameter {definition.key!r}",
            code=codes.SECRET_BY_VALUE,
            hint=f"give a reference: {_how_to_give(definition)}",
        )
    text = value.reveal() if isinstance(value, Secret) else value
    shown = "this value" if isinstance(value, Secret) else _shortened(value)
    reason = None
    if "\0" in text:
        reason = "it has a NUL character"
    elif not _is_unicode(text):
        reason = "it is not UTF-8 text"
    elif definition.choices and text not in definition.choices:
        reason = "it is not one of " + ", ".join(repr(choice) for choice in definition.choices)
    elif definition.pattern is not None:
        reason = _mismatch(definition.pattern, text)
    if reason:
        raise InvalidParameter(
            f"cannot use {shown} for the parameter {definition.key!r}: {reason}",
            code=codes.INVALID_PARAMETER_VALUE,
            hint=f"{definition.key}: {definition.description}" if definition.description else "",
        )


def _mismatch(expression: str, text: str) -> str | None:
    from assist_cli import pattern  # imported here, since few parameters have one

    try:
        if pattern.matches(expression, text, DEFAULTS.pattern):
            return None
    except pattern.TooSlow:
        return f"matching it with the pattern {_shortened(expression)} takes too long"
    return f"it does not match the pattern {expression!r}"


def _shortened(value: str) -> str:
    return repr(value if len(value) <= 60 else value[:57] + "…")


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def refuse_disabled(given: Mapping[str, Value]) -> None:
    """Raise InvalidParameter when values are given to a command whose parameters are disabled."""
    if given:
        raise InvalidParameter(
            "cannot use parameters: they are disabled in the command",
            code=codes.PARAMETER_DISABLED,
            hint="enable them in a new version: assist command clone NAME --enable-parameters",
        )


def bare_keys(template: Template) -> tuple[str, ...]:
    """Return the keys that appear anywhere as ``{{key}}``, where the script treats the value as code.

    The name of an instance is one of them, since people choose it; the other built-ins are ids.
    """
    found: dict[str, str] = {}
    for placeholder in template.placeholders:
        key = placeholder.key.lower()
        if not placeholder.quoted and (key == "acs::instancename" or not key.startswith(_RESERVED)):
            found.setdefault(key, placeholder.key)
    return tuple(found.values())


def keys_inside_quotes(template: Template) -> tuple[str, ...]:
    """Return the keys of ``{{key|sh}}`` between quotes of the same line, which undo the quoting of ``sh``."""
    found: dict[str, None] = {}
    line = b""
    for piece in template.pieces:
        if isinstance(piece, Placeholder):
            if piece.quoted and _open_quote(line):
                found[piece.key] = None
            continue
        line = (line + piece).rpartition(b"\n")[2]
    return tuple(found)


def _open_quote(line: bytes) -> bool:
    """Return True if a shell is inside quotes after ``line``."""
    quote = b""
    position = 0
    while position < len(line):
        character = line[position : position + 1]
        if character == b"\\" and quote != b"'":
            position += 1
        elif character in (b"'", b'"') and quote in (b"", character):
            quote = b"" if quote else character
        position += 1
    return bool(quote)
