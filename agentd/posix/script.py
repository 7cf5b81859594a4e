"""The file of a script and its command line (POSIX): interpreter, user, folder, environment.

All of this may block (user look-ups, disks) and runs only in the shim, never in the agent.
"""

import os

from agentd.posix import _new_file, permissions
from agentd.result import Refusal
from agentd.script import BAT, POWERSHELL, SHELL


def command_words(kind, content, path):
    """Return the argv for the script at ``path``. It names the interpreter, so a noexec folder is no obstacle.

    Raises Refusal (``CommandNotApplicable``, ``ExecutionException``).
    """
    if kind == BAT:
        raise Refusal("CommandNotApplicable", "a Bat script runs on Windows only")
    if kind == POWERSHELL:
        import shutil  # rarely needed, and a large import

        program = shutil.which("pwsh")
        if program is None:
            raise Refusal("CommandNotApplicable", "a PowerShell script needs 'pwsh' and this instance has none")
        return [program, "-NoLogo", "-NoProfile", "-NonInteractive", "-File", path]
    if kind != SHELL:
        raise Refusal("CommandNotApplicable", "this agent knows no script type '%s'" % kind)
    if not content.startswith(b"#!"):
        return ["/bin/sh", path]
    line = os.fsdecode(content[2:].split(b"\n", 1)[0])
    if line.endswith("\r"):
        info = "the script's first line names the interpreter '%s\\r': its lines end in CR LF, and not in LF"
        raise Refusal("ExecutionException", info % line.strip())
    words = line.strip().split(None, 1)
    if not words:
        return ["/bin/sh", path]
    if not os.path.exists(words[0]):
        raise Refusal("ExecutionException", "the interpreter '%s' of the script's first line does not exist" % words[0])
    return words + [path]


def write_file(path, content, account):
    """Save the script at the absolute ``path``: a new file, mode 0700, of ``account``. Nothing is overwritten.

    Return the open folder and the name in it, to remove the script later. It is not synced: after a power cut nobody
    needs it. Raises Refusal: ``ScriptFileExisted``; ``ExecutionException``, also if others can replace files in the
    folder.
    """
    folder, name = os.path.split(path)
    owner = (account.uid, account.gid if account.switch else os.getegid())
    try:
        place = permissions.walk(folder, private=True)
        try:
            if not place.keeps:
                raise permissions.UntrustedPath("another user can replace files in this folder", folder)
            os.close(_new_file.write_new(place.descriptor, name, content, owner, 0o700))
        except BaseException:
            place.close()
            raise
        return place.descriptor, name
    except FileExistsError:
        info = "'%s' exists already and is not overwritten" % path
        raise Refusal("ScriptFileExisted", info) from None
    except OSError as error:
        raise Refusal("ExecutionException", "cannot save the script as '%s': %s" % (path, error.strerror)) from None


def working_directory(asked, account):
    """Return the folder to start in: the one given, else the user's home, else ``/``.

    Raises Refusal (``WorkingDirectoryNotExist``) if the given one does not exist or the user cannot enter it.
    """
    if asked:
        if not os.path.isdir(asked):
            raise Refusal("WorkingDirectoryNotExist", "there is no folder '%s' on this instance" % asked)
        if not account.can_enter(asked):
            raise Refusal("WorkingDirectoryNotExist", "user '%s' cannot enter the folder '%s'" % (account.name, asked))
        return asked
    return account.home if account.can_enter(account.home) else "/"


def environment(account, path, extra):
    """Return a clean environment like that of a login, with ``extra``: the ids and the parameters of this run."""
    values = {
        "HOME": account.home,
        "USER": account.name,
        "LOGNAME": account.name,
        "SHELL": account.shell,
        "PATH": path,
        "LANG": os.environ.get("LANG") or "C.UTF-8",
    }
    if os.environ.get("TZ"):
        values["TZ"] = os.environ["TZ"]
    values.update(extra)
    return values
