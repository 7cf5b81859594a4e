"""The systemd units of an installed agent and of the server, as text (docs/agent.md, docs/schedules.md).

``KillMode=process`` and the shims' own sessions let scripts go on when the unit is stopped or restarted; nothing here
limits memory or hides /tmp, because a script is to see the machine as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

_UNIT = """\
# Made by 'assist instance install'; made anew when it is repeated. Changes belong into a drop-in:
# systemctl {scope} edit assist-agentd
[Unit]
Description=Agent of Assist, and its guard
After=network.target

[Service]
ExecStart=/bin/sh {program} guard
KillMode=process
Restart=always
RestartSec=5
PrivateTmp=no
TasksMax=infinity

[Install]
WantedBy={target}
"""


_SERVER = """\
# Made by 'assist service install'. Changes belong into a drop-in: systemctl {scope} edit assist
[Unit]
Description=Assist: fires what is due, and sees through what is open
After=network.target

[Service]
ExecStart={program}
Environment={home}
EnvironmentFile=-{environment}
KillMode=process
Restart=always
RestartSec=5

[Install]
WantedBy={target}
"""


def server_unit(words: Sequence[str], home: str, environment: str, *, root: bool) -> str:
    """The unit that runs the server of ``home`` with these words; ``environment`` is a file that need not exist.

    The agent of this machine, which a server may start, goes on when the unit is stopped, with what it runs.
    """
    return _SERVER.format(
        scope="--system" if root else "--user",
        program=" ".join(map(_quoted, words)),
        home=_without_variables(f"ASSIST_HOME={home}"),
        environment=environment.replace("%", "%%"),
        target="multi-user.target" if root else "default.target",
    )


def unit(home: str, *, root: bool) -> str:
    """The unit of the agent in ``home``: one of the system for root's agent, one of the user for another's."""
    return _UNIT.format(
        scope="--system" if root else "--user",
        program=_quoted(f"{home}/agentd"),
        target="multi-user.target" if root else "default.target",
    )


def _without_variables(word: str) -> str:
    """A quoted word of a setting where $ means nothing: escapes and specifiers do (systemd.exec(5))."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _quoted(word: str) -> str:
    """An argument in a unit that stands for itself: no escape, specifier or variable (systemd.service(5)).

    The path of a program could not be that: systemd allows no quote or backslash in it.
    """
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
