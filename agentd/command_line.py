"""The command line of the agent: its commands and their options."""

import gc
import re
import sys
import types

import agentd
from agentd import platform

local_socket = platform.load("local_socket")
system = platform.load("system")


def parse(words):
    """Return the command and its options as attributes. For invalid words, end the process as argparse does."""
    import argparse

    def form(prog):
        # without a width argparse loads half a MiB of modules for each option, to find that of the terminal
        return argparse.HelpFormatter(prog, width=78)

    description = "The agent of Assist: it runs the scripts and receives the files of controllers."
    parser = argparse.ArgumentParser(prog="agentd", description=description, formatter_class=form)
    parser.add_argument("--version", action="version", version="agentd " + agentd.__version__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    commands.required = True

    def add(name, text):
        command = commands.add_parser(name, help=text, description=text, formatter_class=form)
        command.add_argument("--home", metavar="DIR", help="the agent's folder (default: %s)" % system.default_home())
        return command

    serve = add("serve", "run the agent: listen, run scripts, receive files")
    guard = add("guard", "start the agent, monitor it, and restart it after a failure")
    for command in (serve, guard):
        command.add_argument(
            "--listen", metavar="ADDRESS:PORT", help="also listen at this address, with mutual TLS 1.3"
        )
        command.add_argument(
            "--log", metavar="FILE", help="append the log to FILE, and limit its size (default: stderr)"
        )
    serve.add_argument("--idle-exit", type=int, metavar="SECONDS", help="exit after SECONDS without work")
    serve.add_argument("--ready-fd", type=int, metavar="N", help="write 'ready' to descriptor N after start")
    serve.add_argument("--lifeline", type=int, metavar="N", help="exit when descriptor N is closed")
    if local_socket.AVAILABLE:
        add("bridge", "join standard input and output to the agent's socket")
        add("status", "show the state of the agent").add_argument(
            "--json", action="store_true", help="print one JSON object"
        )
    return types.SimpleNamespace(**vars(parser.parse_args(words)))


def unload():
    """Unload argparse and its patterns: an agent needs them once, and other modules reuse the 0.4 MiB."""
    for name in ("argparse", "gettext"):
        sys.modules.pop(name, None)
    re.purge()
    gc.collect()
