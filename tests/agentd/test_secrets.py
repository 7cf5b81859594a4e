"""Secrets at the agent: masked before the spool, in no file but the script, and deleted with it, also after a kill."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.agentd.conftest import EVERY_PYTHON
from tests.support.agent import Agent, Client, Refused, eventually

pytestmark = pytest.mark.skipif(os.name == "nt", reason="these scripts are for a Unix shell")

CANARY = "canary-7c31"


def holders(*folders: Path) -> list[Path]:
    """The files that have the canary."""
    return [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and CANARY.encode() in path.read_bytes()
    ]


@pytest.mark.parametrize("python", EVERY_PYTHON, indirect=True)
def test_output_is_masked_in_each_stream(agent: Agent, client: Client) -> None:
    """Split by time and by stream; a partial match is printed at the end."""
    script = "printf canary; printf canary >&2; sleep 0.2; printf -- '-7c31|' ; printf -- '-7c31|' >&2; printf canary-7"
    output = client.complete(script, secrets=[CANARY])
    assert output.stdout == b"********|canary-7"
    assert output.stderr == b"********|"
    assert output.result is not None
    assert output.result["output_bytes"] == len(output.stdout + output.stderr)
    assert holders(agent.home) == []


def test_the_script_file_has_it_and_is_removed(agent: Agent, client: Client, isolation: Path) -> None:
    os.mkfifo(isolation / "go")
    record = client.run(f"cat '{isolation}/go'; : {CANARY}", secrets=[CANARY], environment={"T": CANARY})
    assert holders(agent.home, agent.scripts) == list(agent.scripts.iterdir())
    (isolation / "go").write_text("go\n")
    assert client.finish(record).stdout == b"go\n"
    assert list(agent.scripts.iterdir()) == []
    assert CANARY not in agent.log.read_text()


def test_a_killed_shim_leaves_none_behind(agent: Agent, client: Client) -> None:
    """Closing the record removes the script, and the journal never has the secret."""
    record = client.run(f"echo {CANARY}; sleep 60", secrets=[CANARY])
    eventually(lambda: holders(agent.scripts))
    os.kill(agent.shim(record), signal.SIGKILL)
    output = client.finish(record)
    assert output.result is not None
    assert output.result["error_code"] == "ExecutionInterrupted"
    assert CANARY.encode() not in output.stdout
    eventually(lambda: not list(agent.scripts.iterdir()))
    assert holders(agent.home) == []


@pytest.mark.parametrize("value", [[""], [1], [None], "text"])
def test_secrets_that_are_not_a_list_of_texts_are_refused(client: Client, value: object) -> None:
    with pytest.raises(Refused) as refused:
        client.run("true", secrets=value)
    assert refused.value.number == -32602


@pytest.mark.parametrize("where", ["#!/nowhere/{} x", "#!/nowhere/x {}", "#!{}"])
def test_no_text_of_a_result_has_a_secret(agent: Agent, client: Client, where: str) -> None:
    """Not even the name of an interpreter that an error quotes, whole or only its first word."""
    secret = "hunter2-\u00e9\\x second-word"
    record = client.run(where.format(secret) + "\necho\n", secrets=[secret])
    result = client.finish(record).result
    assert result["error_code"] == "ExecutionException"
    for part in (secret, *secret.split(), repr(secret)[1:-1]):
        spool = [file.read_bytes() for file in (agent.home / "spool").rglob("*") if file.is_file()]
        assert not any(part in str(value) for value in result.values())
        assert not any(part.encode() in data for data in spool)
        assert part not in agent.log_text()
