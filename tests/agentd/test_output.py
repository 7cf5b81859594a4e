"""Output from the pipe to the watcher: any offset, any number of watchers, any amount, whole or with exact gaps."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentd import output
from agentd.wire import protocol
from tests.support.agent import Agent, Client, new_record, resident_bytes

MIB = 1 << 20
posix = pytest.mark.skipif(os.name == "nt", reason="these scripts are for a Unix shell")


@posix
def test_a_watch_begins_at_any_offset(client: Client, isolation: Path) -> None:
    """In the middle of a read or a segment, at the end and beyond it; while it runs and afterwards."""
    data = os.urandom(3 * MIB + 17)
    (isolation / "data").write_bytes(data)
    record = client.run(f"cat {isolation}/data; sleep 0.2")
    assert client.finish(record, 5).stdout == data[5:]
    for offset in (0, 1, 65535, 65536, 200_000, MIB - 1, MIB, MIB + 1, 3 * MIB, len(data) - 1, len(data)):
        seen = client.finish(record, offset)
        assert seen.stdout == data[offset:]
        assert not seen.gaps
    assert client.finish(record, len(data) + 1000).stdout == b""


@posix
def test_several_watchers_see_the_same(agent: Agent) -> None:
    """From the beginning, from the middle and late; each on its own connection, and all get everything."""
    client = agent.connect()
    record = client.run("for n in 1 2 3 4 5 6 7 8; do echo $n; sleep 0.03; done")
    watchers = [(client, 0), (agent.connect(), 0), (agent.connect(), 4)]
    seen = [(watcher, watcher.watch(record, offset)) for watcher, offset in watchers]
    for watcher, watched in seen:
        watcher.listen_until(lambda watched=watched: watched.result is not None)
    whole = b"".join(b"%d\n" % number for number in range(1, 9))
    assert [watched.stdout for _, watched in seen] == [whole, whole, whole[4:]]


@posix
def test_a_task_may_be_watched_from_its_start(client: Client) -> None:
    """The params of a watch may come with the task; a second delivery is watched from the offset that it gives."""
    for budget, stdout in ((None, b"0123456789"), (4, b"0189"), (0, b"")):
        record = new_record()
        output = client.expect(record)
        order = client.order("printf 0123456789", record, watch={"offset": 0, "budget": budget})
        answer = client.call("task.run", **order)
        assert (answer["known"], answer["watching"]) == (False, True)
        assert client.completed(output).stdout == stdout
        output = client.expect(record, 8)
        assert client.call("task.run", **{**order, "watch": {"offset": 8}})["known"]
        assert client.completed(output).stdout == b"89"
    client.call("task.forget", records=[record])
    answer = client.call("task.run", **order)
    assert (answer["state"], answer["watching"]) == ("Forgotten", False)
    assert client.call("task.run", **client.order("true", new_record()))["watching"] is False


def test_a_notification_gets_no_answer(client: Client) -> None:
    """A controller that has all results says so and disconnects."""
    record = client.run("true")
    client.finish(record)
    client.write(protocol.encode(protocol.notification("task.forget", {"records": [record]})))
    assert client.call("task.watch", record=record)["state"] == "Forgotten"


def test_pages_and_a_watch_give_the_same_output(client: Client) -> None:
    record = client.run("head -c 700000 /dev/urandom; echo end >&2")
    seen = client.finish(record)
    streams = {"stdout": b"", "stderr": b""}
    offset = 0
    while offset is not None:
        page = client.call("task.get", record=record, offset=offset)
        for chunk in page["output"]:
            streams[chunk["stream"]] += protocol.unpack(chunk["data"])
        offset = page["next"]
    assert (streams["stdout"], streams["stderr"]) == (seen.stdout, seen.stderr)


@posix
def test_a_running_record_reports_the_size_of_its_output_and_its_start(client: Client, isolation: Path) -> None:
    """The last page has them, and so has one beyond all output; the time is that of the result."""
    gate = isolation / "gate"
    os.mkfifo(gate)
    before = time.time()
    record = client.run(f"seq 1 100000; echo err >&2; cat {gate}")
    seen = client.watch(record)
    client.listen_until(lambda: seen.offset == 588_895 + 4)
    first = client.call("task.get", record=record)
    assert (first["produced"], first["result"]) == (None, None)
    page = client.call("task.get", record=record, offset=2**62)
    assert (page["output"], page["next"], page["produced"]) == ([], None, 588_899)
    assert before < page["started"] < time.time()
    gate.write_bytes(b"")
    client.completed(seen)
    page = client.call("task.get", record=record, offset=2**62)
    assert page["produced"] == page["result"]["output_bytes"]
    assert page["started"] == page["result"]["started"] == first["started"]


@posix
@pytest.mark.parametrize("size", [999, 1000, 1001, 300_000, 2_500_000])
def test_a_budget_keeps_head_and_tail(client: Client, isolation: Path, size: int) -> None:
    """The first and the last half of the budget, and a count of the bytes between."""
    data = os.urandom(size)
    (isolation / "data").write_bytes(data)
    seen = client.finish(client.run(f"cat {isolation}/data"), budget=1000)
    if size <= 1000:
        assert (seen.stdout, seen.gaps) == (data, [])
    else:
        assert seen.stdout == data[:500] + data[-500:]
        assert seen.gaps == [(500, size - 1000)]


@posix
def test_the_head_is_sent_while_the_script_runs(agent: Agent, client: Client) -> None:
    record = client.run("head -c 5000 /dev/zero; sleep 60")
    seen = client.watch(record, budget=1000)
    client.listen_until(lambda: len(seen.stdout) == 500)
    client.call("task.stop", record=record)
    client.listen_until(lambda: seen.result is not None)
    assert seen.gaps == [(500, 4000)]
    assert len(seen.stdout) == 1000


@posix
def test_output_without_a_pause_is_seen_while_the_script_runs(client: Client) -> None:
    record = client.run("while :; do echo line; done")
    seen = client.watch(record, budget=10_000)
    client.listen_until(lambda: seen.stdout.startswith(b"line\n"))
    assert seen.result is None
    client.call("task.stop", record=record)
    client.completed(seen)


@posix
@pytest.mark.long
def test_more_than_the_spool_holds_keeps_head_and_tail(agent: Agent, client: Client) -> None:
    """64 MiB of a record are kept. What is dropped between is one gap, of exactly ``dropped`` bytes."""
    size = 80_000_000
    lines = size // 10
    record = client.run(f"seq -f %09.0f 1 {lines}")
    client.finish(record, budget=0)  # the end, without reading all the time
    seen = client.finish(record)
    assert seen.result is not None
    assert seen.result["output_bytes"] == size
    [(start, missing)] = seen.gaps
    assert seen.result["dropped"] == missing > 0
    whole = b"".join(b"%09d\n" % number for number in range(1, lines + 1))
    assert seen.stdout == whole[:start] + whole[start + missing :]
    assert (start % 10, missing % 10) == (0, 0), "what is missing are whole lines"
    assert start >= 32 * MIB * 0.99
    assert size - start - missing >= 32 * MIB * 0.99
    middle = client.finish(record, start + missing // 2)
    assert middle.gaps == [(start + missing // 2, missing - missing // 2)]
    assert middle.stdout == whole[start + missing :]
    used = sum(path.stat().st_size for path in agent.folder(record).iterdir())
    assert used < 71 * MIB  # a segment ends after the frame that fills it


@posix
@pytest.mark.parametrize("wanted", ["watches", pytest.param("pages", marks=pytest.mark.long)])
def test_a_slow_reader_delays_nobody_and_costs_no_memory(agent: Agent, wanted: str) -> None:
    """It asks for 30 MB on three watches, or for a thousand pages together, and reads nothing."""
    client, slow = agent.connect(), agent.connect()
    record = client.run("head -c 30000000 /dev/zero")
    client.finish(record)
    before = resident_bytes(agent.pid)
    method, number = ("task.watch", 3) if wanted == "watches" else ("task.get", 1000)
    slow.write(protocol.encode(protocol.request(9, method, {"record": record, "offset": 0})) * number)
    began = time.monotonic()
    assert client.complete("echo quick").stdout == b"quick\n"
    assert time.monotonic() - began < 30
    assert len(client.finish(record).stdout) == 30_000_000
    assert resident_bytes(agent.pid) - before < 12 * MIB


@pytest.mark.long
@posix
def test_a_watch_of_a_deleted_record_ends(agent: Agent) -> None:
    """Its output is deleted while a slow watcher reads: the watcher gets a gap and the end."""
    client, slow = agent.connect(), agent.connect()
    record = client.run("head -c 30000000 /dev/zero")
    client.finish(record)
    watched = slow.watch(record)
    client.call("task.forget", records=[record])
    end = time.monotonic() + 20
    while agent.folder(record).exists():
        assert time.monotonic() < end
    slow.listen_until(lambda: watched.result is not None)
    assert watched.offset == 30_000_000
    assert watched.gaps


# only the writer and the reader

CHUNKS = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(min_size=1, max_size=300)), max_size=60)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=CHUNKS, offset=st.integers(0, 4000), looks=st.integers(1, 5))
def test_written_output_is_read(tmp_path: Path, chunks: list[tuple[int, bytes]], offset: int, looks: int) -> None:
    """Through tiny segments, some of them dropped, by a reader between the writes: every byte or its gap, one time."""
    folder = tmp_path / os.urandom(8).hex()
    folder.mkdir()
    writer = output.OutputWriter(str(folder), segment=500, head=2, tail=2)
    reader = output.OutputReader(str(folder), offset)
    whole = b"".join(data for _, data in chunks)
    seen = []
    for number, (stream, data) in enumerate(chunks):
        writer.append(stream, data)
        if number % looks == 0:
            seen += reader.read(1000)
    writer.close()
    assert writer.produced == len(whole)
    while found := reader.read(1000, writer.produced):
        seen += found
    reader.close()
    at = min(offset, len(whole))
    for stream, begin, data in seen:
        assert begin == at
        at += data if stream is None else len(data)
        assert stream is None or whole[begin:at] == data
    assert at == len(whole)
    produced, dropped = output.measure(str(folder))
    assert dropped == writer.dropped
    assert produced == writer.produced or dropped


def test_a_segment_ends_at_a_line_end_of_both_streams_where_one_comes_soon(tmp_path: Path) -> None:
    with_lines, without = tmp_path / "with", tmp_path / "without"
    with_lines.mkdir()
    without.mkdir()
    writer = output.OutputWriter(str(with_lines), segment=1000, head=1, tail=3)
    for number in range(200):
        writer.append(1, b"out %d\nhalf" % number)
        writer.append(2, b"err %d" % number)
        writer.append(1, b"\n")
        writer.append(2, b"\n")
    writer.close()
    for path in with_lines.iterdir():
        reader = output.OutputReader(str(with_lines), int(path.name[7:]))
        found = reader.read(400)
        reader.close()
        assert [data[:4] for _, _, data in found[:2]] == [b"out ", b"err "]
    writer = output.OutputWriter(str(without), segment=1000, head=1, tail=1)
    for _ in range(100):
        writer.append(1, b"x" * 60)
    writer.close()
    assert max(path.stat().st_size for path in without.iterdir()) < 1000 + 1000 // output.SLACK + 80


def test_a_watcher_of_the_newest_output_skips_what_comes_too_fast(tmp_path: Path) -> None:
    """It gets at least a whole segment at the end; whole lines are skipped."""
    writer = output.OutputWriter(str(tmp_path), segment=1000, head=50, tail=50)
    reader = output.OutputReader(str(tmp_path), newest=True)
    lines = [b"line %d\n" % number for number in range(1000)]
    seen = []
    for number, line in enumerate(lines):
        writer.append(1, line)
        if number == 20:
            seen += reader.read(100)
    writer.close()
    while found := reader.read(1000, writer.produced):
        seen += found
    reader.close()
    whole = b"".join(lines)
    at = 0
    for stream, begin, data in seen:
        assert begin == at
        at += data if stream is None else len(data)
        if stream is None:
            assert whole[begin - 1 : begin] == whole[at - 1 : at] == b"\n"
        else:
            assert whole[begin:at] == data
    assert at == len(whole)
    [(gap, missing)] = [(begin, data) for stream, begin, data in seen if stream is None]
    assert missing > 5000
    assert len(whole) - gap - missing > 2 * 1000 * 8 // (8 + 13), "of two segments at least, without the headers"


def test_a_page_of_tiny_chunks_fits_in_a_line(tmp_path: Path) -> None:
    """A script that alternates byte by byte between its streams is the worst case."""
    writer = output.OutputWriter(str(tmp_path))
    for number in range(60_000):
        writer.append(1 + number % 2, b"x")
    writer.close()
    reader = output.OutputReader(str(tmp_path))
    sizes = []
    while found := reader.read(protocol.PAGE_LIMIT):
        page = [{"offset": offset, "stream": stream, "data": protocol.pack(data)} for stream, offset, data in found]
        sizes.append(len(json.dumps(page)))
    reader.close()
    assert max(sizes) < protocol.LINE_LIMIT
    assert reader.offset == 60_000
