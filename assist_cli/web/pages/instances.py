"""The instances: a list with a filter, and each instance with its agent and its history."""

from __future__ import annotations

from starlette.responses import Response

from assist_cli.errors import InvalidParameter, NotFound
from assist_cli.model.instance import Instance
from assist_cli.model.names import quoted
from assist_cli.model.page import Slice, Wanted
from assist_cli.model.presence import clone_hint, clone_text
from assist_cli.model.target import Selection, fact_words
from assist_cli.operations.broker import presence
from assist_cli.operations.fleet import health, instances
from assist_cli.operations.history import pages
from assist_cli.web import words
from assist_cli.web.paging import following, numbered
from assist_cli.web.visit import Visit

SIZE = 100  # instances of a page
TAGS = 12  # that are offered as filters
RECENT = 50  # records of an instance on a page


def listing(visit: Visit) -> Response:
    """The instances that a target selects, in pages. With ``check`` the agents of the page are queried."""
    target, error = visit.query("on"), None
    found = list(visit.rights.known.values())
    if target:
        try:
            found = [each for each in visit.chosen(target) if each.id]
        except (NotFound, InvalidParameter) as refusal:
            found, error = [], refusal
    page = numbered(found, visit.query("page"), SIZE, {"on": target} if target else {})
    checked = {}
    if visit.query("check"):
        patience = visit.controller.timeouts.api.health
        with visit.asking():
            states = health.states(visit.controller, page.items, patience=patience)
        checked = {each.instance.id: each for each in states}
    return visit.page(
        "instances/list.html",
        page=page,
        target=target,
        error=error,
        checked=checked,
        of_health=words.of_health,
        queued=instances.queued(visit.controller),
        command=f"assist instance {'status' if checked else 'list'}" + (f" {quoted(target)}" if target else ""),
        all_tags=words.frequent_tags(visit.rights.unordered.values())[:TAGS],
    )


def show(visit: Visit) -> Response:
    """An instance: its facts as of the last contact, its tags, and its records in pages."""
    instance, after = visit.instance(visit.part("id")), visit.query("after")
    wanted = Wanted(instance_id=instance.id, among=[instance.id])
    found = pages.records_of(visit.controller, wanted, Slice(RECENT + 1, after=after or None))
    last = found[:RECENT][-1].record.id if found else ""
    facts = instances.facts(visit.controller, instance.id).get(instance.id, {})
    return visit.page(
        "instances/show.html",
        instance=instance,
        facts=[(name, fact_words(name, facts[name])) for name in facts],
        queued=instances.queued(visit.controller).get(instance.id, 0),
        records=following(found, RECENT, last, {}, begins=not after),
        of_record=words.of_record,
    )


def status(visit: Visit) -> Response:
    """The agent of an instance, queried now: as a page, or as a part of one for a script.

    Of one that dials out, the brokers are asked since when it is connected.
    """
    instance = visit.instance(visit.part("id"))
    with visit.asking():
        (found,) = health.states(visit.controller, [instance], patience=visit.controller.timeouts.api.health)
        connected = presence.now(visit.controller) if instance.dials else None
    return visit.page(
        "instances/health.html" if visit.query("part") else "instances/status.html",
        instance=found.instance,
        health=found.health,
        use=found.use,
        presence=connected,
        clone_text=clone_text,
        clone_hint=clone_hint,
        of_health=words.of_health,
    )


def tag(visit: Visit) -> Response:
    """Set or remove a tag."""
    instance = visit.instance(visit.part("id"))
    key, value = visit.given("key").strip(), visit.given("value").strip()
    change = {key: None if visit.given("remove") else value}
    instances.tag(visit.controller, Selection((instance.id,)), change, also=visit.still)
    return visit.go_to(_path(instance))


def _path(instance: Instance) -> str:
    return f"/instances/{instance.id}"
