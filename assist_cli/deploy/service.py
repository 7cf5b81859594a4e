"""The systemd unit of an installed agent, as text (docs/agent.md).

``KillMode=process`` and the shims' own sessions let scripts go on when the unit is stopped or restarted; nothing here
limits memory or hides /tmp, because a script is to see the machine as it is.
"""

from __future__ import annotations

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


def unit(home: str, *, root: bool) -> str:
    """The unit of the agent in ``home``: one of the system for root's agent, one of the user for another's."""
    return _UNIT.format(
        scope="--system" if root else "--user",
        program=_quoted(f"{home}/agentd"),
        target="multi-user.target" if root else "default.target",
    )


def _quoted(word: str) -> str:
    """An argument in a unit that stands for itself: no escape, specifier or variable (systemd.service(5)).

    The path of a program could not be that: systemd allows no quote or backslash in it.
    """
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
