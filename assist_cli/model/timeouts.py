"""All waiting times and intervals of the controller, in one place; tests pass shorter ones.

Everything here is in seconds. Other limits are where they are used: sizes, numbers, days of retention, and the rules
of the domain, such as those of ``lifecycle``.
"""

from assist_cli.structs import Struct


class AgentTimeouts(Struct):
    """Connections to agents, and requests on them."""

    connect: float = 10.0  # for a connection by TLS or SSH
    greeting: float = 10.0  # for the first answer of an agent
    start: float = 15.0  # for the agent of this machine to listen
    idle: int = 900  # without work, until the agent of this machine exits by itself
    silence: float = 60.0  # for a command over SSH that prints nothing
    command: float = 60.0  # for a whole command over SSH
    exit_status: float = 5.0  # for the exit status of a command over SSH that has closed its output
    proxy_end: float = 0.5  # for a ProxyCommand to end after its output has
    answer: float = 5.0  # for the state of a record
    health: float = 10.0  # for the health of an agent
    fetch: float = 15.0  # at least, for the output of a record that has ended, even after its deadline
    stop: float = 15.0  # for the end of everything that a person stops: TERM, 5 s, KILL, and a margin
    slow_start: float = 0.05  # for a delivery to wait, until another one may begin beside it
    shortest: float = 0.001  # at least, for a delivery with a time limit, so that it begins
    accepted_soon: float = 1.0  # until an acceptance is written when nothing else is to be written
    retries: tuple[float, ...] = (0.05, 0.1, 0.2, 0.5, 1.0)  # between attempts to connect; then the last one each time
    backoff: float = 0.5  # of a server after the first failure to connect, doubled with each further one
    longest_backoff: float = 30.0
    head_start: float = 2.0  # for a broker to answer, before the next one is tried too
    probe: float = 30.0  # between two checks if the other ends of circuits through the broker are still there


class InstallTimeouts(Struct):
    """Installation, upgrade and removal of agents."""

    silence: float = 120.0  # for a request over SSH that prints nothing
    order: float = 180.0  # for a whole request over SSH
    script: int = 120  # for a request that an agent runs as a script
    start: float = 20.0  # for the agent to answer after it was started
    stop: float = 15.0  # for the agent to end
    task: float = 5.0  # for the Task Scheduler of Windows to start it
    report: float = 300.0  # at most, between the start of a guard's process and the time in its report, on Windows
    look: float = 0.05  # between two checks if it has started or ended
    probe: float = 0.5  # between two checks if an agent is still there while it replaces or removes itself


class EnrolmentTimeouts(Struct):
    """Enrolment of machines through the broker. The first four are those of the file that runs there."""

    connect: float = 40.0  # for a connection to a broker: it takes its time when many connect
    silence: float = 120.0  # for the next line of the controller
    retry: float = 60.0  # between the first attempt and the last one
    poll: float = 0.01  # for the broker to have sent something, while a program runs
    hello: float = 20.0  # for the first line of a machine
    order: float = 180.0  # for a machine to run a program of the controller


class ServerTimeouts(Struct):
    """Duties of the server."""

    tick: float = 0.5  # at most, between two checks of the clock and of the database
    rescan: float = 1.0  # between two scans of open records while other processes handle some
    first_scan: float = 2.0  # at the start, for the agents to report what ended while the server was down
    leave: float = 5.0  # at shutdown, for the agents to accept deliveries in progress
    arrival: float = 0.05  # between two checks if they have
    renewal: float = 10.0  # between two renewals of the lease
    correction: float = 60.0  # between two rounds of requests for records that were closed as unanswered
    cleaning: float = 600.0  # between two rounds of pruning
    breath: float = 0.02  # between two steps of such a round, so that schedules fire in time
    queue_look: float = 1.0  # between two checks for instances with queued records that have answered
    queue_sweep: float = 60.0  # between two attempts to reach one that has not
    queue_turn: float = 5.0  # at most, for a queued record to be accepted before the next one is sent
    verification: float = 60.0  # at most, between two rounds that ask all agents if another server has taken over
    notices: float = 1.0  # between two checks for notifications that wait
    clones: float = 60.0  # between two checks for cloned machines


class NotifyTimeouts(Struct):
    """Delivery of notifications."""

    retries: tuple[int, ...] = (1, 5, 30, 120, 600)  # between two attempts; none after the last one
    look: float = 0.5  # between two checks for due notifications
    webhook: float = 10.0  # for each part of a webhook's answer
    program: float = 60.0  # for a program to end
    attempt: float = 90.0  # for an attempt as a whole


class ApiTimeouts(Struct):
    """The HTTP API. SDKs wait 10 s for an answer."""

    head: float = 30.0  # for the header of a request
    body: float = 30.0  # for its body
    idle: int = 75  # for the next request of a connection
    leave: int = 5  # at shutdown, for requests in progress
    health: float = 5.0  # for the health of the agents


class ViewTimeouts(Struct):
    """Output and screens that a person follows."""

    beat: float = 0.5  # between two redraws of a run that is followed
    second_press: float = 2.0  # for a second Ctrl-C, which stops the run
    overview: float = 1.0  # between two redraws of the overview
    ask: float = 5.0  # between two rounds of requests to all agents
    answer: float = 5.0  # for an agent's answer in such a round
    metrics: float = 30.0  # between two such rounds for the metrics
    broker: float = 2.0  # for the brokers to report who is connected
    poll: float = 1.0  # for agents of a cloned machine to answer
    interim: float = 3.0  # for agents to report the output so far of running records
    interim_pause: float = 3.0  # at least, between two such requests for a record
    push: float = 0.1  # at least, between two events of a stream of the console, and two checks for a change
    check: float = 1.5  # at most, between two readings of the state for a stream, however much time they take
    alive: float = 15.0  # between two signs of life of a stream


class Timeouts(Struct):
    """All timeouts, by subject."""

    agent: AgentTimeouts = AgentTimeouts()
    install: InstallTimeouts = InstallTimeouts()
    enrolment: EnrolmentTimeouts = EnrolmentTimeouts()
    server: ServerTimeouts = ServerTimeouts()
    notify: NotifyTimeouts = NotifyTimeouts()
    api: ApiTimeouts = ApiTimeouts()
    view: ViewTimeouts = ViewTimeouts()
    database: float = 10.0  # for other writers: SQLite's busy timeout
    query: float = 10.0  # of work in the database for a query of a person, not counting the time of its reader
    pattern: float = 5.0  # for the match of a value and a pattern; it may use 1 s of CPU time


DEFAULTS = Timeouts()
