"""The file of a script and its command line (Windows): interpreter, folder, environment.

Batch and PowerShell each read the bytes of a script in their own way. Scripts arrive as UTF-8 and are saved in the form
that each of them reads correctly.
"""

import codecs
import os

from agentd import disk
from agentd.result import Refusal
from agentd.script import BAT, POWERSHELL, SHELL

PATH_VARIABLE = "ASSIST_SCRIPT"  # has the path of a Bat script
# The variables that a program may expect. Scripts do not get the rest of the agent's environment.
_INHERITED = (
    "ALLUSERSPROFILE", "APPDATA", "COMMONPROGRAMFILES", "COMMONPROGRAMFILES(X86)", "COMMONPROGRAMW6432",
    "COMPUTERNAME", "COMSPEC", "DRIVERDATA", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "LOGONSERVER",
    "NUMBER_OF_PROCESSORS", "OS", "PATH", "PATHEXT", "PROCESSOR_ARCHITECTURE", "PROCESSOR_ARCHITEW6432",
    "PROCESSOR_IDENTIFIER", "PROCESSOR_LEVEL", "PROCESSOR_REVISION", "PROGRAMDATA", "PROGRAMFILES",
    "PROGRAMFILES(X86)", "PROGRAMW6432", "PSMODULEPATH", "PUBLIC", "SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "TMP", "TZ",
    "USERDOMAIN", "WINDIR",
)  # fmt: skip


def command_words(kind, content, path):
    """Return the command line for the script at ``path``: a text, or a list for Python to join. Raises Refusal."""
    if kind == BAT:
        # With /s cmd removes the first and the last quote only. The path is in a variable, because cmd would replace a
        # %NAME% in it; the value of a variable is not replaced again.
        return '"%s" /d /q /s /c ""%%%s%%""' % (_system("cmd.exe"), PATH_VARIABLE)
    if kind == POWERSHELL:
        program = _system("WindowsPowerShell", "v1.0", "powershell.exe")
        if not os.path.exists(program):
            import shutil  # rarely needed, and a large import

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
    """Return ``content`` for cmd: CR LF line ends, or labels may not be found; no byte order mark, which would be a
    part of the first command."""
    if content.startswith(codecs.BOM_UTF8):
        content = content[len(codecs.BOM_UTF8) :]
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def as_powershell(content):
    """Return ``content`` for Windows PowerShell: UTF-8 beyond ASCII needs a byte order mark."""
    if content.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content
    try:
        return content if len(content.decode("utf-8")) == len(content) else codecs.BOM_UTF8 + content
    except UnicodeDecodeError:
        return content  # in another code page


def write_file(path, content, account):
    """Save the script as a new file in the agent's own folder. Nothing is overwritten.

    Return None and the path, see the function of POSIX. Raises Refusal (``ScriptFileExisted``, ``ExecutionException``).
    """
    if path.endswith(".bat"):
        content = as_batch(content)
    elif path.endswith(".ps1"):
        content = as_powershell(content)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = disk.patiently(os.open, path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
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
        disk.read_whole(path)  # a scanner holds a new file for a moment, and cmd does not wait for it
    except OSError as error:
        disk.patiently(os.unlink, path)
        raise Refusal("ExecutionException", "cannot save the script as '%s': %s" % (path, error.strerror)) from None
    return None, path


def working_directory(asked, account):
    """Return the folder to start in: the one given, else the system's.

    Raises Refusal (``WorkingDirectoryNotExist``) if the given one does not exist, or is on another machine.
    """
    if asked and asked.startswith(("\\\\", "//")):  # cmd would start in C:\Windows without an error
        info = "'%s' is a folder of another machine; use a drive of this instance, or pushd in the script" % asked
        raise Refusal("WorkingDirectoryNotExist", info)
    if asked and not os.path.isdir(asked):
        raise Refusal("WorkingDirectoryNotExist", "there is no folder '%s' on this instance" % asked)
    return asked or _system()


def environment(account, path, extra):
    """Return the system's and the user's variables, with ``extra``: the ids and the parameters of this run."""
    values = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    values.update(USERNAME=account.name, USERPROFILE=account.home)
    if path:
        values["PATH"] = path
    values.update(extra)
    return values
