"""``--outdir``: the output of each instance as files, and the names by outcome."""

from __future__ import annotations

import json
import re
import resource
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assist_cli.cli.output_files import Both, OutputFiles, folder, stems
from assist_cli.errors import Conflict, ExitStatus
from assist_cli.model.command import CommandType
from assist_cli.model.invocation import Invocation, InvocationInstance, Outcome, Record
from assist_cli.model.output import Output, Portion, Stream
from assist_cli.model.status import InvocationStatus, InvokeStatus
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.operations.runs.listener import Listener
from assist_cli.paths import Home
from tests.support.application import Application
from tests.support.captured import Captured
from tests.support.fleet import Member, enlist

OUT, ERR = Stream
NOW = datetime(2026, 11, 29, tzinfo=timezone.utc)
ENDED = Outcome(InvocationStatus.FINISHED, exit_code=0)


def invocation(*names: str, exit_code: int = 0) -> Invocation:
    """An invocation that has ended on instances with these names."""
    places = tuple(
        InvocationInstance(
            f"i-{number}",
            name,
            InvocationStatus.FINISHED,
            1,
            Record(
                f"r-{number}", f"i-{number}", 1, InvocationStatus.FINISHED, NOW, exit_code=exit_code, output=Output()
            ),
        )
        for number, name in enumerate(names)
    )
    return Invocation(
        id="t-1",
        command_id="c-1",
        command_name=None,
        command_version=None,
        command_type=CommandType.SHELL,
        content=b"true",
        parameters_enabled=False,
        parameters={},
        timeout=60,
        working_dir=None,
        username=None,
        keep_script=False,
        status=InvokeStatus.FINISHED,
        created=NOW,
        instances=places,
    )


@pytest.fixture
def controller(home: Path) -> Iterator[Controller]:
    with open_controller(Home(home)) as controller:
        yield controller


@pytest.fixture
def unreachable(starts_processes: None, controller: Controller, tmp_path: Path) -> None:
    """The instance n1, at which nothing listens."""
    enlist(controller, [Member("n1", tmp_path / "n1", "127.0.0.99")])


def contents(place: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in sorted(place.iterdir())}


def test_each_instance_has_its_files(assist: Application, unreachable: None, tmp_path: Path) -> None:
    script = "printf 'a\\nb'; echo c >&2"
    done = assist("run", "-i", "local,n1", "--outdir", "logs/today", "-o", "json", "-c", script)
    assert (done.returncode, len(json.loads(done.stdout)["InvokeInstances"])) == (1, 2)
    written = {
        "hosts.failed": "n1\n",
        "hosts.succeeded": "local\n",
        "local.stderr": "c\n",
        "local.stdout": "a\nb",
        "n1.stderr": "",
        "n1.stdout": "",
    }
    assert contents(tmp_path / "logs/today") == written
    assert assist("invocation", "output", "-", "--outdir", "later").returncode == 0
    assert contents(tmp_path / "later") == written
    assert assist("invocation", "output", "-", "-i", "local", "--outdir", "one").returncode == 0
    assert contents(tmp_path / "one") == {**{k: v for k, v in written.items() if "n1" not in k}, "hosts.failed": ""}

    assert assist("run", "-i", "file:logs/today/hosts.failed", "--preview", "--", "true").stdout == b"n1\n"
    assert assist("rerun", "-", "--outdir", "again").returncode == 69
    assert contents(tmp_path / "again").keys() == {"hosts.failed", "hosts.succeeded", "n1.stderr", "n1.stdout"}
    assert assist("run", "--outdir", "empty", "-i", "file:one/hosts.failed", "--", "true").returncode == 65


@pytest.mark.long
def test_a_long_output_is_complete(assist: Application, starts_processes: None, tmp_path: Path) -> None:
    done = assist("run", "--outdir", "long", "-c", "seq 300000")
    assert done.returncode == 0
    assert (tmp_path / "long/local.stdout").read_bytes() == done.stdout
    assert assist("invocation", "output", "-", "--outdir", "cut").returncode == 0
    assert re.search(r"\n… [\d,]+ bytes are missing here …\n", (tmp_path / "cut/local.stdout").read_text())
    assert assist("invocation", "output", "-", "--outdir", "full", "--full").returncode == 0
    assert (tmp_path / "full/local.stdout").read_bytes() == done.stdout


def test_a_lost_folder_affects_only_the_files(assist: Application, starts_processes: None, tmp_path: Path) -> None:
    done = assist("run", "--outdir", "gone", "-c", f"echo a; rm -r '{tmp_path}/gone'; echo b")
    assert (done.returncode, done.stdout) == (ExitStatus.LOCAL_FAILURE, b"a\nb\n")
    assert done.stderr.count(b"error: cannot write the output to 'gone': No such file or directory") == 1
    (row,) = json.loads(assist("invocation", "results", "-", "-o", "json").stdout)
    assert (row["InvokeRecordStatus"], row["ExitCode"], row["Stdout"]) == ("Finished", 0, "a\nb\n")


def test_wrong_uses_are_refused_and_leave_nothing(assist: Application, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/.hidden").touch()
    (tmp_path / "file").touch()
    for words, status in (
        (("--outdir", "full"), 65),
        (("--outdir", "file"), 65),
        (("--outdir", "file/below"), 65),
        (("--outdir", "new/below", "-i", "nobody"), 66),
        (("--outdir", "x" * 300), 74),
        (("--outdir", "new", "--detach"), 2),
        (("--outdir", "new", "--every", "5m"), 2),
        (("--outdir", "new", "--in", "5m"), 2),
    ):
        done = assist("run", *words, "--", "true")
        assert (done.returncode, done.stderr.startswith(b"error: cannot ")) == (status, True), words
    assert assist("invocation", "list", "-o", "json").stdout == b"[]\n"
    assert not (tmp_path / "new/below").exists()
    with pytest.raises(Conflict, match="not empty"), folder(tmp_path / "full"):
        pass


PIECES = st.sampled_from(["a", "A", ".", "-", "_", "~", "%", "é", " ", "#", "/", "\U0001f980", "web", "b" * 60])


@settings(max_examples=25)
@given(st.sets(st.lists(PIECES, min_size=1, max_size=6).map("".join), max_size=6))
def test_file_names_are_safe_and_unique(instances: set[str]) -> None:
    found = stems(instances)
    assert found.keys() == instances
    assert len({stem.lower() for stem in found.values()}) == len(instances)
    for name, stem in found.items():
        assert re.fullmatch(r"(?!\.)[A-Za-z0-9._%~-]{1,240}", stem)
        assert not re.search(r"%(?![0-9A-F]{2})", stem)
        if re.fullmatch("[a-z_-]{1,200}", name) and len(instances) == 1:
            assert stem == name


def test_names_by_example() -> None:
    assert stems(["web1", ".x", "a/b", "é", "~"]) == {
        "web1": "web1", ".x": "%2Ex", "a/b": "a%2Fb", "é": "%C3%A9", "~": "%7E",
    }  # fmt: skip
    same = stems(["web", "Web"])
    assert same["Web"] == "Web"
    assert re.fullmatch("web~[0-9a-f]{16}", same["web"])


def test_missing_bytes_are_a_line_of_one_file(controller: Controller, tmp_path: Path) -> None:
    printer = Captured(terminal=False)
    files = OutputFiles(printer.printer, controller, tmp_path, made := invocation("a", "b"))
    both = Both(files, None)
    assert both.portion is Portion.WHOLE
    both.output("a", OUT, b"one\ntw")
    both.missing("a", 1234)
    both.output("a", ERR, b"err\n")
    both.output("a", OUT, b"three\n")
    both.ended("a", ENDED)
    both.missing("b", 1)
    assert not list(tmp_path.glob("b.*"))
    both.ended("b", ENDED._replace(exit_code=3))
    files.close(made.instances)
    assert files.status(7) == 7
    assert (tmp_path / "a.stdout").read_text() == "one\ntw\nthree\n"
    assert (tmp_path / "a.stderr").read_text() == "… 1,234 bytes are missing here …\nerr\n"
    assert (tmp_path / "b.stdout").read_text() == "… 1 byte is missing here …\n"
    assert (tmp_path / "b.stderr").read_text() == ""
    assert "warning: output is missing in the files of" in printer.err


def test_a_full_disk_is_one_error_and_leaves_no_incomplete_file(controller: Controller, tmp_path: Path) -> None:
    printer = Captured(terminal=False)
    seen = []

    class View(Listener):
        def output(self, instance: str, stream: Stream, data: bytes) -> None:
            seen.append(data)

    place = tmp_path / "out"
    place.mkdir()
    files = OutputFiles(printer.printer, controller, place, made := invocation("a", "b"))
    both = Both(files, View())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    both.output("a", OUT, b"whole\n")
    both.ended("a", ENDED)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        both.output("b", OUT, b"x" * 20)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    both.output("b", OUT, b"y")
    both.ended("b", ENDED)
    files.close(made.instances)
    assert files.status(0) == ExitStatus.LOCAL_FAILURE
    assert printer.err.count("error: ") == 1
    assert contents(place) == {"a.stdout": "whole\n", "a.stderr": ""}
    assert seen == [b"whole\n", b"x" * 20, b"y"]


def test_a_name_that_is_not_a_target_is_listed_by_its_id(controller: Controller, tmp_path: Path) -> None:
    names = ("web 1", "a #1", "old*", "#2")
    files = OutputFiles(Captured(terminal=False).printer, controller, tmp_path, made := invocation(*names, exit_code=1))
    files.close(made.instances)
    assert (tmp_path / "hosts.failed").read_text() == "web 1\ni-1\ni-2\ni-3\n"
