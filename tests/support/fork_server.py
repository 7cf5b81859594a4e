"""The parent of the agents of a fleet: python -m tests.support.fork_server

It loads agentd once and forks a real agent for each line of its input, ``HOME<tab>ADDRESS:PORT``, so that a thousand
agents share the memory of their code. For each it prints ``HOME<tab>PID`` once that agent listens, or
``HOME<tab>TEXT`` when it cannot. At the end of its input it kills the agents and all their processes. It reaps
dead agents only then, so that their pids are not reused before.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback

from agentd import server
from agentd.config import Config
from agentd.log import Log
from agentd.posix import processes


def main() -> None:
    processes.adopt_orphans()
    agents = []
    gc.collect()
    gc.freeze()  # garbage collection in an agent must not copy shared pages
    for line in sys.stdin:
        home, listen = line.rstrip("\n").split("\t")
        pid = os.fork()
        if pid == 0:
            _be_agent(home, listen)
        agents.append(pid)
    processes.send(agents, signal.SIGTERM)
    for pid in agents:
        os.waitpid(pid, 0)
    _end_orphans()


def _be_agent(home: str, listen: str) -> None:
    """Run one agent to its end."""
    status = 1
    try:
        out = os.dup(1)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(0, 1)
        os.dup2(os.open(f"{home}/agentd.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
        os.closerange(3, out)
        os.closerange(out + 1, 256)

        def say(text: object) -> None:
            os.write(out, f"{home}\t{text}\n".encode())  # short enough for one write
            os.close(out)

        try:
            settings = Config(home).read()
            settings.listen = listen
            server.serve(settings, Log(), on_ready=lambda: say(os.getpid()))
        except Exception as error:
            say(error)
            raise
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _end_orphans() -> None:
    """Kill and reap what the agents have left: shims and their scripts, which become our children."""
    while True:
        processes.send(processes.descendants(os.getpid()), signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


if __name__ == "__main__":
    main()
