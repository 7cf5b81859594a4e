"""The ``agentd`` command: serve, bridge, guard, status."""

import argparse
import os
import sys

import agentd
from agentd import config


def main(words=None):
    """Run one of the agent's commands; returns its exit status."""
    options = _parser().parse_args(words)
    try:
        return options.action(options, config.Config(options.home or config.default_home()))
    except config.ConfigError as error:
        return _complain(str(error))
    except OSError as error:
        return _complain("cannot go on: %s" % error)


def _parser():
    parser = argparse.ArgumentParser(prog="agentd", description="The agent of Assist: runs what controllers send.")
    parser.add_argument("--version", action="version", version="agentd " + agentd.__version__)
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    actions.required = True
    for name, action, text in (("serve", _serve, "be the agent: listen, run scripts, receive files"),):
        command = actions.add_parser(name, help=text, description=text)
        command.add_argument("--home", metavar="DIR", help="the folder of the agent (default: %s)" % config.default_home())
        command.set_defaults(action=action)
        if name == "serve":
            command.add_argument("--idle-exit", type=int, metavar="SECONDS", help="end after so long without work")
            command.add_argument("--ready-fd", type=int, metavar="N", help="say 'ready' on this descriptor")
            command.add_argument("--log", metavar="FILE", help="append the log to FILE (default: standard error)")
    return parser


def _complain(text):
    sys.stderr.write("agentd: %s\n" % text)
    return 1


def _serve(options, settings):
    from agentd import server

    if options.log:
        descriptor = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(descriptor, 2)
        os.close(descriptor)

    def ready():
        if options.ready_fd is not None:
            os.write(options.ready_fd, b"ready\n")
            os.close(options.ready_fd)

    try:
        server.serve(settings, options.idle_exit, ready)
    except server.Taken:
        return _complain("cannot serve from %s: another agent runs there" % settings.home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
