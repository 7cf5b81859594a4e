"""Joins standard input and output to the agent's socket: what a controller runs over SSH to reach an agent."""

import os
import select
import socket

from agentd import protocol

_SIZE = 64 * 1024


class Unreachable(Exception):
    """Nobody answers on the socket."""


def join(path, source=0, target=1):
    """Carry bytes both ways until either side ends. Raises Unreachable."""
    agent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with protocol.reachable(path) as name:
            agent.connect(name)
    except OSError as error:
        agent.close()
        raise Unreachable(error.strerror) from None
    with agent:
        while True:
            readable, _, _ = select.select([source, agent], [], [])
            if agent in readable:
                data = agent.recv(_SIZE)
                if not data or not _write(target, data):
                    return
            if source in readable:
                data = os.read(source, _SIZE)
                if not data:
                    return
                agent.sendall(data)


def _write(target, data):
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(target, view) :]
    except BrokenPipeError:
        return False
    return True
