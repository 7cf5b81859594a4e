"""The systemd unit of the server, as text (docs/schedules.md). ``host.unit`` has that of an agent."""

from __future__ import annotations

from collections.abc import Sequence

from assist_cli.deploy.host.unit import quoted

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
        program=" ".join(map(quoted, words)),
        home=_without_variables(f"ASSIST_HOME={home}"),
        environment=environment.replace("%", "%%"),
        target="multi-user.target" if root else "default.target",
    )


def _without_variables(word: str) -> str:
    """Return a quoted value of a setting in which $ is literal; escapes and specifiers work (systemd.exec(5))."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
