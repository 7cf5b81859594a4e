"""The agent: one event loop that listens, starts shims, reads their messages and answers requests.

It runs no script, looks up no user and does not wait for a disk; all that may block runs in a child. It may be killed
at any time: the next agent finds its state in the spool.
"""

import asyncio
import gc
import json
import os
import time
import traceback

import agentd
from agentd import disk, listeners, lock, methods, platform
from agentd.admission import Admission
from agentd.epochs import Epochs
from agentd.log import Throttle
from agentd.tasks import RequestRefused, Tasks
from agentd.wire import protocol

memory = platform.load("memory")
signals = platform.load("signals")


class AgentServer:
    """One agent, from start to end."""

    def __init__(self, loop, settings, log, idle_exit=None, lifeline=None):
        self.loop = loop
        self.settings = settings
        self.log = log.write
        self.refuse = Throttle(loop, log.write).write
        self.instance = settings.instance_id()
        self.started = time.time()
        self._idle_exit = idle_exit
        self._lifeline = lifeline
        self._lock = lock.take(settings.lock)
        self.tasks = Tasks(loop, settings, self.instance, self._lock, self.log)
        self.epochs = Epochs(settings.epochs, self.tasks.spawn)
        self.dialler = None  # a Dialler, if the settings have ``dial``
        self.local, self.remote = Admission(settings.connection_limit), Admission(settings.connection_limit)
        self._over = loop.create_future()
        self._active = time.monotonic()

    def connections(self):
        """Return all connections, and the callers without a connection yet."""
        return self.local.everybody() + self.remote.everybody()

    def close_older(self, controller, epoch):
        """Close the connections of a controller that another server has taken over from."""
        for connection in self.connections():
            if connection.greeted and connection.peer.controller == controller and connection.peer.epoch < epoch:
                connection.close()

    def note_end(self):
        """Note the time at which a connection ended."""
        self._active = time.monotonic()

    def handle(self, connection, message):
        """Answer one message of a connection, in a task of its own if needed."""
        number = message.get("id")
        name = message.get("method")
        method = methods.METHODS.get(name) if isinstance(name, str) else None
        if message.get("jsonrpc") != "2.0":
            connection.send(protocol.failure(None, protocol.INVALID_REQUEST, "'jsonrpc' is not '2.0'"))
        elif not isinstance(name, str) or not protocol.is_id(number):
            connection.send(protocol.failure(None, protocol.INVALID_REQUEST, "this is not a request"))
        elif method is None:
            if number is not None:
                text = "there is no method '%s'" % name[:80]
                connection.send(protocol.failure(number, protocol.METHOD_NOT_FOUND, text))
        else:
            connection.begin()
            self.loop.create_task(self._answer(connection, number, method, message.get("params", {})))

    async def _answer(self, connection, number, method, params):
        secret = methods.carries_secret(method, params)
        try:
            if not (method.open or connection.greeted):
                raise RequestRefused("ClientAuthFailed", "'agent.hello' comes first")
            await connection.room()
            call = method.call(self, connection, methods.check(method.fields, params))
            del params
            result = await call
            answer = protocol.response(number, result)
        except methods.BadParams as error:
            answer = protocol.failure(number, protocol.INVALID_PARAMS, str(error))
        except RequestRefused as refusal:
            answer = protocol.failure(number, protocol.REFUSED, str(refusal), refusal.code, **refusal.details)
        except OSError as error:
            self.log("a request failed: %s" % error)
            text = "the agent cannot do this now: %s" % error.strerror
            answer = protocol.failure(number, protocol.INTERNAL_ERROR, text, "ExecutionException")
        except Exception as error:
            where = ", ".join(
                "%s:%d" % (os.path.basename(at[0]), at[1]) for at in traceback.extract_tb(error.__traceback__)
            )
            self.log("a bug: %s of '%s' in %s" % (type(error).__name__, number, where))  # its text may hold a secret
            answer = protocol.failure(number, protocol.INTERNAL_ERROR, "there is a bug in this agent")
        connection.answer(answer)
        if secret:  # it is now only in free memory
            self.tasks.renew_children()
            memory.wipe()

    def guard_report(self):
        """Return the last report of the guard; None without a guard."""
        try:
            return json.loads(disk.read_whole(self.settings.guard).decode("utf-8"))
        except (OSError, ValueError):
            return None

    def run(self, on_ready):
        """Serve until SIGTERM, SIGINT or the idle time ends it."""
        self.tasks.recover()
        self.epochs.read()
        opened = self.loop.run_until_complete(listeners.open_all(self))
        if self.settings.dial:
            from agentd import dial  # loaded only where it is needed, and before the first fork

            self.dialler = dial.Dialler(self)
            opened.append(self.dialler)
        signals.set_up(self.loop, self.end)
        if self._lifeline is not None:
            self.loop.add_reader(self._lifeline, self.end, "its guard has ended")
        if self._idle_exit:
            self.loop.call_later(self._idle_exit, self._end_if_idle)
        gc.collect()
        memory.prepare()
        if hasattr(gc, "freeze"):
            gc.freeze()  # these objects are shared with every child; exclude them from collections
        where = self.settings.socket if listeners.local_socket.AVAILABLE else self.settings.listen or "a broker"
        self.log("agentd %s of instance %s serves on %s" % (agentd.__version__, self.instance, where))
        on_ready()
        why = self.loop.run_until_complete(self._over)
        self.log("shutting down: %s" % why)
        for one in self.connections() + opened:
            one.close()
        self.loop.run_until_complete(asyncio.sleep(0))

    def end(self, why):
        """Have run() return. Tasks continue under their shims."""
        if not self._over.done():
            self._over.set_result(why)

    def _end_if_idle(self):
        busy = self.tasks.running or self.connections()
        quiet = 0 if busy else time.monotonic() - self._active
        if quiet >= self._idle_exit:
            self.end("idle for %d s" % quiet)
        else:
            self.loop.call_later(self._idle_exit - quiet, self._end_if_idle)


def serve(settings, log, idle_exit=None, lifeline=None, on_ready=lambda: None):
    """Run the agent of ``settings.home``, with a Log. Raises ConfigError, lock.Taken, OSError.

    ``idle_exit``: end after this many seconds without a task or a connection. ``lifeline``: end when this descriptor is
    closed. ``on_ready`` is called once it listens.
    """
    os.umask(0o077)
    signals.leave_children()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        AgentServer(loop, settings, log, idle_exit, lifeline).run(on_ready)
    finally:
        loop.close()
