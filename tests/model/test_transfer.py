"""Allowed content, names, modes and owners of a file: exactly at each limit and one over (docs/rules.md)."""

from __future__ import annotations

from typing import Any

import pytest

from assist_cli.errors import AssistError, ExitStatus
from assist_cli.model import transfer
from assist_cli.model.transfer import Transfer


def checked(**settings: Any) -> Transfer:
    given: dict[str, Any] = {"content": b"x", "name": "app.conf", "directory": "/etc/app", **settings}
    return transfer.checked(given.pop("content"), given.pop("name"), given.pop("directory"), **given)


def test_a_transfer_describes_the_content_and_does_not_contain_it() -> None:
    found = checked(content=b"hello\n", owner="app", overwrite=True)
    assert found == Transfer(
        name="app.conf",
        directory="/etc/app",
        size=6,
        sha256="5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
        mode="0644",
        owner="app",
        overwrite=True,
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"content": b""},
        {"content": b"\0" * 24_576},
        {"name": "x" * 255},
        {"name": "ä" * 127},
        {"name": ".env"},
        {"name": "-rf"},
        {"name": "a b:c"},
        {"directory": "/"},
        {"directory": "/" + "x" * 254},
        {"directory": "C:\\srv"},
        {"owner": "www-data", "group": "DOMAIN\\users"},
    ],
    ids=str,
)
def test_allowed_values(settings: dict[str, Any]) -> None:
    found = checked(**settings)
    for name, value in settings.items():
        assert (found.size if name == "content" else getattr(found, name)) == (
            len(value) if name == "content" else value
        )


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"content": b"\0" * 24_577}, "FileExceedLimit"),
        ({"name": ""}, "FileNameInvalid"),
        ({"name": "."}, "FileNameInvalid"),
        ({"name": ".."}, "FileNameInvalid"),
        ({"name": "a/b"}, "FileNameInvalid"),
        ({"name": "a\\b"}, "FileNameInvalid"),
        ({"name": "a\nb"}, "FileNameInvalid"),
        ({"name": "a\udcff"}, "FileNameInvalid"),
        ({"name": "x" * 256}, "FileNameExceedLimit"),
        ({"name": "ä" * 128}, "FileNameExceedLimit"),
        ({"directory": ""}, "FilePathInvalid"),
        ({"directory": "etc"}, "FilePathInvalid"),
        ({"directory": "~/etc"}, "FilePathInvalid"),
        ({"directory": "/etc\n"}, "FilePathInvalid"),
        ({"directory": "/" + "x" * 255}, "TargetDirExceedLimit"),
        ({"mode": ""}, "FileAuthorityInvalid"),
        ({"mode": "rw"}, "FileAuthorityInvalid"),
        ({"mode": "888"}, "FileAuthorityInvalid"),
        ({"mode": "17777"}, "FileAuthorityInvalid"),
        ({"mode": "٦٤٤"}, "FileAuthorityInvalid"),
        ({"owner": ""}, "InvalidUsername"),
        ({"owner": "a:b"}, "InvalidUsername"),
        ({"group": "-x"}, "InvalidUsername"),
        ({"group": "x" * 256}, "UsernameExceedLimit"),
    ],
    ids=str,
)
def test_refused_values(settings: dict[str, Any], code: str) -> None:
    with pytest.raises(AssistError) as refused:
        checked(**settings)
    assert (refused.value.code, refused.value.exit_status) == (code, ExitStatus.REFUSED)
    assert refused.value.message.startswith("cannot ")
    assert refused.value.message.isprintable()
    assert refused.value.hint


@pytest.mark.parametrize(("given", "mode"), [("644", "0644"), ("0600", "0600"), ("4755", "4755"), ("01777", "1777")])
def test_a_mode_has_four_digits(given: str, mode: str) -> None:
    assert checked(mode=given).mode == mode


@pytest.mark.parametrize(
    ("directory", "path"),
    [
        ("/", "/f"),
        ("/etc", "/etc/f"),
        ("/etc/", "/etc/f"),
        ("C:\\", "C:\\f"),
        ("C:\\a", "C:\\a\\f"),
        ("C:/a", "C:/a/f"),
    ],
)
def test_the_destination_path(directory: str, path: str) -> None:
    assert checked(directory=directory, name="f").path == path
