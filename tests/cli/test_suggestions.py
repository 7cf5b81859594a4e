"""Words of other tools: the hint names the command, or the option, that does the same here."""

from __future__ import annotations

from typing import Any

import pytest
import typer.main

from assist_cli.cli import suggestions
from assist_cli.cli.app import app
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.instance import Instance
from assist_cli.operations.controller import open_controller
from assist_cli.paths import home
from assist_cli.store import instances
from tests.support.application import Application

ROOT: Any = typer.main.get_command(app)


def command(text: str) -> Any:
    """The command that a text begins with; None where it is none."""
    found = ROOT
    for word in text.split():
        if not hasattr(found, "commands") or word not in found.commands:
            break
        found = found.commands[word]
    return None if found is ROOT else found


def options_of(found: Any) -> set[str]:
    return {name for each in getattr(found, "params", ()) for name in each.opts}


EVERY: list[Any] = [ROOT]
for _each in EVERY:
    EVERY += getattr(_each, "commands", {}).values()


def test_each_suggested_command_exists_with_its_options() -> None:
    for word, meant in suggestions.COMMANDS.items():
        for text in meant:
            found = command(text) or ROOT
            assert found is not ROOT or text == "--version", (word, text)
            before = text.partition(" -- ")[0]
            given = {each for each in before.split() if each.startswith("-") and each != "-"}
            assert given <= options_of(found), (word, text)


def test_each_suggested_option_exists() -> None:
    known = set().union(*map(options_of, EVERY))
    for word, meant in suggestions.OPTIONS.items():
        assert {each.split()[0] for each in meant} <= known, word


def test_no_word_stands_twice_in_a_table() -> None:
    for table, separator in ((suggestions.COMMAND_ROWS, ", "), (suggestions.OPTION_ROWS, " ")):
        words = [word for row in table for word in row.split(separator)]
        assert len(words) == len(set(words))


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("ls", "assist instance list, assist invocation list or assist command list"),
        ("list", "assist instance list, assist invocation list or assist command list"),
        ("history", "assist invocation list"),
        ("ps", "assist invocation list"),
        ("logs", "assist invocation output ID"),
        ("exec", "assist run -i TARGET -- PROGRAM"),
        ("ssh", "assist run -i TARGET -- PROGRAM"),
        ("jobs", "assist invocation list"),
        ("cron", "assist schedule list"),
        ("hosts", "assist instance list"),
        ("nodes", "assist instance list"),
        ("inventory", "assist instance list"),
        ("copy", "assist send FILE -i TARGET --to DIR"),
        ("cp", "assist send FILE -i TARGET --to DIR"),
        ("kill", "assist stop ID"),
        ("status", "assist instance status"),
        ("version", "assist --version"),
        ("ping", "assist instance status"),
        ("LS", "assist instance list"),
        ("histroy", "assist invocation list"),
        ("secret", "assist run --secret KEY=REF -- PROGRAM"),
        ("put", "assist send FILE -i TARGET --to DIR"),
        ("dump", "assist backup FILE"),
        ("targets", "assist help targets"),
        ("edit", "assist command clone NAME"),
        ("i", "assist invoke, assist invocation or assist instance?"),
        ("instance untag", "assist instance tag NAME KEY=?"),
        ("rnu", "assist run?"),
        ("rum", "assist run?"),
        ("isntance", "assist instance?"),
        ("instance ls", "assist instance list?"),
        ("instance rm", "assist instance remove NAME?"),
        ("instance delete", "assist instance remove NAME?"),
        ("instance help", "assist instance --help?"),
        ("command ls", "assist command list?"),
        ("command run", "assist invoke NAME?"),
        ("schedule ls", "assist schedule list?"),
        ("schedule cancel", "assist stop ID?"),
        ("schedule rm", "assist stop ID?"),
        ("invocation ls", "assist invocation list?"),
        ("invocation cancel", "assist stop ID?"),
        ("invocation logs", "assist invocation output ID"),
        ("run --host web1 -- true", "-i TARGET?"),
        ("run --hosts=web1 -- true", "-i TARGET?"),
        ("run -H web1 -- true", "-i TARGET?"),
        ("run --node web1 -- true", "-i TARGET?"),
        ("run --targets web1 -- true", "-i TARGET?"),
        ("run --limit web -- true", "-i TARGET?"),
        ("run --tags role=web -- true", "-i @KEY=VALUE?"),
        ("run -u root -- true", "--user NAME?"),
        ("run --tag role=web -- true", "-i @KEY=VALUE?"),
        ("instance list --tag role=web", "-i @KEY=VALUE?"),
        ("instance install --tags role=web h", "--tag KEY=VALUE?"),
        ("instance install -i key h", "--identity FILE?"),
        ("instance install -p 2222 h", "--port PORT?"),
        ("run --daily -- true", "--cron @daily?"),
        ("invocation list --limit 3", "-n N or"),
        ("invocation list --failed", "--unsuccessful?"),
        ("rerun - --unsuccessful", "--failed?"),
        ("run --forks 5 -- true", "--concurrency N?"),
        ("run --dry-run -- true", "--preview?"),
        ("run --inst web1 -- true", "--instance?"),
        ("send --user root file", "--owner NAME?"),
        ("instance install --user root web1", "USER@HOST?"),
        ("instance list --host web1", "-i TARGET?"),
    ],
)
def test_the_hint_names_what_is_meant(assist: Application, words: str, meant: str) -> None:
    done = assist(*words.split())
    assert (done.returncode, done.stdout) == (2, b"")
    assert f"hint: did you mean {meant}" in done.stderr.decode()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["run", "uptime"], "as in: assist run -- uptime"),
        (["run", "-i", "web1", "ls", "/srv/my files"], "as in: assist run -i web1 -- ls '/srv/my files'"),
        (["run", "ls | wc -l"], "as in: assist run -c 'ls | wc -l'"),
        (["run", "ls", "-l"], "as in: assist run -- ls -l"),
        (["run", "hostname", "-i", "local"], "as in: assist run -i local -- hostname"),
        (["run", "--foo", "--", "true"], "see assist run --help"),
        (["run", "--no-color", "--", "true"], "colours are off in a pipe, and with NO_COLOR=1 before assist"),
        (["rerun", "-", "-i", "web1"], suggestions.NOTES["rerun -i"]),
        (
            ["invocation", "results", "-", "--failed"],
            "assist rerun ID --preview lists the instances that did not succeed",
        ),
        (["wob*", "uptime"], "targets are given with -i; see assist run --help"),
        (["-i", "web1", "run", "--", "true"], "options of a command stand after it; see assist --help"),
        (["rerun", "--host", "web1"], "see assist rerun --help"),
        (
            ["send", "app.conf", "web1:/etc"],
            "target and folder are options, as in: assist send FILE -i web1 --to /etc/app",
        ),
        (["stop", "-", "web1"], "targets are given with -i, as in: assist stop ID -i web1"),
        (["command", "create", "disk", "df -h"], "the script is given with -c TEXT or -f FILE"),
    ],
)
def test_other_wrong_words(assist: Application, words: list[str], hint: str) -> None:
    done = assist(*words)
    assert done.returncode == 2
    assert done.stderr.decode().splitlines()[1] == f"hint: {hint}"


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["run", "web1.example.com", "uptime"], "assist run -i web1.example.com -- uptime"),
        (["run", "web[1-2]", "--", "uptime"], "assist run -i 'web[1-2]' -- uptime"),
        (["run", "@role=web", "--", "uptime"], "assist run -i @role=web -- uptime"),
        (["run", "-i", "web1", "web2", "--", "uptime"], "assist run -i web2 -i web1 -- uptime"),
        (["run", "-c", "uptime | wc", "web1"], "assist run -i web1 -c 'uptime | wc'"),
        (["run", "--timeout", "5", "web1", "ls", "-l"], "assist run -i web1 --timeout 5 -- ls -l"),
        (["run", "web1"], "assist run -i web1 -- PROGRAM"),
        (["web1", "uptime"], "assist run -i web1 -- uptime"),
        (["@role=web", "uptime"], "assist run -i @role=web -- uptime"),
        (["web*", "--", "uptime"], "assist run -i 'web*' -- uptime"),
    ],
)
def test_a_target_in_the_wrong_place_is_moved_to_i(assist: Application, words: list[str], command: str) -> None:
    with open_controller(home()) as controller, controller.database.transaction() as transaction:
        for name in ("web1", "web2", "web1.example.com"):
            found = Instance(new_id(Kind.INSTANCE, 0), name, f"tls:{name}", controller.now(), tags={"role": "web"})
            instances.register(transaction, found)
    done = assist(*words)
    assert done.returncode == 2
    assert f" {command}" in done.stderr.decode().splitlines()[1]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("invocation show latest", "for the newest invocation give -, as in: assist invocation show -"),
        ("rerun last", "for the newest invocation give -"),
        ("file show last", "for the newest file give -"),
        ("stop all", "assist invocation list --status Running shows those in progress"),
        ("instance tag web1 role", "to set the tag: assist instance tag web1 role=yes; to remove it: assist"),
        ("instance tag web1 role:web", "did you mean assist instance tag web1 role=web?"),
        ("instance add x root@h", "did you mean ssh:root@h? an address is"),
        ("instance add x 10.0.0.9", "did you mean tls:10.0.0.9 or ssh:root@10.0.0.9? an address is"),
        ("instance add x tls://web1:7433", "did you mean tls:web1:7433"),
        ("instance add All tls:h", "choose another name"),
        ("run -f /", "give a file, not a folder"),
        ("run -f /no-such-file", "check the path: there is no such file or folder"),
        ("invoke disk path=/tmp", "parameters are given with -p, as in: assist invoke disk -p path=/tmp"),
        ("invoke disk 1", "a version follows the name: assist invoke disk@1"),
        ("invoke disk web1", "targets are given with -i, as in: assist invoke NAME -i web1"),
    ],
)
def test_a_wrong_value(assist: Application, words: str, hint: str) -> None:
    done = assist(*words.split())
    assert done.returncode != 0
    assert hint in done.stderr.decode().splitlines()[1]


def test_a_wrong_word_creates_no_home(assist: Application) -> None:
    assert assist("web1", "uptime").returncode == 2
    assert not home().root.exists()


def test_words_too_many_are_named(assist: Application) -> None:
    assert b"too many arguments: 'b c'" in assist("invocation", "show", "a", "b", "c").stderr
