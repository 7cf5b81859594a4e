"""The script as a file: its types, its name, its end."""

import os
import stat

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
        if stat.S_ISREG(os.lstat(path).st_mode):
            os.unlink(path)
    except OSError:
        pass
