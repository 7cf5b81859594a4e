"""Words after ``--`` as a script of each type."""

from __future__ import annotations

import pytest

from assist_cli.cli import scripts
from assist_cli.errors import InvalidParameter
from assist_cli.model.command import CommandType


@pytest.mark.parametrize(
    ("words", "script"),
    [
        (["echo", "hi"], "echo hi"),  # cmd does not know "echo" in quotes
        (["dir", "C:\\Program Files"], 'dir "C:\\Program Files"'),
        (["C:\\Program Files\\x.exe", "a=b"], '"C:\\Program Files\\x.exe" "a=b"'),
        (["echo", "a&b", "100%", 'say "x"', ""], 'echo "a&b" "100%%" "say ""x""" ""'),
        ([":label", "@echo", "!x!", "a^b"], '":label" "@echo" "!x!" "a^b"'),
    ],
)
def test_words_of_a_bat_script(words: list[str], script: str) -> None:
    assert scripts.quote(words, CommandType.BAT) == script.encode()


def test_a_bat_script_has_no_line_end_inside_a_word() -> None:
    with pytest.raises(InvalidParameter, match="no line end inside a word"):
        scripts.quote(["echo", "a\ndel x"], CommandType.BAT)


def test_words_of_the_other_types() -> None:
    assert scripts.quote(["echo", "it's", "a b"], CommandType.SHELL) == b"""echo 'it'"'"'s' 'a b'"""
    assert scripts.quote(["echo", "it's"], CommandType.POWERSHELL) == b"& 'echo' 'it''s'"
