"""Requests to run something, and their plans: a script with its settings, values and targets.

A request contains the saved command, or the invocation to rerun, and sometimes resolved instances. They are not read
from the database again. Parameters are resolved only here.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from assist_cli import codes
from assist_cli.errors import Conflict, Refused
from assist_cli.model import command, parameters, quotas
from assist_cli.model.command import Command, CommandType, CommandVersion
from assist_cli.model.folding import fold
from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation, RepeatMode
from assist_cli.model.parameters import Definition, Value
from assist_cli.model.secret import MASK, Secret
from assist_cli.model.target import Selection
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.instances import Targets, resolve
from assist_cli.store import commands as store
from assist_cli.structs import Struct


class RunRequest(Struct):
    """A request to run a script. ``timeout`` is in seconds; empty ``targets`` mean this machine.

    ``parameters`` None disables parameters: double braces are text. A parameter that the script does not contain in
    braces is only in its environment, or refused with ``only_named``. With ``save_as``, the script is also saved as a
    command of this name, in the same transaction.
    """

    content: bytes
    type: CommandType = CommandType.SHELL
    timeout: int = command.DEFAULT_TIMEOUT
    working_dir: str | None = None
    username: str | None = None
    keep_script: bool = False
    parameters: Mapping[str, Value] | None = None
    only_named: bool = False
    targets: Targets = Selection()
    save_as: str | None = None
    description: str = ""
    launcher: str | None = None


class InvokeRequest(Struct):
    """A request to run a saved command, at the version in ``command``.

    ``timeout``, ``working_dir`` and ``launcher`` None are those of the command.
    """

    command: Command
    parameters: Mapping[str, Value] = MappingProxyType({})
    timeout: int | None = None
    working_dir: str | None = None
    username: str | None = None
    keep_script: bool = False
    targets: Targets = Selection()
    launcher: str | None = None


class RerunRequest(Struct):
    """A request to rerun an invocation where it did not succeed, or with ``everywhere`` on all of its instances.

    Values of secrets are not stored, so they must be given again. ``timeout``, ``working_dir`` and ``username`` None
    are those of the invocation. The script is kept on the instance if it was then, or with ``keep_script``.
    """

    invocation: Invocation
    everywhere: bool = False
    secrets: Mapping[str, Value] = MappingProxyType({})
    timeout: int | None = None
    working_dir: str | None = None
    username: str | None = None
    keep_script: bool = False


Request = RunRequest | InvokeRequest | RerunRequest


class Plan(Struct):
    """A valid plan of a run: version, values and targets; for a saved command also its id and name.

    ``new`` is a command to save in the same transaction.
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
    """Validate a request. Returns its plan and the resolved instances.

    Raises Refused, NotFound, and AgentError if the agent of this machine must start to get its id and cannot.
    """
    plan = _plan(controller, request)
    command.check_username(plan.username)
    if plan.keep_script and any(isinstance(value, Secret) for value in plan.values.values()):
        raise Refused(
            "cannot keep the script on the instance: it contains a secret",
            code=codes.KEEP_SCRIPT_WITH_SECRET,
            hint="repeat without --keep-script",
        )
    return plan, resolve(controller, plan.targets)


def missing(request: InvokeRequest | RerunRequest) -> Sequence[Definition]:
    """The required parameters that the request does not give."""
    if isinstance(request, RerunRequest):
        return [
            Definition(key, secret=True)
            for key, value in request.invocation.parameters.items()
            if isinstance(value, Secret) and key not in request.secrets
        ]
    version = request.command.version
    return parameters.missing(version.definitions, request.parameters) if version.parameters_enabled else ()


def masked(request: Request) -> Request:
    """Return a request with a mask for each secret that is not given, to show it before it runs.

    The pattern of a secret is not checked then.
    """
    if isinstance(request, RerunRequest):
        return request.replace(secrets={each.key: Secret(MASK) for each in missing(request)})
    if isinstance(request, RunRequest):
        return request
    version = request.command.version
    hidden = {each.key: Secret(MASK) for each in version.definitions if each.secret}
    shown = version._replace(
        definitions=tuple(each.replace(pattern=None) if each.secret else each for each in version.definitions),
    )
    return request.replace(command=request.command._replace(version=shown), parameters={**hidden, **request.parameters})


def _plan(controller: Controller, request: Request) -> Plan:
    if isinstance(request, RunRequest):
        return _plan_of_script(controller, request)
    if isinstance(request, InvokeRequest):
        return _plan_of_command(request)
    return _plan_of_rerun(controller, request)


def _plan_of_script(controller: Controller, request: RunRequest) -> Plan:
    """The plan of a script: its parameters are the given ones and those in its content."""
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
    from assist_cli.operations.commands import commands  # few runs save their script

    new = commands.drafted(controller, request.save_as, version, request.description)
    return Plan(version, values, request.targets, request.username, request.keep_script, new.id, new.name, new)


def _plan_of_command(request: InvokeRequest) -> Plan:
    saved = request.command
    version = saved.version._replace(
        timeout=saved.version.timeout if request.timeout is None else request.timeout,
        working_dir=saved.version.working_dir if request.working_dir is None else request.working_dir,
        launcher=saved.version.launcher if request.launcher is None else request.launcher,
    )
    version = command.checked_version(version)
    values = _values(version, request.parameters)
    return Plan(version, values, request.targets, request.username, request.keep_script, saved.id, saved.name)


def chosen(request: RerunRequest) -> Selection:
    """Return the instances of a rerun. Raises Conflict."""
    then = request.invocation
    if then.command_type is None:
        reason = "it is a sent file, whose content is not stored"
        raise Conflict(f"cannot rerun {then.id}: {reason}", hint="send it again: assist send")
    left = [each for each in then.instances if not each.status.is_final]
    if left and all(each.record.is_queued for each in left):
        where = fold(each.instance_name for each in left)
        raise Conflict(f"cannot rerun {then.id}: it is queued for {where}", hint=f"assist queue drop {then.id}")
    if not then.status.is_final:
        verb = "stop" if then.repeat_mode is RepeatMode.PERIOD else "invocation wait"
        raise Conflict(f"cannot rerun {then.id}: it is still {then.status}", hint=f"assist {verb} {then.id}")
    again = [each for each in then.instances if request.everywhere or not each.record.is_success]
    if not again:
        raise Conflict(
            f"cannot rerun {then.id}: it succeeded on every instance",
            code=codes.NOTHING_TO_RERUN,
            hint=f"assist rerun {then.id} --all",
        )
    return Selection(tuple(each.instance_id for each in again))


def _plan_of_rerun(controller: Controller, request: RerunRequest) -> Plan:
    """The plan of a rerun. A command that was deleted since is run as a script."""
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
