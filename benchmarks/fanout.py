"""One line on many machines: python -m benchmarks.fanout (Linux; the peers are installed on the first run).

``echo hello`` on 1 to 1,000 emulated instances over TLS, by ``assist run`` and by what people use instead, on the same
loopback addresses in the same run; and a file to 100 of them, by ``assist send``. See docs/benchmarks.md for the
method and its limits.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from assist_cli.operations.controller import open_controller
from assist_cli.paths import Home
from benchmarks import chart, peers
from benchmarks.document import DOCUMENT
from benchmarks.measure import ASSIST, Cost, cost_of
from benchmarks.report import UNKNOWN, Promise, Report, Table, arguments
from tests.support.fleet import Fleet, enlist

RUN = "assist run --all"
SEND = "assist send --all"
OF_SSH = 1.0  # of the wall time of ssh, for one instance
OF_THE_BEST = 0.36  # of the wall time of the quickest SSH tool
OF_THE_BEST_SENDER = 0.5
OF_ANSIBLE = 0.1
OF_THE_FLOOR = 1.2
ONE_COLD = 0.35  # seconds for one instance
CPU = 1.5  # ms of processor time of the client for each of CPU_AT instances
CPU_AT = 500
RESIDENT = 60.0  # MiB, the client with LARGEST instances
COMPARED = (100, 500)  # the numbers of instances for which there are budgets
SENT_TO = 100  # instances that are sent a file
FILE_BYTES = 20 * 1024
LARGEST = 1000  # the most instances for any of them
LINGERING = 1.5  # seconds that the ssh processes of Ansible stay
MEMORY = Path("/dev/shm")


def has_said_hello(said: bytes, size: int) -> bool:
    return said.count(b"hello") == size


@dataclass(frozen=True)
class Contender:
    """A program that runs echo hello on ``size`` instances, or does what ``has_done`` finds in its output.

    ``rest`` waits afterwards, until nothing of the run is left.
    """

    name: str
    words: Callable[[int], Sequence[str]]
    environment: Callable[[int], Mapping[str, str]]
    has_done: Callable[[bytes, int], bool] = has_said_hello
    rest: Callable[[], None] = lambda: None
    once: bool = False
    largest: int = LARGEST

    def run(self, size: int) -> Cost:
        """Return the cost of the program itself, without the hosts. Raises RuntimeError if an instance is missing."""
        cost, said = cost_of(self.words(size), self.environment(size))
        if not self.has_done(said, size):
            raise RuntimeError(f"{self.name} failed on {size} instances: {said[-2000:].decode(errors='replace')}")
        return cost


Results = dict[int, dict[str, list[Cost]]]


def main() -> None:
    parser = arguments(__file__, __doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 100, 500, 1000], metavar="N")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--without", nargs="*", default=[], metavar="PEER", help="skip peers with this in their names")
    parser.add_argument(
        "--ansible", type=int, default=max(COMPARED), metavar="N", help="up to N instances (500: minutes)"
    )
    parser.add_argument("--spools", type=Path, default=MEMORY if MEMORY.is_dir() else None, metavar="FOLDER")
    options = parser.parse_args()

    report = Report(f"`echo hello` on many instances, medians of {options.turns} turns", options, ["OpenSSH"])
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="assist-fanout-", dir=options.spools)))
        both = stack.enter_context(_contenders(folder, options.sizes, options.ansible, report))
        runners, senders = (
            [one for one in some if not any(word in one.name for word in options.without)] for some in both
        )
        results = {size: _take(runners, size, options.turns) for size in options.sizes}
        sent = _take(senders, SENT_TO, options.turns) if SENT_TO in options.sizes else {}
    report.table(_table(results))
    if sent:
        report.table(_table_of_sending(sent))
    for promise in (*promises(results), *promises_of_sending(sent)):
        report.check(promise)
    if options.write_docs:
        _plot(results)
    report.end()


@contextlib.contextmanager
def _contenders(
    folder: Path, sizes: Sequence[int], ansible: int, report: Report
) -> Iterator[tuple[list[Contender], list[Contender]]]:
    """The programs that run and those that send, with a fleet and hosts for them.

    The first ``size`` addresses are the same for all. The environment has no settings of Python: an installed
    program has its bytecode.
    """
    own = ("ASSIST_", "ANSIBLE_", "PYTHON")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    environment.update(HOME=str(folder), LANG="C.UTF-8", TERM="dumb")
    base = Home(folder / "assist")
    with contextlib.ExitStack() as stack:
        with open_controller(base) as controller:
            fleet = stack.enter_context(Fleet(_made(folder / "fleet"), controller, max(sizes)))
        fleet.rest()
        report.line(f"{max(sizes)} agents started in {fleet.start_seconds:.1f} s, {fleet.memory():.1f} MiB each (PSS)")
        addresses = [member.address for member in fleet.members]
        for size in sizes:
            home = Home(Path(shutil.copytree(base.root, folder / f"assist-{size}")))
            with open_controller(home) as controller:
                enlist(controller, fleet.members[:size])
            (folder / f"hosts-{size}").write_text("".join(f"{address}\n" for address in addresses[:size]))
        _give_certificate(base, fleet)
        floor = stack.enter_context(peers.floor(base.pki, addresses))
        runners, senders = stack.enter_context(peers.at_hand())
        sent, arrived = folder / "to-send", _made(folder / "sent") / "file"
        sent.write_bytes(os.urandom(FILE_BYTES))

        def has_arrived(said: bytes, size: int) -> bool:
            whole = arrived.read_bytes() == sent.read_bytes()
            arrived.unlink()
            return whole

        def ours(name: str, *words: str) -> Contender:
            return Contender(
                name,
                words=lambda size: [ASSIST, *words],
                environment=lambda size: {**environment, "ASSIST_HOME": str(folder / f"assist-{size}")},
                has_done=has_said_hello if name == RUN else has_arrived,
                rest=fleet.rest,
            )

        largest = {peers.SSH: 1, peers.QUICK_SSH: 1, peers.ANSIBLE: ansible}
        yield (
            [
                ours(RUN, "run", "--all", "--", "echo", "hello"),
                _contender(floor, folder, environment, LARGEST),
                *(
                    _contender(peer, folder, environment, largest.get(peer.name, max(COMPARED)), host=addresses[0])
                    for peer in runners
                ),
            ],
            [
                ours(SEND, "send", str(sent), "--all", "--to", str(arrived.parent), "--name", "file", "--overwrite"),
                *(
                    replace(_contender(peer, folder, environment, SENT_TO, file=sent, to=arrived), has_done=has_arrived)
                    for peer in senders
                ),
            ],
        )


def _contender(
    peer: peers.Peer, folder: Path, environment: Mapping[str, str], largest: int, **values: Path | str
) -> Contender:
    slow = peer.name == peers.ANSIBLE
    return Contender(
        peer.name,
        words=lambda size: peer.command(hosts=folder / f"hosts-{size}", **values),
        environment=lambda size: {**environment, **peer.environment},
        rest=(lambda: time.sleep(LINGERING)) if slow else lambda: None,
        once=slow,
        largest=largest,
    )


def _give_certificate(home: Home, fleet: Fleet) -> None:
    """The servers of the floor show the certificate of one agent of the fleet."""
    for name in ("agent.pem", "agent.key"):
        shutil.copy(fleet.members[0].home / "pki" / name, home.pki)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _take(contenders: Sequence[Contender], size: int, turns: int) -> dict[str, list[Cost]]:
    """Run each on ``size`` instances in turns, after one turn that does not count."""
    able = [one for one in contenders if size <= one.largest]
    costs: dict[str, list[Cost]] = {one.name: [] for one in able}
    for turn in range(turns + 1):
        for one in [*able]:
            if one.once and turn != 1:
                continue
            try:
                cost = one.run(size)
            except RuntimeError as error:
                if one.name in (RUN, SEND):
                    raise
                print(error)  # a peer that loses an instance has no figure; the others still have theirs
                able.remove(one)
                costs[one.name].clear()
                continue
            one.rest()
            if turn:
                costs[one.name].append(cost)
    return costs


def _median(costs: Sequence[Cost], what: str = "wall") -> float:
    return statistics.median(getattr(cost, what) for cost in costs)


def _ratio(ours: Sequence[Cost], theirs: Sequence[Cost], what: str = "wall") -> float:
    """Median of the ratios of turns that stood side by side."""
    pairs = zip(ours, theirs, strict=False)
    return statistics.median(getattr(one, what) / getattr(other, what) for one, other in pairs)


def _best(costs: Mapping[str, Sequence[Cost]]) -> str:
    """The quickest SSH tool."""
    tools = [name for name in costs if costs[name] and name not in (RUN, SEND, peers.FLOOR, peers.ANSIBLE)]
    return min(tools, key=lambda name: _median(costs[name]), default="the quickest SSH tool")


def promises(results: Results) -> Iterator[Promise]:
    for size, costs in results.items():
        ours = costs[RUN]
        if size == 1:
            yield Promise("one instance", _median(ours), ONE_COLD, " s")
            for name in (peers.SSH, peers.QUICK_SSH):
                yield _against("one instance", costs, RUN, name, OF_SSH)
        if size in COMPARED:
            for name, limit in ((_best(costs), OF_THE_BEST), (peers.ANSIBLE, OF_ANSIBLE), (peers.FLOOR, OF_THE_FLOOR)):
                yield _against(f"{size} instances", costs, RUN, name, limit)
        if size == CPU_AT:
            cpu = _median(ours, "cpu") * 1000 / size
            yield Promise(f"{size} instances, processor time of the client for each", cpu, CPU, " ms")
            yield _against("the same", costs, RUN, peers.FLOOR, OF_THE_FLOOR, "cpu")
        if size == LARGEST:
            yield Promise(f"{size:,} instances, peak memory of the client", _median(ours, "peak"), RESIDENT, " MiB")


def promises_of_sending(costs: Mapping[str, Sequence[Cost]]) -> Iterator[Promise]:
    if costs:
        yield _against(f"a file to {SENT_TO} instances", costs, SEND, _best(costs), OF_THE_BEST_SENDER)


def _against(
    text: str, costs: Mapping[str, Sequence[Cost]], ours: str, name: str, limit: float, what: str = "wall"
) -> Promise:
    """The promise of a ratio; it is not measured if the other one is missing or has lost an instance."""
    theirs = costs.get(name)
    return Promise(f"{text}, against {name}", _ratio(costs[ours], theirs, what) if theirs else None, limit, " ×")


def _table_of_sending(costs: Mapping[str, Sequence[Cost]]) -> Table:
    head = (f"seconds for a file of {FILE_BYTES // 1024} KB to {SENT_TO} instances", "median", "fastest")
    return Table(head, [[name, f"{_median(taken):.2f}", _fastest(taken)] for name, taken in costs.items() if taken])


def _table(results: Results) -> Table:
    """Wall seconds by number of instances, then the cost of the controller itself, and that of the floor's client."""
    names = list(dict.fromkeys(name for costs in results.values() for name in costs))
    rows = [
        [name, *(f"{_median(costs[name]):.2f}" if costs.get(name) else UNKNOWN for costs in results.values())]
        for name in names
    ]
    ours = {size: costs[RUN] for size, costs in results.items()}
    rows += [
        [f"{RUN}: the fastest turn", *map(_fastest, ours.values())],
        *([f"{name}: processor time, ms an instance", *_processor_times(name, results)] for name in (RUN, peers.FLOOR)),
        [f"{RUN}: peak memory, MiB", *(f"{_median(taken, 'peak'):.1f}" for taken in ours.values())],
    ]  # fmt: skip
    return Table(("seconds for instances", *(f"{size:,}" for size in results)), rows)


def _processor_times(name: str, results: Results) -> Iterator[str]:
    """Return the milliseconds of the client for one instance, by number of instances."""
    for size, costs in results.items():
        yield f"{_median(costs[name], 'cpu') * 1000 / size:.1f}" if costs.get(name) else UNKNOWN


def _fastest(costs: Sequence[Cost]) -> str:
    return f"{min(cost.wall for cost in costs):.2f}"


def _plot(results: Results) -> None:
    """Draw the plot of the document, beside it."""
    best = _best(results.get(min(COMPARED), {}))
    lines = {
        name: [(size, _median(costs[name])) for size, costs in results.items() if costs.get(name)]
        for name in (RUN, best, peers.ANSIBLE, peers.FLOOR)
    }
    plot = DOCUMENT.with_name("fanout.svg")
    plot.write_text(chart.draw({name: points for name, points in lines.items() if points}, "instances", "seconds"))


if __name__ == "__main__":
    main()
