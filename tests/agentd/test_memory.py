"""Secrets in the memory of an agent after the end of its task: none, as far as its memory can be read."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from tests.agentd.conftest import EVERY_PYTHON, MakeAgent
from tests.agentd.test_files import put
from tests.agentd.test_guard import Guarded
from tests.agentd.test_listeners import Site
from tests.support.agent import Agent, Client, Refused, eventually, is_idle
from tests.support.processes import children

pytestmark = pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="memory is read by /proc")


def new_canary() -> str:
    return f"canary-{os.urandom(9).hex()}"


def forms(canary: str) -> list[bytes]:
    """The forms that the canary may have in memory: text of one, two or four bytes a character, and base64."""
    plain = canary.encode()
    packed = [base64.b64encode(b"-" * shift + plain)[4:-4] for shift in range(3)]
    return [plain, canary.encode("utf-16-le"), canary.encode("utf-32-le"), *packed]


def holds(pid: int, canary: str) -> list[str]:
    """Return the places of the canary in the memory of a process."""
    found = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            words = line.split()
            if words[1].startswith("rw"):
                first, end = (int(address, 16) for address in words[0].split("-"))
                memory.seek(first)
                content = memory.read(end - first)
                found += [f"{line}: {form!r}" for form in forms(canary) if form in content]
    return found


def holders(agent: Agent, pid: int, canary: str) -> list[str]:
    """Return where the canary is in the agent and its waiting children, once no other child is left."""
    found = holds(pid, canary)
    for child in eventually(lambda: waiting(pid)):
        found += holds(child, canary)
    return found


def waiting(pid: int) -> list[int]:
    """The children of an agent, once there is exactly one, which waits."""
    found = sorted(children(pid))
    return found if len(found) == 1 and is_idle(found[0]) else []


def use(client: Client, canary: str, size: int = 0) -> None:
    """Run a script with this secret, and then one without."""
    script = f"test '{canary}' = \"$ASSIST_PARAM_T\"\n" + "# more of it\n" * size
    result = client.result(script, secrets=[canary], environment={"ASSIST_PARAM_T": canary})
    assert result["exit_code"] == 0
    client.complete("true")


def use_in_other_ways(client: Client, canary: str, folder: Path) -> None:
    """Send a file with this secret, and requests with it that are refused."""
    assert put(client, folder, content=canary.encode() * 9) == ""
    for wrong in ({"timeout": 0}, {"record": "no record"}):
        with pytest.raises(Refused):
            client.run("true", **{"secrets": [canary], "environment": {"T": canary}, **wrong})


@pytest.mark.long
@pytest.mark.parametrize("python", EVERY_PYTHON, indirect=True)
def test_no_secret_stays_with_the_agent_or_its_waiting_children(agent: Agent, client: Client, isolation: Path) -> None:
    """Small and large ones, values beyond ASCII, files, refused requests; with other tasks meanwhile.

    Up to Python 3.10 a function keeps the memory of its first call, so the first secrets there prove nothing.
    """
    if tuple(map(int, client.agent["python"].split("."))) < (3, 11):
        for size in (0, 60, 600):
            use(client, new_canary() + "ü€😀"[: size // 60], size)
        use_in_other_ways(client, new_canary(), isolation / "first")
    os.mkfifo(isolation / "go")
    other = client.run(f"cat '{isolation}/go'")
    for size in (0, 60, 600):
        canary = new_canary() + "ü€😀"[: size // 60]
        use(client, canary, size)
        assert holds(agent.pid, canary) == []
        assert holds(agent.shim(other), canary) == []
    canary = new_canary()
    use_in_other_ways(client, canary, isolation / "target")
    (isolation / "go").write_text("go\n")
    client.finish(other)
    client.complete("true")
    assert holders(agent, agent.pid, canary) == []


def test_no_secret_that_came_by_tls_stays(make_agent: MakeAgent, isolation: Path) -> None:
    canary, site = new_canary(), Site(make_agent(), isolation / "pki").start()
    with site.connect() as client:
        use(client, canary)
        assert holders(site.agent, site.agent.pid, canary) == []


def test_the_guard_has_no_secret(make_agent: MakeAgent) -> None:
    guarded = Guarded(make_agent()).start()
    assert guarded.process is not None
    try:
        canary, agent = new_canary(), guarded.report()["agent_pid"]
        use(guarded.connect(), canary)
        assert holds(guarded.process.pid, canary) == []
        assert holders(guarded.agent, agent, canary) == []
    finally:
        guarded.end()


def test_the_search_finds_what_is_there(agent: Agent, client: Client) -> None:
    """While the script runs, its shim has the secret. Without this the tests above would prove nothing."""
    canary = new_canary()
    record = client.run("sleep 60", secrets=[canary], environment={"T": canary})
    assert holds(agent.shim(record), canary)
    client.call("agent.status")
    assert holds(agent.pid, canary) == []


def test_the_pages_that_only_the_start_needed_are_unmapped(agent: Agent) -> None:
    """Most of the code of Python and its libraries, which takes more memory than the agent's own objects."""
    status = dict(line.split(":") for line in Path(f"/proc/{agent.pid}/status").read_text().splitlines())
    assert int(status["RssFile"].split()[0]) < int(status["RssAnon"].split()[0])


def test_wiping_periodically_takes_no_memory(agent: Agent, client: Client) -> None:
    def own() -> int:
        """The pages that belong to no file."""
        resident, shared = Path(f"/proc/{agent.pid}/statm").read_text().split()[1:3]
        return int(resident) - int(shared)

    for _ in range(20):  # until the agent remembers as many ended records as it ever does
        use(client, new_canary())
    before = own()
    for _ in range(10):
        use(client, new_canary())
    assert own() - before < 256
