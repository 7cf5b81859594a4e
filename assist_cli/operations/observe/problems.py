"""The problems of a fleet that are known without querying an agent."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from datetime import timedelta

from assist_cli import codes
from assist_cli.model.folding import fold_some, natural_key
from assist_cli.model.instance import LOCAL
from assist_cli.model.overview import NextFiring, Problem
from assist_cli.operations.controller import Controller
from assist_cli.operations.history import queue
from assist_cli.operations.observe import doctor
from assist_cli.operations.observe.overview import Overview
from assist_cli.operations.server import takeover
from assist_cli.store import schedules
from assist_cli.units import count, span

OVERDUE = timedelta(seconds=10)  # after its due time, a firing is late
SILENT = timedelta(days=7)
AGENTS = "agents"
FOLDED = 500
SHOWN = 3

# The errors of a record whose agent could not be reached.
_AWAY = {
    codes.CLIENT_NOT_RUNNING,
    codes.CLIENT_NOT_ONLINE,
    codes.CLIENT_AUTH_FAILED,
    codes.CLIENT_NOT_RESPONSE,
    codes.DELIVERY_TIMEOUT,
}


def problems(controller: Controller, overview: Overview, among: Collection[str] | None) -> list[Problem]:
    """Return the problems, the urgent ones first. ``overview`` is limited to the instances ``among`` already.

    The certificates of the controller are shown only without such a limit.
    """
    found = [*_server(controller, overview), *_agents(controller, overview, among)]
    failing = schedules.errors(controller.database, among)
    if failing:
        found.append(
            Problem("schedules", f"{count(len(failing), 'schedule')} cannot be fired", "open it to see the reason")
        )
    if among is None:
        certificates = [each for each in doctor.certificates(controller.home, overview.now) if not each.ok]
        found += [Problem("certificates", f"{each.name} {each.detail}", each.hint) for each in certificates]
    return sorted(found, key=lambda each: not each.urgent)


def _server(controller: Controller, overview: Overview) -> Iterator[Problem]:
    if overview.firings and not overview.is_served:
        hint = takeover.start_hint(controller.database)
        yield Problem("server", "the server is not running, so no schedule will fire", hint)
        return
    late = overdue(overview)
    if late:
        longest = span((overview.now - late[0].due).total_seconds())
        text = f"{count(len(late), 'schedule')} overdue, by up to {longest}"
        yield Problem("server", text, "see the log of the server, and assist doctor")


def overdue(overview: Overview) -> list[NextFiring]:
    """Return the firings whose due time has passed, the oldest first."""
    return [each for each in overview.firings if overview.now - each.due > OVERDUE]


def _agents(controller: Controller, overview: Overview, among: Collection[str] | None) -> Iterator[Problem]:
    """Report agents that did not answer when something was last sent to them, and those without a contact for long."""
    tried = {
        each.record.instance_id: each.record.wait.tried for each in queue.recall(controller, among) if each.record.wait
    }
    for each in overview.failures:
        if each.error_code in _AWAY and (each.instance_id not in tried or tried[each.instance_id] < each.when):
            tried[each.instance_id] = each.when
    away, silent, new = [], [], []
    for instance in overview.instances:
        if instance.id in tried and (instance.heard is None or instance.heard < tried[instance.id]):
            away.append(instance.name)
        elif instance.name == LOCAL:
            continue  # it starts on demand
        elif instance.heard is None:
            new.append(instance.name)
        elif overview.now - instance.heard > SILENT:
            silent.append(instance.name)
    hint = "check the agents on the page of the instances"
    if away:
        yield Problem(AGENTS, f"no answer at the last attempt: {_names(away)}", hint)
    if new:
        yield Problem(AGENTS, f"never answered: {_names(new)}", hint)
    if silent:
        yield Problem(AGENTS, f"no contact for more than {SILENT.days} days: {_names(silent)}", hint, urgent=False)


def _names(names: list[str]) -> str:
    """Return names as one text, in order; of very many only the first ones, because folding them takes long."""
    if len(names) > FOLDED:
        return f"{fold_some(heapq.nsmallest(SHOWN, names, key=natural_key))} and {len(names) - SHOWN:,} more"
    return fold_some(names) + (f" ({len(names)})" if len(names) > 1 else "")
