"""The web console: python -m benchmarks.web (Linux; needs Chromium and Playwright, as its tests do).

``assist serve --web`` with real agents and a real browser: an idle console, pages of 10,000 instances, an output of
1 MiB, a run on 200 instances, and the event streams of one session. See docs/benchmarks.md.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from assist_cli.model.access import Role
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.instance import Instance
from assist_cli.model.secret import Secret
from assist_cli.operations.access import sessions, users
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.operations.history import search
from assist_cli.paths import Home
from assist_cli.store import instances
from assist_cli.store.database import to_ms
from assist_cli.web import security
from benchmarks.agent_idle import SETTLE, Counters
from benchmarks.measure import ASSIST, command, throw_away_home
from benchmarks.report import Report, Table, arguments
from tests.support import browser, past
from tests.support.fleet import Fleet, enlist

MEMORY = 40.0  # MiB that an idle console adds to the server
WAKES = 0.1  # a second that it adds: none, but for noise
PAGE = 500.0  # ms for a page of MANY instances
FIRST_LINE = 1.0  # seconds from the click until the output of an instance is visible
SHOWN = 1.0  # seconds from the request until the last line of OUTPUT is on the page
WINDOWS = 5  # of the time in which it is idle
MANY = 10_000
FLEET = 200
OUTPUT = 1 << 20
STREAMS = 20
PASSWORD = "correct horse battery"
GUARD = 120.0

PLAIN = "yes 'the quick brown fox jumps over the lazy dog 0123456789 abcdefg' | head -c 1048576"
LINE = r"\033[1;3%dm%06d\033[0m  a line with \033[4%dmcolours\033[0m in it\n"
COLOURS = f"awk 'BEGIN {{ for (n = 0; n < 19065; n++) printf \"{LINE}\", n % 8, n, n % 8 }}'"
TICKS = "for n in $(seq {seconds}0); do echo line $n; sleep 0.1; done"


@dataclass(frozen=True)
class Server:
    """``assist serve`` of a home. ``host`` is empty without a console."""

    home: Home
    pid: int
    host: str

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def cpu(self) -> float:
        return Counters.of(self.pid).cpu

    def cookie(self, user: str = "") -> tuple[str, str]:
        """The name and the value of the cookie of a new session, of a user or of the owner."""
        with open_controller(self.home) as controller:
            if user:
                value = sessions.log_in(controller, user, Secret(PASSWORD), "benchmark")
            else:
                value = sessions.redeem(controller, sessions.make_link(controller), "benchmark")
        return security.cookie_name(is_secure=False, port=int(self.host.rpartition(":")[2])), value

    def get(self, path: str, cookie: tuple[str, str]) -> bytes:
        """A page, over a new connection. Raises RuntimeError for a refusal."""
        with contextlib.closing(http.client.HTTPConnection(self.host, timeout=GUARD)) as connection:
            connection.request("GET", path, headers={"Cookie": "=".join(cookie)})
            answer = connection.getresponse()
            body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status}")
        return body


@contextlib.contextmanager
def serving(environment: Mapping[str, str], *words: str) -> Iterator[Server]:
    """A server in a process of its own, with ``words`` after ``assist serve``."""
    with (
        tempfile.TemporaryFile() as log,  # a pipe that nobody reads would block it
        subprocess.Popen([ASSIST, "serve", *words], env=environment, stderr=log) as process,
    ):
        try:
            end = time.monotonic() + GUARD
            said = ""
            while "serving" not in said or ("--web" in words and "the console is at" not in said):
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"it does not serve: {said}")
                time.sleep(0.01)  # a file has no event
                said = os.pread(log.fileno(), 10_000, 0).decode()
            found = re.search(r"the console is at (\S+)", said)
            host = urlsplit(found[1]).netloc if found else ""
            yield Server(Home(Path(environment["ASSIST_HOME"])), process.pid, host)
        finally:
            process.terminate()
            process.wait()


CONSOLE = ("--web", "127.0.0.1:0")


def idle(report: Report, seconds: float) -> None:
    """Compare a server with a console to one without, at the same time."""
    with (
        throw_away_home() as bare,
        throw_away_home() as full,
        serving(bare) as without,
        serving(full, *CONSOLE) as console,
    ):
        cookie = console.cookie()
        for path in ("/", "/instances", "/run"):
            console.get(path, cookie)
        time.sleep(SETTLE)
        counted = []
        for _ in range(WINDOWS + 1):
            counted.append([Counters.of(each.pid) for each in (without, console)])
            if len(counted) <= WINDOWS:
                time.sleep(seconds / WINDOWS)
    wakes, cpu = [], []
    for counters in zip(*counted, strict=True):
        steps = [end.wakes - begin.wakes for begin, end in itertools.pairwise(counters)]
        wakes.append(statistics.median(steps) / seconds * WINDOWS)  # a single event does not count
        cpu.append((counters[-1].cpu - counters[0].cpu) / seconds * 100)
    after = counted[-1]
    resident = [each.resident for each in after]
    for name, memory, often, share in zip(("without", "with"), resident, wakes, cpu, strict=True):
        figures = f"{memory:.1f} MiB, {often:.2f} wake-ups a second, {share:.2f} % of a processor"
        report.figure(f"idle server {name} a console", figures)
    report.budget("memory that an idle console adds", resident[1] - resident[0], MEMORY, " MiB")
    report.budget("wake-ups a second that an idle console adds", wakes[1] - wakes[0], WAKES)


def fill(controller: Controller, number: int) -> None:
    """Register this many instances, each with a record; one in 97 has failed."""
    now = controller.now()
    roles = ("web", "db", "app", "cache")
    made = [
        Instance(
            new_id(Kind.INSTANCE, to_ms(now)),
            f"{roles[each % 4]}-{each:05}.example",
            f"tls:10.{each >> 8}.{each & 255}.1:7433",
            now,
            "linux",
            heard=now,
            tags={"role": roles[each % 4], "zone": f"z{each % 7}", "env": "prod" if each % 10 else "test"},
        )
        for each in range(number)
    ]
    with controller.database.transaction() as transaction:
        for each in made:
            instances.register(transaction, each)
    for begin in range(0, number, 1000):
        moment = now - timedelta(hours=1 + begin / 1000)
        invocation = past.invocation_on(made[begin : begin + 1000], moment, content=b"systemctl restart nginx")
        outcomes = [past.finished(f"restarted nginx {each}\n", int(each % 97 == 0), at=moment) for each in range(1000)]
        past.write(controller.database, invocation, outcomes[: len(invocation.instances)])
    search.catch_up(controller)
    users.add(controller, "scoped", Secret(PASSWORD), Role.OPERATOR, ("web*", "@zone=z1", "!@env=test"))


def pages(report: Report, number: int, turns: int) -> None:
    """The pages of many instances, for the owner and for a user with a scope."""
    paths = {
        "home": "/",
        "instances": "/instances",
        "instances, page 20": "/instances?page=20",
        "instances, a filter": f"/instances?on={quote('@role=web')}",
        "invocations": "/invocations",
        "form of a run": "/run",
        "search": "/search?q=restarted+nginx",
    }
    with throw_away_home() as environment, serving(environment, *CONSOLE) as server:
        with open_controller(server.home) as controller:
            fill(controller, number)
        rows: list[list[str]] = []
        slowest = 0.0
        for user in ("", "scoped"):
            cookie = server.cookie(user)
            for name, path in paths.items():
                wall, cpu = [], []
                for turn in range(turns + 1):
                    before, begin = server.cpu, time.perf_counter()
                    server.get(path, cookie)
                    if turn:
                        wall.append((time.perf_counter() - begin) * 1000)
                        cpu.append((server.cpu - before) * 1000)
                text = f"{name}, {'with a scope' if user else 'all instances'}"
                taken = (statistics.median(wall), min(wall), statistics.mean(cpu))
                rows.append([text, *(f"{each:.0f} ms" for each in taken)])
                slowest = max(slowest, statistics.median(wall))
        head = (f"page of {number:,} instances", "median", "fastest", "server's processor time")
        report.table(Table(head, rows))
        report.budget(f"the slowest page of {number:,} instances", slowest, PAGE, " ms")


@contextlib.contextmanager
def tab(server: Server) -> Iterator[Any]:
    """A page of a new browser in which the owner is logged in."""
    name, value = server.cookie()
    with browser.browser() as context:
        context.set_default_timeout(GUARD * 1000)
        context.add_cookies([{"name": name, "value": value, "url": server.url}])
        yield context.new_page()


PAINTED = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done([
    performance.getEntriesByName("first-contentful-paint")[0].startTime, performance.now(),
    document.querySelectorAll("#live .output .l").length]))))"""


def outputs(report: Report, turns: int) -> None:
    """The page of one invocation with 1 MiB of output, until its last line is on the page and painted."""
    with throw_away_home() as environment, serving(environment, *CONSOLE) as server, tab(server) as page:
        for name, script in (("plain text", PLAIN), ("coloured text", COLOURS)):
            done = subprocess.run([ASSIST, "run", "-c", script], env=environment, capture_output=True, check=True)
            page.goto(f"{server.url}/invocations")
            path = page.locator("a.row").first.get_attribute("href")
            first, whole, cpu, lines = [], [], [], 0
            for turn in range(turns + 1):
                before = server.cpu
                page.goto(server.url + path, wait_until="domcontentloaded")
                paint, shown, lines = page.evaluate(PAINTED)
                if turn:
                    first.append(paint / 1000)
                    whole.append(shown / 1000)
                    cpu.append(server.cpu - before)
            report.figure(
                f"{len(done.stdout) / (1 << 20):.2f} MiB of {name}, {lines:,} lines",
                f"first paint {statistics.median(first):.2f} s, whole {min(whole):.2f} s in the fastest turn, "
                f"{statistics.mean(cpu) * 1000:.0f} ms of the server's processor time",
            )
            report.budget(f"1 MiB of {name}, whole on the page", statistics.median(whole), SHOWN, " s")


def run(report: Report, number: int, turns: int) -> None:
    """A run on many instances: from the click to the first output and to the end."""
    with throw_away_home() as environment, contextlib.ExitStack() as stack:
        home = Home(Path(environment["ASSIST_HOME"]))
        with open_controller(home) as controller:
            folder = Path(environment["HOME"], "fleet")
            folder.mkdir()
            fleet = stack.enter_context(Fleet(folder, controller, number))
            enlist(controller, fleet.members)
        server = stack.enter_context(serving(environment, *CONSOLE))
        cookie = server.cookie()
        page = stack.enter_context(tab(server))
        steps: dict[str, list[float]] = {}
        for turn in range(turns + 1):
            fleet.rest()
            page.goto(f"{server.url}/run?on=n*")
            page.get_by_role("textbox", name="Script", exact=True).fill("echo hello")
            page.get_by_role("button", name="Preview").last.click()
            page.get_by_label("the number of instances").fill(str(number))
            before, begin = server.cpu, time.perf_counter()
            page.get_by_role("button", name="Run on").click(no_wait_after=True)
            page.wait_for_url("**/invocations/t-*", wait_until="commit")
            taken = {"page": time.perf_counter() - begin}
            page.wait_for_selector("#body :is(.l, .preview):has-text('hello'):visible")
            taken["first output"] = time.perf_counter() - begin
            asked = time.perf_counter()
            server.get(urlsplit(page.url).path, cookie)
            taken["page a second time"] = time.perf_counter() - asked
            page.wait_for_selector("text=It has ended.")
            taken["end"], taken["server's processor time"] = time.perf_counter() - begin, server.cpu - before
            for step, seconds in taken.items() if turn else ():
                steps.setdefault(step, []).append(seconds)
        rows = [[step, f"{statistics.median(some):.2f} s", f"{min(some):.2f} s"] for step, some in steps.items()]
        report.table(Table((f"a run on {number} instances, from the click", "median", "fastest"), rows))
        text = f"a run on {number} instances: first output"
        report.budget(text, statistics.median(steps["first output"]), FIRST_LINE, " s")


def streams(report: Report, seconds: int) -> None:
    """The cost of the event streams of one session, while an instance prints ten lines a second."""
    with throw_away_home() as environment, serving(environment, *CONSOLE) as server:
        cookie = server.cookie()
        for number in (0, 1, STREAMS):
            words = [ASSIST, "run", "--detach", "-c", TICKS.format(seconds=seconds + 5)]
            said = subprocess.run(words, env=environment, capture_output=True, check=True, text=True).stdout
            found = said.split()[0]
            record = re.search(r'data-record="(r-[^"]+)"', server.get(f"/invocations/{found}", cookie).decode())
            assert record is not None
            path = f"/invocations/{found}/stream?record={record[1]}:0"
            with contextlib.ExitStack() as stack:
                for _ in range(number):
                    connection = http.client.HTTPConnection(server.host, timeout=GUARD)
                    stack.callback(connection.close)
                    connection.request("GET", path, headers={"Cookie": "=".join(cookie)})
                    connection.getresponse().read1(1)
                time.sleep(1)
                before, begin = Counters.of(server.pid), time.monotonic()
                time.sleep(seconds)
                after, took = Counters.of(server.pid), time.monotonic() - begin
            report.figure(
                f"ten lines a second, followed by {number} event streams",
                f"{(after.cpu - before.cpu) / took * 100:.1f} % of a processor, {after.resident:.1f} MiB, "
                f"{(after.wakes - before.wakes) / took:.0f} wake-ups a second",
            )
            command([ASSIST, "stop", found], environment)()


def main() -> None:
    parts = ("idle", "pages", "outputs", "run", "streams")
    parser = arguments(__file__, __doc__)
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--seconds", type=int, default=30, help="of the idle servers")
    parser.add_argument("--instances", type=int, default=MANY)
    parser.add_argument("--fleet", type=int, default=FLEET, help="instances with real agents")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()

    report = Report(f"The web console, {options.turns} turns", options, ["Chromium"])
    if "idle" in options.only:
        idle(report, options.seconds)
    if "pages" in options.only:
        pages(report, options.instances, options.turns)
    if "outputs" in options.only:
        outputs(report, options.turns)
    if "run" in options.only:
        run(report, options.fleet, options.turns)
    if "streams" in options.only:
        streams(report, max(options.seconds // 3, 1))
    report.end()


if __name__ == "__main__":
    main()
