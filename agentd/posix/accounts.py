"""The user that a script runs as (POSIX)."""

import os
import pwd

from agentd.result import Refusal


class Account:
    """A user: name, uid, gid, groups, home, shell; ``switch`` if it is not the agent's own user."""

    def __init__(self, username):
        try:
            entry = pwd.getpwnam(username) if username else pwd.getpwuid(os.geteuid())
        except KeyError:
            if username:
                raise Refusal("AccountNotExists", "there is no user '%s' on this instance" % username) from None
            # in a container, a uid may have no name
            entry = pwd.struct_passwd((str(os.geteuid()), "", os.geteuid(), os.getegid(), "", "/", "/bin/sh"))
        self.name, self.uid, self.gid = entry.pw_name, entry.pw_uid, entry.pw_gid
        self.home, self.shell = entry.pw_dir, entry.pw_shell or "/bin/sh"
        self.switch = self.uid != os.geteuid()
        if self.switch and os.geteuid() != 0:
            info = "the agent runs as uid %d and only root can run a script as '%s'" % (os.geteuid(), username)
            raise Refusal("ExecutionException", info)
        self.groups = os.getgrouplist(self.name, self.gid) if self.switch else []

    def can_enter(self, folder):
        """Return True if this user can work in ``folder``. Checked with its rights, because the agent may have more."""
        if not self.switch:
            return os.path.isdir(folder) and os.access(folder, os.X_OK)
        uid, gid, groups = os.geteuid(), os.getegid(), os.getgroups()
        try:
            os.setgroups(self.groups)
            os.setegid(self.gid)
            os.seteuid(self.uid)
            return os.path.isdir(folder) and os.access(folder, os.X_OK, effective_ids=True)
        finally:
            os.seteuid(uid)
            os.setegid(gid)
            os.setgroups(groups)

    def become(self, folder):
        """Change to this user and then enter ``folder``: the user may have replaced it.

        Called in the child, before it starts the interpreter. Raises OSError.
        """
        os.setgroups(self.groups)
        os.setgid(self.gid)
        os.setuid(self.uid)
        os.chdir(folder)
