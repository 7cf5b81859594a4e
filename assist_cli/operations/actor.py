"""The actor on this machine, for the audit log: login, user id and origin."""

from __future__ import annotations

import functools
import os
import sys

from assist_cli.model.audit import Actor


@functools.cache
def local_actor() -> Actor:
    """The user of this process. The environment is trusted for the origin only, never for the user."""
    if sys.platform == "win32":
        import getpass
        import platform

        return Actor(getpass.getuser(), None, platform.node())
    uid = os.getuid()
    return Actor(_login_of(uid), uid, _origin(uid))


def _login_of(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _origin(uid: int) -> str:
    """The origin of the login, such as ``10.0.0.5, pts/3 of web1`` or ``bob by sudo, web1``."""
    terminal = _terminal()
    host = os.uname().nodename
    words = [f"{terminal} of {host}" if terminal else host]
    if peer := _ssh_peer():
        words.insert(0, peer)
    original = os.environ.get("SUDO_UID", "")
    if uid == 0 and original.isdecimal():
        words.insert(0, f"{_login_of(int(original))} by sudo")
    return ", ".join(words)


def _terminal() -> str:
    for descriptor in range(3):
        try:
            return os.ttyname(descriptor).removeprefix("/dev/")
        except OSError:
            continue
    return ""


def _ssh_peer() -> str:
    """The address of the client of this SSH session, from the environment; empty if there is none."""
    words = os.environ.get("SSH_CONNECTION", "").split()
    if not words:
        return ""
    import ipaddress

    try:
        return str(ipaddress.ip_address(words[0]))
    except ValueError:
        return ""
