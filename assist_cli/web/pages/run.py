"""The run of a script or a saved command: a form, its preview, and the run itself.

The preview shows exactly what would run, and where. Its button sends the same form again, with a token, which makes
a repeated click harmless, and a digest of the instances, so that nothing runs where the user has not seen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import Response

from assist_cli.errors import AgentError, AssistError, NotFound, Refused, UsageError
from assist_cli.model.command import Command, CommandType, parse_reference, type_from_word, type_of_script
from assist_cli.model.folding import fold
from assist_cli.model.instance import LOCAL, Instance
from assist_cli.model.invocation import Invocation
from assist_cli.model.parameters import Definition, parse
from assist_cli.model.secret import Secret
from assist_cli.operations.access.clients import Repeated
from assist_cli.operations.commands import commands
from assist_cli.operations.fleet import groups, instances
from assist_cli.operations.fleet.sources import DatabaseSources
from assist_cli.operations.local_zone import local_zone
from assist_cli.operations.runs import payload, plans, recording
from assist_cli.operations.runs.plans import InvokeRequest, RerunRequest, RunRequest
from assist_cli.web import confirmation, words
from assist_cli.web.run_form import ALL, COMMAND, RERUN, SCRIPT, RunForm, asked, given_values, sent
from assist_cli.web.scripts import content_of
from assist_cli.web.visit import ONCE, SECRET, Visit, status_of

DUE = 5  # due times of a preview
CHIPS = 12

# Errors of what the user gave: the page shows them, and keeps the input.
WRONG = (Refused, NotFound, UsageError, AgentError)


@dataclass(frozen=True)
class WantedRun:
    """A valid form: its request without targets, and the instances. ``hidden`` are the secrets it needs."""

    request: plans.Request
    where: Sequence[Instance]
    hidden: Sequence[Definition]


def form(visit: Visit) -> Response:
    """The form, filled in by the query: ``command`` and ``on``, or ``rerun``."""
    return _shown_again(_form_page(visit, asked(visit)))


def preview(visit: Visit) -> Response:
    """The preview of a form; with ``do`` the form again, after a change of what runs."""
    return _shown_again(_previewed(visit))


def _shown_again(answer: Response) -> Response:
    """Return a page that "Back" may show again as it was: no secret is on it."""
    answer.headers["cache-control"] = "private, no-cache"
    return answer


def _previewed(visit: Visit) -> Response:
    form, change, name = sent(visit), visit.given("do"), visit.given("name")
    if form.what == COMMAND and name and name != parse_reference(form["command"])[0]:
        form = form.with_texts(command=name)  # the one that is chosen now, at its newest version
    if change in (SCRIPT, COMMAND):
        return _form_page(visit, form.with_texts(what=change))
    if change:
        return _form_page(visit, form)
    return _preview_page(visit, form)


def run(visit: Visit) -> Response:
    """Run what the preview has shown, or schedule it. A repeated form has no further effect."""
    form = sent(visit)
    if not visit.given(ONCE):
        return _preview_page(visit, form)
    try:
        return visit.go_to(_start(visit, form))
    except WRONG as error:
        return _preview_page(visit, form, error)


def targets(visit: Visit) -> Response:
    """The number of instances of a target and their first names, as a part of the form."""
    return visit.page("run/targets.html", places=_found(visit, visit.query("on")))


def due(visit: Visit) -> Response:
    """The next due times of a schedule, as a part of the form."""
    return visit.page("run/due.html", due=_due(visit, asked(visit)))


def _start(visit: Visit, form: RunForm) -> str:
    """Record the run, for this server to send. Return the path of its page. Raises WRONG and the errors of rights."""
    controller, background = visit.controller, visit.site.background
    given = {
        name.removeprefix(SECRET): Secret(text)
        for name, text in visit.form.items()
        if name.startswith(SECRET) and isinstance(text, str) and text
    }
    try:
        confirmation.refuse_repeated(visit, "run")
        wanted = _wanted(visit, form, given)
        confirmation.check(visit, wanted.where, "run")
        timing = form.timing(controller)
        if timing is not None:
            made, _ = recording.schedule(controller, wanted.request, timing, also=visit.once())
            return f"/schedules/{made.id}"
        rollout = form.rollout()
        with recording.recorded(
            controller, wanted.request, also=visit.once(), token=background.token, wait=form.wait()
        ) as invocation:
            background.take(invocation, rollout)
        return f"/invocations/{invocation.id}"
    except Repeated as repeated:
        return f"/{'schedules' if form.is_scheduled else 'invocations'}/{repeated.subject}"


def _wanted(visit: Visit, form: RunForm, given: dict[str, Secret] | None = None) -> WantedRun:
    """Return the request of a form and its instances; without ``given`` with masks for secrets."""
    request: plans.Request
    if form.what == RERUN:
        request = _rerun(visit, form)
        where = instances.chosen(
            visit.controller.database, list(visit.rights.unordered.values()), plans.chosen(request), limited=True
        )
        hidden = plans.missing(request)
        if given is not None:
            request = request.replace(secrets={each.key: given[each.key] for each in hidden if each.key in given})
    else:
        where = visit.resolved(form["on"])
        request, hidden = _first_run(visit, form, where, given or {})
    visit.rights.check_scope([each.id for each in where])
    return WantedRun(plans.masked(request) if given is None else request, where, hidden)


def _first_run(
    visit: Visit, form: RunForm, where: Sequence[Instance], given: dict[str, Secret]
) -> tuple[plans.Request, Sequence[Definition]]:
    timeout, folder, user = form.seconds("timeout"), form["workdir"] or None, form["user"] or None
    if form.what == COMMAND:
        found = _command(visit, form)
        hidden = [each for each in found.version.definitions if each.secret]
        typed = {each.key: given[each.key] for each in hidden if each.key in given}
        request = InvokeRequest(
            command=found,
            parameters={**given_values(form, found.version), **typed},
            timeout=timeout,
            working_dir=folder,
            username=user,
            targets=tuple(where),
        )
        return request, hidden
    content = content_of(form["script"])
    base = RunRequest(
        content=content,
        type=type_from_word(form["type"]) if form["type"] else type_of_script(content),
        working_dir=folder,
        username=user,
        targets=tuple(where),
    )
    return (base if timeout is None else base.replace(timeout=timeout)), []


def _rerun(visit: Visit, form: RunForm) -> RerunRequest:
    return RerunRequest(
        invocation=visit.invocation(form["rerun"]),
        everywhere=form["which"] == ALL,
        timeout=form.seconds("timeout"),
        working_dir=form["workdir"] or None,
        username=form["user"] or None,
    )


def _command(visit: Visit, form: RunForm) -> Command:
    if not form["command"]:
        raise NotFound("cannot run: no command chosen", hint="choose one, or write a script")
    return commands.get(visit.controller, form["command"])


def _found(visit: Visit, target: str) -> dict[str, Any]:
    """Return the values of the part with the number of instances."""
    if not target:
        return {"found": None, "error": None}
    try:
        return {"found": visit.chosen(target), "error": None}
    except WRONG as error:
        return {"found": None, "error": error}


def _due(visit: Visit, form: RunForm) -> dict[str, Any]:
    """Return the values of the part with the next due times."""
    try:
        return {"firings": form.upcoming(visit.controller, DUE), "error": None}
    except WRONG as error:
        return {"firings": [], "error": error if form[form["when"]] else None}


def _form_page(visit: Visit, form: RunForm, error: AssistError | None = None) -> Response:
    found: Command | None = None
    earlier: Invocation | None = None
    try:
        if form.what == COMMAND and form["command"]:
            found = _command(visit, form)
            form = form.with_texts(command=f"{found.name}@{found.version.number}")
        elif form.what == RERUN:
            earlier = visit.invocation(form["rerun"])
    except WRONG as missing:
        error = error or missing
        form = form.with_texts(what=SCRIPT) if form.what == RERUN else form.with_texts(command="")
    failed = [] if earlier is None else [each for each in earlier.instances if not each.record.is_success]
    return visit.page(
        "run/form.html",
        status=200 if error is None else status_of(error),
        form=form,
        error=error,
        command=found,
        names=[each.name for each in commands.listing(visit.controller)] if form.what == COMMAND else [],
        earlier=earlier,
        failed=failed,
        types=[kind.word for kind in CommandType],
        words=_words(visit),
        zone=_zone(),
        places=_found(visit, form["on"]),
        due=_due(visit, form),
    )


def _preview_page(visit: Visit, form: RunForm, error: AssistError | None = None) -> Response:
    try:
        form = _pinned(visit, form)
        wanted = _wanted(visit, form)
        timing, rollout = form.timing(visit.controller), form.rollout()
        found = recording.check(visit.controller, wanted.request, timing, form.wait())
        content = payload.script(found, found.instances[0], visit.controller.region)
        firings = form.upcoming(visit.controller, DUE)
    except WRONG as wrong:
        return _form_page(visit, form, wrong)
    number = len(wanted.where)
    return visit.page(
        "run/preview.html",
        status=200 if error is None else status_of(error),
        form=form,
        error=error,
        seen=confirmation.digest(wanted.where),
        hidden=wanted.hidden,
        secret_keys={each.key.lower() for each in wanted.hidden},
        found=found,
        script=content.decode("utf-8", "replace"),
        is_text=_is_text(content),
        builtin=found.parameters_enabled and any(":" in each.key for each in parse(found.content).placeholders),
        where=wanted.where,
        folded=fold(each.name for each in wanted.where),
        many=confirmation.MANY,
        due={"firings": firings, "error": None},
        rollout=rollout,
        waves=len(rollout.waves(number)),
        line=form.command_line([each.key for each in wanted.hidden]),
    )


def _pinned(visit: Visit, form: RunForm) -> RunForm:
    """Return the form with the version of its command, so that the run is the one of the preview."""
    if form.what != COMMAND:
        return replace(form, values={})
    found = _command(visit, form)
    values = given_values(form, found.version)
    return replace(form, values=values).with_texts(command=f"{found.name}@{found.version.number}")


def _words(visit: Visit) -> list[str]:
    """Return the targets that buttons offer: all, groups, the most frequent tags, and the systems."""
    known = visit.rights.unordered
    systems = {} if visit.me.scope else DatabaseSources(visit.controller.database).fact("os", "*")
    targets = {f"@os={systems[each]}" for each in known if systems.get(each)}
    tags = words.frequent_tags(known.values(), targets)[:CHIPS]
    saved = [] if visit.me.scope else [f"group:{group.name}" for group, _ in groups.listing(visit.controller)]
    everything = "*,!local" if any(each.name == LOCAL for each in known.values()) and len(known) > 1 else "*"
    return [everything, *saved[:CHIPS], *tags]


def _zone() -> str:
    try:
        return local_zone()
    except Refused:
        return ""


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
