"""The script as a file: its types and its name."""

import os

SHELL = "RunShellScript"
BAT = "RunBatScript"
POWERSHELL = "RunPowerShellScript"

_ENDINGS = {SHELL: ".sh", BAT: ".bat", POWERSHELL: ".ps1"}


def file_path(folder, record, kind, ending=""):
    """Return where the script of ``record`` is put; PowerShell and cmd, or a launcher, go by the ending of the name."""
    return os.path.join(folder, "assist-%s%s" % (record, ending or _ENDINGS.get(kind, "")))
