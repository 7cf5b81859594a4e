"""``assist command`` and ``assist invoke``: arguments in; text, JSON and an exit status out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.application import Application
from tests.support.program import Program
from tests.support.terminal import Terminal

SCRIPT = "#!/bin/sh\nset -eu\necho restarting {{service|sh}}\n"
DEFINITION = "service required pattern=[a-z-]+ 'description=name of the unit'"

DEFINITION_KEYS = {
    "ParameterName", "Description", "DefaultValue", "Required", "PossibleValues", "PatternRegex", "Secret",
}  # fmt: skip
LIST_KEYS = {
    "CommandId", "Name", "Description", "Type", "Version", "LatestVersion", "WorkingDir", "Timeout", "EnableParameter",
    "ParameterDefinitions", "CreationTime", "ModifiedTime", "InvokeTimes",
}  # fmt: skip


def document(assist: Application, *words: str) -> Any:
    done = assist(*words, "-o", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(assist: Application, status: int, *words: str) -> Any:
    """The error of a command that ends with this status, as JSON."""
    done = assist(*words, "-o", "json")
    assert (done.returncode, done.stdout) == (status, b"")
    (line,) = done.stderr.decode().splitlines()
    error = json.loads(line)
    assert set(error) == {"Code", "Message", "Hint"}
    assert error["Message"].startswith("cannot ")
    assert not error["Message"].endswith(".")
    return error


@pytest.fixture
def script(isolation: Path) -> str:
    path = isolation / "restart.sh"
    path.write_text(SCRIPT)
    return str(path)


@pytest.mark.usefixtures("starts_processes")
def test_the_life_of_a_command(assist: Application, script: str) -> None:
    """The story of the README: create, invoke, clone, diff, invoke an old version, roll back, delete, history."""
    made = document(assist, "command", "create", "restart-service", "-f", script, "--param-def", DEFINITION)
    assert set(made) == {"CommandId", "Name", "Version"}
    assert (made["Name"], made["Version"]) == ("restart-service", 1)

    first = assist("invoke", "restart-service", "-p", "service=nginx")
    assert (first.returncode, first.stdout, first.stderr) == (0, b"restarting nginx\n", b"")

    assert document(assist, "command", "clone", "restart-service", "--timeout", "5m")["Version"] == 2
    changes = document(assist, "command", "diff", "restart-service", "1")
    assert changes == {
        "Name": "restart-service",
        "From": 1,
        "To": 2,
        "Settings": [{"Setting": "Timeout", "From": "60 s", "To": "300 s"}],
        "ContentDiff": "",
    }
    assert assist("command", "clone", "restart-service", "-c", "echo other").returncode == 0
    text = assist("command", "diff", "restart-service", "2", "3").stdout.decode()
    assert "--- restart-service@2\n+++ restart-service@3\n" in text
    assert "\n-echo restarting {{service|sh}}\n" in text
    assert "\n+echo other" in text

    second = document(assist, "invoke", "restart-service@1", "--params", '{"service": "sshd"}')
    assert document(assist, "command", "rollback", "restart-service", "1")["Version"] == 4
    assert document(assist, "command", "show", "restart-service")["CommandContent"] == SCRIPT
    assert assist("command", "delete", "restart-service").returncode == 0
    refused(assist, 66, "command", "show", "restart-service")

    seen = document(assist, "invocation", "show", second["InvokeId"])
    assert seen == second
    assert (seen["CommandName"], seen["CommandVersion"], seen["Timeout"]) == ("restart-service", 1, 60)
    assert (seen["CommandContent"], seen["Parameters"]) == (SCRIPT, {"service": "sshd"})
    assert seen["InvokeInstances"][0]["Output"] == "restarting sshd\n"


def test_json_shapes(assist: Application, script: str) -> None:
    document(assist, "command", "create", "restart", "-f", script, "--param-def", DEFINITION, "--description", "d")
    document(assist, "command", "clone", "restart", "--workdir", "/tmp")
    (listed,) = document(assist, "command", "list")
    assert set(listed) == LIST_KEYS
    shown = document(assist, "command", "show", "restart@1")
    assert set(shown) == LIST_KEYS | {"CommandContent"}
    assert (shown["Version"], shown["LatestVersion"], shown["WorkingDir"]) == (1, 2, None)
    assert [set(each) for each in shown["ParameterDefinitions"]] == [DEFINITION_KEYS]
    versions = document(assist, "command", "versions", "restart")
    assert [set(each) for each in versions] == [LIST_KEYS | {"CommandContent"}] * 2
    assert [each["Version"] for each in versions] == [2, 1]
    lines = assist("audit", "list", "-o", "jsonl").stdout.decode().splitlines()
    assert [set(json.loads(line)) for line in lines] == [
        {"Time", "Actor", "Action", "Subject", "Detail", "Outcome"}
    ] * 2
    assert "(uid " in json.loads(lines[0])["Actor"]
    quotas = document(assist, "quota")
    assert all(set(each) == {"Quota", "Limit", "Used", "Unit"} for each in quotas)
    assert quotas[0] == {"Quota": "commands", "Limit": 500, "Used": 1, "Unit": "commands"}


@pytest.mark.usefixtures("starts_processes")
def test_errors_and_their_exit_status(assist: Application, script: str) -> None:
    document(assist, "command", "create", "restart", "-f", script, "--param-def", DEFINITION)
    for status, code, *words in [
        (65, "CommandNameExists", "command", "create", "restart", "-c", "true"),
        (65, "InvalidName", "command", "create", "../x", "-c", "true"),
        (65, "ScriptExceedLimit", "command", "create", "long", "-c", "x" * 12_289),
        (65, "InvalidCommandType", "command", "create", "x", "-c", "true", "--type", "perl"),
        (65, "InvalidParameterDefinition", "command", "create", "x", "-c", "true", "--param-def", "a colour=red"),
        (65, "MissingParameter", "invoke", "restart"),
        (65, "ParameterNotMatched", "invoke", "restart", "-p", "service=a", "-p", "other=b"),
        (65, "InvalidParameterValue", "invoke", "restart", "-p", "service=A"),
        (65, "NothingChanged", "command", "clone", "restart", "--timeout", "60"),
        (66, "NotFound", "invoke", "nothing"),
        (66, "NotFound", "command", "rollback", "restart", "2"),
        (2, "InvalidUsage", "command", "create", "x"),
        (2, "InvalidUsage", "command", "create", "x", "-c", "true", "-f", script),
        (2, "InvalidUsage", "command", "clone", "restart"),
        (74, "FileFailure", "command", "create", "x", "-f", "no-such-file"),
    ]:
        assert refused(assist, status, *words)["Code"] == code, words
    assert assist("command", "modify", "restart").returncode == 2
    assert assist("quota", "set", "script", "1").returncode == 65
    assert assist("quota", "set", "commands", "1").returncode == 0
    error = refused(assist, 65, "command", "create", "second", "-c", "true")
    assert error["Code"] == "CommandCountExceedQuota"
    assert "1 of 1" in error["Message"]
    assert len(document(assist, "command", "list")) == 1


def test_a_bare_parameter_causes_a_warning(assist: Application) -> None:
    done = assist("command", "create", "a", "-c", "echo {{x}} '{{y|sh}}'", "--enable-parameters")
    assert done.stderr.decode().splitlines() == [
        "warning: a value of {{x}} is code to the shell; {{x|sh}} keeps it one word",
        "warning: {{y|sh}} is inside quotes, which cancel its own; remove the quotes around it",
    ]
    assert assist("command", "create", "b", "-c", "echo {{x|sh}}", "--enable-parameters").stderr == b""
    python = "#!/usr/bin/env python3\nprint('{{x}}')"
    assert assist("command", "create", "c", "-c", python, "--enable-parameters").stderr == b""
    off = assist("command", "create", "d", "-c", "echo {{x}}; docker ps --format '{{.Names}}'")
    assert off.stderr.decode().splitlines() == [
        "warning: parameters are off, so {{x}} is plain text; --enable-parameters makes it a parameter"
    ]


def test_line_endings_of_a_file_cause_a_warning_or_are_fixed(assist: Application, isolation: Path) -> None:
    path = isolation / "script"
    path.write_bytes(b"set -e\necho\r\n")
    done = assist("command", "create", "a", "-f", path)
    assert b"CR LF line endings: from line 2 on, the last word" in done.stderr
    path.write_bytes(b"echo\r\n")
    for words in (("a",), ("a", "--as", "b")):
        assert b"from line 1 on" in assist("command", "clone", *words, "-f", path).stderr
    for words in (("create", "c"), ("clone", "a")):
        done = assist("command", *words, "-f", path, "--fix-line-endings")
        assert b"CR LF" not in done.stderr
        assert document(assist, "command", "show", words[1])["CommandContent"] == "echo\n"
    assert assist("command", "create", "d", "-c", "x", "--fix-line-endings").returncode == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.ps1", b"echo\r\n"),
        ("a.bat", b"echo\r\n"),
        ("a.py", b"#!/usr/bin/python3\nprint()\r\n"),
    ],
)
def test_harmless_line_endings_cause_no_warning(
    assist: Application, isolation: Path, name: str, content: bytes
) -> None:
    (isolation / name).write_bytes(content)
    done = assist("command", "create", "a", "-f", isolation / name)
    assert (done.returncode, done.stderr) == (0, b"")
    assert document(assist, "command", "show", "a")["CommandContent"] == content.decode()


def test_a_shell_script_of_wide_characters_is_refused(assist: Application, isolation: Path) -> None:
    """From every source; a PowerShell script may have them."""
    content = "#!/bin/sh\necho x\n".encode("utf-16")
    (isolation / "script").write_bytes(content)
    (isolation / "script.ps1").write_bytes(content)
    assert document(assist, "command", "create", "p", "-f", str(isolation / "script.ps1"))["Version"] == 1
    assert document(assist, "command", "create", "a", "-c", "true")["Version"] == 1
    for words in (("run",), ("command", "create", "b"), ("command", "clone", "a")):
        assert "UTF-16" in refused(assist, 65, *words, "-f", str(isolation / "script"))["Message"]
    exported = json.loads(assist("command", "export", "p").stdout)
    (version,) = exported["Commands"][0]["Versions"]
    assert version["ContentEncoding"] == "Base64"
    exported["Commands"][0]["Name"], version["Type"] = "q", "RunShellScript"
    (isolation / "commands.json").write_text(json.dumps(exported))
    assert "UTF-16" in refused(assist, 65, "command", "import", str(isolation / "commands.json"))["Message"]


def test_export_and_import_through_a_pipe(assist: Application, isolation: Path, script: str) -> None:
    document(assist, "command", "create", "restart", "-f", script, "--param-def", DEFINITION)
    document(assist, "command", "clone", "restart", "--timeout", "9")
    exported = assist("command", "export").stdout
    assert assist("command", "export", "-o", "json").stdout == exported
    (line,) = assist("command", "export", "restart", "-o", "jsonl").stdout.splitlines()
    assert json.loads(line) == json.loads(exported)
    other = {"ASSIST_HOME": str(isolation / "other")}
    taken = assist("command", "import", "-", input=exported, env=other)
    assert taken.returncode == 0
    assert taken.stdout.startswith(b"restart@2  c-")
    assert assist("command", "export", env=other).stdout == exported
    assert assist("command", "import", "-", input=exported, env=other).returncode == 65
    renamed = assist("command", "import", "-", "--rename", "-o", "json", input=exported, env=other)
    assert json.loads(renamed.stdout)[0]["Name"] == "restart-2"
    skipped = assist("command", "import", "-", "--skip", input=exported, env=other)
    assert (skipped.stdout, skipped.stderr) == (b"", b"Skipped: restart\n")


def test_hostile_words_are_shown_escaped(assist: Application) -> None:
    """The content of a script or an error never reaches a terminal as a control sequence."""
    document(assist, "command", "create", "evil", "-c", "echo '\x1b]0;title\a\x1b[2J'\r\u202e")
    for words in (
        ["command", "show", "evil"],
        ["command", "show", "\x1b[2J"],
        ["command", "create", "\x1b]0;x\a", "-c", "true"],
        ["command", "create", "x", "-c", "true", "--description", "\x1b[2J"],
        ["invoke", "evil@\x1b"],
        ["command", "clone", "evil", "--workdir", "\x1b"],
    ):
        done = assist(*words)
        assert b"\x1b" not in done.stdout + done.stderr, words
        assert b"\r" not in done.stdout + done.stderr
        assert "\u202e" not in (done.stdout + done.stderr).decode()


def test_the_editor_opens_on_a_terminal(assist: Application, installed: Program, isolation: Path) -> None:
    editor = isolation / "editor"
    editor.write_text('#!/bin/sh\necho "echo edited" >> "$1"\n')
    editor.chmod(0o755)
    env = {"VISUAL": str(editor)}
    with Terminal(installed.path, ["command", "create", "edited"], isolation, env=env) as terminal:
        assert terminal.end() == 0
    assert document(assist, "command", "show", "edited")["CommandContent"] == "echo edited\n"
    with Terminal(installed.path, ["command", "clone", "edited"], isolation, env=env) as terminal:
        assert terminal.end() == 0
    assert document(assist, "command", "show", "edited")["CommandContent"] == "echo edited\necho edited\n"
    with Terminal(installed.path, ["command", "clone", "edited"], isolation, env={"VISUAL": "true"}) as terminal:
        assert terminal.end() == 65
    assert "not changed" in terminal.text


def test_missing_parameters_are_asked_for_on_a_terminal(
    assist: Application, installed: Program, isolation: Path
) -> None:
    words = ["--param-def", DEFINITION, "--param-def", "token secret"]
    document(assist, "command", "create", "ask", "-c", "echo {{service|sh}}; echo {{token|sh}} | wc -c", *words)
    with Terminal(installed.path, ["invoke", "ask"], isolation) as terminal:
        terminal.wait_for("name of the unit\nservice: ")
        terminal.type("NO\n")
        terminal.wait_for("does not match the pattern")
        terminal.wait_for("service: ")
        terminal.type("nginx\n")
        terminal.wait_for("token: ")
        terminal.type("canary\n")
        assert terminal.end() == 0
    assert "canary" not in terminal.raw
    assert terminal.text.endswith("\nnginx\n7\n")


def _timeless(text: str) -> str:
    """The text without ages, which change during the test."""
    return re.sub(r"\d+ s ago|just now", "AGO", text)


def test_colours_only_on_terminals_that_support_them(
    assist: Application, installed: Program, isolation: Path, script: str
) -> None:
    document(assist, "command", "create", "restart", "-f", script)
    document(assist, "command", "clone", "restart", "-c", "echo other")
    for words in (["command", "show", "restart@1"], ["command", "diff", "restart", "1"]):
        with Terminal(installed.path, words, isolation) as terminal:
            assert terminal.end() == 0
        assert "\x1b[" in terminal.raw
        with Terminal(installed.path, words, isolation, env={"NO_COLOR": "1"}) as plain:
            assert plain.end() == 0
        assert "\x1b[" not in plain.raw
        assert _timeless(plain.text) == _timeless(terminal.text) == _timeless(assist(*words).stdout.decode())
