"""The script as a file: its types, its name, its end."""

import os
import stat

from agentd import platform

permissions = platform.load("permissions")

SHELL = "RunShellScript"
BAT = "RunBatScript"
POWERSHELL = "RunPowerShellScript"

_ENDINGS = {SHELL: ".sh", BAT: ".bat", POWERSHELL: ".ps1"}


def file_path(folder, record, kind):
    """Return where the script of ``record`` is put; PowerShell and cmd go by the ending of the name."""
    return os.path.join(folder, "assist-%s%s" % (record, _ENDINGS.get(kind, "")))


def remove_file(path):
    """Take the script away; only a plain file of that name, and it is no error when there is none."""
    try:
        with permissions.parent(path) as (folder, name):
            if stat.S_ISREG(os.lstat(name, dir_fd=folder).st_mode):
                os.unlink(name, dir_fd=folder)
    except OSError:
        pass
