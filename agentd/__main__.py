"""The ``agentd`` command: serve, guard, bridge, status."""

import argparse
import os
import sys

import agentd
from agentd import config, log, platform, program

local_socket = platform.load("local_socket")
system = platform.load("system")

UNREACHABLE = 69


def main(words=None):
    """Run one of the agent's commands; returns its exit status."""
    words = sys.argv[1:] if words is None else words
    system.prepare()
    if words == [program.CHILD]:
        platform.load("children").become_child()
    options = _parser().parse_args(words)
    try:
        return options.action(options, config.Config(options.home or system.default_home()))
    except config.ConfigError as error:
        return _complain(str(error))
    except OSError as error:
        return _complain("cannot go on: %s" % error)


def _parser():
    parser = argparse.ArgumentParser(prog="agentd", description="The agent of Assist: it runs what controllers send.")
    parser.add_argument("--version", action="version", version="agentd " + agentd.__version__)
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    actions.required = True

    def add(name, action, text):
        command = actions.add_parser(name, help=text, description=text)
        command.add_argument("--home", metavar="DIR", help="the agent's folder (default: %s)" % system.default_home())
        command.set_defaults(action=action)
        return command

    serve = add("serve", _serve, "be the agent: listen, run scripts, receive files")
    guard = add("guard", _guard, "start the agent, watch it, and start it again when it fails")
    for command in (serve, guard):
        command.add_argument("--listen", metavar="ADDRESS:PORT", help="also listen here, with mutual TLS 1.3")
        command.add_argument(
            "--log", metavar="FILE", help="append the log to FILE, and keep it short (default: stderr)"
        )
    serve.add_argument("--idle-exit", type=int, metavar="SECONDS", help="end after so long without work")
    serve.add_argument("--ready-fd", type=int, metavar="N", help="say 'ready' on this descriptor when it listens")
    serve.add_argument("--lifeline", type=int, metavar="N", help="end when this descriptor does")
    if local_socket.AVAILABLE:
        add("bridge", _bridge, "join standard input and output to the agent's socket")
        status = add("status", _status, "show how the agent is")
        status.add_argument("--json", action="store_true", help="as one object")
    return parser


def _complain(text, status=1):
    sys.stderr.write("agentd: %s\n" % text)
    return status


def _prepare(options, settings):
    """Read the settings, and let the words that we were started with count more. Returns the log."""
    settings.read()
    settings.listen = options.listen or settings.listen
    if not (local_socket.AVAILABLE or settings.listen):
        raise config.ConfigError("cannot serve: on Windows controllers come by TLS only, so tell where to --listen")
    return log.Log(options.log)


def _serve(options, settings):
    from agentd import lock, server

    journal = _prepare(options, settings)

    def ready():
        if options.ready_fd is not None:
            os.write(options.ready_fd, b"ready\n")
            os.close(options.ready_fd)

    try:
        server.serve(settings, journal, options.idle_exit, options.lifeline, ready)
    except lock.Taken:
        return _complain("cannot serve from %s: another agent runs there" % settings.home)
    return 0


def _guard(options, settings):
    from agentd import guard

    journal = _prepare(options, settings)
    words = program.own_words() + ["serve", "--home", settings.home]
    if options.listen:
        words += ["--listen", options.listen]
    guard.Guard(settings, words, journal).run()
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


if __name__ == "__main__":
    sys.exit(main())
