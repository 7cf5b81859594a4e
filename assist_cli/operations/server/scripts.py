"""Changing the script or the parameter values of a periodic invocation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from assist_cli import codes
from assist_cli.errors import Refused
from assist_cli.model import command, parameters, quotas
from assist_cli.model.command import CommandVersion
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.invocation import Invocation
from assist_cli.model.parameters import Definition, Value
from assist_cli.model.secret import Secret
from assist_cli.operations.controller import Controller
from assist_cli.operations.runs import recording
from assist_cli.store import scripts
from assist_cli.store.database import Transaction


@dataclass(frozen=True)
class Script:
    """The new script of an invocation; ``values`` are the changed values of parameters."""

    content: bytes
    parameters_enabled: bool
    values: Mapping[str, str]


def change(controller: Controller, transaction: Transaction, found: Invocation, script: Script) -> str:
    """Change the script of an invocation. Returns the change in words; "" if nothing changes.

    Keys that the new script still has keep their values. A script with another content becomes another command, without
    a name. Raises InvalidParameter, QuotaExceeded, and Refused for the value of a secret, which has a reference.
    """
    assert found.command_type is not None
    is_other = script.content != found.content
    defined = () if is_other or not script.parameters_enabled else found.parameters.items()
    version = command.checked_version(
        CommandVersion(
            script.content,
            found.command_type,
            timeout=found.timeout,
            parameters_enabled=script.parameters_enabled,
            definitions=tuple(Definition(key, secret=isinstance(value, Secret)) for key, value in defined),
            launcher=found.launcher,
        )
    )
    values: dict[str, Value] = {}
    if script.parameters_enabled:
        keys = {entry.key.lower() for entry in version.definitions}
        given = {key.lower() for key in script.values}
        kept = {key: value for key, value in found.parameters.items() if key.lower() in keys - given}
        secret = {key: value for key, value in found.parameters.items() if isinstance(value, Secret)}
        _refuse_secrets(secret, given)
        hidden = {key.lower() for key in secret}
        plain = {key: value for key, value in kept.items() if key.lower() not in hidden}
        open_keys = [entry for entry in version.definitions if entry.key.lower() not in hidden]
        values = parameters.resolve(open_keys, {**plain, **script.values})
        quotas.check_script(script.content, values)
        values.update((key, value) for key, value in secret.items() if key in kept)
    new = found._replace(
        content=script.content,
        parameters_enabled=script.parameters_enabled,
        parameters=values,
        command_id=new_id(Kind.COMMAND, controller.now_ms()) if is_other else found.command_id,
        command_name=None if is_other else found.command_name,
        command_version=None if is_other else found.command_version,
    )
    if new == found:
        return ""
    if not any(isinstance(value, Secret) for value in values.values()):
        recording.check_rendering(controller, new)
    scripts.change(transaction, new, controller.now())
    return f"script {found.command_id} to {new.command_id}" if is_other else "parameters"


def _refuse_secrets(secret: Iterable[str], given: Collection[str]) -> None:
    for key in secret:
        if key.lower() in given:
            raise Refused(
                f"cannot change the secret {key!r}: its value is read from its reference at each run",
                hint="change the value there; the next run takes it",
                code=codes.INVALID_PARAMETER_VALUE,
            )
