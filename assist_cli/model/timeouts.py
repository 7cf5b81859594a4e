"""How long the controller waits for what, and how often it looks, in one place; a test passes shorter times.

Everything here is in seconds. What is no waiting time stands where it is used: sizes, numbers, days of retention, and
the rules of the domain, such as those of ``lifecycle``.

This is made at each start. So the groups are named tuples, which take a sixth of the time of dataclasses, and their
annotations are types and not texts, which would be compiled.
"""

from typing import NamedTuple


class AgentTimeouts(NamedTuple):
    """Connections to agents, and what is asked of them."""

    connect: float = 10.0  # for a connection by TLS or SSH
    greeting: float = 10.0  # for the first answer of an agent
    start: float = 15.0  # for the agent of this machine to listen
    idle: int = 900  # after so long without work the agent of this machine ends by itself
    silence: float = 60.0  # for a command over SSH that prints nothing
    command: float = 60.0  # for a command over SSH in all
    exit_status: float = 5.0  # for the exit status of a command over SSH that has closed its output
    proxy_end: float = 0.5  # for a ProxyCommand to end after its output has
    answer: float = 5.0  # for one question about a record
    health: float = 10.0  # for how an agent is
    fetch: float = 15.0  # at least, for the output of what has ended, though the deadline of its record is over
    stop: float = 15.0  # for everything to end that a person stops: TERM, 5 s, KILL, and then some
    shortest: float = 0.001  # at least, for a delivery that is to be given up at a time: in it, it begins
    accepted_soon: float = 1.0  # until it is written that a record is accepted, when nothing else is to be written
    retries: tuple[float, ...] = (0.05, 0.1, 0.2, 0.5, 1.0)  # between attempts to connect; the last one again and again
    backoff: float = 0.5  # of a server after the first failure to connect, doubled with each further one
    longest_backoff: float = 30.0


class InstallTimeouts(NamedTuple):
    """Installing, upgrading and removing agents."""

    silence: float = 120.0  # for an order over SSH that prints nothing
    order: float = 180.0  # for an order over SSH in all
    script: int = 120  # for an order that an agent runs as a script
    start: float = 20.0  # for the agent to answer after it was started
    stop: float = 15.0  # for the agent to end
    look: float = 0.05  # between two looks whether it has started or ended


class ServerTimeouts(NamedTuple):
    """Duties of the server."""

    tick: float = 0.5  # at most, between two looks at the clock and at the database
    rescan: float = 1.0  # between two scans of open records while others are at work on some
    first_scan: float = 2.0  # at the start, for the agents to tell what ended while nobody served
    leave: float = 5.0  # at the end, for the agents to accept what is under way
    arrival: float = 0.05  # between two looks whether they have
    renewal: float = 10.0  # between two renewals of the lease
    correction: float = 60.0  # between two rounds that ask for what was closed because nobody answered
    cleaning: float = 600.0  # between two rounds that remove what is old
    breath: float = 0.02  # between two steps of such a round, so that what is due is not kept waiting
    queue_look: float = 1.0  # between two looks for instances that have records waiting, and were heard of
    queue_sweep: float = 60.0  # between two attempts to reach one that was not heard of
    queue_turn: float = 5.0  # at most, for a record that waits to be accepted before the next one is sent
    notices: float = 1.0  # between two looks for notices that wait


class NotifyTimeouts(NamedTuple):
    """Delivery of notices."""

    retries: tuple[int, ...] = (1, 5, 30, 120, 600)  # between two attempts; after the last one it is given up
    look: float = 0.5  # between two looks for what is due
    webhook: float = 10.0  # for each part of a webhook's answer
    program: float = 60.0  # for a program to end
    attempt: float = 90.0  # for an attempt as a whole


class ApiTimeouts(NamedTuple):
    """The HTTP API. SDKs wait 10 s for an answer."""

    head: float = 30.0  # for the head of a request
    body: float = 30.0  # for its body
    idle: int = 75  # for the next request of a connection
    leave: int = 5  # at the end, for requests that are under way
    health: float = 5.0  # for how the agents are


class ViewTimeouts(NamedTuple):
    """What a person watches."""

    beat: float = 0.5  # between two calls to redraw a run that is followed
    second_press: float = 2.0  # for a second Ctrl-C, which stops the run
    overview: float = 1.0  # between two drawings of the overview
    ask: float = 5.0  # between two rounds of questions to all agents
    answer: float = 5.0  # for an agent's answer in such a round
    metrics: float = 30.0  # between two such rounds for the metrics
    interim: float = 3.0  # for agents to tell what records that run have printed so far
    interim_pause: float = 3.0  # at least, between two such questions about a record


class Timeouts(NamedTuple):
    """All of them, by subject."""

    agent: AgentTimeouts = AgentTimeouts()
    install: InstallTimeouts = InstallTimeouts()
    server: ServerTimeouts = ServerTimeouts()
    notify: NotifyTimeouts = NotifyTimeouts()
    api: ApiTimeouts = ApiTimeouts()
    view: ViewTimeouts = ViewTimeouts()
    database: float = 10.0  # for others who write, which is SQLite's busy timeout
    pattern: float = 5.0  # for a value to be matched with a pattern; the processor may take 1


DEFAULTS = Timeouts()
