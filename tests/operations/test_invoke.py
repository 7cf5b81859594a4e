"""Saved commands and scripts with parameters on a real agent, and their records in the history."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from assist_cli.errors import AssistError, Conflict, NotFound, Refused
from assist_cli.model.command import CommandVersion
from assist_cli.model.invocation import Invocation
from assist_cli.model.output import Stream
from assist_cli.model.parameters import Definition, Value
from assist_cli.model.secret import MASK, Secret
from assist_cli.operations.commands import commands
from assist_cli.operations.commands.commands import Changes
from assist_cli.operations.controller import Controller
from assist_cli.operations.history import history
from assist_cli.operations.runs import dispatch, plans, recording, refresh, stop
from assist_cli.operations.runs.plans import InvokeRequest, RunRequest
from assist_cli.store import audit

pytestmark = pytest.mark.usefixtures("starts_processes")

CANARY = "canary 'n' $(bird)"


def run(controller: Controller, request: RunRequest | InvokeRequest) -> Invocation:
    """Return the ended invocation, from the history."""
    with recording.recorded(controller, request) as invocation:
        dispatch.send_and_watch(controller, invocation, listener=None)
    return history.show(controller, invocation.id, output=True)


def printed(invocation: Invocation) -> str:
    (place,) = invocation.instances
    assert place.record.output is not None
    assert place.record.error_code == ""
    return place.record.output.text_of(Stream.STDOUT)


def nothing_was_done(controller: Controller) -> bool:
    return not history.summaries(controller, limit=None) and not [
        entry for entry in audit.entries(controller.database) if entry.action.startswith("invocation.")
    ]


ECHO = CommandVersion(
    b'printf \'%s|\' {{word|sh}} {{mode}} "$ASSIST_PARAM_WORD" "$ASSIST_PARAM_MODE"',
    parameters_enabled=True,
    definitions=(Definition("mode", default="soft"),),
)


def test_a_saved_command_with_its_parameters(controller: Controller) -> None:
    made = commands.create(controller, "echo", ECHO)
    ended = run(controller, InvokeRequest(commands.get(controller, "echo"), {"WORD": "a 'b' $c"}))
    assert printed(ended) == "a 'b' $c|soft|a 'b' $c|soft|"
    assert (ended.command_id, ended.command_name, ended.command_version) == (made.id, "echo", 1)
    assert ended.content == ECHO.content
    assert ended.parameters == {"mode": "soft", "word": "a 'b' $c"}
    assert commands.get(controller, "echo").invocations == 1
    line = audit.entries(controller.database)[0]
    assert (line.action, line.subject) == ("invocation.invoke", ended.id)
    assert line.detail == "echo@1 on local with mode, word"


def test_built_in_parameters(controller: Controller) -> None:
    script = b"echo {{ACS::InstanceName}} {{ACS::InstanceId}} {{ACS::InvokeId}} {{ACS::CommandId}} {{ACS::RegionId}}"
    ended = run(controller, RunRequest(script, parameters={}))
    (place,) = ended.instances
    assert printed(ended).split() == ["local", place.instance_id, ended.id, ended.command_id, "local"]


def test_a_script_with_disabled_parameters_keeps_its_braces(controller: Controller) -> None:
    assert (
        printed(run(controller, RunRequest(b"echo '{{.Names}} {{x}} {{ACS::Nothing}}'")))
        == "{{.Names}} {{x}} {{ACS::Nothing}}\n"
    )


def test_a_version_is_pinned_and_settings_are_overridden(controller: Controller, tmp_path: Path) -> None:
    commands.create(controller, "where", CommandVersion(b"echo 1; pwd", timeout=30))
    commands.clone(controller, "where", Changes(content=b"echo 2; pwd"))
    folder = str(tmp_path)
    assert (
        printed(run(controller, InvokeRequest(commands.get(controller, "where"), working_dir=folder)))
        == f"2\n{folder}\n"
    )
    ended = run(controller, InvokeRequest(commands.get(controller, "where@1"), timeout=9, working_dir=folder))
    assert printed(ended) == f"1\n{folder}\n"
    assert (ended.command_version, ended.timeout, ended.working_dir) == (1, 9, folder)


def test_the_history_of_a_deleted_command_is_complete(controller: Controller) -> None:
    commands.create(controller, "echo", ECHO)
    before = run(controller, InvokeRequest(commands.get(controller, "echo@1"), {"word": "w"}))
    commands.clone(controller, "echo", Changes(content=b"echo other"))
    commands.delete(controller, ["echo"])
    assert history.show(controller, before.id, output=True) == before
    with pytest.raises(NotFound):
        run(controller, InvokeRequest(commands.get(controller, "echo"), {"word": "w"}))


def test_a_command_in_use_is_not_deleted(controller: Controller) -> None:
    commands.create(controller, "sleep", CommandVersion(b"exec sleep 60"))
    with recording.recorded(controller, InvokeRequest(commands.get(controller, "sleep"))) as invocation:
        dispatch.send(controller, invocation)
    with pytest.raises(Conflict) as refused:
        commands.delete(controller, ["sleep"])
    assert refused.value.code == "CommandInUse"
    assert invocation.id in str(refused.value)
    stop.stop(controller, invocation.id)
    commands.delete(controller, ["sleep"])
    actions = [entry.action for entry in audit.entries(controller.database)]
    assert actions == ["command.delete", "invocation.stop", "invocation.invoke", "command.create"]


def test_a_command_is_deleted_if_its_agent_knows_the_end_of_its_run(controller: Controller) -> None:
    """Even if nobody has reconciled the detached invocation since."""
    commands.create(controller, "quick", CommandVersion(b"true"))
    with recording.recorded(controller, InvokeRequest(commands.get(controller, "quick"))) as invocation:
        dispatch.send(controller, invocation)
    deadline = time.monotonic() + 20
    while list(commands.listing(controller)):
        assert time.monotonic() < deadline
        with contextlib.suppress(Conflict):
            refresh.refresh_commands(controller, ["quick"])
            commands.delete(controller, ["quick"])


@pytest.mark.parametrize(
    ("version", "given", "code"),
    [
        (ECHO, {}, "MissingParameter"),
        (ECHO, {"word": "w", "other": "x"}, "ParameterNotMatched"),
        (CommandVersion(b"true"), {"word": "w"}, "ParameterDisabled"),
        (ECHO, {"word": "w" * 12_200}, "ScriptExceedLimit"),
        (ECHO, {"word": "a\0b"}, "InvalidParameterValue"),
        (ECHO._replace(content=b"{{word}}" * 600), {"word": "w" * 500}, "RenderedScriptExceedLimit"),
    ],
)
def test_a_refused_invocation_is_not_written(
    controller: Controller, version: CommandVersion, given: Mapping[str, Value], code: str
) -> None:
    commands.create(controller, "refused", version)
    with pytest.raises(AssistError) as refused:
        run(controller, InvokeRequest(commands.get(controller, "refused"), given))
    assert refused.value.code == code
    assert refused.value.exit_status == 65
    assert nothing_was_done(controller)


def test_a_script_and_its_parameters_exactly_at_the_limit(controller: Controller) -> None:
    """4 for the script of 2 bytes, the rest for {"k":"…"}: 9 bytes and the value."""
    value = "v" * ((16_384 - 4) // 4 * 3 - 8)
    ended = run(controller, RunRequest(b": ", parameters={"k": value}))
    assert printed(ended) == ""
    with pytest.raises(Refused, match="16,388"):
        run(controller, RunRequest(b": ", parameters={"k": value + "v"}))


def test_missing_parameters_are_reported_before_the_run(controller: Controller) -> None:
    commands.create(controller, "echo", ECHO)
    assert plans.missing(InvokeRequest(commands.get(controller, "echo"))) == (Definition("word"),)
    assert plans.missing(InvokeRequest(commands.get(controller, "echo"), {"Word": "x"})) == ()
    commands.create(controller, "off", CommandVersion(b"{{word}}"))
    assert plans.missing(InvokeRequest(commands.get(controller, "off"))) == ()


def test_a_secret_reaches_only_the_script(controller: Controller) -> None:
    """In a word, in a variable, split over two writes, and where the shell repeats it in its own quoting."""
    script = (
        b'set -x; [ {{token|sh}} = "$ASSIST_PARAM_TOKEN" ] && echo equal; { set +x; } 2>&-\n'
        b"printf '%.6s' \"$ASSIST_PARAM_TOKEN\"; sleep 0.2; printf '%s\\n' \"${ASSIST_PARAM_TOKEN#canary}\"\n"
        b"printf '%s\\n' \"$ASSIST_PARAM_TOKEN\" >&2"
    )
    ended = run(controller, RunRequest(script, parameters={"token": Secret(CANARY)}))
    (place,) = ended.instances
    assert place.record.output is not None
    assert place.record.output.text_of(Stream.STDOUT) == f"equal\n{MASK}\n"
    assert "bird" not in place.record.output.text_of(Stream.STDERR)
    assert place.record.output.text_of(Stream.STDERR).endswith(f"\n{MASK}\n")
    assert {key: str(value) for key, value in ended.parameters.items()} == {"token": MASK}
    controller.database.close()
    assert_nowhere(controller.home.root, "bird")


def assert_nowhere(folder: Path, canary: str) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            assert canary.encode() not in path.read_bytes(), path


def test_a_script_with_a_secret_is_not_kept(controller: Controller) -> None:
    with pytest.raises(Refused) as refused:
        run(controller, RunRequest(b"true", parameters={"token": Secret("x")}, keep_script=True))
    assert refused.value.code == "KeepScriptWithSecret"
    assert nothing_was_done(controller)


def test_names_are_text_and_never_code(controller: Controller) -> None:
    """Names chosen by users never reach a shell, except in the script itself."""
    hostile = "$(touch x); `touch x` 'touch\" & | > x"
    commands.create(controller, hostile, CommandVersion(b"ls -A; printf '%s' {{v|sh}}", parameters_enabled=True))
    folder = controller.home.root / "here $(touch x);'"
    folder.mkdir()
    ended = run(controller, InvokeRequest(commands.get(controller, hostile), {"v": hostile}, working_dir=str(folder)))
    assert printed(ended) == hostile
    assert shlex.split(shlex.quote(hostile)) == [hostile]
