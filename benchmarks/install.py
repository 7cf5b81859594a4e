"""Installing many agents: python -m benchmarks.install [--hosts N] (Linux, with sshd).

``assist instance install -f FILE`` against ``xargs -P12`` over single installs, on the same loopback addresses of one
sshd, one after the other in the same run. Each address has an agent's folder of its own. All agents are stopped and
their folders are deleted between the two.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from assist_cli.operations.controller import open_controller
from assist_cli.operations.fleet import instances
from assist_cli.paths import Home
from benchmarks import sshd
from benchmarks.measure import ASSIST
from benchmarks.report import Report, arguments
from tests.support import processes

HOSTS = 200
AT_ONCE = 12
OF_XARGS = 0.5  # of the wall time of xargs

_FORCED = """\
#!/bin/sh
set -- $SSH_CONNECTION
export ASSIST_AGENTD_HOME={agents}/$3
exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"
"""


def addresses(number: int) -> list[str]:
    return [f"127.20.{index // 200}.{index % 200 + 1}" for index in range(number)]


def timed(words: Sequence[str], environment: dict[str, str], stdin: str = "") -> float:
    """Run a program, and return its wall time. Its failure ends the benchmark."""
    began = time.monotonic()
    done = subprocess.run(words, env=environment, input=stdin.encode(), capture_output=True, check=False)
    wall = time.monotonic() - began
    if done.returncode:
        sys.exit(f"{words[:4]} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
    return wall


def measure(folder: Path, server: sshd.Server, hosts: list[str], *, at_once: bool) -> float:
    """Install on all hosts in a new home, and return the wall time."""
    home = folder / ("many" if at_once else "single")
    environment = {**os.environ, "HOME": str(folder), "ASSIST_HOME": str(home)}
    words = [ASSIST, "-q", "instance", "install", "--port", str(server.port), "--identity", str(server.key)]
    subprocess.run([ASSIST, "instance", "list"], env=environment, capture_output=True, check=True)  # makes the home
    if at_once:
        wall = timed([*words, "-f", "-"], environment, "\n".join(hosts))
    else:
        wall = timed(["xargs", f"-P{AT_ONCE}", "-n1", *words], environment, "\n".join(hosts))
    with open_controller(Home(home)) as controller:
        assert len(instances.listing(controller, instances.Selection(everything=True))) == len(hosts)
    for host in hosts:
        processes.stop_guarded(folder / "agents" / host)
    shutil.rmtree(folder / "agents")
    return wall


def main() -> None:
    parser = arguments(__file__, __doc__)
    parser.add_argument("--hosts", type=int, default=HOSTS)
    options = parser.parse_args()
    hosts = addresses(options.hosts)
    report = Report(f"Installing agents on {len(hosts)} hosts, one turn", options, ["OpenSSH"])
    with tempfile.TemporaryDirectory(prefix="assist-install-") as name:
        folder = Path(name)
        forced = folder / "forced"
        forced.write_text(_FORCED.format(agents=folder / "agents"))
        forced.chmod(0o755)
        with sshd.throw_away("0.0.0.0", more=f"ForceCommand {forced}\n") as server:
            if server is None:
                sys.exit("there is no sshd here")
            (folder / ".ssh").mkdir(mode=0o700)
            shutil.copy(server.folder / "known_hosts", folder / ".ssh" / "known_hosts")
            alone = measure(folder, server, hosts, at_once=False)
            together = measure(folder, server, hosts, at_once=True)
    xargs, install = f"`xargs -P{AT_ONCE}` over single installs", "`assist instance install -f`"
    report.figure(xargs, f"{alone:.1f} s")
    report.figure(install, f"{together:.1f} s")
    report.budget(f"{install}, against {xargs}", together / alone, OF_XARGS, " ×")
    report.end()


if __name__ == "__main__":
    main()
