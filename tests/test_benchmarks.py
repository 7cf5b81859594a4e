"""Benchmarks: the table of promises, the sections of docs/benchmarks.md, and the status at the end."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

import pytest

from benchmarks import document, fanout, machine, peers
from benchmarks.__main__ import LONG, QUICK, main, promises_of, summarise
from benchmarks.measure import Cost, Times, cost_of
from benchmarks.report import Promise, Report, Table, arguments, number

ROOT = Path(__file__).parents[1]


def parsed(*words: str) -> argparse.Namespace:
    return arguments("benchmarks/example.py", "An example.").parse_args(words)


@pytest.mark.parametrize(
    ("promise", "verdict"),
    [
        (Promise("a", 2.0, 2.0), "kept"),
        (Promise("a", 2.01, 2.0), "broken"),
        (Promise("a", 150.0, 150.0, at_least=True), "kept"),
        (Promise("a", 149.0, 150.0, at_least=True), "broken"),
        (Promise("a", None, 2.0), "not measured"),
    ],
)
def test_a_promise_is_kept_up_to_its_limit(promise: Promise, verdict: str) -> None:
    assert promise.verdict == verdict
    assert promise.is_broken == (verdict == "broken")


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.004, "0.004"), (0.35, "0.35"), (22.93, "22.93"), (100, "100"), (1499.6, "1,500")]
)
def test_numbers_are_short_and_exact_enough_for_a_verdict(value: float, text: str) -> None:
    assert number(value) == text


def test_a_ratio_is_that_of_adjacent_turns() -> None:
    """Both programs are slow in the second and third turn, as in a slow phase of a machine."""
    ours, theirs = Times("ours", (2.0, 4.0, 4.0, 2.0, 2.5)), Times("theirs", (1.0, 2.0, 2.0, 1.0, 1.0))
    assert ours.against(theirs) == 2.0
    assert ours.beyond(theirs) == 1.5
    assert (ours.median, ours.fastest) == (2.5, 2.0)


def test_a_table_has_columns_in_a_terminal_and_bars_in_the_document() -> None:
    table = Table(("what", "median"), [["a long name", "9 ms"], ["b", "1,000 ms"]])
    assert table.plain() == ["what           median", "a long name      9 ms", "b            1,000 ms"]
    assert table.markdown() == ["| what | median |", "| --- | ---: |", "| a long name | 9 ms |", "| b | 1,000 ms |"]


def test_a_section_is_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    before, after = (
        "# Page\n\n<!-- one: begin -->\n",
        "<!-- one: end -->\n\n<!-- two: begin -->\nb\n<!-- two: end -->\n",
    )
    for old in ("", "a\n| b |\n"):
        file.write_text(before + old + after)
        document.write("one", "| new |\n\n100 %", file)
        assert file.read_text() == before + "| new |\n\n100 %\n" + after


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<!-- one: begin -->\n",
        "<!-- one: end -->\n<!-- one: begin -->\n",
        "<!-- one: begin -->\n<!-- one: end -->\n" * 2,
    ],
)
def test_a_page_without_the_section_is_not_written(tmp_path: Path, text: str) -> None:
    file = tmp_path / "page.md"
    file.write_text(text)
    with pytest.raises(ValueError, match="no section between '<!-- one: begin -->'"):
        document.write("one", "new", file)
    assert file.read_text() == text


def test_the_document_has_a_section_for_each_benchmark() -> None:
    modules = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if "arguments(__file__" in path.read_text()}
    assert modules == {*QUICK, *LONG}
    text = document.DOCUMENT.read_text(encoding="utf-8")
    assert set(re.findall(r"<!-- (\w+): begin -->", text)) == modules
    for name in modules:
        document.replace(text, name, "new")
        assert f"| [`{name}`](#" in text


@pytest.mark.usefixtures("starts_processes")
def test_a_report_writes_its_promises_and_its_section(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "promises"
    report = Report("An example, 2 turns", parsed("--promises", str(file)))
    report.budget("warm", 0.25, 0.35, " s")
    report.budget("calls a second", 100, 300, at_least=True)
    report.check(Promise("beyond ssh", None, 0.1, " s"))
    report.figure("memory", "22 MiB")
    report.times([Times("a run", (0.2, 0.1, 0.3))])
    with pytest.raises(SystemExit) as ended:
        report.end()
    assert ended.value.code == 1
    promises = [Promise(**each) for each in json.loads(file.read_text())]
    assert [each.verdict for each in promises] == ["kept", "broken", "not measured"]
    *said, state = capsys.readouterr().out.splitlines()[1:]
    assert re.fullmatch(r"  load average \S+ at the start; a fixed loop took \S+ ms before and \S+ ms after", state)
    assert said == [
        "An example, 2 turns",
        "  kept   warm: 0.25 s, budget ≤ 0.35 s",
        "  BROKEN calls a second: 100, budget ≥ 300",
        "  not measured beyond ssh: –, budget ≤ 0.1 s",
        "  memory: 22 MiB",
        "  wall time  median  fastest",
        "  a run      200 ms   100 ms",
    ]
    lines = report.section(state).splitlines()
    assert lines[:14] == [
        "| promise | measured | budget | verdict |",
        "| --- | ---: | ---: | --- |",
        "| warm | 0.25 s | ≤ 0.35 s | kept |",
        "| calls a second | 100 | ≥ 300 | **broken** |",
        "| beyond ssh | – | ≤ 0.1 s | not measured |",
        "",
        "| figure | measured |",
        "| --- | ---: |",
        "| memory | 22 MiB |",
        "",
        "| wall time | median | fastest |",
        "| --- | ---: | ---: |",
        "| a run | 200 ms | 100 ms |",
        "",
    ]
    assert lines[14].startswith("An example, 2 turns. 20")
    assert max(map(len, lines)) <= 120


def test_the_table_of_all_promises_ends_with_1_if_one_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    kept, broken = Promise("warm", 0.25, 0.35, " s"), Promise("calls a second", 100.0, 300.0, at_least=True)
    assert summarise({"run_local": [kept]}) == 0
    assert summarise({"run_local": [kept], "api": [broken]}) == 1
    assert capsys.readouterr().out.splitlines()[4:] == [
        "benchmark  promise         measured    budget  verdict",
        "run_local  warm              0.25 s  ≤ 0.35 s  kept",
        "api        calls a second       100     ≥ 300  broken",
        "",
        "2 promises, 1 broken",
    ]


@pytest.mark.usefixtures("starts_processes")
def test_a_benchmark_that_fails_is_a_broken_promise() -> None:
    (promise,) = promises_of([sys.executable, "-I", "-S", "-c", "raise SystemExit(3)"])
    assert (promise.name, promise.measured, promise.verdict) == ("exit status", 3, "broken")


def test_an_unknown_benchmark_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["startup", "strat"])
    assert ended.value.code == 2
    assert "there is no benchmark 'strat'" in capsys.readouterr().err


def test_a_fan_out_is_compared_with_ssh_the_floor_and_the_quickest_tool() -> None:
    """A peer that is missing or has lost an instance has no figures; the promise is not measured then."""
    ours = [Cost(1.0, 0.5, 40.0), Cost(2.0, 0.5, 40.0)]
    theirs = [Cost(2.0, 1.0, 20.0), Cost(4.0, 1.0, 20.0)]
    slower = [Cost(8.0, 1.0, 20.0)] * 2
    found = fanout.promises(
        {
            1: {fanout.RUN: ours, peers.SSH: theirs, peers.QUICK_SSH: ours},
            100: {fanout.RUN: ours, peers.FLOOR: ours, "clush": slower, "asyncssh": theirs, "pssh": []},
            500: {fanout.RUN: ours, peers.FLOOR: theirs},
            1000: {fanout.RUN: ours, peers.FLOOR: theirs},
        }
    )
    assert {each.name: (each.measured, each.limit) for each in found} == {
        "one instance": (1.5, 0.35),
        "one instance, against ssh": (0.5, 1.0),
        "one instance, against ssh, curve25519": (1.0, 1.0),
        "100 instances, against asyncssh": (0.5, 0.36),
        "100 instances, against ansible -m shell -f 50": (None, 0.1),
        "100 instances, against the floor: bare TLS": (1.0, 1.2),
        "500 instances, against the quickest SSH tool": (None, 0.36),
        "500 instances, against ansible -m shell -f 50": (None, 0.1),
        "500 instances, against the floor: bare TLS": (0.5, 1.2),
        "500 instances, processor time of the client for each": (1.0, 1.5),
        "the same, against the floor: bare TLS": (0.5, 1.2),
        "1,000 instances, peak memory of the client": (40.0, 60.0),
    }


@pytest.mark.usefixtures("starts_processes")
def test_the_peak_of_a_program_is_not_that_of_the_benchmark() -> None:
    ballast = bytearray(b"x" * (40 << 20))
    cost, said = cost_of([sys.executable, "-I", "-S", "-c", "print('hello')"], {})
    assert len(ballast) > cost.peak * (1 << 20) > 0
    assert said == b"hello\n"


@pytest.mark.usefixtures("starts_processes")
def test_a_program_that_fails_has_no_cost() -> None:
    with pytest.raises(RuntimeError, match="ended with 3: why"):
        cost_of([sys.executable, "-I", "-S", "-c", "print('why'); raise SystemExit(3)"], {})


@pytest.mark.usefixtures("starts_processes")
def test_the_machine_and_its_versions_are_named() -> None:
    text = machine.describe(["OpenSSH"])
    assert re.match(r"\d+ processors \(.+\), .+ on \w+, CPython 3\.\d+\.\d+(?: of the system)?, OpenSSL \d+\.\d+", text)


@pytest.mark.long
@pytest.mark.usefixtures("starts_processes")
def test_benchmarks_run_by_name_and_their_promises_are_in_one_table(capfd: pytest.CaptureFixture[str]) -> None:
    status = main(["frequency", "targets"])
    said = capfd.readouterr().out
    table = said[said.rindex("benchmark  promise") :].splitlines()
    assert [line.split()[0] for line in table[1:-2]] == ["frequency", *["targets"] * 6]
    assert status == (" broken" in "".join(table[1:-2]))
