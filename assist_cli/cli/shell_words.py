"""A hint for words after ``--`` that were meant for a shell, as with ssh and clush: ``assist run -- 'ls | wc -l'``.

Each word is quoted, so a shell looks for a program named "ls | wc -l". The hint is given only when a failure says
that it found none, or names an operator as if it were a file.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Sequence

# Every run loads this module, so the patterns are compiled on use.
_ACTIVE = frozenset("|;&<>()$`*?[]{}~'\"\\")  # what a shell would act on, besides spaces
_OPERATOR = r"\|\|?|\|&|&&?|;;?|\(|\)|\{|\}|[0-9]?(?:>>?|<<?)(?:&[0-9-]|[^\s>].*)?|&>.*"
_LIST = r";$|[;|&]\s|\s[;|&]|^[;|&]"  # commands in one word
_EXPANDED = r"[*?\[$`]|^~"
_KEYWORDS = frozenset({"if", "for", "while", "until", "case", "function", "!", "{", "(", "[["})
_WITHOUT_EFFECT = frozenset({"cd", "export", "set", "unset", "umask", "ulimit", "alias", "source", "."})  # alone
_MISSING = r"not found|no such file|cannot access|does not exist|syntax error"
_NOT_FOUND = 127

Failure = tuple[int, str]  # the exit code, and what was printed to stderr


def hint(words: Sequence[str], failures: Callable[[], Iterable[Failure]]) -> str:
    """Return the hint for these words, empty where there is none; ``failures`` is asked only where one is possible."""
    if not any(map(_is_active, words)) and words[0] not in _KEYWORDS:
        return ""
    operators = [word for word in words[1:] if re.fullmatch(_OPERATOR, word) or re.search(_LIST, word)]
    for_a_shell = bool(operators) and words[0] in _WITHOUT_EFFECT
    if for_a_shell or any(_is_about(words, operators, code, stderr) for code, stderr in failures()):
        return f"words after -- are quoted, so | * $ have no effect; for a script: -c {shlex.quote(_script(words))}"
    return ""


def _is_about(words: Sequence[str], operators: Sequence[str], code: int, stderr: str) -> bool:
    """Return True if a failure comes from words that no shell has read."""
    lines = stderr.splitlines()
    if any(_named(operators, line) for line in lines):
        return True
    missing = [line for line in lines if re.search(_MISSING, line, re.IGNORECASE)]
    if missing and words[0] in _KEYWORDS:
        return True
    expanded = [word for word in words[1:] if re.search(_EXPANDED, word)]
    if any(word in line for word in expanded for line in missing):
        return True
    first, *others = words[0].split("\n")
    where = lines if others else missing  # a word of several lines is told in several lines
    return code == _NOT_FOUND and bool(missing and _is_active(words[0])) and any(first in line for line in where)


def _is_active(word: str) -> bool:
    """Return True if a shell would act on a part of the word."""
    return any(character in _ACTIVE or character.isspace() for character in word)


def _named(operators: Sequence[str], line: str) -> bool:
    """Return True if a line names one of the operators: a short one as a word of its own."""
    return any(
        (len(word) > 1 and word in line)
        or re.search(rf"(?:^|[\s'\"‘`:]){re.escape(word)}(?:[\s'\"’`:]|$)", line) is not None
        for word in operators
    )


def _script(words: Sequence[str]) -> str:
    """Return the words as the script that was meant; an argument that no shell should read is in quotes."""
    if words[0] in _KEYWORDS:
        return " ".join(words)
    return " ".join([words[0], *(word if _is_syntax(word) else shlex.quote(word) for word in words[1:])])


def _is_syntax(word: str) -> bool:
    return bool(
        re.fullmatch(_OPERATOR, word) or re.search(_LIST, word) or (re.search(_EXPANDED, word) and " " not in word)
    )
