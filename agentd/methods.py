"""The table of the agent's methods: their functions, access and params.

All requests go through this table. A method that is not ``open`` needs ``agent.hello`` first, which names the
controller. Access is then checked for each record.
"""

import collections
import os
import sys
import time

import agentd
from agentd import files, platform, shim
from agentd.epochs import Replaced
from agentd.tasks import RequestRefused
from agentd.watcher import Watcher
from agentd.wire import protocol

system = platform.load("system")

Method = collections.namedtuple("Method", "call open fields secret")
Method.__new__.__defaults__ = (None,)  # a param whose presence means: wipe the memory after the request
Field = collections.namedtuple("Field", "types required default")


class BadParams(Exception):
    """The params do not fit the method."""


def need(*types):
    return Field(types, True, None)


def may(default, *types):
    return Field(types, False, default)


def check(fields, params):
    """Return the params of a method, checked, with defaults and without unknown ones. Raises BadParams."""
    if not isinstance(params, dict):
        raise BadParams("params is not an object")
    values = {}
    for name, field in fields.items():
        value = params.get(name, field.default)
        if name not in params and field.required:
            raise BadParams("'%s' is missing" % name)
        wrong_bool = isinstance(value, bool) and bool not in field.types
        if (name in params or field.required) and (wrong_bool or not isinstance(value, field.types)):
            raise BadParams("'%s' has the wrong type" % name)
        if isinstance(value, str) and not _is_text(value):
            raise BadParams("'%s' has a value that is not text" % name)
        values[name] = value
    return values


def _is_text(value):
    """Return True if the system can use this as a name or a value: UTF-8 without NUL."""
    try:
        return isinstance(value, str) and b"\0" not in value.encode("utf-8")
    except UnicodeEncodeError:
        return False


def carries_secret(method, params):
    """Return True if the memory must be wiped after a request, because it has a secret."""
    return isinstance(params, dict) and bool(params.get(method.secret))


async def hello(server, connection, params):
    version = params["protocol"]
    if not version or version[0] != protocol.VERSION[0]:
        raise RequestRefused("ClientNeedUpgrade", "this agent speaks protocol %d.%d" % protocol.VERSION)
    if connection.peer.controller is None:
        connection.peer.controller = params["controller"]
    elif connection.peer.controller != params["controller"]:
        raise RequestRefused("ClientAuthFailed", "the certificate is for controller '%s'" % connection.peer.controller)
    if not 0 <= params["epoch"] < 1 << 53:
        raise BadParams("'epoch' is out of range")
    try:
        is_new = await server.epochs.admit(connection.peer.controller, params["epoch"])
    except Replaced as error:
        raise RequestRefused("ControllerReplaced", str(error), epoch=error.epoch) from None
    except OSError as error:  # unwritten, it would not keep another copy out
        text = "cannot write the epoch of the controller: %s" % error.strerror
        raise RequestRefused("ClientNotOnline", text) from None
    connection.peer.epoch = params["epoch"]
    if is_new:
        server.close_older(connection.peer.controller, params["epoch"])
    if not connection.greet():
        raise RequestRefused("ClientNotOnline", "there are too many connections")
    return dict(
        system.describe(),
        protocol=list(protocol.VERSION),
        agent=agentd.__version__,
        instance=server.instance,
        enrolment=server.tasks.enrolment,
        boot=system.boot_id(),
        started=server.started,
        python="%d.%d.%d" % sys.version_info[:3],
        features=["tasks", "files", "launchers", "epochs"],
        facts=system.facts(),
    )


async def status(server, connection, params):
    tasks = server.tasks
    return {
        "uptime": time.time() - server.started,
        "running": tasks.running,
        "total": tasks.total,
        "rss": system.resident_bytes(),
        "cpu": sum(os.times()[:2]),
        "files": system.open_files(),
        "spool": tasks.spool_bytes,
        "guard": server.guard_report(),
        "dial": server.dialler and server.dialler.report(),
        "home": server.settings.home,
        "program": sys.executable,
        "time": time.time(),
        "free": system.free_bytes(server.settings.home),
    }


async def run(server, connection, params):
    _unpack(params, "content")
    if not 1 <= params["timeout"] <= 86400:
        raise BadParams("'timeout' is not between 1 and 86400")
    environment = params["environment"]
    for name, value in environment.items():
        if not _is_text(value) or not _is_text(name) or "=" in name or not name:
            raise BadParams("'environment' has an invalid variable")
    secrets = params["secrets"]
    if not all(_is_text(value) and value for value in secrets):
        raise BadParams("'secrets' has a value that is not text")
    launcher = params["launcher"]
    if launcher is not None and not (launcher and all(_is_text(word) for word in launcher)):
        raise BadParams("'launcher' is not a list of words")
    if not all(char.isalnum() or char == "." for char in params["ending"]):
        raise BadParams("'ending' is not the ending of a file name")
    params["secrets"] = [value.encode("utf-8") for value in secrets]
    params["environment"] = dict(
        environment,
        ASSIST_RECORD_ID=params["record"],
        ASSIST_INVOKE_ID=params["invocation"],
        ASSIST_COMMAND_ID=params["command"] or "",
        ASSIST_INSTANCE_ID=server.instance,
    )
    asked = params.pop("watch")
    if asked is not None:
        asked = _check_watch(check(WATCH, asked))
    task, known = await server.tasks.accept(shim.run, params, connection.peer)
    watching = asked is not None and _watch(task, connection, asked)
    return dict(task.public(), known=known, watching=watching)


async def watch(server, connection, params):
    task = await server.tasks.get(params["record"], connection.peer)
    _watch(task, connection, _check_watch(params))
    return task.public()


def _check_watch(params):
    budget = params["budget"]
    if params["offset"] < 0 or (budget is not None and budget < 0):
        raise BadParams("'offset' or 'budget' is negative")
    return params


def _watch(task, connection, params):
    """Start to send the output of a task to a connection. Return False if the record was deleted."""
    if task.state == protocol.FORGOTTEN:
        return False
    Watcher(task, connection, params["offset"], params["budget"], params["newest"])
    return True


async def get(server, connection, params):
    task = await server.tasks.get(params["record"], connection.peer)
    if params["offset"] < 0:
        raise BadParams("'offset' is negative")
    return dict(task.public(), result=task.result, started=task.started(), **task.output(params["offset"]))


async def stop(server, connection, params):
    task = await server.tasks.get(params["record"], connection.peer)
    server.tasks.stop(task)
    return task.public()


async def listing(server, connection, params):
    found, following = server.tasks.page(params["cursor"], connection.peer)
    return {"tasks": found, "next": following}


async def acknowledge(server, connection, params):
    if len(params["records"]) > 1000:
        raise BadParams("'records' has more than 1000")
    return {"forgotten": server.tasks.acknowledge(params["records"], connection.peer)}


async def put(server, connection, params):
    _unpack(params, "content")
    task, _ = await server.tasks.accept(files.put, params, connection.peer)
    await server.tasks.ended(task)
    return dict(task.public(), result=task.result)


def _unpack(params, name):
    try:
        params[name] = protocol.unpack(params[name])
    except ValueError as error:
        raise BadParams("'%s': %s" % (name, error)) from None


NULLABLE = type(None)

WATCH = {"offset": may(0, int), "budget": may(None, int, NULLABLE), "newest": may(False, bool)}

METHODS = {
    "agent.hello": Method(
        hello, True, {"protocol": need(list), "client": may("", str), "controller": need(str), "epoch": may(0, int)}
    ),
    "agent.status": Method(status, False, {}),
    "task.run": Method(
        run,
        False,
        {
            "record": need(str),
            "invocation": may("", str),
            "command": may(None, str, NULLABLE),
            "type": need(str),
            "content": need(str),
            "directory": may(None, str, NULLABLE),
            "timeout": need(int),
            "username": may(None, str, NULLABLE),
            "environment": may({}, dict),
            "secrets": may([], list),
            "keep_script": may(False, bool),
            "launcher": may(None, list, NULLABLE),
            "ending": may("", str),
            "watch": may(None, dict, NULLABLE),
        },
        "secrets",
    ),
    "task.watch": Method(watch, False, dict(WATCH, record=need(str))),
    "task.get": Method(get, False, {"record": need(str), "offset": may(0, int)}),
    "task.stop": Method(stop, False, {"record": need(str)}),
    "task.list": Method(listing, False, {"cursor": may("", str)}),
    "task.forget": Method(acknowledge, False, {"records": need(list)}),
    "file.put": Method(
        put,
        False,
        {
            "record": need(str),
            "invocation": may("", str),
            "name": need(str),
            "directory": need(str),
            "content": need(str),
            "sha256": need(str),
            "mode": may("0644", str),
            "owner": may(None, str, NULLABLE),
            "group": may(None, str, NULLABLE),
            "overwrite": may(False, bool),
        },
        "content",
    ),
}
