"""Words after ``--`` that were meant for a shell: the hint has the script, and comes only where a failure says so."""

from __future__ import annotations

import shlex

import pytest

from assist_cli.cli.shell_words import hint
from tests.support.application import Application

NOT_FOUND = "/tmp/assist-r-01.sh: 1: {}: not found\n"


def script(words: list[str], code: int, stderr: str) -> str:
    """The script in the hint, as a shell takes it from the command line; empty when there is no hint."""
    text = hint(words, lambda: [(code, stderr)])
    return text.partition(": -c ")[2]


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("ls | wc -l", "'ls | wc -l'"),
        ("echo hi; echo ho", "'echo hi; echo ho'"),
        ("cd /tmp && ls", "'cd /tmp && ls'"),
        ("ls -l", "'ls -l'"),
        ("date>/tmp/x", "'date>/tmp/x'"),
        ("$HOME/bin/x", "'$HOME/bin/x'"),
        ("~/bin/x", "'~/bin/x'"),
        ("/usr/bin/l*", "'/usr/bin/l*'"),
        ("$(which ls)", "'$(which ls)'"),
        ("`which ls`", "'`which ls`'"),
        ("echo 'a b'", "'echo '\"'\"'a b'\"'\"''"),
        ('echo "a b"', "'echo \"a b\"'"),
        ("a\nb", "'a\nb'"),
    ],
)
@pytest.mark.parametrize("form", [NOT_FOUND, "bash: line 1: {}: command not found\n", "zsh:1: command not found: {}\n"])
def test_a_word_that_is_no_program(word: str, quoted: str, form: str) -> None:
    assert script([word], 127, form.format(word)) == quoted


@pytest.mark.parametrize(
    ("words", "code", "stderr", "text"),
    [
        (["cd", "/tmp", "&&", "ls"], 0, "", "cd /tmp && ls"),
        (["cd", "/tmp;", "ls"], 0, "", "cd /tmp; ls"),
        (["cd", "/tmp", "&&", "ls"], 1, "bash: line 1: cd: too many arguments\n", "cd /tmp && ls"),
        (["ls", "a b", "|", "wc"], 2, "ls: cannot access '|': No such file or directory\n", "ls 'a b' | wc"),
        (["systemctl", "stop", "x", "&&", "date"], 5, "Unit &&.service not loaded.\n", "systemctl stop x && date"),
        (["cat", "*.txt"], 1, "cat: '*.txt': No such file or directory\n", "cat *.txt"),
        (["ls", "~/x"], 2, "ls: cannot access '~/x': No such file or directory\n", "ls ~/x"),
        (["ls", "$HOME"], 2, "ls: cannot access '$HOME': No such file or directory\n", "ls $HOME"),
        (["ls", "2>/x"], 2, "ls: cannot access '2>/x': No such file or directory\n", "ls 2>/x"),
        (["ls | wc", "-l"], 127, NOT_FOUND.format("ls | wc"), "ls | wc -l"),
        (
            ["for", "i", "in", "1;", "do", "echo", "$i;", "done"],
            2,
            "x: 1: Syntax error\n",
            "for i in 1; do echo $i; done",
        ),
        (["!", "true"], 127, NOT_FOUND.format("!"), "! true"),
    ],
)
def test_several_words(words: list[str], code: int, stderr: str, text: str) -> None:
    assert shlex.split(script(words, code, stderr)) == [text]


@pytest.mark.parametrize(
    ("words", "code", "stderr"),
    [
        (["ls"], 127, NOT_FOUND.format("ls")),
        (["./a b.sh"], 127, "./a b.sh: line 3: frob: command not found\n".replace("./a b.sh", "script")),
        (["my prog"], 1, "my prog: no such file\n"),
        (["sh", "-c", "exit 127"], 127, ""),
        (["sh", "-c", "frob | cat"], 127, "sh: 1: frob: not found\n"),
        (["grep", "a|b", "missing"], 2, "grep: missing: No such file or directory\n"),
        (["find", "missing", "-exec", "ls", "{}", ";"], 1, "find: ‘missing’: No such file or directory\n"),
        (["cat", "my file"], 1, "cat: 'my file': No such file or directory\n"),
        (["echo", "&&"], 0, ""),
        (["grep", "|", "file"], 1, ""),
    ],
)
def test_no_hint_for_other_failures(words: list[str], code: int, stderr: str) -> None:
    assert script(words, code, stderr) == ""


@pytest.mark.usefixtures("starts_processes")
def test_a_run_says_it(assist: Application) -> None:
    done = assist("run", "--", "ls | wc -l")
    assert done.returncode == 127
    hinted = done.stderr.decode().splitlines()[-1]
    assert hinted == "hint: words after -- are quoted, so | * $ have no effect; for a script: -c 'ls | wc -l'"
    assert assist("run", "-c", "ls | wc -l").returncode == 0
    assert b"hint" not in assist("run", "-c", "'ls | wc -l'").stderr
    assert b"hint" not in assist("run", "-o", "json", "--", "ls | wc -l").stderr
    assert b"hint" not in assist("run", "--", "sh", "-c", "exit 127").stderr
    assert b"hint: " in assist("run", "--gather", "--", "cd", "/", "&&", "ls").stderr
