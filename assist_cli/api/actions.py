"""The table of actions: for each its name, the least role, its parameters, and the function that carries it out.

``words`` are the codes in which an action differs from the others: the original's set is not uniform. ``waits`` is True
for an action that may wait for the disk or for agents. The others only read, and a call that ``is_quick`` reads so
little that a thread for it would take longer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from assist_cli import codes
from assist_cli.api import activations, commands, files, instances, invocations, machines, managed, schedules
from assist_cli.api.caller import Caller
from assist_cli.api.faults import Words
from assist_cli.api.forms import Document
from assist_cli.api.parameters import Given, Takes
from assist_cli.model.access import Role

VERSION = "2014-05-26"


@dataclass(frozen=True)
class Action:
    """One action. ``role`` is the least role for it. ``carry_out`` returns the answer without its RequestId."""

    name: str
    role: Role
    takes: Takes
    carry_out: Callable[[Caller, Given], Document]
    words: Words = field(default_factory=dict)
    waits: bool = True
    is_quick: Callable[[Caller, Given], bool] = lambda caller, given: False


_INVOKE: Words = {
    codes.PARAMETER_COUNT_EXCEED_LIMIT: "ParameterCount.ExceedLimit",
    codes.PARAMETER_NAME_EXCEED_LIMIT: "ParameterKey.ExceedLimit",
}

_TABLE = (
    Action("RunCommand", Role.OPERATOR, invocations.RUN, invocations.run),
    Action("InvokeCommand", Role.OPERATOR, invocations.INVOKE, invocations.invoke, _INVOKE),
    Action("StopInvocation", Role.OPERATOR, invocations.STOP, invocations.halt),
    Action("ModifyInvocationAttribute", Role.OPERATOR, schedules.MODIFY, schedules.modify, schedules.WORDS),
    Action(
        "DescribeInvocations",
        Role.VIEWER,
        invocations.DESCRIBE,
        invocations.describe,
        waits=False,
        is_quick=invocations.is_of_small,
    ),
    Action(
        "DescribeInvocationResults",
        Role.VIEWER,
        invocations.RESULTS,
        invocations.results,
        waits=False,
        is_quick=invocations.is_of_small,
    ),
    Action("SendFile", Role.OPERATOR, files.SEND, files.send, files.WORDS),
    Action("DescribeSendFileResults", Role.VIEWER, files.RESULTS, files.results, waits=False),
    Action("CreateCommand", Role.ADMIN, commands.CREATE, commands.create),
    Action("ModifyCommand", Role.ADMIN, commands.MODIFY, commands.modify),
    Action("DeleteCommand", Role.ADMIN, commands.DELETE, commands.delete),
    Action("DescribeCommands", Role.VIEWER, commands.DESCRIBE, commands.describe, waits=False),
    Action("InstallCloudAssistant", Role.ADMIN, instances.INSTALL, instances.install),
    Action("DescribeCloudAssistantStatus", Role.VIEWER, instances.STATUS, instances.status),
    Action("DescribeInstances", Role.VIEWER, machines.INSTANCES, machines.describe),
    Action("DescribeInstanceStatus", Role.VIEWER, machines.STATUSES, machines.statuses),
    Action("DescribeRegions", Role.VIEWER, machines.REGIONS, machines.regions, waits=False),
    Action("DescribeManagedInstances", Role.VIEWER, managed.DESCRIBE, managed.describe),
    Action("ModifyManagedInstance", Role.ADMIN, managed.MODIFY, managed.modify, managed.WORDS),
    Action("DeregisterManagedInstance", Role.ADMIN, managed.DEREGISTER, managed.deregister),
    Action("CreateActivation", Role.ADMIN, activations.CREATE, activations.create, activations.WORDS),
    Action("DescribeActivations", Role.VIEWER, activations.DESCRIBE, activations.describe, waits=False),
    Action("DisableActivation", Role.ADMIN, activations.CHANGE, activations.disable, activations.WORDS),
    Action("DeleteActivation", Role.ADMIN, activations.CHANGE, activations.delete, activations.WORDS),
    Action("ListPluginStatus", Role.VIEWER, instances.PLUGINS, instances.plugins, waits=False),
)

ACTIONS = {action.name: action for action in _TABLE}
