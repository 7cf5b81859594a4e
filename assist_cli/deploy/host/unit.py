"""The systemd unit of an installed agent, as text (docs/agent.md).

With ``KillMode=process`` and the shims' own sessions, scripts continue when the unit is stopped or restarted. The unit
does not limit memory or hide /tmp, because a script must see the machine as it is.
"""

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


def unit_text(home: str, *, root: bool) -> str:
    """Return the unit of the agent in ``home``: a system unit for root's agent, a user unit for another's."""
    return _UNIT.format(
        origin="Made by 'assist instance install'; overwritten by the next one.",
        scope="--system" if root else "--user",
        program="/bin/sh " + quoted(home + "/agentd"),
        target="multi-user.target" if root else "default.target",
    )


def packaged_unit(program: str) -> str:
    """Return the unit of the agent of a package, which is the program at this path."""
    return _UNIT.format(
        origin="From the package assist-agentd.", scope="--system", program=program, target="multi-user.target"
    )


def quoted(word: str) -> str:
    """Return a literal argument for a unit: without escapes, specifiers and variables (systemd.service(5)).

    It is not for the path of a program, in which systemd allows no quote or backslash.
    """
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return '"' + escaped + '"'
