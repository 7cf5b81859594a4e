"""The metrics of a server, scraped as Prometheus does, and read by its own parser."""

from __future__ import annotations

import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.application import Application
from tests.support.program import Program

GUARD = 60.0
PAGE = Path(__file__).parents[2] / "docs" / "operations.md"

Samples = dict[tuple[str, tuple[str, ...]], float]


def place_of(server: subprocess.Popen[bytes]) -> str:
    """Return the address of the metrics, as the log says it."""
    assert server.stderr is not None
    for line in server.stderr:
        found = re.search(rb"the metrics are at (\S+)", line)
        if found is not None:
            return found[1].decode()
    raise AssertionError("it serves no metrics")


def scrape(url: str) -> Samples:
    """Return the samples by name and label values."""
    with urllib.request.urlopen(url, timeout=GUARD) as response:
        text = response.read().decode()
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def until(url: str, condition: Callable[[Samples], bool]) -> Samples:
    end = time.monotonic() + GUARD
    while True:
        found = scrape(url)
        if condition(found):
            return found
        assert time.monotonic() < end, found
        time.sleep(0.2)  # metrics of another process; only a scrape shows a change


def test_the_metrics_are_those_of_the_history(assist: Application, installed: Program, home: Path) -> None:
    assist("run", "--", "true")
    assist("run", "--", "false")
    server = installed.start("serve", "--metrics", "127.0.0.1:0")
    url = place_of(server)
    first = until(url, lambda found: ("assist_instance_up", ("local",)) in found)
    assert first["assist_invocations", ("Finished",)] == 2
    assert first["assist_invocations", ("Failed",)] == 0
    assert first["assist_instance_up", ("local",)] == 1
    assert first["assist_firings_total", ("Ran",)] == 0
    assert any(name == "assist_build_info" for name, _ in first)
    assist("run", "--in", "1s", "-c", "sleep 600")
    fired = until(url, lambda found: found["assist_records_open", ("running",)] == 1)
    ran = until(url, lambda found: sum(found["assist_firings_total", (how,)] for how in ("Ran", "Late")) == 1)
    assert fired["assist_records_open", ("waiting",)] == 0
    assert ran["assist_firing_lateness_seconds_count", ()] == 1
    assert ran["assist_firing_lateness_seconds_bucket", ("+Inf",)] == 1
    assist("stop", "-")
    until(url, lambda found: found["assist_invocations", ("Stopped",)] == 1)
    documented = set(re.findall(r"^\| `(assist_[a-z_]+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert {name for name, _ in ran if name.startswith("assist_")} - documented == {
        f"assist_firing_lateness_seconds_{part}" for part in ("bucket", "count", "sum")
    }
    second = installed("serve", "--metrics", url.split("/")[2])
    assert second.returncode == 65
    server.send_signal(signal.SIGTERM)
    assert server.wait(GUARD) == 0


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("--metrics", "0.0.0.0:9464"), 65),
        (("--metrics", "9464"), 65),
        (("--metrics", "127.0.0.1:0", "--once"), 2),
        (("--insecure",), 2),
    ],
)
def test_a_bad_listener_is_refused(installed: Program, words: tuple[str, ...], status: int) -> None:
    result = installed("serve", *words)
    assert (result.returncode, result.stdout) == (status, b"")
    assert b"cannot" in result.stderr
