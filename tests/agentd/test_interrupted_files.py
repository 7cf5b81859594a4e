"""A file write that is interrupted at any point leaves the old file or the new one, and nothing beside it."""

from __future__ import annotations

import itertools
import os
import subprocess
from pathlib import Path

import pytest

from tests.agentd.conftest import NEWEST, OLDEST, MakeAgent
from tests.agentd.test_files import kill_soon, order
from tests.support.agent import eventually

pytestmark = [
    pytest.mark.usefixtures("starts_processes"),
    pytest.mark.skipif(os.name == "nt", reason="modes and signals are those of Unix"),
]

# Writes a file repeatedly. Each time a child kills itself one system call later than the child before, until one
# ends. After each kill it does what an agent does that finds the record, and prints what is there.
KILL_AT_EVERY_CALL = """
import hashlib, os, shutil, signal, sys
from agentd import files, shim, spool

folder, journal, overwrite = sys.argv[1], sys.argv[2], sys.argv[3] == "overwrite"
old, new = b"old " * 4000, b"new " * 4000
left = 0

def counted(call):
    def counting(*words, **settings):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*words, **settings)
    return counting

CALLS = "open write close mkdir fchown fchmod fsync ftruncate link rename replace unlink".split()
for name in CALLS:
    setattr(os, name, counted(getattr(os, name)))

class Channel:
    def settle(self): pass
    def say(self, **words): pass

def in_a_child(body, order):
    pid = os.fork()
    if pid == 0:
        body(order, Channel())
        os._exit(0)
    return os.waitpid(pid, 0)[1]

def look():
    names = sorted(os.listdir(folder))
    if "file" not in names:
        return names, "nothing"
    with open(os.path.join(folder, "file"), "rb") as file:
        content = file.read()
    mode = os.stat(os.path.join(folder, "file")).st_mode & 0o777
    return names, {(old, 0o600): "old", (new, 0o640): "new"}.get((content, mode), "a piece")

spool.Spool(journal).prepare()
status = turn = 0
while turn == 0 or status:
    turn += 1
    shutil.rmtree(folder, ignore_errors=True)
    if overwrite:
        os.mkdir(folder)
        with open(os.path.join(folder, "file"), "wb", opener=lambda *words: os.open(*words, 0o600)) as file:
            file.write(old)
    record = "r-%d" % turn
    order = {
        "spool": journal, "record": record, "directory": folder, "name": "file", "content": new, "mode": "0640",
        "sha256": hashlib.sha256(new).hexdigest(), "owner": None, "group": None, "overwrite": overwrite,
    }
    left = turn
    status = in_a_child(files.put, order)
    assert status in (0, signal.SIGKILL), status
    left = 0
    os.makedirs(folder, exist_ok=True)
    seen = look()[1]
    found = spool.Spool(journal).folder(record)
    if found.read("request.json") is None:
        found.remove()
    elif status:
        assert in_a_child(shim.close_orphan, {"spool": journal, "record": record, "booted": False}) == 0
        assert found.state() in ("Failed", "Finished")
    names, then = look()
    assert then == seen and set(names) <= {"file"}, (turn, seen, then, names)
    print(then)
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("python", "overwrite", "before"), [(OLDEST, "overwrite", "old"), (NEWEST, "", "nothing")], indirect=["python"]
)
def test_killed_at_any_system_call_it_is_the_old_file_or_the_new_one(
    archive: Path, python: Path, isolation: Path, overwrite: str, before: str
) -> None:
    """After the next contact nothing is beside it."""
    words = [python, "-c", KILL_AT_EVERY_CALL, isolation / "target", isolation / "spool", overwrite]
    run = subprocess.run(
        words, env={**os.environ, "PYTHONPATH": str(archive)}, stdout=subprocess.PIPE, check=True, text=True
    )
    found = run.stdout.split()
    change = found.index("new")
    assert found == [before] * change + ["new"] * (len(found) - change)
    assert change > 20
    assert len(found) - change > 5


def test_a_power_cut_while_it_is_written(make_agent: MakeAgent, isolation: Path) -> None:
    """The agent and the writing process die together; the next agent cleans up when it starts."""
    agent = make_agent().start()
    folder = isolation / "target"
    folder.mkdir()
    old = b"0" * 20_000
    (folder / "file").write_bytes(old)
    killed = 0
    for turn in itertools.count(1):
        if killed >= 4:
            return
        assert turn < 200
        new = b"%d" % (turn % 10) * 20_000
        sent = order(folder, content=new, overwrite=True)
        agent.connect().send("file.put", **sent)
        killed += kill_soon(agent, sent["record"], turn % 10 * 0.0003, stopping=agent.pid)
        agent.kill()
        client = agent.start().connect()
        eventually(lambda agent=agent, client=client: agent.living(client) == [])
        content = (folder / "file").read_bytes()
        assert content in (old, new)
        assert [entry.name for entry in folder.iterdir()] == ["file"]
        old = content
