"""The allowed values of a command: names, descriptions, folders, users, types, versions."""

from __future__ import annotations

import pytest

from assist_cli.errors import AssistError, InvalidParameter, QuotaExceeded
from assist_cli.model import command, names
from assist_cli.model.command import CommandType, CommandVersion
from assist_cli.model.parameters import Definition


@pytest.mark.parametrize(
    "name", ["a", "restart nginx", "Überprüfung", "重启", "a.b_c-d", "x" * 128, "it's $(id); `id`", "..."]
)
def test_names_that_are_allowed(name: str) -> None:
    assert names.checked_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " a",
        "a ",
        "-a",
        "a@b",
        "a,b",
        "../etc/passwd",
        "a/b",
        "a\nb",
        "a\tb",
        "a\0b",
        "\x1b[2J",
        "a\x7f",
        "a\u009bb",
        "a\u202eb",
        "a\u200bb",
        "a\u00a0b",
        "a\u2028b",
        "\udcff",
        "c-01kbdk5g8w3m9v6yx2r4hq7cne",
        "c-01kb",
        "C-01KB",
        "i-01m8j8aveg",
        "t-",
    ],
)
def test_hostile_names_are_refused(name: str) -> None:
    """Paths, options, lists, control and invisible characters, names that look like an id."""
    with pytest.raises(InvalidParameter) as refused:
        names.checked_name(name)
    assert refused.value.code == "InvalidName"
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("length", [129, 4096])
def test_long_names_are_refused(length: int) -> None:
    with pytest.raises(QuotaExceeded) as refused:
        names.checked_name("x" * length)
    assert refused.value.code == "NameExceedLimit"


def test_a_name_has_one_form() -> None:
    assert names.checked_name("cafe\u0301") == names.checked_name("caf\u00e9")


@pytest.mark.parametrize("text", ["", "all, of @it / -x", "می‌خواهم", "x" * 512])
def test_descriptions_that_are_allowed(text: str) -> None:
    assert command.checked_description(text) == text


@pytest.mark.parametrize("text", ["a\nb", "\x1b]0;title\a", "\u202e", "x" * 513])
def test_descriptions_that_are_refused(text: str) -> None:
    with pytest.raises(AssistError) as refused:
        command.checked_description(text)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("path", [None, "/", "/srv/$(id)", "C:\\x", "c:/x", "\\\\server\\share", "/" + "x" * 199])
def test_folders_that_are_allowed(path: str | None) -> None:
    command.check_working_dir(path)


@pytest.mark.parametrize("path", ["", "x", "../x", "/a\nb", "/a\0b", "/" + "x" * 200])
def test_folders_that_are_refused(path: str) -> None:
    with pytest.raises(AssistError):
        command.check_working_dir(path)


@pytest.mark.parametrize("name", [None, "root", "www-data", "DOMAIN\\user", "x" * 255])
def test_users_that_are_allowed(name: str | None) -> None:
    command.check_username(name)


@pytest.mark.parametrize("name", ["", "-u", "a:b", "a\nb", "x" * 256])
def test_users_that_are_refused(name: str) -> None:
    with pytest.raises(AssistError):
        command.check_username(name)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("shell", CommandType.SHELL),
        ("Bat", CommandType.BAT),
        ("powershell", CommandType.POWERSHELL),
        ("RunShellScript", CommandType.SHELL),
    ],
)
def test_words_for_types(word: str, kind: CommandType) -> None:
    assert command.type_from_word(word) is kind


def test_a_word_that_is_not_a_type() -> None:
    with pytest.raises(InvalidParameter, match="'perl'"):
        command.type_from_word("perl")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_shell_script_has_no_wide_characters(encoding: str, mark: str) -> None:
    content = f"{mark}#!/bin/sh\n".encode(encoding)
    with pytest.raises(InvalidParameter, match="UTF-16"):
        command.checked_version(CommandVersion(content))
    for kind in (CommandType.POWERSHELL, CommandType.BAT):
        assert command.checked_version(CommandVersion(content, kind)).content == content
        assert command.sent(content, kind) == content


def test_a_script_is_sent_without_its_byte_order_mark_and_stored_with_it() -> None:
    content = b"\xef\xbb\xbf#!/usr/bin/python3\n"
    version = command.checked_version(CommandVersion(content))
    assert version.content == content
    assert not version.runs_in_a_shell
    assert command.sent(content, CommandType.SHELL) == content[3:]
    assert command.sent(content, CommandType.POWERSHELL) == content
    with pytest.raises(InvalidParameter, match="empty"):
        command.checked_version(CommandVersion(b"\xef\xbb\xbf\n"))


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.sh", b"", CommandType.SHELL),
        ("a.BAT", b"", CommandType.BAT),
        ("dir.ps1/a.cmd", b"", CommandType.BAT),
        ("a.ps1", b"#!/bin/sh", CommandType.POWERSHELL),
        ("dir.ps1/a", b"ls", CommandType.SHELL),
        ("a", b"#!/usr/bin/env pwsh\n", CommandType.POWERSHELL),
        ("a", b"\xef\xbb\xbf#!/usr/bin/env pwsh\n", CommandType.POWERSHELL),
        ("a.py", b"#!/usr/bin/python3\nprint('pwsh')", CommandType.SHELL),
        (None, b"echo", CommandType.SHELL),
    ],
)
def test_the_type_from_a_shebang_line(name: str | None, content: bytes, kind: CommandType) -> None:
    assert command.type_of_script(content, name) is kind


def test_a_version_knows_all_its_keys_and_the_declared_ones() -> None:
    version = CommandVersion(
        b"{{a}} {{b}}",
        parameters_enabled=True,
        definitions=(Definition("A"), Definition("b", default="x"), Definition("only-in-the-environment")),
    )
    checked = command.checked_version(version)
    assert [entry.key for entry in checked.definitions] == ["A", "b", "only-in-the-environment"]
    assert [entry.key for entry in checked.stated()] == ["b", "only-in-the-environment"]
    assert command.checked_version(checked) == checked


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (b"ls", CommandType.SHELL, True),
        (b"#!/bin/bash -e\nls", CommandType.SHELL, True),
        (b"#!/usr/bin/env zsh\nls", CommandType.SHELL, True),
        (b"#!/usr/bin/python3\n# sh", CommandType.SHELL, False),
        (b"dir", CommandType.BAT, False),
    ],
)
def test_shell_types(content: bytes, kind: CommandType, expected: bool) -> None:
    assert CommandVersion(content, kind).runs_in_a_shell is expected


def test_parameters_that_are_disabled_are_text() -> None:
    version = command.checked_version(CommandVersion(b"{{a}} {{ACS::Nothing}} {{b|c}}"))
    assert version.signature() == ()
    assert version.template().pieces == (version.content,)


@pytest.mark.parametrize(
    ("version", "code"),
    [
        (CommandVersion(b" \n"), "InvalidContent"),
        (CommandVersion(b"x" * 12_289), "ScriptExceedLimit"),
        (CommandVersion(b"x", timeout=0), "TimeoutExceedLimit"),
        (CommandVersion(b"x", timeout=86_401), "TimeoutExceedLimit"),
        (CommandVersion(b"x", working_dir="x"), "InvalidWorkingDir"),
        (CommandVersion(b"x", definitions=(Definition("k"),)), "ParameterDisabled"),
        (
            CommandVersion(b"x" * 12_288, parameters_enabled=True, definitions=(Definition("k", default=""),)),
            "ScriptExceedLimit",
        ),
    ],
)
def test_versions_that_are_refused(version: CommandVersion, code: str) -> None:
    with pytest.raises(AssistError) as refused:
        command.checked_version(version)
    assert refused.value.code == code
