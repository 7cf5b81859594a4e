"""Join standard input and output to the agent's socket. A controller runs this over SSH to reach an agent."""

import os
import select
import socket

from agentd.wire import protocol

_SIZE = 64 * 1024


class Unreachable(Exception):
    """The agent of this machine does not answer."""


def join(path, source=0, target=1):
    """Copy bytes both ways until either side ends. Raises Unreachable.

    Neither direction waits for the other: an agent that cannot send stops reading, so its output must be read.
    """
    agent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with protocol.reachable(path) as name:
            agent.connect(name)
    except OSError as error:
        agent.close()
        raise Unreachable(error.strerror) from None
    with agent:
        agent.setblocking(False)
        try:
            _carry(agent, source, target)
        except (BrokenPipeError, ConnectionResetError):
            pass  # one side has ended


def _carry(agent, source, target):
    to_agent = to_target = b""
    while True:
        readers = ([] if to_agent else [source]) + ([] if to_target else [agent])
        writers = ([agent] if to_agent else []) + ([target] if to_target else [])
        readable, writable, _ = select.select(readers, writers, [])
        if agent in writable:
            to_agent = to_agent[agent.send(to_agent) :]
        if target in writable:
            # a writable pipe takes this much without blocking
            to_target = to_target[os.write(target, to_target[: select.PIPE_BUF]) :]
        if agent in readable:
            to_target = agent.recv(_SIZE)
            if not to_target:
                return
        if source in readable:
            to_agent = os.read(source, _SIZE)
            if not to_agent:
                return
