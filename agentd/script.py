"""The script as a file: its types and its name."""

import os

SHELL = "RunShellScript"
BAT = "RunBatScript"
POWERSHELL = "RunPowerShellScript"

_ENDINGS = {SHELL: ".sh", BAT: ".bat", POWERSHELL: ".ps1"}


def file_path(folder, record, kind, ending=""):
    """Return the path of the script of ``record``. PowerShell, cmd and launchers depend on the ending of the name."""
    return os.path.join(folder, "assist-%s%s" % (record, ending or _ENDINGS.get(kind, "")))
