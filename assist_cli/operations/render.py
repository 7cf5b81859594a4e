"""What leaves for one instance: the script with its values put in, the environment, and the texts to hide in output.

Only this module asks secrets for their values. What it returns goes onto the wire and nowhere else.
"""

from __future__ import annotations

from assist_cli.model import parameters
from assist_cli.model.invocation import Invocation, InvocationInstance
from assist_cli.model.parameters import Value
from assist_cli.model.secret import Secret, spellings


def script(invocation: Invocation, place: InvocationInstance, region: str) -> bytes:
    """The script that this instance runs; ``region`` is the controller's name. Raises QuotaExceeded over 256 KiB."""
    if not invocation.parameters_enabled:
        return invocation.content
    builtins = {
        "ACS::InstanceId": place.instance_id,
        "ACS::InstanceName": place.instance_name,
        "ACS::InvokeId": invocation.id,
        "ACS::CommandId": invocation.command_id,
        "ACS::RegionId": region,
    }
    values = {key: _plain(value) for key, value in invocation.parameters.items()}
    return parameters.render(parameters.parse(invocation.content), {**values, **builtins})


def environment(invocation: Invocation) -> dict[str, str]:
    """The parameters as environment variables: ``ASSIST_PARAM_KEY``."""
    return {parameters.environment_name(key): _plain(value) for key, value in invocation.parameters.items()}


def secrets(invocation: Invocation) -> list[str]:
    """The texts that must not be seen in the output: each secret as it is, and as a shell may repeat it."""
    found: set[str] = set()
    for value in invocation.parameters.values():
        if isinstance(value, Secret):
            found.update(spellings(value))
    return sorted(found)


def _plain(value: Value) -> str:
    return value.reveal() if isinstance(value, Secret) else value
