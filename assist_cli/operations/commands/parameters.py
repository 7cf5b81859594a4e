"""Parsing of parameters that a user gives: ``key=value``, JSON, references to secrets, definitions.

A secret is given as a reference, ``env:VARIABLE`` or ``@FILE``, and is read when it is needed. Its value is in no argv
and is not stored. See docs/rules.md section 4.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from assist_cli import codes
from assist_cli.errors import FileFailure, InvalidParameter
from assist_cli.model.invocation import Invocation
from assist_cli.model.parameters import Definition, Value
from assist_cli.model.secret import Secret


def gather(pairs: Iterable[str] = (), document: str | None = None, secrets: Iterable[str] = ()) -> dict[str, Value]:
    """Return the values of ``pairs`` KEY=VALUE, ``document`` JSON or @FILE, and ``secrets`` KEY=REFERENCE.

    Raises InvalidParameter for another form or a repeated key, and FileFailure.
    """
    given: dict[str, Value] = {}
    for pair in pairs:
        key, value = _pair(pair, "-p KEY=VALUE")
        _add(given, key, value)
    if document is not None:
        for key, value in _object(document):
            _add(given, key, _text(key, value))
    for pair in secrets:
        key, reference = _pair(pair, "--secret KEY=env:VARIABLE or KEY=@FILE", secret=True)
        _add(given, key, secret(key, reference))
    return given


def secret(key: str, reference: str) -> Secret:
    """Read the secret of a reference ``env:VARIABLE`` or ``@FILE``, without one line end at the end of the file.

    Raises InvalidParameter (not a reference, or the variable is not set) and FileFailure.
    """
    if reference.startswith("env:"):
        variable = reference.removeprefix("env:")
        value = os.environ.get(variable)
        if value is None:
            raise InvalidParameter(
                f"cannot read the secret {key!r}: the environment variable {variable!r} is not set",
                code=codes.SECRET_NOT_FOUND,
                hint=f"set it: read -rs {variable} && export {variable}",
            )
        return Secret(value, reference)
    if reference.startswith("@"):
        text = _file(reference[1:]).removesuffix("\n").removesuffix("\r")
        return Secret(text, f"@{Path(reference[1:]).absolute()}")
    raise InvalidParameter(  # the given text may be the secret itself, so the message does not quote it
        f"cannot use the value of the secret {key!r}: it is not a reference",
        code=codes.SECRET_BY_VALUE,
        hint=f"give a reference: --secret {key}=env:VARIABLE or --secret {key}=@FILE",
    )


def definition(text: str) -> Definition:
    """Parse a definition of the command line: a key and options, split as in a shell.

    Options: ``required``, ``secret``, ``default=V``, ``choices=a,b``, ``pattern=RE``, ``description=TEXT``. Raises
    InvalidParameter.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise _invalid_definition(text, f"a quote is not closed ({error})") from error
    if not words:
        raise _invalid_definition(text, "it is empty")
    key, *options = words
    given: dict[str, str] = {}
    for option in options:
        name, _, value = option.partition("=")
        if name not in ("required", "secret", "default", "choices", "pattern", "description"):
            raise _invalid_definition(text, f"unknown option {option!r}")
        if (name in ("required", "secret")) == ("=" in option):
            raise _invalid_definition(text, f"{name!r} takes no value" if "=" in option else f"{name!r} needs a value")
        if name in given:
            raise _invalid_definition(text, f"{name!r} is given twice")
        given[name] = value
    if "required" in given and "default" in given:
        raise _invalid_definition(text, "'required' excludes 'default'")
    return Definition(
        key=key,
        description=given.get("description", ""),
        default=given.get("default"),
        choices=tuple(given["choices"].split(",")) if "choices" in given else (),
        pattern=given.get("pattern"),
        secret="secret" in given,
    )


def definition_text(found: Definition) -> str | None:
    """Return a definition as ``definition`` reads it; None if one line cannot contain it."""
    words = [found.key]
    words += ["secret"] if found.secret else []
    words += ["required"] if found.default is None else [f"default={found.default}"]
    words += [f"choices={','.join(found.choices)}"] if found.choices else []
    words += [] if found.pattern is None else [f"pattern={found.pattern}"]
    words += [f"description={found.description}"] if found.description else []
    text = shlex.join(words)
    return None if "\n" in text or "\r" in text or definition(text) != found else text


def with_secrets(invocation: Invocation, references: Mapping[str, str]) -> Invocation:
    """Return an invocation with the values of its secrets, read now. Raises InvalidParameter and FileFailure."""
    read = {key: secret(key, reference) for key, reference in references.items()}
    return invocation._replace(parameters={**invocation.parameters, **read}) if read else invocation


def _invalid_definition(text: str, reason: str) -> InvalidParameter:
    return InvalidParameter(
        f"cannot define a parameter by {text!r}: {reason}",
        code=codes.INVALID_PARAMETER_DEFINITION,
        hint="KEY [required] [secret] [default=V] [choices=a,b] [pattern=RE] [description=TEXT]",
    )


def _pair(text: str, form: str, *, secret: bool = False) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        shown = "a secret" if secret else f"the parameter {text!r}"
        raise InvalidParameter(
            f"cannot read {shown}: it is not KEY=VALUE", code=codes.INVALID_PARAMETER_FORM, hint=form
        )
    return key, value


def _object(document: str) -> list[tuple[str, Any]]:
    """The members of a JSON object in order, including repeated ones. ``{{…}}`` means the same as ``{…}``."""
    text = (_file(document[1:]) if document.startswith("@") else document).strip()
    if text.startswith("{{") and text.endswith("}}"):
        text = text[1:-1]
    try:
        found = json.loads(text, object_pairs_hook=_Members, parse_int=str, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise InvalidParameter(
            f"cannot read the parameters as JSON: {error}",
            code=codes.INVALID_PARAMETER_FORM,
            hint="""--params '{"key": "value"}' or --params @FILE""",
        ) from error
    if not isinstance(found, _Members):
        raise InvalidParameter(
            "cannot read the parameters: the JSON is not an object",
            code=codes.INVALID_PARAMETER_FORM,
            hint="""--params '{"key": "value"}' or --params @FILE""",
        )
    return found


class _Members(list[tuple[str, Any]]):
    """The members of one JSON object."""


def _text(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    raise InvalidParameter(
        f"cannot use the JSON value of the parameter {key!r}: it is neither text nor a number",
        code=codes.INVALID_PARAMETER_VALUE,
        hint="a value is a string, a number, true or false",
    )


def _add(given: dict[str, Value], key: str, value: Value) -> None:
    if any(key.lower() == known.lower() for known in given):
        raise InvalidParameter(
            f"cannot use the parameter {key!r} twice",
            code=codes.PARAMETER_DUPLICATED,
            hint="give it once; keys that differ only in case are the same key",
        )
    given[key] = value


def _file(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise FileFailure(f"cannot read the file {name!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FileFailure(f"cannot read the file {name!r}: it is not UTF-8 text") from error
