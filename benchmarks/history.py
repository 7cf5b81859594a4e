"""The cost of reading and writing a history of a million records.

python -m benchmarks.history; with --home FOLDER the history is kept there, and used again the next time.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from assist_cli.model.instance import Instance
from assist_cli.model.invocation import Invocation, Outcome
from assist_cli.model.output import Output
from assist_cli.model.status import InvocationStatus
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.operations.history import search
from assist_cli.operations.runs.batch_writer import BatchWriter
from assist_cli.paths import Home
from assist_cli.store import instances, invocations, prune, records
from benchmarks.measure import ASSIST, Times, command, in_turns, throw_away_home
from benchmarks.report import Report, arguments
from tests.support import past

LIST_RATIO = 1.3
SHOW_SECONDS = 0.5
SEARCH_SECONDS = 0.3
WRITE_SECONDS = 0.3

FLEET = 1_000
SINGLE_SHARE = 0.1  # of the records: runs on one instance; the others are runs on the whole fleet
OUTPUT_BYTES = 200
IN_A_TRANSACTION = 5_000
RARE = "marzipan"
PHRASE = "No space left on device"
DAYS = 170  # age of the oldest run

_BEGINNINGS = ("ba", "be", "bi", "bo", "bu", "da", "de", "di", "do", "du", "ka", "ke", "ki", "ko", "ku")
_ENDS = ("lar", "len", "lin", "lon", "lun", "mar", "men", "min", "mon", "mun", "tar", "ten", "tin", "ton", "tun")
_WORDS = [beginning + end for beginning in _BEGINNINGS for end in _ENDS]


def fill(controller: Controller, number: int) -> None:
    """Write a history of this many records: all have ended, some unsuccessfully; the newest 20 are of the fleet."""
    chance = random.Random(2026)
    fleet = past.register(controller.database, [f"web{place:04}" for place in range(FLEET)], controller.now())
    singles = int(number * SINGLE_SHARE)
    wide = (number - singles) // FLEET
    sizes = [1] * singles + [FLEET] * (wide - 20)
    chance.shuffle(sizes)
    sizes += [FLEET] * 20
    begin = controller.now() - timedelta(days=DAYS)
    step = timedelta(days=DAYS) / len(sizes)
    pending: list[Invocation] = []
    for place, size in enumerate(sizes):
        pending.append(_invocation(fleet if size > 1 else [chance.choice(fleet)], begin + place * step))
        if sum(len(each.instances) for each in pending) >= IN_A_TRANSACTION or place == len(sizes) - 1:
            with controller.database.transaction() as transaction:
                for invocation in pending:
                    invocations.add(transaction, invocation)
                    records.settle(transaction, _outcomes(invocation, chance))
            pending.clear()


def _invocation(places: Sequence[Instance], moment: datetime) -> Invocation:
    return past.invocation_on(places, moment, content=b"systemctl restart worker && journalctl -u worker -n 20")


def _outcomes(invocation: Invocation, chance: random.Random) -> dict[str, Outcome]:
    return {place.record.id: _outcome(invocation.created, chance) for place in invocation.instances}


def _outcome(moment: datetime, chance: random.Random) -> Outcome:
    ended = moment + timedelta(milliseconds=chance.randrange(20, 4_000))
    fate = chance.random()
    if fate < 0.005:
        return Outcome(InvocationStatus.FAILED, None, "ClientNotOnline", "cannot reach it in time", finished=ended)
    text = " ".join(chance.choices(_WORDS, k=OUTPUT_BYTES // 6))
    if fate < 0.006:
        text = f"{PHRASE}: {text}"
    data = text.encode()[: OUTPUT_BYTES - 1].ljust(OUTPUT_BYTES - 1, b".") + b"\n"
    output = Output(data, (len(data),))
    if fate < 0.015:
        return Outcome(InvocationStatus.FINISHED, 1, "ExitCodeNonzero", "it ended with 1", moment, ended, output)
    return Outcome(InvocationStatus.FINISHED, 0, started=moment, finished=ended, output=output)


def add_rare(controller: Controller) -> None:
    """Add a run on the fleet; three of its records print the rare word."""
    fleet = [each for each in instances.registered(controller.database) if each.name.startswith("web")]
    invocation = _invocation(fleet, controller.now())
    outcomes = _outcomes(invocation, random.Random(7))
    for record_id in itertools.islice(outcomes, 3):
        data = f"there is {RARE} in it\n".encode()
        outcomes[record_id] = outcomes[record_id]._replace(output=Output(data, (len(data),)))
    with controller.database.transaction() as transaction:
        invocations.add(transaction, invocation)
        records.settle(transaction, outcomes)


def seconds_to_write(controller: Controller) -> float:
    """The seconds to write the results of a run on the fleet, as the tasks of a fan-out do, 50 at a time."""
    fleet = [each for each in instances.registered(controller.database) if each.name.startswith("web")]
    invocation = _invocation(fleet, controller.now())
    with controller.database.transaction() as transaction:
        invocations.add(transaction, invocation)
    outcomes = _outcomes(invocation, random.Random(7))

    async def write() -> float:
        writer = BatchWriter(controller)
        begin = time.perf_counter()
        rest = iter(outcomes.items())
        while together := list(itertools.islice(rest, 50)):
            await asyncio.gather(*(writer.settle({record_id: outcome}) for record_id, outcome in together))
        return time.perf_counter() - begin

    return asyncio.run(write())


@contextlib.contextmanager
def _home(kept: str | None) -> Iterator[dict[str, str]]:
    with throw_away_home() as environment:
        yield {**environment, "ASSIST_HOME": kept} if kept else environment


def main() -> None:
    parser = arguments(__file__, __doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=11)
    parser.add_argument("--home", metavar="FOLDER")
    options = parser.parse_args()

    report = Report(f"A history of {options.records:,} records, {options.turns} turns", options)
    with throw_away_home() as empty, _home(options.home) as full:
        with open_controller(Home(Path(full["ASSIST_HOME"]))) as controller:
            if not instances.registered(controller.database):
                begin = time.perf_counter()
                fill(controller, options.records)
                report.figure("all records written", f"{time.perf_counter() - begin:.0f} s")
                size = prune.size(controller.database) / options.records
                report.figure(f"on disk, a record with {OUTPUT_BYTES} bytes of output", f"{size:.0f} bytes")
                begin = time.perf_counter()
                search.catch_up(controller)
                report.figure("all records indexed", f"{time.perf_counter() - begin:.0f} s")
                size = prune.size(controller.database) / options.records
                report.figure("the same record with its words in the index", f"{size:.0f} bytes")
            add_rare(controller)
            search.catch_up(controller)
            written = [seconds_to_write(controller) for _ in range(options.turns)]
            search.catch_up(controller)
        list_ = [ASSIST, "invocation", "list"]
        show = [ASSIST, "invocation", "show", "-"]
        find = [ASSIST, "invocation", "search"]
        times = in_turns(
            options.turns,
            {
                "`list` of an empty history": command(list_, empty),
                "`list`": command(list_, full),
                "`list --status failed -i web0500`": command([*list_, "--status", "failed", "-i", "web0500"], full),
                "`show` of 1,000 instances": command(show, full),
                "`show -o json` of 1,000 instances": command([*show, "-o", "json"], full),
                "`show --all` of 1,000 instances": command([*show, "--all"], full),
                "`search` of a rare word": command([*find, RARE], full),
                "`search` of a phrase in 1,000 outputs": command([*find, PHRASE], full),
            },
        )
        results = Times("1,000 results of a run written", tuple(written))
        report.times([*times.values(), results])
        list_none, list_many, _, shown, document, _, found, _ = times.values()
        report.budget("`list`, against that of an empty history", list_many.against(list_none), LIST_RATIO, " ×")
        for taken, limit in (
            (shown, SHOW_SECONDS),
            (document, SHOW_SECONDS),
            (found, SEARCH_SECONDS),
            (results, WRITE_SECONDS),
        ):
            report.budget(taken.name, taken.median, limit, " s")
    report.end()


if __name__ == "__main__":
    main()
