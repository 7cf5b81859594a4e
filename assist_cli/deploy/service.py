"""The systemd units of an installed agent and of the server, as text (docs/agent.md, docs/schedules.md).

With ``KillMode=process`` and the shims' own sessions, scripts continue when the unit is stopped or restarted. The unit
does not limit memory or hide /tmp, because a script must see the machine as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

_UNIT = """\
# {origin} Put changes into a drop-in:
# systemctl {scope} edit assist-agentd
[Unit]
Description=Assist agent and its guard
After=network.target

[Service]
ExecStart={program} guard
KillMode=process
Restart=always
RestartSec=5
PrivateTmp=no
TasksMax=infinity

[Install]
WantedBy={target}
"""


_SERVER = """\
# Made by 'assist service install'. Put changes into a drop-in: systemctl {scope} edit assist
[Unit]
Description=Assist server: fires schedules and recovers records
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
    """Return the unit that runs the server of ``home`` with this command; the file ``environment`` may be missing.

    The agent of this machine, which a server may start, keeps running with its scripts when the unit is stopped.
    """
    return _SERVER.format(
        scope="--system" if root else "--user",
        program=" ".join(map(_quoted, words)),
        home=_without_variables(f"ASSIST_HOME={home}"),
        environment=environment.replace("%", "%%"),
        target="multi-user.target" if root else "default.target",
    )


def unit(home: str, *, root: bool) -> str:
    """Return the unit of the agent in ``home``: a system unit for root's agent, a user unit for another's."""
    return _UNIT.format(
        origin="Made by 'assist instance install'; overwritten by the next one.",
        scope="--system" if root else "--user",
        program=f"/bin/sh {_quoted(f'{home}/agentd')}",
        target="multi-user.target" if root else "default.target",
    )


def packaged_unit(program: str) -> str:
    """Return the unit of the agent of a package, which is the program at this path."""
    return _UNIT.format(
        origin="From the package assist-agentd.", scope="--system", program=program, target="multi-user.target"
    )


def _without_variables(word: str) -> str:
    """Return a quoted value of a setting in which $ is literal; escapes and specifiers work (systemd.exec(5))."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _quoted(word: str) -> str:
    """Return a literal argument for a unit: without escapes, specifiers and variables (systemd.service(5)).

    It is not for the path of a program, in which systemd allows no quote or backslash.
    """
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
