"""Launchers: their words, and text that looks like a custom parameter."""

from __future__ import annotations

import pytest

from assist_cli.errors import InvalidParameter
from assist_cli.model import launcher, parameters
from assist_cli.model.launcher import FILE


@pytest.mark.parametrize(
    ("text", "words", "ending"),
    [
        ('python3 -u {{ACS::ScriptFileName|Ext(".py")}}', ["python3", "-u", FILE], ".py"),
        ("bash {{ acs::scriptfilename }} 'a b' $HOME", ["bash", FILE, "a b", "$HOME"], ""),
        ("node --file={{ACS::ScriptFileName | Ext('.mjs')}}", ["node", f"--file={FILE}"], ".mjs"),
        ('"{{ACS::ScriptFileName}}" {{ACS::ScriptFileName}}', [FILE, FILE], ""),
        ("perl -w", ["perl", "-w", FILE], ""),
    ],
)
def test_a_launcher_is_split_as_by_a_shell(text: str, words: list[str], ending: str):
    assert launcher.parse(text) == (words, ending)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "python3 'x",
        "python3\nrm",
        "x" * 1025,
        "python3 {{ACS::InstanceId}}",
        "python3 {{name}}",
        'python3 {{ACS::ScriptFileName|Ext("/../x")}}',
        'a {{ACS::ScriptFileName|Ext(".py")}} {{ACS::ScriptFileName|Ext(".rb")}}',
    ],
)
def test_an_invalid_launcher_is_refused(text: str):
    with pytest.raises(InvalidParameter) as refused:
        launcher.parse(text)
    assert refused.value.code == "InvalidLauncher"


@pytest.mark.parametrize(
    ("content", "odd"),
    [
        ("{{}}", [""]),
        ("{{ \n}} {{a.b}} {{ a.b }}", ["", "a.b", "a.b"]),
        ("{{ü}} {{a$}} {{a:b}} {{acs::}} {{acs::x y}}", ["ü", "a$", "a:b", "acs::"]),
        ("{{oos-secret:name}}", ["oos-secret:name"]),
        ("{{a}} {{A-b_9}} {{ a|sh }} {{a|sh}} {{acs::InstanceId}} {{-}}", []),
        ("{{.Names}} {{ .x }} {{range .Items}} {{end}} {{json .}} {{- .x -}} {{$v}} {{/* c */}} {{`a.b`}}", []),
        ("a {{ b { c }} {{{a}}} {{a b}}", []),
    ],
)
def test_text_that_looks_like_a_parameter_is_found(content: str, odd: list[str]):
    assert list(parameters.odd_keys(content.encode())) == odd
