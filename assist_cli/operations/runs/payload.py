"""The payload for one instance: a file, or the rendered script, its environment, and the texts to mask.

Only this module reveals the values of secrets. Its results are sent to the agent, and never stored or logged.
"""

from __future__ import annotations

import base64
import codecs
from typing import TYPE_CHECKING

from assist_cli.model import command, parameters
from assist_cli.model.invocation import Invocation, InvocationInstance
from assist_cli.model.parameters import Value
from assist_cli.model.secret import Secret, spellings

if TYPE_CHECKING:
    from assist_cli.model.transfer import Transfer


def request(invocation: Invocation, instance: InvocationInstance, region: str) -> tuple[str, dict[str, object]]:
    """The method and the params (docs/protocol.md) that deliver the record of ``instance`` to its agent."""
    common: dict[str, object] = {"record": instance.record.id, "invocation": invocation.id}
    if invocation.transfer is not None:
        return "file.put", {**common, **_file(invocation.transfer, invocation.content)}
    return "task.run", {**common, **_task(invocation, script(invocation, instance, region))}


def script(invocation: Invocation, instance: InvocationInstance, region: str) -> bytes:
    """Render the script of this instance; ``region`` is the controller's name. Raises QuotaExceeded over 256 KiB."""
    content = invocation.content
    if content.startswith(codecs.BOM_UTF8) and invocation.command_type is not None:
        content = command.sent(content, invocation.command_type)
    if not invocation.parameters_enabled:
        return content
    builtins = {
        "ACS::InstanceId": instance.instance_id,
        "ACS::InstanceName": instance.instance_name,
        "ACS::InvokeId": invocation.id,
        "ACS::CommandId": invocation.command_id,
        "ACS::RegionId": region,
    }
    values = {key: _plain(value) for key, value in invocation.parameters.items()}
    return parameters.render(parameters.parse(content), {**values, **builtins})


def environment(invocation: Invocation) -> dict[str, str]:
    """The parameters as environment variables: ``ASSIST_PARAM_KEY``."""
    return {parameters.environment_name(key): _plain(value) for key, value in invocation.parameters.items()}


def secrets(invocation: Invocation) -> list[str]:
    """The texts to mask in the output: each secret, literally and as a shell may quote it."""
    found: set[str] = set()
    for value in invocation.parameters.values():
        if isinstance(value, Secret):
            found.update(spellings(value))
    return sorted(found)


def _task(invocation: Invocation, content: bytes) -> dict[str, object]:
    assert invocation.command_type is not None
    return {
        "command": invocation.command_id,
        "type": invocation.command_type.value,
        "content": _packed(content),
        "directory": invocation.working_dir,
        "timeout": invocation.timeout,
        "username": invocation.username,
        "environment": environment(invocation),
        "secrets": secrets(invocation),
        "keep_script": invocation.keep_script,
        **(_launcher(invocation.launcher) if invocation.launcher else {}),
    }


def _launcher(text: str) -> dict[str, object]:
    from assist_cli.model import launcher  # few scripts have one

    words, ending = launcher.parse(text)
    return {"launcher": words, "ending": ending}


def _file(transfer: Transfer, content: bytes) -> dict[str, object]:
    return {
        "name": transfer.name,
        "directory": transfer.directory,
        "content": _packed(content),
        "sha256": transfer.sha256,
        "mode": transfer.mode,
        "owner": transfer.owner,
        "group": transfer.group,
        "overwrite": transfer.overwrite,
    }


def _packed(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _plain(value: Value) -> str:
    return value.reveal() if isinstance(value, Secret) else value
