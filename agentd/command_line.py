"""The words that start the agent: its commands and their options."""

import gc
import re
import sys
import types

import agentd
from agentd import platform

local_socket = platform.load("local_socket")
system = platform.load("system")


def parse(words):
    """Return the command and its options as attributes; ends the process as argparse does when there is none such."""
    import argparse

    def form(prog):
        # without a width each option that is added looks for that of the terminal, by half a MiB of modules
        return argparse.HelpFormatter(prog, width=78)

    description = "The agent of Assist: it runs what controllers send."
    parser = argparse.ArgumentParser(prog="agentd", description=description, formatter_class=form)
    parser.add_argument("--version", action="version", version="agentd " + agentd.__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    commands.required = True

    def add(name, text):
        command = commands.add_parser(name, help=text, description=text, formatter_class=form)
        command.add_argument("--home", metavar="DIR", help="the agent's folder (default: %s)" % system.default_home())
        return command

    serve = add("serve", "be the agent: listen, run scripts, receive files")
    guard = add("guard", "start the agent, watch it, and start it again when it fails")
    for command in (serve, guard):
        command.add_argument("--listen", metavar="ADDRESS:PORT", help="also listen here, with mutual TLS 1.3")
        command.add_argument(
            "--log", metavar="FILE", help="append the log to FILE, and keep it short (default: stderr)"
        )
    serve.add_argument("--idle-exit", type=int, metavar="SECONDS", help="end after so long without work")
    serve.add_argument("--ready-fd", type=int, metavar="N", help="say 'ready' on this descriptor when it listens")
    serve.add_argument("--lifeline", type=int, metavar="N", help="end when this descriptor does")
    if local_socket.AVAILABLE:
        add("bridge", "join standard input and output to the agent's socket")
        add("status", "show how the agent is").add_argument("--json", action="store_true", help="as one object")
    return types.SimpleNamespace(**vars(parser.parse_args(words)))


def unload():
    """Forget argparse and its patterns: an agent needs them once, and what is loaded next uses the 0.4 MiB again."""
    for name in ("argparse", "gettext"):
        sys.modules.pop(name, None)
    re.purge()
    gc.collect()
