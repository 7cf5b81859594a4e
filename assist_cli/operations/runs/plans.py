"""Requests, and the plan that one becomes: a script with its settings and values, and where it is to run.

A request has what was looked up for it: the saved command, the invocation to repeat, and instances where whoever asks
had to see them. Nothing of it is read from the database again; its parameters are resolved here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from assist_cli import codes
from assist_cli.errors import Conflict, Refused
from assist_cli.model import command, parameters, quotas
from assist_cli.model.command import Command, CommandType, CommandVersion
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation, RepeatMode
from assist_cli.model.parameters import Definition, Value
from assist_cli.model.secret import Secret
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.instances import Targets, resolve
from assist_cli.store import commands as store


@dataclass(frozen=True)
class RunRequest:
    """A script to run once. ``timeout`` is in seconds; empty ``targets`` mean this machine.

    ``parameters`` None means that they are off, and what stands in double braces is text. One that the script does not
    name in braces is only in its environment, or with ``only_named`` refused. The script is not saved, unless
    ``save_as`` names the command that it becomes, in the same transaction.
    """

    content: bytes
    type: CommandType = CommandType.SHELL
    timeout: int = command.DEFAULT_TIMEOUT
    working_dir: str | None = None
    username: str | None = None
    keep_script: bool = False
    parameters: Mapping[str, Value] | None = None
    only_named: bool = False
    targets: Targets = field(default_factory=Selection)
    save_as: str | None = None
    description: str = ""
    launcher: str | None = None


@dataclass(frozen=True)
class InvokeRequest:
    """A saved command to run, in the version that it has.

    ``timeout``, ``working_dir`` and ``launcher`` None are the command's.
    """

    command: Command
    parameters: Mapping[str, Value] = field(default_factory=dict)
    timeout: int | None = None
    working_dir: str | None = None
    username: str | None = None
    keep_script: bool = False
    targets: Targets = field(default_factory=Selection)
    launcher: str | None = None


@dataclass(frozen=True)
class RerunRequest:
    """An invocation to run again as it was, on those of its instances that did not succeed, or on all of them.

    The values of secrets are not remembered: they are given again. ``timeout``, ``working_dir`` and ``username`` None
    are what they were then, and the script is kept on the instance if it was then, or now with ``keep_script``.
    """

    invocation: Invocation
    everywhere: bool = False
    secrets: Mapping[str, Value] = field(default_factory=dict)
    timeout: int | None = None
    working_dir: str | None = None
    username: str | None = None
    keep_script: bool = False


Request = RunRequest | InvokeRequest | RerunRequest


@dataclass(frozen=True)
class Plan:
    """What will run, checked, and where: a version with its values; of a saved command also its id and name.

    ``new`` is the command that is saved with it.
    """

    version: CommandVersion
    values: Mapping[str, Value]
    targets: Targets
    username: str | None
    keep_script: bool
    command_id: str | None = None
    command_name: str | None = None
    new: Command | None = None


def checked(controller: Controller, request: Request) -> tuple[Plan, Sequence[Instance]]:
    """What is asked for, as a plan that can be carried out, and the instances that it is for.

    Raises Refused, NotFound and, where this machine's agent has to be started to learn its id, AgentError.
    """
    plan = _plan(controller, request)
    command.check_username(plan.username)
    if plan.keep_script and any(isinstance(value, Secret) for value in plan.values.values()):
        raise Refused(
            "cannot keep the script on the instance: a secret is put into it",
            code=codes.KEEP_SCRIPT_WITH_SECRET,
            hint="leave out --keep-script",
        )
    return plan, resolve(controller, plan.targets)


def missing(request: InvokeRequest | RerunRequest) -> Sequence[Definition]:
    """The parameters that are needed and that the request does not give."""
    if isinstance(request, RerunRequest):
        return [
            Definition(key, secret=True)
            for key, value in request.invocation.parameters.items()
            if isinstance(value, Secret) and key not in request.secrets
        ]
    version = request.command.version
    return parameters.missing(version.definitions, request.parameters) if version.parameters_enabled else ()


def _plan(controller: Controller, request: Request) -> Plan:
    if isinstance(request, RunRequest):
        return _plan_of_script(controller, request)
    if isinstance(request, InvokeRequest):
        return _plan_of_command(request)
    return _plan_of_rerun(controller, request)


def _plan_of_script(controller: Controller, request: RunRequest) -> Plan:
    """A script that is not saved has the keys that are given, and those in its content."""
    given = request.parameters or {}
    if request.only_named:
        parameters.refuse_unknown([Definition(key) for key in parameters.parse(request.content).keys], given)
    version = CommandVersion(
        content=request.content,
        type=request.type,
        working_dir=request.working_dir,
        timeout=request.timeout,
        parameters_enabled=request.parameters is not None,
        definitions=tuple(Definition(key, secret=isinstance(value, Secret)) for key, value in given.items()),
        launcher=request.launcher,
    )
    version = command.checked_version(version)
    values = _values(version, given)
    if request.save_as is None:
        return Plan(version, values, request.targets, request.username, request.keep_script)
    from assist_cli.operations.commands import commands  # a script is seldom saved by its run

    new = commands.drafted(controller, request.save_as, version, request.description)
    return Plan(version, values, request.targets, request.username, request.keep_script, new.id, new.name, new)


def _plan_of_command(request: InvokeRequest) -> Plan:
    saved = request.command
    version = replace(
        saved.version,
        timeout=saved.version.timeout if request.timeout is None else request.timeout,
        working_dir=saved.version.working_dir if request.working_dir is None else request.working_dir,
        launcher=saved.version.launcher if request.launcher is None else request.launcher,
    )
    version = command.checked_version(version)
    values = _values(version, request.parameters)
    return Plan(version, values, request.targets, request.username, request.keep_script, saved.id, saved.name)


def chosen(request: RerunRequest) -> Selection:
    """Return the instances that a rerun is for. Raises Conflict."""
    then = request.invocation
    if then.command_type is None:
        raise Conflict(f"cannot rerun {then.id}: it is a file, and only its size is remembered", hint="send it again")
    if not then.status.is_final:
        end_it = "stop" if then.repeat_mode is RepeatMode.PERIOD else "invocation wait"
        raise Conflict(f"cannot rerun {then.id}: it is {then.status} still", hint=f"assist {end_it} {then.id}")
    again = [place for place in then.instances if request.everywhere or not place.record.is_success]
    if not again:
        raise Conflict(
            f"cannot rerun {then.id}: it succeeded on every instance",
            code=codes.NOTHING_TO_RERUN,
            hint=f"assist rerun {then.id} --all",
        )
    return Selection(tuple(place.instance_id for place in again))


def _plan_of_rerun(controller: Controller, request: RerunRequest) -> Plan:
    """What ran then; a command that was deleted since is run as a script."""
    then, targets = request.invocation, chosen(request)
    assert then.command_type is not None
    version = CommandVersion(
        number=then.command_version or 1,
        content=then.content,
        type=then.command_type,
        working_dir=then.working_dir if request.working_dir is None else request.working_dir,
        timeout=then.timeout if request.timeout is None else request.timeout,
        parameters_enabled=then.parameters_enabled,
        definitions=tuple(Definition(key, secret=isinstance(value, Secret)) for key, value in then.parameters.items()),
        launcher=then.launcher,
    )
    version = command.checked_version(version)
    known = {key: value for key, value in then.parameters.items() if not isinstance(value, Secret)}
    saved = then.command_name is not None and store.exists(controller.database, then.command_id)
    return Plan(
        version,
        _values(version, {**known, **request.secrets}),
        targets,
        then.username if request.username is None else request.username,
        then.keep_script or request.keep_script,
        then.command_id if saved else None,
        then.command_name if saved else None,
    )


def _values(version: CommandVersion, given: Mapping[str, Value]) -> Mapping[str, Value]:
    if not version.parameters_enabled:
        parameters.refuse_disabled(given)
        return {}
    values = parameters.resolve(version.definitions, given)
    quotas.check_script(version.content, values)
    return values
