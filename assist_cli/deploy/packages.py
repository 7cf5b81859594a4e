"""Packages for Debian and for RPM systems: of the agent, and of ``assist`` as one file.

Run it as ``python -m assist_cli.deploy.packages CHECKOUT DIST``, where DIST has ``agentd.pyz`` and ``assist``, and gets
the packages. dpkg-deb and rpmbuild make them. The same files give the same bytes: one time, one owner, sorted names.

An agent of a package is ``/usr/bin/agentd``, with the usual folder ``/var/lib/assist-agentd``. An agent that a
controller has installed there takes precedence, because its unit in ``/etc`` does.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from assist_cli import __version__
from assist_cli.deploy.host import unit

TIME = "315532800"  # 1980-01-01, the time of all files; seconds since the epoch
AGENT = "assist-agentd"
_HOME = "/var/lib/assist-agentd"
_OF_ZSH = "/usr/share/zsh/vendor-completions/"  # in Debian
_LAUNCHER = b'#!/bin/sh\nexec /usr/bin/python3 -I -S /usr/lib/assist-agentd/agentd.pyz "$@"\n'

_RUNNING = "[ -d /run/systemd/system ]"  # the service manager runs; in a chroot it does not
_OWN = f"[ ! -e {_HOME}/agentd.pyz ]"  # false if a controller has installed the agent there, with a unit in /etc

# The agent is enabled once, so that one that was disabled stays so. Its scripts go on while it restarts.
_AGENT_SCRIPTS = {
    "installed": f"""\
if command -v systemctl >/dev/null 2>&1 && {_OWN}; then systemctl enable --quiet {AGENT}.service; fi
if {_RUNNING}; then
    systemctl daemon-reload
    if {_OWN}; then systemctl start {AGENT}.service; fi
else
    echo "{AGENT}: systemd does not run here, so the agent was not started: setsid agentd guard &"
fi
""",
    "upgraded": f"""\
if {_RUNNING}; then
    systemctl daemon-reload
    if {_OWN} && systemctl is-enabled --quiet {AGENT}.service; then systemctl restart {AGENT}.service; fi
fi
""",
    "removing": f"""\
if {_RUNNING} && {_OWN}; then systemctl stop {AGENT}.service; fi
""",
    "disabled": f"""\
if command -v systemctl >/dev/null 2>&1 && {_OWN}; then systemctl disable --quiet {AGENT}.service; fi
""",
    "removed": f"""\
if {_RUNNING}; then systemctl daemon-reload; fi
""",
    "purged": f"""\
if {_OWN}; then
    rm -f /etc/systemd/system/multi-user.target.wants/{AGENT}.service
    rm -rf {_HOME}
fi
""",
}


@dataclass(frozen=True)
class Package:
    """A package: ``files`` by path, each with its mode; ``python`` is the oldest version of Python 3 that it needs.

    ``architecture`` is the word of ``uname -m``, or empty for any. ``scripts`` are shell commands by the moment at
    which they run: installed, upgraded, removing, removed; disabled (RPM, before the removal); purged (Debian).
    """

    name: str
    summary: str
    description: str
    python: int
    files: Mapping[str, tuple[bytes, int]]
    architecture: str = ""
    scripts: Mapping[str, str] = field(default_factory=dict)


def agent(archive: bytes, license_text: bytes) -> Package:
    """Return the package of the agent."""
    files = {
        "/usr/bin/agentd": (_LAUNCHER, 0o755),
        "/usr/lib/assist-agentd/agentd.pyz": (archive, 0o644),
        f"/usr/lib/systemd/system/{AGENT}.service": (unit.packaged_unit("/usr/bin/agentd").encode(), 0o644),
        f"/usr/share/doc/{AGENT}/copyright": (license_text, 0o644),
    }
    text = "Runs scripts and receives files of the controllers of this machine, and keeps their results."
    return Package(AGENT, "agent of Assist", text, 6, files, scripts=_AGENT_SCRIPTS)


def controller(program: bytes, checkout: Path, license_text: bytes) -> Package:
    """Return the package of ``assist``, with its man pages and completions."""
    files = {
        "/usr/bin/assist": (program, 0o755),
        "/usr/share/bash-completion/completions/assist": (_read(checkout, "completions/assist.bash"), 0o644),
        f"{_OF_ZSH}_assist": (_read(checkout, "completions/assist.zsh"), 0o644),
        "/usr/share/fish/vendor_completions.d/assist.fish": (_read(checkout, "completions/assist.fish"), 0o644),
        "/usr/share/doc/assist/copyright": (license_text, 0o644),
    }
    for page in sorted(checkout.glob("docs/man/*.1")):
        files[f"/usr/share/man/man1/{page.name}.gz"] = (gzip.compress(page.read_bytes(), mtime=0), 0o644)
    text = "Runs scripts on machines, sends files to them and keeps periodic jobs, with a history of every run."
    return Package("assist", "self-hosted Cloud Assistant", text, 10, files, platform.machine())


def _read(checkout: Path, name: str) -> bytes:
    return (checkout / name).read_bytes()


def debian(package: Package, target: Path, version: str = __version__) -> Path:
    """Build a .deb with dpkg-deb in the folder ``target``, and return its path. Raises CalledProcessError."""
    words = ["dpkg", "--print-architecture"]
    architecture = subprocess.check_output(words, text=True).strip() if package.architecture else "all"
    path = target / f"{package.name}_{version}_{architecture}.deb"
    with _tree(package) as root:
        control = (
            f"Package: {package.name}\nVersion: {version}\nArchitecture: {architecture}\n"
            f"Maintainer: The Assist developers <assist@localhost>\nDepends: python3 (>= 3.{package.python})"
            f"{', libc6 (>= ' + _glibc() + ')' if package.architecture else ''}\n"
            f"Section: admin\nPriority: optional\nDescription: {package.summary}\n {package.description}\n"
        )
        folder = root / "DEBIAN"
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask
        _write(folder / "control", control.encode(), 0o644)
        for name, text in _debian_scripts(package.scripts):
            _write(folder / name, f"#!/bin/sh\nset -e\n{text}".encode(), 0o755)
        words = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(root), str(path)]
        subprocess.run(words, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": TIME}, stdout=subprocess.DEVNULL)
    return path


def _debian_scripts(scripts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the maintainer scripts: name and text (Debian Policy, chapter 6).

    A removed package stays enabled until it is purged: installed again, it has the version before as in an upgrade.
    """
    if scripts:
        both = f'if [ -z "$2" ]; then\n{scripts["installed"]}else\n{scripts["upgraded"]}fi\n'
        yield "postinst", f'[ "$1" = configure ] || exit 0\n{both}'
        yield "prerm", f'[ "$1" = remove ] || exit 0\n{scripts["removing"]}'
        ends = f"remove)\n{scripts['removed']};;\npurge)\n{scripts['purged']};;\n"
        yield "postrm", f'case "$1" in\n{ends}esac\n'


def rpm(package: Package, target: Path, version: str = __version__) -> Path:
    """Build a .rpm with rpmbuild in the folder ``target``, and return its path. Raises CalledProcessError."""
    architecture = package.architecture or "noarch"
    with _tree(package) as root, tempfile.TemporaryDirectory() as top:
        spec = Path(top) / "package.spec"
        spec.write_text(_spec(package, version, architecture, root), encoding="utf-8")
        defined = {
            "_topdir": top,
            "_rpmdir": top,
            "_buildhost": "localhost",
            "_build_name_fmt": "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm",
            "use_source_date_epoch_as_buildtime": "1",
            "clamp_mtime_to_source_date_epoch": "1",
            "__os_install_post": "%{nil}",  # no bytecode, no stripping: the files stay as they are
            "_build_id_links": "none",
        }
        words = ["rpmbuild", "-bb", "--quiet", "--target", architecture]
        for name, value in defined.items():
            words += ["--define", f"{name} {value}"]
        subprocess.run([*words, str(spec)], check=True, env={**os.environ, "SOURCE_DATE_EPOCH": TIME})
        (built,) = Path(top).glob("*.rpm")
        return Path(shutil.move(built, target / built.name))


def _spec(package: Package, version: str, architecture: str, root: Path) -> str:
    scripts = package.scripts
    sections = ""
    if scripts:
        sections = (
            f'%post\nif [ "$1" = 1 ]; then\n{scripts["installed"]}else\n{scripts["upgraded"]}fi\n'
            f'%preun\nif [ "$1" = 0 ]; then\n{scripts["removing"]}{scripts["disabled"]}fi\n'
            f'%postun\nif [ "$1" = 0 ]; then\n{scripts["removed"]}fi\n'
        )
    files = "".join(f"%attr({mode:04o}, root, root) {path}\n" for path, (_, mode) in sorted(package.files.items()))
    folders = sorted({str(parent) for path in package.files if (parent := Path(path).parent).name == package.name})
    files += "".join(f"%dir %attr(0755, root, root) {folder}\n" for folder in folders)
    files = files.replace(_OF_ZSH, "/usr/share/zsh/site-functions/")
    stage = f"cp -a {root}/. %{{buildroot}}\n"
    if _OF_ZSH in str(package.files):
        stage += f"cd %{{buildroot}}/usr/share/zsh && mv {Path(_OF_ZSH).name} site-functions\n"
    needs = f"Requires: python3 >= 3.{package.python}\n"
    if package.architecture:
        needs += f"Requires: glibc >= {_glibc()}\n"
    return (
        f"Name: {package.name}\nVersion: {version}\nRelease: 1\nSummary: {package.summary}\nLicense: Apache-2.0\n"
        f"BuildArch: {architecture}\nAutoReqProv: no\n{needs}"
        f"%description\n{package.description}\n"
        f"%install\nmkdir -p %{{buildroot}}\n{stage}"
        f"{sections}%files\n{files}"
    )


@contextlib.contextmanager
def _tree(package: Package) -> Iterator[Path]:
    """Write the files of a package below a folder, which exists during the block."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        for name, (data, mode) in package.files.items():
            _write(root / name[1:], data, mode)
        for path in [root, *root.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
        yield root


def _write(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def _glibc() -> str:
    """Return the version of the C library of this machine, which the parts in machine code need."""
    return (os.confstr("CS_GNU_LIBC_VERSION") or "glibc 2.17").split()[1]


def main(checkout: Path, target: Path) -> None:
    """Build all packages for the files in ``target``."""
    license_text = (checkout / "LICENSE").read_bytes()
    made = [agent((target / "agentd.pyz").read_bytes(), license_text)]
    made.append(controller((target / "assist").read_bytes(), checkout, license_text))
    for package in made:
        debian(package, target)
        rpm(package, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
