"""Completion: the answers of the program, and the effect of Tab in a real bash, zsh and fish."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from assist_cli.cli.completion.answer import answer
from assist_cli.cli.completion.line import Line
from assist_cli.model.access import Role
from assist_cli.model.command import CommandVersion
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.instance import Instance
from assist_cli.model.parameters import Definition
from assist_cli.model.target import Selection
from assist_cli.operations.access import accesskeys
from assist_cli.operations.commands import commands
from assist_cli.operations.controller import open_controller
from assist_cli.operations.fleet import groups
from assist_cli.operations.fleet import instances as operations
from assist_cli.operations.runs import files
from assist_cli.operations.runs.files import SendRequest
from assist_cli.operations.runs.plans import RunRequest
from assist_cli.operations.runs.recording import recorded
from assist_cli.paths import Home
from assist_cli.store import instances
from tests.support import variants
from tests.support.application import Application
from tests.support.program import Program
from tests.support.programs import need
from tests.support.terminal import Terminal

SCRIPTS = Path(__file__).parents[2] / "completions"

Ask = Callable[..., list[str]]


@pytest.fixture
def stocked(home: Path) -> Home:
    """A home with two instances and some commands."""
    rooms = Home(home)
    with open_controller(rooms) as controller:
        with controller.database.transaction() as transaction:
            for name, tags in (("web1", {"role": "web", "canary": ""}), ("db1", {"role": "db"})):
                id = new_id(Kind.INSTANCE, controller.now_ms())
                made = Instance(id=id, name=name, address="tls:192.0.2.1", created=controller.now(), tags=tags)
                instances.register(transaction, made)
        levels = Definition("level", "how much", default="low", choices=("low", "high"))
        version = CommandVersion(b"echo {{level|sh}}", parameters_enabled=True, definitions=(levels,))
        for name, about in (("restart service", "a unit"), ("backup", "all"), ("copy:db", ""), ("备份", "")):
            commands.create(controller, name, version, about)
        accesskeys.create(controller, "ci", Role.OPERATOR)
    return rooms


@pytest.fixture
def ask(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """The answer for a line up to the cursor, without its first line, which is the form if that is asked for."""

    def asked(line: str, shell: str = "fish", form: str = "words", **env: str) -> list[str]:
        with monkeypatch.context() as patch:
            for name, value in {"COMP_LINE": f"assist {line}", "COLUMNS": "80", **env}.items():
                patch.setenv(name, value)
            answer(shell)
        said = capsys.readouterr()
        assert said.err == ""
        told, *rest = said.out.splitlines() or [""]
        assert told == form
        return rest

    return asked


# a line as a shell splits it


@pytest.mark.parametrize(
    ("text", "words", "last", "quote"),
    [
        ("assist ", ["assist"], "", ""),
        ("assist run", ["assist"], "run", ""),
        (r"a my\ na", ["a"], "my na", ""),
        ('a "my na', ["a"], "my na", '"'),
        ("a 'my na", ["a"], "my na", "'"),
        ("""a "it's" 'a "b' c""", ["a", "it's", 'a "b'], "c", ""),
        (r'a "\$x \n" \n', ["a", r"$x \n"], "n", ""),
        ("a '' ", ["a", ""], "", ""),
        ("a one\\\ntwo", ["a"], "onetwo", ""),
        ("a  \t b", ["a"], "b", ""),
        ("a b\\", ["a"], "b", ""),
        ("", [], "", ""),
    ],
)
def test_a_line_is_split_as_a_shell_splits_it(text: str, words: list[str], last: str, quote: str) -> None:
    line = Line(text)
    assert (line.words, line.last, line.quote) == (words, last, quote)


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("a one:two", "two"), ("a --x=y", "y"), ("a web,@ca", "@ca"), ("a back@1", "@1"), (r"a one\:two", "one:two"),
        ("a 'one:two", "one:two"), ("a x'one", "one"), ("a 'x'one", "one"), ("a plain", "plain"),
    ],
)  # fmt: skip
def test_bash_completes_from_its_word_breaks(text: str, replaced: str) -> None:
    line = Line(text, breaks=" \t\n\"'@><=;|&(:")
    assert line.last[line.kept :] == replaced


# answers


def test_commands_and_options_with_their_descriptions(ask: Ask) -> None:
    assert "run\tRun a script on one instance or many, and show its output" in ask("")
    assert ask("invo") == [
        "invoke\tRun a saved command on one instance or many, and show its output",
        "invocation\tHistory of runs: list, show, wait, search, diff, prune",
    ]
    assert {"--instance", "-i", "--help"} <= {line.split("\t")[0] for line in ask("run -")}
    assert ask("run --keep-") == ["--keep-script\tKeep the script file on the instance"]
    assert ask("-q invocation li") == ["list\tList the invocations, newest first"]
    assert ask("nonsense") == []


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("invocation list -o ", ["table", "json", "jsonl"]),
        ("invocation list --output=j", ["--output=json", "--output=jsonl"]),
        ("run -oj", ["-ojson", "-ojsonl"]),
        ("run --type p", ["powershell"]),
        ("completion show ", ["bash", "zsh", "fish"]),
        ("help exit", ["exit-status"]),
        ("quota set ", ["commands"]),
        ("run -- -", []),
        ("run --timeout ", []),
    ],
)
def test_words_that_need_no_database(ask: Ask, home: Path, line: str, offered: list[str]) -> None:
    assert ask(line, form="files" if " -- " in line else "words") == offered
    assert not home.exists()


def test_files_and_folders_are_completed_by_the_shell(ask: Ask) -> None:
    assert ask("run -f scr", form="files") == ask("command import ", form="files") == []
    assert ask("run -- cat ", form="files") == ask("run --file=scr", form="files") == []
    assert ask("run --workdir /", form="folders") == []


def test_names_of_the_database(ask: Ask, stocked: Home) -> None:
    assert ask("command show ") == ["backup\tall", "copy:db\tversion 1", "restart service\ta unit", "备份\tversion 1"]
    assert ask("command delete backup c") == ["copy:db"]
    assert ask("command create b") == []  # a new name
    assert ask("invoke backup@") == ["backup@1\tof just now"]
    assert ask("command diff backup ") == ["1\tof just now"]
    assert ask("invoke backup -p ", form="open") == ["level=\thow much"]
    assert ask("invoke backup@1 -p level=") == ["level=low", "level=high"]
    assert ask("instance show ") == ["db1\ttls:192.0.2.1", "web1\ttls:192.0.2.1"]
    assert ask("instance add w") == []
    assert ask("accesskey delete ") == ["ci\toperator"]


def test_targets_in_comma_lists(ask: Ask, stocked: Home) -> None:
    local = "local\tthe agent of this machine"
    names = ["db1\ttls:192.0.2.1", "web1\ttls:192.0.2.1", local]
    assert ask("run -i ") == [*names, "@canary\ton 1", "@role=db\ton 1", "@role=web\ton 1"]
    assert ask("run -i db1,web1,l") == ["db1,web1," + local]
    assert ask("run -i db1,@role=w") == ["db1,@role=web\ton 1"]
    assert ask("run --instance=db1,@c") == ["--instance=db1,@canary\ton 1"]
    assert ask("instance status '!w") == ["!web1\ttls:192.0.2.1"]


def test_facts_and_groups_as_targets(ask: Ask, stocked: Home) -> None:
    """A fact that a shell would not take as a plain word is not offered: it comes from an agent."""
    with open_controller(stocked) as controller:
        for name, system in (("web1", "debian"), ("db1", "$(reboot)")):
            controller.note_contact(operations.get(controller, name).id, "linux", facts={"os": system, "cpus": 4})
        groups.add(controller, "shops", "@os=debian")
    assert ask("run -i @o") == ["@os=debian\tfact, on 1"]
    assert ask("run -i 'web1,!@os") == ["web1,!@os=debian\tfact, on 1"]
    assert ask("run -i gr") == ["group:shops\t@os=debian"]
    assert ask("group show ") == ["shops\t@os=debian"]


@pytest.mark.usefixtures("starts_processes")
def test_invocations_newest_first_with_command_and_time(ask: Ask, stocked: Home) -> None:
    with open_controller(stocked) as controller:
        ids = []
        for script in (b"uname -a\n", b"#!/bin/sh\necho \x1b[31mred\n"):
            with recorded(controller, RunRequest(script)) as invocation:
                ids.append(invocation.id)
    assert ask("invocation show ") == [
        f"{ids[1]}\tjust now, Running: #!/bin/sh ↵ echo \\x1b[31mred",
        f"{ids[0]}\tjust now, Running: uname -a",
    ]
    assert ask(f"stop {ids[0]}") == [f"{ids[0]}\tjust now, Running: uname -a"]
    assert ask(f"invocation output {ids[0]} -i ") == ["local\tRunning"]


def test_files_with_their_names(ask: Ask, stocked: Home) -> None:
    with open_controller(stocked) as controller:
        request = SendRequest(b"x", "app.conf", "/etc/app", targets=Selection(("web1",)))
        with files.recorded(controller, request) as invocation:
            pass
    offered = [f"{invocation.id}\tjust now, Running: app.conf"]
    assert ask("file show ") == offered
    assert ask("stop f-") == offered
    assert ask("invocation wait ") == []


def test_time_zones(ask: Ask) -> None:
    from assist_cli.cli.completion import values

    assert {"UTC", "Europe/Berlin", "Asia/Shanghai"} <= {name for name, _ in values.zones()}


# bash wants its words quoted, with their descriptions beside


def test_bash_gets_words_quoted_and_in_columns(ask: Ask, stocked: Home) -> None:
    assert ask("invoke r", "bash") == ["restart\\ service"]
    assert ask('invoke "r', "bash") == ["restart service"]
    assert ask("command show ", "bash", COLUMNS="40") == [
        "backup            (all)",
        "copy:db           (version 1)",
        "restart\\ service  (a unit)",
        "备份              (version 1)",
    ]
    assert ask("command show ", "bash", COMP_TYPE="37")[0] == "backup"  # inserted in turn: no descriptions
    assert ask("inv", "bash", COLUMNS="33")[1] == "invocation  (History of runs:…)"
    assert ask("invoke copy:", "bash", COMP_WORDBREAKS=":=@ ") == ["db"]


def test_zsh_gets_a_display_form_of_each(ask: Ask, stocked: Home) -> None:
    assert ask("command show ", "zsh")[1:] == [
        "copy:db\tcopy:db          version 1",
        "restart service\trestart service  a unit",
        "备份\t备份             version 1",
    ]


# no effects


def test_completion_creates_nothing(ask: Ask, assist: Application, stocked: Home) -> None:
    before = {path: path.read_bytes() for path in stocked.root.rglob("*")}
    for line in ("run -i l", "invoke ", "invocation show t-", "instance status "):
        ask(line)
    assert {path: path.read_bytes() for path in stocked.root.rglob("*")} == before


def test_a_recent_write_of_another_program_is_offered(ask: Ask, stocked: Home) -> None:
    with open_controller(stocked) as controller:
        commands.create(controller, "fresh", CommandVersion(b"true"))
        assert (stocked.root / "assist.db-wal").exists()
        assert ask("invoke fre") == ["fresh\tversion 1"]


def test_unreadable_data_offers_nothing(ask: Ask, assist: Application, stocked: Home) -> None:
    with contextlib.closing(sqlite3.connect(stocked.database)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("ALTER TABLE commands RENAME TO renamed")
        connection.commit()
    assert ask("invoke b", form="") == []
    stocked.database.write_bytes(b"no database" * 1000)
    assert ask("invoke b", form="") == []
    stocked.database.unlink()
    assert ask("invoke b", form="") == []
    assert not stocked.database.exists()
    done = assist("completion", "answer", "bash", env={"COMP_LINE": None})
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_program_answers(installed: Program, stocked: Home) -> None:
    """In any locale, and without the imports of a command."""
    env = {"COMP_LINE": "assist invoke 备", "LC_ALL": "C", "PYTHONIOENCODING": None, "PYTHONPROFILEIMPORTTIME": "1"}
    done = installed("completion", "answer", "zsh", env=env)
    assert (done.returncode, done.stdout.decode()) == (0, "words\n备份\t备份  version 1\n")
    assert not {b"typer", b"dataclasses", b"pathlib", b"inspect", b"assist_cli.cli.app"} & set(done.stderr.split())


# a real shell

# In the shells, show prints its arguments, and is completed like assist.
SHELLS = {
    "bash": (
        ["--norc", "--noprofile", "-i"],
        "bind 'set enable-bracketed-paste off'; set +H; source {script}; complete -F _assist show",
        "show() {{ printf '<%s>' \"$@\"; echo; }}",
    ),
    "zsh": (
        ["-f", "-i"],
        "autoload -Uz compinit; compinit -u -D; source {script}; compdef _assist show",
        "show() {{ printf '<%s>' \"$@\"; echo; }}",
    ),
    "fish": (
        ["--no-config", "-i"],
        "source {script}; complete --command show --no-files --keep-order --arguments '(__assist_answer)'",
        "function show; printf '<%s>' $argv; echo; end",
    ),
}

TYPED = {
    "inv": "<invo>",  # invocation and invoke
    "invocation sh": "<invocation><show>",
    "quota set c": "<quota><set><commands>",
    "run --instance=web1,lo": "<run><--instance=web1,local>",
    "run -i web1,db": "<run><-i><web1,db1>",
    "run -i @role=d": "<run><-i><@role=db>",
    "run -i web1,@ca": "<run><-i><web1,@canary>",
    r"run -i \!lo": "<run><-i><!local>",
    "run -i '!lo": "<run><-i><!local>",
    "invoke res": "<invoke><restart service>",
    'invoke "res': "<invoke><restart service>",
    "invoke 'res": "<invoke><restart service>",
    "invoke backup@": "<invoke><backup@1>",
    "invoke copy:": "<invoke><copy:db>",
    "invoke 备": "<invoke><备份>",
    "invoke backup -p lev": "<invoke><backup><-p><level=>",
    "invoke backup -p level=h": "<invoke><backup><-p><level=high>",
    "run -f scr": "<run><-f><script.sh>",
    "run --file=scr": "<run><--file=script.sh>",
    "run --workdir fol": "<run><--workdir><folder",
}


@pytest.mark.parametrize("shell", variants.every(3, SHELLS))
def test_tab_in_a_real_shell(
    shell: str, installed: Program, stocked: Home, isolation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = need(shell)
    (isolation / "script.sh").touch()
    (isolation / "folder").mkdir()
    monkeypatch.setenv("PATH", str(installed.path.parent), prepend=":")
    words, *setup = SHELLS[shell]
    with Terminal(program, words, isolation, columns=200) as terminal:
        for line in [*setup, "echo RE''ADY"]:
            terminal.type(line.format(script=SCRIPTS / f"assist.{shell}") + "\n")
        terminal.wait_for("READY")
        for typed, shown in TYPED.items():
            terminal.raw = ""
            terminal.type(f"show {typed}\t\n")
            terminal.wait_for(shown)


# install and show


def test_show_prints_the_file_of_the_project(assist: Application) -> None:
    done = assist("completion", "show", "zsh")
    assert (done.returncode, done.stdout, done.stderr) == (0, (SCRIPTS / "assist.zsh").read_bytes(), b"")


def test_install_writes_one_file_and_one_line(assist: Application, isolation: Path) -> None:
    user = isolation / "user"
    started = user / ".bashrc"
    started.write_text("alias ll='ls -l'")
    for _ in range(2):
        done = assist("completion", "install", "bash")
        assert (done.returncode, done.stdout) == (0, b"")
    script = user / ".local/share/bash-completion/completions/assist"
    assert script.read_bytes() == (SCRIPTS / "assist.bash").read_bytes()
    assert started.read_text().splitlines() == ["alias ll='ls -l'", f"source {script}  # completion of assist"]
    assert assist("completion", "install", "zsh", env={"ZDOTDIR": str(isolation)}).returncode == 0
    assert "source" in (isolation / ".zshrc").read_text()
    assert assist("completion", "install", "fish").returncode == 0
    assert (user / ".config/fish/completions/assist.fish").exists()
    assert not (isolation / "assist").exists()


def test_install_says_what_to_do_manually(assist: Application, isolation: Path) -> None:
    (isolation / "user/.bashrc").mkdir()
    done = assist("completion", "install", "bash")
    assert done.returncode == 74
    assert b"cannot write the file" in done.stderr
    assert b"hint: write this line into it: source " in done.stderr
