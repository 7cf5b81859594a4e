"""Metrics for Prometheus, exported by the server. docs/operations.md describes each of them.

A scrape reads the database in a thread of the web server, over its own database connection. So it does not delay the
event loop that fires schedules. The loop queries the agents every half minute, over a connection pool.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from assist_cli import __version__
from assist_cli.errors import Conflict, FileFailure
from assist_cli.model.schedule import SlotOutcome
from assist_cli.model.status import InvokeStatus
from assist_cli.operations.controller import Controller, Controllers, open_controller
from assist_cli.operations.observe.expiry import expiries
from assist_cli.operations.observe.overview import Watch
from assist_cli.paths import Home
from assist_cli.store import figures

BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def service(host: str, port: int, controller: Controller, _: Controllers) -> AsyncIterator[None]:
    """Serve the metrics at ``http://host:port/metrics`` until the end of the block. Raises Conflict."""
    watch = Watch(controller)
    registry = CollectorRegistry()
    registry.register(_Figures(controller.home, watch))
    ProcessCollector(registry=registry)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise Conflict(
            f"cannot serve metrics at {host} port {port}: {error.strerror}",
            hint="choose another port, or stop the process that uses it",
        ) from error
    log.info("the metrics are at http://%s:%d/metrics", f"[{host}]" if ":" in host else host, server.server_port)
    asking = asyncio.get_running_loop().create_task(watch.keep_asking(controller.timeouts.view.metrics))
    try:
        yield
    finally:
        asking.cancel()
        await asyncio.wait([asking])
        watch.close()
        await asyncio.to_thread(server.shutdown)
        thread.join()
        server.server_close()


class _Figures(Collector):
    """Collects the metrics at each scrape, and counts the slots that were added since the start of the server."""

    def __init__(self, home: Home, watch: Watch) -> None:
        self._home = home
        self._watch = watch
        self._lock = threading.Lock()
        self._outcomes: Counter[SlotOutcome] = Counter()
        self._late: Counter[float] = Counter()
        self._lateness = 0.0
        self._pending: set[int] = set()
        with open_controller(home) as controller:
            self._newest = figures.newest_slot(controller.database)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the metrics are read at each scrape only."""
        return ()

    def collect(self) -> Iterable[Metric]:
        with self._lock, open_controller(self._home) as controller:
            self._count(figures.slots(controller.database, self._newest, self._pending))
            by_status = figures.invocations(controller.database)
            return [
                InfoMetricFamily("assist_build", "The version of Assist", {"version": __version__}),
                _gauge(
                    "assist_invocations",
                    "Invocations in the history",
                    "status",
                    {status.value: by_status.get(status.value, 0) for status in InvokeStatus},
                ),
                _gauge(
                    "assist_records_open",
                    "Open records: waiting to be sent, queued, running, being stopped",
                    "state",
                    figures.open_records(controller.database),
                ),
                _gauge(
                    "assist_schedules", "Schedules that have not ended", "state", figures.schedules(controller.database)
                ),
                GaugeMetricFamily(
                    "assist_notifications_waiting",
                    "Notifications that wait for delivery",
                    figures.waiting_notices(controller.database),
                ),
                _gauge(
                    "assist_expiry_timestamp_seconds",
                    "When a certificate or a token of this controller expires, in seconds since the epoch",
                    "name",
                    expiry_times(self._home),
                ),
                *self._firings(),
                *self._instances(),
            ]

    def _count(self, found: Iterable[figures.SlotFigure]) -> None:
        for slot in found:
            self._newest = max(self._newest, slot.number)
            if slot.outcome is SlotOutcome.PENDING:
                self._pending.add(slot.number)
                continue
            self._pending.discard(slot.number)
            self._outcomes[slot.outcome] += 1
            if slot.lateness is not None:
                self._lateness += slot.lateness
                self._late[next((bucket for bucket in BUCKETS if slot.lateness <= bucket), float("inf"))] += 1

    def _firings(self) -> list[Metric]:
        outcomes = CounterMetricFamily(
            "assist_firings",
            "Due times on instances since the start of the server, by outcome",
            labels=["outcome"],
        )
        for outcome in SlotOutcome:
            if outcome is not SlotOutcome.PENDING:
                outcomes.add_metric([outcome.value], self._outcomes[outcome])
        total, buckets = 0, []
        for bucket in (*BUCKETS, float("inf")):
            total += self._late[bucket]
            buckets.append(("+Inf" if bucket == float("inf") else str(bucket), total))
        lateness = HistogramMetricFamily(
            "assist_firing_lateness_seconds", "Time from the due time of a record until it was sent", labels=[]
        )
        lateness.add_metric([], buckets, self._lateness)
        return [outcomes, lateness]

    def _instances(self) -> list[Metric]:
        up = GaugeMetricFamily(
            "assist_instance_up", "1 if the agent of an instance answered, else 0", labels=["instance"]
        )
        tasks = GaugeMetricFamily("assist_instance_tasks", "Records in progress on an instance", labels=["instance"])
        for instance, health in self._watch.queried():
            up.add_metric([instance.name], health.is_online)
            if health.is_online:
                tasks.add_metric([instance.name], health.running)
        return [up, tasks, *self._connections()]

    def _connections(self) -> list[Metric]:
        """The connections of agents that dial out; none for those of which nothing is known."""
        agents = GaugeMetricFamily(
            "assist_instance_connections",
            "Agents with the identity of an instance at the brokers: 0, 1, or more if its machine was cloned",
            labels=["instance"],
        )
        since = GaugeMetricFamily(
            "assist_instance_connected_timestamp_seconds",
            "Since when the agent of an instance is connected to a broker, in seconds since the epoch",
            labels=["instance"],
        )
        ends = GaugeMetricFamily(
            "assist_instance_expiry_timestamp_seconds",
            "When the token of an instance for the brokers expires, in seconds since the epoch",
            labels=["instance"],
        )
        dialling, presence = self._watch.connected()
        expiring = presence.token_ends()
        for instance in dialling:
            links = presence.shown(instance.id)
            if presence.is_connected(instance.id) is not None:
                agents.add_metric([instance.name], len(links))
            if links:
                since.add_metric([instance.name], links[0].since.timestamp())
            if instance.id in expiring:
                ends.add_metric([instance.name], expiring[instance.id].timestamp())
        return [agents, since, ends]


def expiry_times(home: Home) -> dict[str, float]:
    """Return when certificates and tokens expire; nothing if their files cannot be used, as the doctor reports."""
    try:
        return {each.name: each.end.timestamp() for each in expiries(home)}
    except FileFailure:
        return {}


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
