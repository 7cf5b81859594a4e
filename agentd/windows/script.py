"""The file of a script and the words that run it (Windows): interpreter, folder, environment.

Batch and PowerShell read a script's bytes in their own ways; scripts arrive as UTF-8 and are saved in the form that
each of them reads right.
"""

import codecs
import os

from agentd import disk
from agentd.result import Refusal
from agentd.script import BAT, POWERSHELL, SHELL

# What a program may expect to find; the rest of the agent's own environment is not for scripts.
_INHERITED = (
    "ALLUSERSPROFILE", "APPDATA", "COMMONPROGRAMFILES", "COMMONPROGRAMFILES(X86)", "COMMONPROGRAMW6432",
    "COMPUTERNAME", "COMSPEC", "DRIVERDATA", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "LOGONSERVER",
    "NUMBER_OF_PROCESSORS", "OS", "PATH", "PATHEXT", "PROCESSOR_ARCHITECTURE", "PROCESSOR_ARCHITEW6432",
    "PROCESSOR_IDENTIFIER", "PROCESSOR_LEVEL", "PROCESSOR_REVISION", "PROGRAMDATA", "PROGRAMFILES",
    "PROGRAMFILES(X86)", "PROGRAMW6432", "PSMODULEPATH", "PUBLIC", "SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "TMP", "TZ",
    "USERDOMAIN", "WINDIR",
)  # fmt: skip


def command_words(kind, content, path):
    """The command line that runs the script at ``path``: a text, or words that Python joins. Raises Refusal."""
    if kind == BAT:
        # with /s cmd takes away the first and the last quote, and no other: whatever is in the path stays as it is
        return '"%s" /d /q /s /c ""%s""' % (_system("cmd.exe"), path)
    if kind == POWERSHELL:
        program = _system("WindowsPowerShell", "v1.0", "powershell.exe")
        if not os.path.exists(program):
            import shutil  # rarely needed, and it brings much along

            program = shutil.which("pwsh")
        if program is None:
            raise Refusal("CommandNotApplicable", "a PowerShell script needs PowerShell and this instance has none")
        options = ["-NoLogo", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Bypass"]
        return [program] + options + ["-File", path]
    if kind == SHELL:
        raise Refusal("CommandNotApplicable", "a shell script does not run on Windows")
    raise Refusal("CommandNotApplicable", "this agent knows no script type '%s'" % kind)


def _system(*names):
    return os.path.join(os.environ.get("SYSTEMROOT", "C:\\Windows"), "System32", *names)


def as_batch(content):
    """``content`` as cmd reads it right: each line ended by CR and LF, or a label may not be found; no mark at the
    beginning, which would be part of the first command."""
    if content.startswith(codecs.BOM_UTF8):
        content = content[len(codecs.BOM_UTF8) :]
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def as_powershell(content):
    """``content`` as Windows PowerShell reads it right: UTF-8 beyond ASCII needs its mark at the beginning."""
    if content.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content
    try:
        return content if len(content.decode("utf-8")) == len(content) else codecs.BOM_UTF8 + content
    except UnicodeDecodeError:
        return content  # in some code page of its own


def write_file(path, content, account):
    """Save the script as a new file in the agent's own folder; whatever is there already stays untouched.

    Raises Refusal (``ScriptFileExisted``, ``ExecutionException``).
    """
    if path.endswith(".bat"):
        content = as_batch(content)
    elif path.endswith(".ps1"):
        content = as_powershell(content)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
    except FileExistsError:
        info = "'%s' exists already and is not overwritten" % path
        raise Refusal("ScriptFileExisted", info) from None
    except OSError as error:
        raise Refusal("ExecutionException", "cannot save the script as '%s': %s" % (path, error.strerror)) from None
    try:
        try:
            disk.write_all(descriptor, content)
        finally:
            os.close(descriptor)
    except OSError as error:
        os.unlink(path)
        raise Refusal("ExecutionException", "cannot save the script as '%s': %s" % (path, error.strerror)) from None


def working_directory(asked, account):
    """The folder to start in: the one asked for, else the system's.

    Raises Refusal (``WorkingDirectoryNotExist``) when one was asked for and is not there.
    """
    if asked and not os.path.isdir(asked):
        raise Refusal("WorkingDirectoryNotExist", "there is no folder '%s' on this instance" % asked)
    return asked or _system()


def environment(account, path, extra):
    """The system's variables and who we are, and on top of them ``extra``: the ids and the parameters of this run."""
    values = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    values.update(USERNAME=account.name, USERPROFILE=account.home)
    if path:
        values["PATH"] = path
    values.update(extra)
    return values
