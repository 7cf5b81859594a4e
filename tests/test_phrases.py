"""The check of words finds the phrases of .github/STYLE.md, and names their place and a better one."""

from __future__ import annotations

import pytest

from docs import phrases

STYLE = phrases.STYLE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("It runs again and again.", 1),
        ("One.\n\nAgain and\nagain it runs.", 3),
        ('say("it runs again "\n    "and again")', 1),
        ("# It runs\n# again and again.", 2),
    ],
)
def test_a_phrase_to_avoid_is_found_across_lines_too(text: str, line: int) -> None:
    (found,) = phrases.faults("docs/page.md", text, STYLE)
    assert found.startswith(f"docs/page.md:{line}: avoid 'again and again', prefer: periodic")


def test_every_fault_is_found_in_the_order_of_lines() -> None:
    found = phrases.faults("page.md", "The ledger\nruns again and again,\ntwo ledgers at once.", STYLE)
    assert [line.split("'")[0] for line in found] == [f"page.md:{number}: avoid " for number in (1, 2, 3, 3)]


@pytest.mark.parametrize("text", ["Let it run again, and retry.", "authorized_keys", "an outdoor antechamber"])
def test_other_words_are_left_alone(text: str) -> None:
    assert phrases.faults("page.md", text, STYLE) == []


def test_a_docstring_begins_with_no_question_word() -> None:
    source = '"""Words."""\n\nclass A:\n    """How it goes."""\n\n    async def b(self):\n        """Whether: so."""\n'
    assert [line.split(",")[0] for line in phrases.faults("a.py", source, STYLE)] == [
        "a.py:4: a docstring begins with 'How'",
        "a.py:7: a docstring begins with 'Whether'",
    ]


def test_no_suggested_word_is_one_to_avoid() -> None:
    better = "\n".join(phrases.table("avoid", STYLE).values())
    assert phrases.faults("prefer", better, STYLE) == []


def test_a_style_without_its_table_is_refused() -> None:
    with pytest.raises(SystemExit, match="no table of 'avoid'"):
        phrases.faults("page.md", "text", "# Style\n")


def test_an_excepted_name_is_not_a_fault() -> None:
    text = 'task.forget answers "forgotten" or the state Forgotten.'
    assert phrases.faults("page.md", text, STYLE) == []
    assert phrases.faults("page.md", "It is forgotten.", STYLE) != []


@pytest.mark.parametrize("place", phrases.EXCEPTIONS)
def test_every_excepted_file_exists(place: str) -> None:
    assert (phrases.ROOT / place).exists()


@pytest.mark.usefixtures("starts_processes")
@pytest.mark.skipif(not phrases.tracked(), reason="not a git checkout")
def test_every_other_text_is_checked() -> None:
    checked = {name for name, _ in phrases.texts()}
    assert {"README.md", "Makefile", "pyproject.toml", "docs/README.md", "docs/glossary.md", ".ci/run"} <= checked
    assert checked.isdisjoint(phrases.EXCEPTIONS)
