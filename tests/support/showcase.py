"""An invented company for pages and pictures: 24 instances without agents, and what ran on them.

Nothing in it names the machine of the test. Times are those of the call, and those before it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from assist_cli.agents import broker_folder
from assist_cli.deploy import pki
from assist_cli.deploy.broker import admission
from assist_cli.model.command import Command
from assist_cli.model.instance import Contact, Instance
from assist_cli.model.invocation import Outcome
from assist_cli.model.output import Output
from assist_cli.model.status import InvocationStatus
from assist_cli.operations.commands import commands
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.operations.fleet import enrolments
from assist_cli.operations.fleet.enrolments import EnrolmentRequest
from assist_cli.operations.runs.senders import sender
from assist_cli.paths import Home
from assist_cli.store import instances
from tests.support import past
from tests.support.application import Application

PASSWORD = "correct horse battery staple"

RESTART = """\
#!/bin/sh
# Restart a service after a check of its settings, and show its state.
set -eu
{{service|sh}} -t
systemctl {{mode|sh}} {{service|sh}}
systemctl is-active {{service|sh}}
"""
CHECKED = "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\n"
REFUSED = (
    'nginx: [emerg] unknown directive \x1b[31m"proxy_pas"\x1b[0m in /etc/nginx/sites-enabled/shop:14\n'
    "nginx: configuration file /etc/nginx/nginx.conf test failed\n"
)
WEB = tuple(f"web{number:02}" for number in range(1, 21))
BROKEN = ("web07", "web12")
OTHERS = ("db1", "db2", "pos1", "pos2")
CLI = (
    ("command", "create", "disk-usage", "-c", "df -h /", "--description", "Space on the root file system"),
    ("command", "create", "rotate-logs", "-c", "logrotate -f /etc/logrotate.conf"),
    ("command", "create", "join-pool", "-c", "pool-join {{token|sh}}", "--param-def", "token secret"),
    ("instance", "tag", *WEB, "role=web"),
    ("instance", "tag", *OTHERS[:2], "role=db", "backup=nightly"),
    ("instance", "tag", *OTHERS[2:], "role=pos"),
    ("group", "add", "shops", "@role=pos"),
    ("accesskey", "create", "ci", "--role", "operator", "--on", "@role=web"),
    ("accesskey", "create", "wall", "--role", "viewer"),
    ("user", "add", "bo", "--on", "@role=web", "--password-file", "-"),
    ("user", "disable", "bo"),
    ("run", "-i", "@role=db", "--cron", "0 30 2 * * *", "--timezone", "Europe/Berlin", "-c", "pg_dump -Fc shop"),
    ("invoke", "disk-usage", "-i", "@role=web", "--every", "1h"),
    ("invoke", "rotate-logs", "-i", "web01", "--every", "6h"),
    ("schedule", "pause", "-"),
    ("run", "-i", "pos*", "--queue", "2d", "-c", "apt-get -y upgrade"),
)


@contextlib.contextmanager
def furnished(assist: Application, home: Path) -> Iterator[None]:
    """Fill a new home, and be the process that sends its open records. The user ana is an admin with ``PASSWORD``."""
    with open_controller(Home(home)) as controller:
        past.register(controller.database, [*WEB, *OTHERS], controller.now())
        _facts(controller)
        pki.prepare(controller.home, controller.id, controller.now())
        broker = [broker_folder.parse("tls://broker.example.com")]
        admission.create(controller.home, controller.id, broker, controller.now())
        for name, uses in (("pos", 100), ("web", 1)):
            enrolments.create(controller, EnrolmentRequest(name=name, uses=uses, seconds=86_400.0))
    for text in (RESTART.replace("{{service|sh}} -t\n", ""), RESTART.replace("mode|sh", "mode"), RESTART):
        _restart(assist, text)
    password = f"{PASSWORD}\n".encode()
    _run(assist, "user", "add", "ana", "--role", "admin", "--password-file", "-", input=password)
    for words in CLI:
        _run(assist, *words, input=password if "-" in words[-1:] and words[0] == "user" else None)
    with open_controller(Home(home)) as controller, sender(Home(home)) as token:
        _history(controller, token)
        yield


def _restart(assist: Application, text: str) -> None:
    """Save the next version of restart-service."""
    known = assist("command", "show", "restart-service").returncode == 0
    what = ("clone",) if known else ("create",)
    definitions = [
        each
        for text in ("service required pattern=[a-z-]+", "mode default=reload choices=reload,restart")
        for each in ("--param-def", text)
    ]
    more = () if known else ("--description", "Check, reload and show a service")
    _run(assist, "command", *what, "restart-service", "-c", text, *definitions, *more)


def _run(assist: Application, *words: str, input: bytes | None = None) -> None:
    done = assist(*words, input=input)
    assert done.returncode in (0, 75), (words, done.stderr)


def _facts(controller: Controller) -> None:
    known = instances.by_ids(controller.database, [each.id for each in instances.registered(controller.database)])
    facts = {"os": "debian", "version": "12", "arch": "x86_64", "cpus": 4, "memory": 8_323_596_288}
    contact = Contact("linux", controller.now() - timedelta(minutes=2), "", facts)
    with controller.database.transaction() as transaction:
        instances.note_heard(transaction, dict.fromkeys((each.id for each in known), contact))


def _history(controller: Controller, token: str) -> None:
    """Runs with one outcome, with several, with a long output, with a gap, and one in progress."""
    database, now = controller.database, controller.now()
    known = {each.name: each for each in instances.registered(database)}
    web = [known[name] for name in WEB]

    def write(ago: timedelta, outcomes: Sequence[Outcome | None], where: Sequence[Instance] = web, **more: Any):
        made = past.invocation_on(where, now - ago, **more)
        places = [place._replace(record=place.record._replace(sender=token)) for place in made.instances]
        made = made._replace(instances=tuple(places))
        return past.write(database, made, outcomes)

    def ended(ago: timedelta, text: str, code: int = 0) -> Outcome:
        begun = now - ago
        took = timedelta(seconds=1 + len(text) % 7 / 10)
        return past.finished(text, code, at=begun)._replace(finished=begun + took)

    day, hour, minute = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
    usage = "Filesystem      Size  Used Avail Use% Mounted on\n/dev/vda1        40G   {}G   {}G  {}% /\n"
    for ago in (2 * day, day, 3 * hour):
        texts = [usage.format(12, 26, 32) if name != "web07" else usage.format(37, 1, 98) for name in WEB]
        write(ago, [ended(ago, text) for text in texts], **_of(commands.get(controller, "disk-usage")))

    long = "".join(f"{number:05} \x1b[32mok\x1b[0m item-{number}\n" for number in range(1500))
    write(5 * hour, [ended(5 * hour, long)], [known["db1"]], content=b"./reindex.sh --all")
    data = long.encode()
    cut = data.index(b"\n", 9000) + 1
    gap = Outcome(InvocationStatus.FINISHED, 0, output=Output(data[:20000], (20000,), cut, 5_000_000))
    write(4 * hour, [gap], [known["db2"]], content=b"./vacuum.sh")

    lost = past.failed("InstanceUnreachable", "cannot reach an agent at 'broker.example.com': no answer", at=now - hour)
    write(hour, [ended(hour, "up 41 days\n"), lost], [known["db1"], known["pos1"]], content=b"uptime -p")

    restart = _of(commands.get(controller, "restart-service"))
    restart["parameters"] = {"service": "nginx", "mode": "reload"}
    ago = 12 * minute
    write(ago, [ended(ago, f"{CHECKED}active\n") for _ in WEB], **restart)
    ago = 2 * minute
    good, bad = ended(ago, f"{CHECKED}active\n"), ended(ago, REFUSED, 3)
    write(ago, [bad if name in BROKEN else good for name in WEB], **restart)

    ago = timedelta(seconds=20)
    done = [ended(ago, "Reading package lists...\n") for _ in WEB[:14]]
    past.leave_open(controller, write(ago, [*done, *[None] * 6], content=b"apt-get update && apt-get -y upgrade"))


def _of(command: Command) -> dict[str, Any]:
    """The fields of an invocation that come from its command."""
    return {
        "command_id": command.id,
        "command_name": command.name,
        "command_version": command.version.number,
        "content": command.version.content,
        "parameters_enabled": command.version.parameters_enabled,
    }
