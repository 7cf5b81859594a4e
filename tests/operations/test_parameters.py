"""Syntax of parameters on a command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from assist_cli.errors import FileFailure, InvalidParameter
from assist_cli.model.parameters import Definition
from assist_cli.model.secret import Secret
from assist_cli.operations.commands import parameters


def test_pairs() -> None:
    assert parameters.gather(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}


@pytest.mark.parametrize(
    "document",
    ['{"a": "1", "b": 2.50, "c": true}', '{{"a":"1","b":2.50,"c":true}}', ' {"a":"1", "b":2.50, "c":true}\n'],
)
def test_json(document: str, tmp_path: Path) -> None:
    expected = {"a": "1", "b": "2.50", "c": "true"}
    assert parameters.gather(document=document) == expected
    (tmp_path / "p.json").write_text(document)
    assert parameters.gather(document=f"@{tmp_path / 'p.json'}") == expected


@pytest.mark.parametrize("document", ["", "[]", '"a"', "{", '{"a": null}', '{"a": ["x"]}', "{{}", "[" * 100_000])
def test_json_that_is_not_a_set_of_parameters(document: str) -> None:
    with pytest.raises(InvalidParameter):
        parameters.gather(document=document)


@pytest.mark.parametrize(
    ("pairs", "document"), [(["a=1", "A=2"], None), (["a=1"], '{"a": "2"}'), ([], '{"a": "1", "a": "2"}')]
)
def test_a_key_is_given_one_time(pairs: list[str], document: str | None) -> None:
    with pytest.raises(InvalidParameter) as refused:
        parameters.gather(pairs, document)
    assert refused.value.code == "ParameterDuplicated"


@pytest.mark.parametrize("pair", ["a", "=1", ""])
def test_a_word_that_is_not_a_pair(pair: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        parameters.gather([pair])
    assert refused.value.code == "InvalidParameterForm"


def test_secrets_by_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "canary")
    (tmp_path / "token").write_text("canary\r\n")
    assert parameters.gather(secrets=["a=env:TOKEN", f"b=@{tmp_path / 'token'}"]) == {
        "a": Secret("canary"),
        "b": Secret("canary"),
    }


@pytest.mark.parametrize("pair", ["a=canary", "canary", "a=", "a=env:CANARY_THAT_IS_NOT_SET"])
def test_a_secret_that_is_not_a_reference_is_not_repeated(pair: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        parameters.gather(secrets=[pair])
    assert "canary" not in f"{refused.value} {refused.value.hint}"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_secret_file_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileFailure, match="token"):
        parameters.gather(secrets=[f"a=@{path}"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("service", Definition("service")),
        ("service required", Definition("service")),
        ("token secret", Definition("token", secret=True)),
        ("mode default=soft choices=soft,hard", Definition("mode", default="soft", choices=("soft", "hard"))),
        ("a 'description=two words' pattern='[a-z ]+'", Definition("a", "two words", pattern="[a-z ]+")),
        ("a default=", Definition("a", default="")),
    ],
)
def test_definitions(text: str, expected: Definition) -> None:
    assert parameters.definition(text) == expected


@pytest.mark.parametrize(
    "text", ["", "a 'b", "a colour=red", "a secret=yes", "a default", "a required default=x", "a default=x default=y"]
)
def test_an_invalid_definition(text: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        parameters.definition(text)
    assert refused.value.code == "InvalidParameterDefinition"
