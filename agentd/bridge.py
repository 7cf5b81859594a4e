"""Joins standard input and output to the agent's socket: what a controller runs over SSH to reach an agent."""

import os
import select
import socket

from agentd.wire import protocol

_SIZE = 64 * 1024


class Unreachable(Exception):
    """The agent of this machine does not answer."""


def join(path, source=0, target=1):
    """Carry bytes both ways until either side ends. Raises Unreachable.

    Neither way waits for the other: an agent that does not read, because nobody takes what it says, must be heard.
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
            pass  # one side is gone, and so are we


def _carry(agent, source, target):
    to_agent = to_target = b""
    while True:
        readers = ([] if to_agent else [source]) + ([] if to_target else [agent])
        writers = ([agent] if to_agent else []) + ([target] if to_target else [])
        readable, writable, _ = select.select(readers, writers, [])
        if agent in writable:
            to_agent = to_agent[agent.send(to_agent) :]
        if target in writable:
            # a pipe that can be written to takes this much without blocking
            to_target = to_target[os.write(target, to_target[: select.PIPE_BUF]) :]
        if agent in readable:
            to_target = agent.recv(_SIZE)
            if not to_target:
                return
        if source in readable:
            to_agent = os.read(source, _SIZE)
            if not to_agent:
                return
