"""The ``agentd`` command: serve, guard, bridge, status."""

import os
import sys

from agentd import command_line, config, log, platform, program

local_socket = platform.load("local_socket")
system = platform.load("system")

UNREACHABLE = 69


def main(words=None):
    """Run one of the agent's commands and return its exit status."""
    words = sys.argv[1:] if words is None else words
    system.prepare()
    if words == [program.CHILD]:
        platform.load("children").become_child()
    options = command_line.parse(words)
    try:
        return _COMMANDS[options.command](options, config.Config(options.home or system.default_home()))
    except config.ConfigError as error:
        return _complain(str(error))
    except OSError as error:
        return _complain("cannot continue: %s" % error)


def _complain(text, status=1):
    sys.stderr.write("agentd: %s\n" % text)
    return status


def _prepare(options, settings):
    """Read the settings; options of the command line override them. Return the log."""
    settings.read()
    settings.listen = options.listen or settings.listen
    if not (local_socket.AVAILABLE or settings.listen or settings.dial):
        raise config.ConfigError(
            "cannot serve: on Windows controllers connect only by TLS, so give --listen, or set 'dial'"
        )
    try:
        return log.Log(options.log)
    except OSError as error:
        raise config.ConfigError("cannot write the log '%s': %s" % (options.log, error.strerror)) from None


def _serve(options, settings):
    # asyncio, imported last, reuses the memory that compiling the first modules took
    command_line.unload()
    from agentd import lock, methods, server  # noqa: F401

    journal = _prepare(options, settings)

    def ready():
        if options.ready_fd is not None:
            os.write(options.ready_fd, b"ready\n")
            os.close(options.ready_fd)

    try:
        server.serve(settings, journal, options.idle_exit, options.lifeline, ready)
    except lock.Taken:
        return _complain("cannot serve from %s: another agent is running there" % settings.home)
    return 0


def _guard(options, settings):
    from agentd import guard, lock

    journal = _prepare(options, settings)
    held = None
    try:
        held = lock.take(settings.guard_lock)
    except lock.Taken:
        return _complain("cannot guard %s: another guard is running there" % settings.home)
    except OSError:
        pass  # no folder yet, or a full disk: a guard is needed all the same
    words = program.own_words() + ["serve", "--home", settings.home]
    if options.listen:
        words += ["--listen", options.listen]
    guard.Guard(settings, words, journal).run()
    if held is not None:
        os.close(held)
    return 0


def _bridge(_, settings):
    from agentd import bridge

    try:
        bridge.join(settings.socket)
    except bridge.Unreachable as error:
        text = "cannot reach the agent at %s: %s; is it installed and running?" % (settings.socket, error)
        return _complain(text, UNREACHABLE)
    return 0


def _status(options, settings):
    from agentd import report

    try:
        report.show(settings.socket, options.json)
    except report.Unreachable as error:
        return _complain("cannot reach the agent at %s: %s" % (settings.socket, error), UNREACHABLE)
    return 0


_COMMANDS = {"serve": _serve, "guard": _guard, "bridge": _bridge, "status": _status}

if __name__ == "__main__":
    sys.exit(main())
