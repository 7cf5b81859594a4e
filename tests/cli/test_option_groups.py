"""Groups of options: declared one time, complete in every command, with their checks."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import pytest
import typer
import typer.main
from typer.testing import CliRunner

from assist_cli import cli
from assist_cli.cli.app import app
from assist_cli.cli.launching import NotifyOptions, ScheduleOptions, ViewOptions, WatchOptions, WaveOptions
from assist_cli.cli.parameters import ParameterOptions
from assist_cli.cli.scripts import ScriptOptions
from assist_cli.cli.targets import TargetOptions
from assist_cli.cli.typer_classes import BOTH, HEADINGS, WAVES, CliApplication, Group
from assist_cli.cli.watching import Look
from assist_cli.errors import FileFailure, InvalidParameter, QuotaExceeded, UsageError
from assist_cli.model.rollout import AT_ONCE, Rollout, Share
from assist_cli.model.schedule import KEEP, Missed, Timing
from assist_cli.model.secret import Secret
from assist_cli.model.target import Selection
from tests.support.application import Application


def commands(command: Any, path: str = "assist") -> Iterator[tuple[str, Any]]:
    yield path, command
    for name in getattr(command, "commands", {}):
        yield from commands(command.commands[name], f"{path} {name}")


def groups_of(command: Any) -> tuple[type[Any], ...]:
    return getattr(command.callback, "groups", ())


COMMANDS = dict(commands(typer.main.get_command(app)))
GROUPS = {group for command in COMMANDS.values() for group in groups_of(command)}


def declared(group: type[Any]) -> list[tuple[str, ...]]:
    """The names of its options, in order."""
    hints = get_type_hints(group, include_extras=True)
    infos = [hints[name].__metadata__[0] for name in group.value_names()]
    return [(info.default, *info.param_decls) for info in infos]


def taking(group: type[Any]) -> set[str]:
    return {path for path, command in COMMANDS.items() if any(issubclass(each, group) for each in groups_of(command))}


def test_which_commands_take_which_groups() -> None:
    runs = {"assist run", "assist invoke", "assist rerun"}
    stops = {"assist stop", "assist invocation stop"}
    instances = {f"assist instance {verb}" for verb in ("list", "status", "tag", "upgrade")}
    for group, paths in {
        TargetOptions: {"assist run", "assist invoke", "assist send", *stops, *instances},
        ParameterOptions: {"assist run", "assist invoke"},
        ScriptOptions: {"assist run", "assist command create", "assist command clone"},
        ScheduleOptions: runs,
        WaveOptions: {*runs, "assist send"},
        WatchOptions: {*runs, "assist send"},
        ViewOptions: {*runs, "assist invocation wait"},
        NotifyOptions: {*runs, "assist send"},
    }.items():
        assert taking(group) == paths, group


@pytest.mark.parametrize("path", [path for path, command in COMMANDS.items() if groups_of(command)])
def test_a_group_is_whole_and_in_its_order(path: str) -> None:
    options = [tuple(each.opts) for each in COMMANDS[path].params]
    for group in groups_of(COMMANDS[path]):
        names = declared(group)
        begin = options.index(names[0])
        assert options[begin : begin + len(names)] == names


def test_an_option_of_a_group_is_declared_once() -> None:
    """An option of the same name elsewhere means something else."""
    calls: Counter[tuple[tuple[str, ...], str]] = Counter()
    for path in Path(cli.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "typer.Option":
                text = next(ast.unparse(each.value) for each in node.keywords if each.arg == "help")
                calls[tuple(map(ast.literal_eval, node.args)), text] += 1
    for names in {names for group in GROUPS for names in declared(group)}:
        assert {number for (found, _), number in calls.items() if found == names} == {1}, names


@pytest.mark.parametrize("group", sorted(GROUPS, key=lambda group: group.__name__))
def test_a_group_is_frozen_and_its_help_knows_its_options(group: Any) -> None:
    assert group.heading in {None, *HEADINGS}
    names = group.value_names()
    for one, other, _ in group.together:
        assert names.index(one) < names.index(other)
    without_options = group()
    with pytest.raises(AttributeError):
        setattr(without_options, names[0], None)


def test_no_two_groups_have_an_option_in_common() -> None:
    bases = [group for group in GROUPS if not any(group is not other and issubclass(group, other) for other in GROUPS)]
    names = [name for group in bases for names in declared(group) for name in names]
    assert len(names) == len(set(names))


class ColourOptions(Group):
    heading = WAVES
    together = (("red", "green", "Both in one line."),)

    red: Annotated[int, typer.Option("--red", metavar="N", help="Of red.")] = 1
    green: Annotated[list[str] | None, typer.Option("--green", "-g", metavar="N", help="Of green.")] = None


def example() -> tuple[typer.Typer, list[object]]:
    """An application with one command, which takes a group between two options of its own, and the received values."""
    made = CliApplication(rich_markup_mode=None, add_completion=False)
    called: list[object] = []

    @made.command()
    def paint(
        context: typer.Context,
        *,
        first: Annotated[bool, typer.Option("--first")] = False,
        colours: ColourOptions,
        last: Annotated[bool, typer.Option("--last")] = False,
    ) -> None:
        """Paint it."""
        called.append((context.info_name, first, colours, last))

    return made, called


@pytest.mark.parametrize(
    ("words", "first", "colours", "last"),
    [
        ([], False, ColourOptions(), False),
        (["--red", "3", "-g", "a", "--green", "b", "--last"], False, ColourOptions(3, ["a", "b"]), True),
    ],
)
def test_a_command_gets_an_instance_of_the_group(
    words: list[str], first: bool, colours: ColourOptions, last: bool
) -> None:
    made, called = example()
    assert CliRunner().invoke(made, words, catch_exceptions=False).exit_code == 0
    assert called == [("paint", first, colours, last)]


def test_a_group_of_commands_builds_each_on_use() -> None:
    made = CliApplication(rich_markup_mode=None, add_completion=False)
    made.callback()(lambda: None)

    @made.command()
    def paint(*, first: Annotated[bool, typer.Option("--first")] = False) -> None:
        """Paint it."""

    @made.command("mix")
    def mix_colours(*, impossible: Annotated[complex, typer.Option("--impossible")] = 1j) -> None:
        """Have a parameter that Typer refuses."""

    found = made.build().commands
    assert list(found) == ["paint", "mix"]
    assert found["paint"].help == "Paint it."
    assert found["paint"] is found["paint"]
    assert found.get("other") is None
    with pytest.raises(RuntimeError, match="complex"):
        found["mix"]


def test_a_wrong_value_in_a_group_is_a_usage_error() -> None:
    made, called = example()
    assert CliRunner().invoke(made, ["--red", "x"]).exit_code == 2
    assert called == []


def test_options_of_a_group_stay_in_its_position() -> None:
    made, _ = example()
    text = CliRunner().invoke(made, ["--help"]).output
    places = [text.index(name) for name in ("Paint it.", "Options:", "--first", "--red", "--green", "--last")]
    assert places == sorted(places)
    assert "Both in one line." not in text


def test_a_large_group_has_a_heading() -> None:
    lines = COMMANDS["assist run"].get_help(typer.Context(COMMANDS["assist run"])).splitlines()
    assert [line[:-1] for line in lines if line[:-1] in HEADINGS] == list(HEADINGS)
    assert lines.index(f"{BOTH}:") < lines.index(f"{WAVES}:")
    below = lines[lines.index(f"{WAVES}:") + 1 :][: len(WaveOptions.value_names())]
    assert [line.split()[0] for line in below] == [names[0] for names in declared(WaveOptions)]


@pytest.mark.parametrize(
    ("options", "more", "wanted"),
    [
        (TargetOptions(), None, Selection(reads_files=True)),
        (TargetOptions(["web*"], pick=2, seed=7), ["db1"], Selection(("db1", "web*"), False, 2, 7, reads_files=True)),
        (TargetOptions(everything=True), [], Selection((), True, reads_files=True)),
    ],
)
def test_targets_are_a_selection(options: TargetOptions, more: list[str] | None, wanted: Selection) -> None:
    assert options.selection(more) == wanted


def test_a_seed_needs_a_pick() -> None:
    with pytest.raises(UsageError, match="cannot use --seed without --pick"):
        TargetOptions(everything=True, seed=7).selection()


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (WaveOptions(), AT_ONCE),
        (WaveOptions("2", "25%", "0", 50), Rollout(Share(2), Share(25, True), Share(0), 50)),
    ],
)
def test_rollout_options_are_a_rollout(options: WaveOptions, wanted: Rollout) -> None:
    assert options.rollout() == wanted


@pytest.mark.parametrize(
    "options", [WaveOptions(canary="0"), WaveOptions(batch="0"), WaveOptions(batch="x"), WaveOptions(max_errors="101%")]
)
def test_contradictory_rollout_options(options: WaveOptions) -> None:
    with pytest.raises(UsageError):
        options.rollout()


@pytest.mark.parametrize(
    ("options", "text", "zone"),
    [
        (ScheduleOptions(every=30), "rate(30s)", None),
        (ScheduleOptions(cron="0 30 2 * * *", timezone="UTC"), "0 30 2 * * *", "UTC"),
        (ScheduleOptions(at="2099-12-01 02:00", timezone="UTC"), "at(2099-12-01 02:00:00)", "UTC"),
    ],
)
def test_schedule_options_are_a_timing(options: ScheduleOptions, text: str, zone: str | None) -> None:
    found = options.timing(AT_ONCE)
    assert found is not None
    assert (found.jitter, found.missed, found.keep) == (timedelta(), Missed.SKIP, KEEP)
    assert (found.frequency.text, found.frequency.timezone) == (text, zone)


def test_settings_of_a_periodic_invocation() -> None:
    found = ScheduleOptions(every=60, jitter=5, missed=Missed.RUN_ONCE, keep=0).timing(AT_ONCE)
    assert isinstance(found, Timing)
    assert (found.jitter, found.missed, found.keep) == (timedelta(seconds=5), Missed.RUN_ONCE, 0)


def test_a_run_without_a_schedule_has_no_timing() -> None:
    assert ScheduleOptions().timing(Rollout(canary=Share(1))) is None


@pytest.mark.parametrize(
    ("options", "rollout", "error", "said"),
    [
        (ScheduleOptions(every=30, in_=30), AT_ONCE, UsageError, "--every and --in contradict each other"),
        (ScheduleOptions(cron="x", at="y"), AT_ONCE, UsageError, "--cron and --at contradict each other"),
        (ScheduleOptions(every=30, timezone="UTC"), AT_ONCE, UsageError, "cannot use --timezone here"),
        (ScheduleOptions(timezone="UTC"), AT_ONCE, UsageError, "cannot use --timezone here"),
        (ScheduleOptions(jitter=5), AT_ONCE, UsageError, "cannot use --jitter"),
        (ScheduleOptions(missed=Missed.SKIP, keep=3), AT_ONCE, UsageError, "cannot use --missed"),
        (ScheduleOptions(keep=3), AT_ONCE, UsageError, "cannot use --keep"),
        (ScheduleOptions(every=30), Rollout(canary=Share(1)), UsageError, "cannot schedule a rollout"),
        (ScheduleOptions(every=9), AT_ONCE, QuotaExceeded, "9"),
        (ScheduleOptions(cron="x"), AT_ONCE, InvalidParameter, "x"),
    ],
)
def test_contradictory_schedule_options(
    options: ScheduleOptions, rollout: Rollout, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        options.timing(rollout)


def test_a_command_that_does_not_wait_takes_no_time_to_wait() -> None:
    daily = ScheduleOptions(every=86_400).timing(AT_ONCE)
    for accepted in (WatchOptions(), WatchOptions(detach=True), WatchOptions(patience=0.0)):
        accepted.check()
    WatchOptions(detach=True).check(daily)
    with pytest.raises(UsageError, match="cannot use --wait with --detach"):
        WatchOptions(detach=True, patience=0.0).check()
    with pytest.raises(UsageError, match="cannot use --wait with a schedule"):
        WatchOptions(patience=5.0).check(daily)


@pytest.mark.parametrize(
    "words", [("run", "--", "true"), ("invoke", "x"), ("rerun", "-"), ("send", __file__, "--to", "/tmp")]
)
def test_every_command_checks_it(assist: Application, words: tuple[str, ...]) -> None:
    done = assist(words[0], "--detach", "--wait", "5s", *words[1:])
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"cannot use --wait with --detach" in done.stderr


def test_output_options_are_a_view() -> None:
    assert ViewOptions().look() == Look()
    assert ViewOptions(live=True).look() == Look(live=True)
    assert ViewOptions(gather=True).look() == Look(gather=True)


def test_there_are_no_notifications_by_default() -> None:
    assert NotifyOptions().also() is None
    assert callable(NotifyOptions("https://hooks.example.com/x", "failure").also())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (NotifyOptions(notify_on="end"), UsageError),
        (NotifyOptions("https://hooks.example.com/x", "success"), typer.BadParameter),
        (NotifyOptions(f"@{__file__}.missing"), FileFailure),
    ],
)
def test_bad_notification_targets(options: NotifyOptions, error: type[Exception]) -> None:
    with pytest.raises(error):
        options.also()


def test_a_script_has_one_source(tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_bytes(b"date\n")
    assert ScriptOptions().content() is None
    assert ScriptOptions(text="").content() == b""
    assert ScriptOptions(file=str(file)).content() == b"date\n"
    with pytest.raises(UsageError, match="cannot use two scripts"):
        ScriptOptions("date", str(file)).content()


def test_values_of_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "x")
    assert ParameterOptions().values() is None
    assert ParameterOptions([], "{}", None).values() == {}
    found = ParameterOptions(["a=1"], '{"b": "2"}', ["c=env:TOKEN"]).values()
    assert found is not None
    assert found.keys() == {"a", "b", "c"}
    assert isinstance(found["c"], Secret)
    with pytest.raises(InvalidParameter):
        ParameterOptions(["a=1", "A=2"]).values()
