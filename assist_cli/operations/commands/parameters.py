"""What a user gives as parameters, and how it is written: ``key=value``, JSON, references to secrets, definitions.

A secret is given by reference, ``env:VARIABLE`` or ``@FILE``, and is read when it is needed: its text is in no argv and
is not stored. See docs/rules.md section 4.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from assist_cli import codes
from assist_cli.errors import FileFailure, InvalidParameter
from assist_cli.model.parameters import Definition, Value
from assist_cli.model.secret import Secret


def gather(pairs: Iterable[str] = (), document: str | None = None, secrets: Iterable[str] = ()) -> dict[str, Value]:
    """The values that a user gives: ``pairs`` KEY=VALUE, ``document`` JSON or @FILE, ``secrets`` KEY=REFERENCE.

    Raises InvalidParameter for what is none of these, or names a key twice, and FileFailure.
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
    """The secret behind ``env:VARIABLE`` or ``@FILE``; one line end at the end of a file is not part of it.

    Raises InvalidParameter (the variable is not set, or it is no reference) and FileFailure.
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
    raise InvalidParameter(  # what was given may be the secret itself, so it is not repeated
        f"cannot use what is given for the secret {key!r}: it is no reference",
        code=codes.SECRET_BY_VALUE,
        hint=f"give a reference: --secret {key}=env:VARIABLE or --secret {key}=@FILE",
    )


def definition(text: str) -> Definition:
    """A definition as the command line has it: words, split as a shell splits them, the first of them the key.

    The others: ``required``, ``secret``, ``default=V``, ``choices=a,b``, ``pattern=RE``, ``description=TEXT``. Raises
    InvalidParameter.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise _no_definition(text, f"a quote is not closed ({error})") from error
    if not words:
        raise _no_definition(text, "it is empty")
    key, *options = words
    given: dict[str, str] = {}
    for option in options:
        name, _, value = option.partition("=")
        if name not in ("required", "secret", "default", "choices", "pattern", "description"):
            raise _no_definition(text, f"it says {option!r}")
        if (name in ("required", "secret")) == ("=" in option):
            raise _no_definition(text, f"{name!r} takes no value" if "=" in option else f"{name!r} needs a value")
        if name in given:
            raise _no_definition(text, f"it says {name!r} twice")
        given[name] = value
    if "required" in given and "default" in given:
        raise _no_definition(text, "what is required has no default")
    return Definition(
        key=key,
        description=given.get("description", ""),
        default=given.get("default"),
        choices=tuple(given["choices"].split(",")) if "choices" in given else (),
        pattern=given.get("pattern"),
        secret="secret" in given,
    )


def _no_definition(text: str, reason: str) -> InvalidParameter:
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
    """The members of a JSON object, in order, repeated ones too. ``{{…}}`` around it means the same as ``{…}``."""
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
            "cannot read the parameters: the JSON is no object",
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
        f"cannot use the JSON value of the parameter {key!r}: it is no text and no number",
        code=codes.INVALID_PARAMETER_VALUE,
        hint="a value is a string, a number, true or false",
    )


def _add(given: dict[str, Value], key: str, value: Value) -> None:
    if any(key.lower() == known.lower() for known in given):
        raise InvalidParameter(
            f"cannot take the parameter {key!r} twice",
            code=codes.PARAMETER_DUPLICATED,
            hint="case does not tell keys apart",
        )
    given[key] = value


def _file(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise FileFailure(f"cannot read the file {name!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FileFailure(f"cannot read the file {name!r}: it is not UTF-8 text") from error
